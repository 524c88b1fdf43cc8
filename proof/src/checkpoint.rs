//! Checkpoints (C2SP `tlog-checkpoint`): the size and the root of a log's tree, as the text of a signed note.

use std::fmt;

use countersign_shared::digest::Digest;

use crate::lines;
use crate::note::{Algorithm, KeyName, Note, NoteError, SignatureLine, Signer, Valid, VerifierKey};

/// What a log's tree is at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Digest,
    extensions: Vec<String>,
}

/// Why a note's text is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// The note itself is malformed.
    Note(NoteError),
    /// Its text is another: which rule it breaks.
    Text(&'static str),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Text(rule) => write!(f, "not a checkpoint: {rule}"),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<NoteError> for CheckpointError {
    fn from(error: NoteError) -> Self {
        Self::Note(error)
    }
}

impl Checkpoint {
    /// A checkpoint of our own: its origin is the name of the key that signs it, and it has no extension lines.
    pub fn new(origin: &KeyName, size: u64, root: Digest) -> Self {
        Self { origin: origin.as_str().to_owned(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Text("the last line is not ended"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Text("fewer than three lines"));
        };
        if origin.is_empty() {
            return Err(CheckpointError::Text("the first line, the origin, is empty"));
        }
        let size = lines::decimal(size)
            .ok_or(CheckpointError::Text("the second line is not a number of records without leading zeros"))?;
        let root = lines::hash(root).ok_or(CheckpointError::Text("the third line is not 32 octets in base 64"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Text("an empty extension line"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Which log it is of, as it came.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many records the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Further lines, which mean nothing here.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

/// The note's text.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, lines::of_hash(&self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint in its note. That it is read says nothing of its signatures: see [`Log::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Reads a checkpoint's note.
    pub fn parse(octets: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(octets)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// The next checkpoint of the log that `signer` is the key of.
    pub fn sign(signer: &Signer, size: u64, root: Digest) -> Result<Self, NoteError> {
        Self::unsigned(signer.key().name(), size, root).and_then(|mut checkpoint| {
            signer.sign(&mut checkpoint.note)?;
            Ok(checkpoint)
        })
    }

    /// A checkpoint whose signature is put to it afterwards.
    pub(crate) fn unsigned(origin: &KeyName, size: u64, root: Digest) -> Result<Self, NoteError> {
        let checkpoint = Checkpoint::new(origin, size, root);
        Ok(Self { note: Note::unsigned(checkpoint.to_string())?, checkpoint })
    }

    /// Signs with a further key of the log: how a key is followed by another.
    pub fn sign_also(&mut self, signer: &Signer) -> Result<(), NoteError> {
        signer.sign(&mut self.note)
    }

    /// Adds a line that came from elsewhere, as a witness's; unverified.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        self.note.add(line)
    }

    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The cosignatures by these witnesses; none where none of them signed. An error where a signature by one of them is wrong.
    pub fn verify_witnesses<'a>(&self, witnesses: &'a [VerifierKey]) -> Result<Vec<Valid<'a>>, NoteError> {
        match self.note.verify(witnesses) {
            Err(NoteError::NoKnownKey(_)) => Ok(Vec::new()),
            verified => verified,
        }
    }
}

/// The note, to the octet.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// A log as its readers know it: its origin, and the keys that may sign its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    origin: String,
    keys: Vec<VerifierKey>,
}

/// Why a checkpoint is not one of this log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOfLog {
    /// It is of another log: its origin.
    Origin(String),
    /// Its signatures are not the log's.
    Signatures(NoteError),
}

impl fmt::Display for NotOfLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(origin) => write!(f, "a checkpoint of another ledger, {}", lines::shown(origin)),
            Self::Signatures(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotOfLog {}

impl Log {
    /// A log with its keys, those of before a rotation included. Keys of witnesses sign no checkpoints, and are left out.
    pub fn new(origin: impl Into<String>, keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        let keys = keys.into_iter().filter(|key| key.algorithm() == Algorithm::Ed25519).collect();
        Self { origin: origin.into(), keys }
    }

    /// The log whose origin is the name of its key.
    pub fn of_key(key: VerifierKey) -> Self {
        Self::new(key.name().as_str().to_owned(), [key])
    }

    /// Its origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its keys.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Verifies that a checkpoint is of this log and signed by it: at least one of its keys signed, and no signature by one of
    /// its keys is wrong.
    pub fn verify(&self, signed: &SignedCheckpoint) -> Result<Vec<Valid<'_>>, NotOfLog> {
        if signed.checkpoint.origin != self.origin {
            return Err(NotOfLog::Origin(signed.checkpoint.origin.clone()));
        }
        signed.note.verify(&self.keys).map_err(NotOfLog::Signatures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::empty_root;
    use proptest::prelude::*;

    fn signer(name: &str, seed: u8) -> Signer {
        Signer::from_seed(KeyName::new(name).unwrap(), &[seed; 32]).unwrap()
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size(), 20_852_163);
        assert_eq!(checkpoint.to_string(), text);
        let extended = format!("{text}a line\nanother\n");
        let checkpoint = Checkpoint::parse(&extended).unwrap();
        assert_eq!(checkpoint.extensions(), ["a line", "another"]);
        assert_eq!(checkpoint.to_string(), extended);
    }

    #[test]
    fn other_texts_are_refused() {
        const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for bad in [
            String::new(),
            "\n".into(),
            "origin\n1\n".into(),
            format!("origin\n1\n{ROOT}"),
            format!("\n1\n{ROOT}\n"),
            format!("origin\n01\n{ROOT}\n"),
            format!("origin\n-1\n{ROOT}\n"),
            format!("origin\n18446744073709551616\n{ROOT}\n"),
            format!("origin\n1\n{}\n", &ROOT[1..]),
            format!("origin\n1\n{ROOT}\n\n"),
            format!("origin\n1\n{ROOT}\n\nafter an empty one\n"),
            format!("origin\n1 \n{ROOT}\n"),
        ] {
            assert!(matches!(Checkpoint::parse(&bad), Err(CheckpointError::Text(_))), "{bad}");
        }
    }

    #[test]
    fn a_log_knows_its_checkpoints() {
        let ours = signer("ca.example/ledger", 1);
        let signed = SignedCheckpoint::sign(&ours, 0, empty_root()).unwrap();
        let log = Log::of_key(ours.key().clone());
        assert_eq!(log.verify(&signed).unwrap().len(), 1);
        let read = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
        assert_eq!(read, signed);

        let other = Log::of_key(signer("ca2.example/ledger", 1).key().clone());
        assert_eq!(other.verify(&signed), Err(NotOfLog::Origin("ca.example/ledger".into())));
        let stranger = Log::of_key(signer("ca.example/ledger", 2).key().clone());
        assert!(matches!(stranger.verify(&signed), Err(NotOfLog::Signatures(NoteError::NoKnownKey(_)))));
    }

    #[test]
    fn a_key_is_followed_by_another() {
        let (old, new) = (signer("ca.example/ledger", 1), signer("ca.example/ledger", 2));
        let mut signed = SignedCheckpoint::sign(&old, 5, empty_root()).unwrap();
        signed.sign_also(&new).unwrap();
        for keys in [vec![old.key()], vec![new.key()], vec![old.key(), new.key()]] {
            let count = keys.len();
            let log = Log::new("ca.example/ledger", keys.into_iter().cloned());
            assert_eq!(log.verify(&signed).unwrap().len(), count);
        }
    }

    #[test]
    fn the_key_of_a_witness_is_no_key_of_a_log() {
        let key = signer("ca.example/ledger", 1).key().clone();
        let witness = VerifierKey::new(key.name().clone(), Algorithm::CosignatureV1, *key.public());
        assert!(Log::new("ca.example/ledger", [witness]).keys().is_empty());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "[a-z0-9\n/=+]{0,120}") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }

        #[test]
        fn every_size_and_root_comes_back(size in any::<u64>(), root in any::<[u8; 32]>()) {
            let origin = KeyName::new("ca.example/ledger").unwrap();
            let checkpoint = Checkpoint::new(&origin, size, Digest::from_bytes(root));
            prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
        }
    }
}
