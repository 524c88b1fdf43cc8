//! A checkpoint in 255 decimal digits: as many as the numeric mode of a QR code of version 5 (37 modules a side) holds at error
//! correction level L, which with its quiet zone is drawn in 23 rows and 45 columns of half blocks.
//!
//! | digits | | |
//! | --- | --- | --- |
//! | 1 | format | `1` |
//! | 10 | key | the key's id as a number: the first 32 bits of a hash over its name, which is the origin, and the key |
//! | 11 | size | the number of records |
//! | 78 | root | its 32 octets as one number, the first octet the highest |
//! | 155 | signature | the 64 octets of the Ed25519 signature likewise |
//!
//! Each number is filled up with zeros on the left. Whoever knows the verifier key makes the note again: its text is the key's
//! name, the size and the root. White space between digits means nothing, so that they can be printed in groups and typed.

use std::fmt;
use std::str::FromStr;

use countersign_shared::digest::Digest;

use crate::checkpoint::{Checkpoint, Log, NotOfLog, SignedCheckpoint};
use crate::note::{Algorithm, KeyId, NoteError, SignatureLine, VerifierKey};

/// How many digits there are.
pub const DIGITS: usize = FORMAT + KEY + SIZE + ROOT + SIGNATURE;

const FORMAT: usize = 1;
const KEY: usize = 10;
const SIZE: usize = 11;
const ROOT: usize = 78;
const SIGNATURE: usize = 155;

/// The largest tree that the form has room for.
pub const LARGEST: u64 = 99_999_999_999;

/// See the [module](self). Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortForm {
    key: KeyId,
    size: u64,
    root: Digest,
    signature: [u8; 64],
}

/// Why there is no short form of a checkpoint, or none in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortFormError {
    /// The checkpoint has lines, an origin or a size that the form has no room for.
    NoRoom,
    /// The key has not signed the checkpoint.
    NotSigned,
    /// The text has another number of digits, or other characters.
    Digits,
    /// The first digit names another format.
    Format,
    /// A number is larger than what it stands for can be: a digit is wrong.
    Range,
}

impl fmt::Display for ShortFormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => write!(
                f,
                "the short form is for checkpoints whose origin is their key's name, without extension lines, of at most \
                 {LARGEST} records"
            ),
            Self::NotSigned => f.write_str("the key has not signed this checkpoint"),
            Self::Digits => write!(f, "the short form of a checkpoint is {DIGITS} digits"),
            Self::Format => f.write_str("the first digit is not 1: a format that is not known here"),
            Self::Range => f.write_str("a number is out of range: a digit is wrong"),
        }
    }
}

impl std::error::Error for ShortFormError {}

impl ShortForm {
    /// The short form of a checkpoint, with the signature that `key` put to it; the signature is not verified here.
    pub fn of(signed: &SignedCheckpoint, key: &VerifierKey) -> Result<Self, ShortFormError> {
        let checkpoint = signed.checkpoint();
        let fits = key.algorithm() == Algorithm::Ed25519
            && checkpoint.origin() == key.name().as_str()
            && checkpoint.extensions().is_empty()
            && checkpoint.size() <= LARGEST;
        if !fits {
            return Err(ShortFormError::NoRoom);
        }
        let mut lines = signed.note().signatures().iter();
        let line = lines.find(|line| (line.name(), line.id()) == (key.name(), key.id()));
        let signature = line.and_then(|line| line.signature().try_into().ok()).ok_or(ShortFormError::NotSigned)?;
        Ok(Self { key: key.id(), size: checkpoint.size(), root: checkpoint.root(), signature })
    }

    /// The id of the key that is said to have signed.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// How many records, as it says.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The checkpoint as a note, as `key` would have signed it. Whether it did is another question.
    pub fn expand(&self, key: &VerifierKey) -> Result<SignedCheckpoint, NoteError> {
        let mut signed = SignedCheckpoint::unsigned(key.name(), self.size, self.root)?;
        signed.add(SignatureLine::new(key.name().clone(), self.key, self.signature.to_vec()))?;
        Ok(signed)
    }

