//! A record's place in a checkpoint as one text (C2SP `tlog-proof` v1): with the record itself, all that a check needs.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! index 73894
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
//! …
//!
//! example.com/fancylog
//! 109482
//! …
//! ```

use std::fmt;

use countersign_shared::digest::Digest;
use data_encoding::BASE64;

use crate::checkpoint::{CheckpointError, Log, NotOfLog, SignedCheckpoint};
use crate::lines;
use crate::tree::{LONGEST_PATH, ProofError, leaf_hash, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    /// Data beside the proof, which nothing vouches for.
    pub extra: Option<Vec<u8>>,
    /// The record's sequence number.
    pub index: u64,
    /// The inclusion proof.
    pub path: Vec<Digest>,
    /// The checkpoint of the tree in which the record is.
    pub signed: SignedCheckpoint,
}

/// Why octets are no [`RecordProof`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordProofError {
    /// The lines before the checkpoint: which rule they break.
    Head(&'static str),
    /// The checkpoint.
    Checkpoint(CheckpointError),
}

impl fmt::Display for RecordProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(rule) => write!(f, "not a proof of a record: {rule}"),
            Self::Checkpoint(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecordProofError {}

/// Why a proof does not show that a record is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotShown {
    /// The checkpoint is not the log's.
    Log(NotOfLog),
    /// The record is not at that place of its tree.
    Proof(ProofError),
}

impl fmt::Display for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Proof(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotShown {}

impl RecordProof {
    /// Reads the text.
    pub fn parse(octets: &[u8]) -> Result<Self, RecordProofError> {
        let (mut head, note) =
            lines::head(octets).ok_or(RecordProofError::Head("no empty line before a checkpoint"))?;
        if head.next() != Some(HEADER) {
            return Err(RecordProofError::Head("the first line is not c2sp.org/tlog-proof@v1"));
        }
        let mut line = head.next();
        let extra = match line.and_then(|line| line.strip_prefix("extra ")) {
            None => None,
            Some(encoded) => {
                line = head.next();
                let decoded = BASE64.decode(encoded.as_bytes());
                Some(decoded.map_err(|_| RecordProofError::Head("the extra data is not base 64"))?)
            }
        };
        let index = line
            .and_then(|line| line.strip_prefix("index "))
            .and_then(lines::decimal)
            .ok_or(RecordProofError::Head("no line of `index` and a number"))?;
        let path = lines::hashes(head, LONGEST_PATH)
            .ok_or(RecordProofError::Head("the path is not at most 65 lines of 32 octets in base 64"))?;
        let signed = SignedCheckpoint::parse(note).map_err(RecordProofError::Checkpoint)?;
        Ok(Self { extra, index, path, signed })
    }

    /// Verifies that these are the octets of the record at [`RecordProof::index`] of `log`, as its signature says.
    pub fn verify(&self, record: &[u8], log: &Log) -> Result<(), NotShown> {
        log.verify(&self.signed).map_err(NotShown::Log)?;
        let tree = self.signed.checkpoint();
        verify_inclusion(&leaf_hash(record), self.index, tree.size(), &self.path, &tree.root()).map_err(NotShown::Proof)
    }
}

impl fmt::Display for RecordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", lines::of_hash(hash)))?;
        write!(f, "\n{}", self.signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{KeyName, Signer};
    use crate::tree::prove_inclusion;
    use crate::tree::reference::{Stored, numbered, tree_hash};
    use proptest::prelude::*;

    fn proof(index: u64, size: u64) -> (RecordProof, Log) {
        let leaves = numbered(size);
        let signer = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[7; 32]).unwrap();
        let signed = SignedCheckpoint::sign(&signer, size, tree_hash(&leaves)).unwrap();
        let path = prove_inclusion(&Stored::of(&leaves), index, size).unwrap().unwrap();
        (RecordProof { extra: None, index, path, signed }, Log::of_key(signer.key().clone()))
    }

    #[test]
    fn a_record_is_shown_and_no_other() {
        let (proof, log) = proof(5, 11);
        assert_eq!(proof.verify(&5_u64.to_be_bytes(), &log), Ok(()));
        assert!(matches!(proof.verify(&6_u64.to_be_bytes(), &log), Err(NotShown::Proof(ProofError::Root { .. }))));
        let other = Log::new("other", log.keys().to_vec());
        assert!(matches!(proof.verify(&5_u64.to_be_bytes(), &other), Err(NotShown::Log(NotOfLog::Origin(_)))));
    }

    #[test]
    fn the_text_comes_back() {
        for extra in [None, Some(Vec::new()), Some(b"beside".to_vec())] {
            let (mut proof, _) = proof(0, 1);
            proof.extra = extra;
            assert_eq!(RecordProof::parse(proof.to_string().as_bytes()), Ok(proof));
        }
        let text = proof(5, 11).0.to_string();
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 5", "index 05"),
            ("index 5", "index"),
            ("index 5", "extra Zg=\nindex 5"),
            ("index 5\n", ""),
            ("index 5\n", "index 5\nindex 5\n"),
        ] {
            let bad = text.replacen(from, to, 1);
            assert!(matches!(RecordProof::parse(bad.as_bytes()), Err(RecordProofError::Head(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(RecordProof::parse(&octets).is_err());
        }

        #[test]
        fn no_change_of_one_octet_passes(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
            let (proof, log) = proof(5, 11);
            let mut octets = proof.to_string().into_bytes();
            let at = at.index(octets.len());
            octets[at] ^= flip;
            if let Ok(bent) = RecordProof::parse(&octets) {
                prop_assert!(bent.verify(&5_u64.to_be_bytes(), &log).is_err());
            }
        }
    }
}
