//! What a witness adds to a checkpoint (C2SP `tlog-cosignature`, Ed25519): that at some time this was the largest tree of the
//! log that it had seen, and that it continues every earlier one.

use std::fmt;

use crate::checkpoint::SignedCheckpoint;
use crate::note::{Algorithm, KeyName, Pair, PrivateKeyError, SignatureLine, VerifierKey};

/// The message that is signed: a header that no checkpoint begins with, the time, and the note's text.
pub(crate) fn message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// The time and the Ed25519 signature in the octets of a line.
pub(crate) fn split(octets: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = octets.split_first_chunk()?;
    let time = u64::from_be_bytes(*time);
    // C2SP: the time must not exceed 2^63 - 1.
    (time <= u64::MAX >> 1).then_some((time, signature))
}

/// The key of a witness. The message does not hold the witness's name, so that one key must not serve two names.
pub struct Cosigner(Pair);

impl Cosigner {
    /// The key with this seed (RFC 8032 §5.1.5).
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, PrivateKeyError> {
        Pair::from_seed(name, Algorithm::CosignatureV1, seed).map(Self)
    }

    /// The key in this PKCS #8 document (RFC 8410), as DER or PEM.
    pub fn from_private_key(name: KeyName, key: &[u8]) -> Result<Self, PrivateKeyError> {
        Pair::from_private_key(name, Algorithm::CosignatureV1, key).map(Self)
    }

    /// The public key with the name.
    pub fn key(&self) -> &VerifierKey {
        self.0.key()
    }

    /// The signature line. `seconds` since 1970, UTC.
    ///
    /// Whoever decides to cosign goes through [`crate::witness::judge`], so this is for nobody else.
    pub(crate) fn cosign(&self, checkpoint: &SignedCheckpoint, seconds: u32) -> SignatureLine {
        let time = u64::from(seconds);
        let mut octets = time.to_be_bytes().to_vec();
        octets.extend(self.0.sign(&message(time, checkpoint.note().text())));
        SignatureLine::new(self.key().name().clone(), self.key().id(), octets)
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cosigner").field(self.key()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{Note, NoteError};
    use data_encoding::BASE64;

    // Made with NewSignerForCosignatureV1 of github.com/transparency-dev/formats v0.1.1.
    const LOG: &str = "example.com/vector-log+4516a1da+ARGkVJ4QEa2MOOLGBO6i7NVSJ1FQ97tIX+w+Ku0RZ6Em";
    const WITNESS: &str = "witness.example.com/vector+416f103d+BK/QmJFVP3SKJOqAMhFxBQPtylo3sjwWibyFDAlZKK8B";
    const WITNESS_PRIVATE: &str = "BJEX3xv88eoQIKT4E+GkxZcXaJCYlQfi/GJ3NDFmZIW8";
    const SECONDS: u32 = 1_791_014_171;
    const SIGNED: &str = "example.com/vector-log\n1234\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n\
        — example.com/vector-log RRah2qlLrSlk6J8DA1HmNewppUM15Quhs5cAIb1KjBsV3otVirJTW8AFVsQtJkTW1Zny7GuoAxZpI6bUPcpM68QOIgE=\n";
    const COSIGNED: &str = "— witness.example.com/vector QW8QPQAAAABqwLUbDdj7sDNRIVjmjYgqFI6y4UJhPg/UAA8J8wAdqSd3q4PedRhkgXA4xFN/Jg5uWn7ZkBA+H/UHQs5d9hITdXmQAA==\n";

    fn cosigner() -> Cosigner {
        let seed = BASE64.decode(WITNESS_PRIVATE.as_bytes()).unwrap();
        let name = KeyName::new("witness.example.com/vector").unwrap();
        Cosigner::from_seed(name, seed[1..].try_into().unwrap()).unwrap()
    }

    #[test]
    fn a_cosignature_is_made_as_the_reference_makes_it() {
        assert_eq!(cosigner().key().to_string(), WITNESS);
        let checkpoint = SignedCheckpoint::parse(SIGNED.as_bytes()).unwrap();
        assert_eq!(format!("{}\n", cosigner().cosign(&checkpoint, SECONDS)), COSIGNED);
    }

    #[test]
    fn a_cosignature_is_verified_beside_the_signature_of_the_log() {
        let keys: [VerifierKey; 2] = [LOG.parse().unwrap(), WITNESS.parse().unwrap()];
        let note = Note::parse(format!("{SIGNED}{COSIGNED}").as_bytes()).unwrap();
        let valid = note.verify(&keys).unwrap();
        let times: Vec<_> = valid.iter().map(|valid| (valid.key.algorithm(), valid.time)).collect();
        assert_eq!(times, [(Algorithm::Ed25519, None), (Algorithm::CosignatureV1, Some(u64::from(SECONDS)))]);
    }

    #[test]
    fn time_text_and_kind_are_covered() {
        let keys: [VerifierKey; 1] = [WITNESS.parse().unwrap()];
        let wrong = Err(NoteError::Signature { name: keys[0].name().clone(), id: keys[0].id() });
        let whole = format!("{SIGNED}{COSIGNED}");
        // The time one second later; the highest bit of the time; another size; no signature behind the time.
        for (from, to) in [("AAAABqwLUb", "AAAABqwLUc"), ("QW8QPQAAAA", "QW8QPYAAAA"), ("\n1234\n", "\n1235\n")] {
            let bent = whole.replace(from, to);
            assert_ne!(bent, whole);
            assert_eq!(Note::parse(bent.as_bytes()).unwrap().verify(&keys), wrong, "{from}");
        }
        let mut short = Note::parse(SIGNED.as_bytes()).unwrap();
        short.add(SignatureLine::new(keys[0].name().clone(), keys[0].id(), vec![0; 7])).unwrap();
        assert_eq!(short.verify(&keys), wrong);
        // The same key under the other algorithm is another key.
        let plain = VerifierKey::new(keys[0].name().clone(), Algorithm::Ed25519, *keys[0].public());
        assert_ne!(plain.id(), keys[0].id());
        assert!(matches!(Note::parse(whole.as_bytes()).unwrap().verify(&[plain]), Err(NoteError::NoKnownKey(_))));
    }
}