    /// The checkpoint, once it is verified to be signed by a key of `log` whose name is the log's origin.
    pub fn open(&self, log: &Log) -> Result<Checkpoint, NotOfLog> {
        let mut last = NoteError::NoKnownKey(Vec::new());
        for key in log.keys().iter().filter(|key| key.name().as_str() == log.origin()) {
            let signed = self.expand(key).map_err(NotOfLog::Signatures)?;
            match log.verify(&signed) {
                Ok(_) => return Ok(signed.checkpoint().clone()),
                Err(NotOfLog::Signatures(error)) => last = error,
                Err(other) => return Err(other),
            }
        }
        Err(NotOfLog::Signatures(last))
    }

    /// The digits in five lines of 17 groups of three: to be printed, read aloud and typed.
    pub fn grouped(&self) -> Vec<String> {
        let digits = self.to_string();
        let groups: Vec<&str> = (0..DIGITS / 3).map(|group| &digits[3 * group..3 * group + 3]).collect();
        groups.chunks(17).map(|line| line.join(" ")).collect()
    }
}

impl fmt::Display for ShortForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = u32::from_be_bytes(self.key.to_bytes());
        let root = number(self.root.as_bytes(), ROOT);
        write!(f, "1{key:0KEY$}{:0SIZE$}{root}{}", self.size, number(&self.signature, SIGNATURE))
    }
}

impl FromStr for ShortForm {
    type Err = ShortFormError;

    fn from_str(text: &str) -> Result<Self, ShortFormError> {
        // Groups and line ends make the text at most a few times as long as its digits.
        if text.len() > 8 * DIGITS {
            return Err(ShortFormError::Digits);
        }
        let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        if digits.len() != DIGITS || !digits.iter().all(u8::is_ascii_digit) {
            return Err(ShortFormError::Digits);
        }
        let (format, rest) = digits.split_at(FORMAT);
        let (key, rest) = rest.split_at(KEY);
        let (size, rest) = rest.split_at(SIZE);
        let (root, signature) = rest.split_at(ROOT);
        if format != b"1" {
            return Err(ShortFormError::Format);
        }
        let octets: [u8; 8] = octets(size).ok_or(ShortFormError::Range)?;
        Ok(Self {
            key: self::octets(key).map(KeyId::from_bytes).ok_or(ShortFormError::Range)?,
            size: u64::from_be_bytes(octets),
            root: self::octets(root).map(Digest::from_bytes).ok_or(ShortFormError::Range)?,
            signature: self::octets(signature).ok_or(ShortFormError::Range)?,
        })
    }
}

/// Octets as one number of `width` digits, the first octet the highest.
fn number(octets: &[u8], width: usize) -> String {
    let mut rest = octets.to_vec();
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        // One division of the whole number by ten.
        let mut remainder = 0;
        for octet in &mut rest {
            let value = remainder << 8 | u16::from(*octet);
            *octet = (value / 10) as u8;
            remainder = value % 10;
        }
        *digit = b'0' + remainder as u8;
    }
    digits.into_iter().map(char::from).collect()
}

/// A number as `N` octets, where it has room in them.
fn octets<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    for digit in digits {
        let mut carry = u16::from(digit - b'0');
        for octet in octets.iter_mut().rev() {
            carry += u16::from(*octet) * 10;
            *octet = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{KeyName, Signer};
    use crate::tree::empty_root;
    use proptest::prelude::*;

    fn signer(name: &str) -> Signer {
        Signer::from_seed(KeyName::new(name).unwrap(), &[9; 32]).unwrap()
    }

    fn signed(size: u64) -> (SignedCheckpoint, Signer) {
        let signer = signer("ca.example/ledger");
        (SignedCheckpoint::sign(&signer, size, empty_root()).unwrap(), signer)
    }

    #[test]
    fn the_widths_are_those_of_the_largest_numbers() {
        assert_eq!(DIGITS, 255);
        let root = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(number(&[0xff; 32], ROOT), root);
        assert_eq!(octets(root.as_bytes()), Some([0xff; 32]));
        assert_eq!(octets::<32>(root.replace("935", "936").as_bytes()), None);
        let signature = number(&[0xff; 64], SIGNATURE);
        assert!(signature.starts_with('1'));
        assert_eq!(octets(signature.as_bytes()), Some([0xff; 64]));
        assert_eq!(number(&u32::MAX.to_be_bytes(), KEY), u32::MAX.to_string());
        assert_eq!(octets::<4>(b"4294967296"), None);
        assert_eq!(LARGEST.to_string().len(), SIZE);
    }

    #[test]
    fn the_note_comes_back_to_the_octet() {
        for size in [0, 1, 20_852_163, LARGEST] {
            let (signed, signer) = signed(size);
            let short = ShortForm::of(&signed, signer.key()).unwrap();
            let digits = short.to_string();
            assert_eq!(digits.len(), DIGITS);
            assert_eq!(digits[11..22].parse(), Ok(size), "the size stands in the digits");
            let read: ShortForm = digits.parse().unwrap();
            assert_eq!(read, short);
            assert_eq!(read.expand(signer.key()).unwrap(), signed);
            let log = Log::of_key(signer.key().clone());
            assert_eq!(read.open(&log), Ok(signed.checkpoint().clone()));
        }
    }

    #[test]
    fn groups_are_read_as_they_are_printed() {
        let (signed, signer) = signed(7);
        let short = ShortForm::of(&signed, signer.key()).unwrap();
        let lines = short.grouped();
        assert_eq!((lines.len(), lines[0].len()), (5, 67));
        assert_eq!(lines.join("\r\n").parse(), Ok(short));
    }

    #[test]
    fn one_key_of_several() {
        let (signed, old) = signed(7);
        let short = ShortForm::of(&signed, old.key()).unwrap();
        let new = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[8; 32]).unwrap();
        let log = Log::new("ca.example/ledger", [new.key().clone(), old.key().clone()]);
        assert!(short.open(&log).is_ok());
        let without = Log::of_key(new.key().clone());
        assert!(matches!(short.open(&without), Err(NotOfLog::Signatures(NoteError::NoKnownKey(_)))));
        // The key of another ledger, though it is the very same key: the name is part of its id.
        let elsewhere = Log::of_key(signer("ca2.example/ledger").key().clone());
        assert!(short.open(&elsewhere).is_err());
    }

    #[test]
    fn no_room() {
        let (signed, signer) = signed(LARGEST + 1);
        assert_eq!(ShortForm::of(&signed, signer.key()), Err(ShortFormError::NoRoom));
        let (signed, _) = self::signed(1);
        let other = self::signer("other");
        assert_eq!(ShortForm::of(&signed, other.key()), Err(ShortFormError::NoRoom));
        let stranger = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[1; 32]).unwrap();
        assert_eq!(ShortForm::of(&signed, stranger.key()), Err(ShortFormError::NotSigned));
        let text = format!("{}extension\n", signed.checkpoint());
        let mut note = crate::note::Note::unsigned(text).unwrap();
        signer.sign(&mut note).unwrap();
        let extended = SignedCheckpoint::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(ShortForm::of(&extended, signer.key()), Err(ShortFormError::NoRoom));
    }

    #[test]
    fn other_texts_are_refused() {
        let (signed, signer) = signed(7);
        let digits = ShortForm::of(&signed, signer.key()).unwrap().to_string();
        for (bad, why) in [
            (String::new(), ShortFormError::Digits),
            (digits[1..].to_owned(), ShortFormError::Digits),
            (format!("{digits}0"), ShortFormError::Digits),
            (digits.replacen('0', "o", 1), ShortFormError::Digits),
            (" ".repeat(3000), ShortFormError::Digits),
            (format!("2{}", &digits[1..]), ShortFormError::Format),
            (format!("1{}{}", "9".repeat(10), &digits[11..]), ShortFormError::Range),
            (format!("{}{}{}", &digits[..22], "9".repeat(78), &digits[100..]), ShortFormError::Range),
            (format!("{}{}", &digits[..100], "9".repeat(155)), ShortFormError::Range),
        ] {
            assert_eq!(bad.parse::<ShortForm>(), Err(why), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_text_for_each_value(
            key in any::<[u8; 4]>(), size in 0..=LARGEST, root in any::<[u8; 32]>(), halves in any::<[[u8; 32]; 2]>(),
        ) {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&halves[0]);
            signature[32..].copy_from_slice(&halves[1]);
            let short = ShortForm { key: KeyId::from_bytes(key), size, root: Digest::from_bytes(root), signature };
            prop_assert_eq!(short.to_string().parse(), Ok(short));
        }

        #[test]
        fn no_digit_can_be_another(at in 0..DIGITS, by in 1_u8..10) {
            let (signed, signer) = signed(123_456);
            let log = Log::of_key(signer.key().clone());
            let mut digits = ShortForm::of(&signed, signer.key()).unwrap().to_string().into_bytes();
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            let read = String::from_utf8(digits).unwrap().parse::<ShortForm>();
            prop_assert!(read.map_or(true, |short| short.open(&log).is_err()));
        }
    }
}
