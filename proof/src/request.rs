//! A checkpoint with the proof that it continues an earlier one: the body of `add-checkpoint` (C2SP `tlog-witness`), which a
//! witness is handed as a file or over a pipe, and which is the text form of a consistency proof.
//!
//! ```text
//! old 20852014
//! PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//!
//! example.com/behind-the-sofa
//! 20852163
//! …
//! ```

use std::fmt;

use countersign_shared::digest::Digest;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::lines;
use crate::tree::{ProofError, verify_consistency};

/// The most hashes of a proof that C2SP lets a log send.
pub const MOST_HASHES: usize = 63;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The size of the earlier tree; 0 where there is none.
    pub old: u64,
    /// The consistency proof from there to the checkpoint.
    pub path: Vec<Digest>,
    /// The checkpoint.
    pub signed: SignedCheckpoint,
}

/// Why octets are no [`Continuation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContinuationError {
    /// The lines before the checkpoint: which rule they break.
    Head(&'static str),
    /// The checkpoint.
    Checkpoint(CheckpointError),
}

impl fmt::Display for ContinuationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(rule) => write!(f, "not a checkpoint with its consistency proof: {rule}"),
            Self::Checkpoint(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ContinuationError {}

impl Continuation {
    /// Reads the text.
    pub fn parse(octets: &[u8]) -> Result<Self, ContinuationError> {
        let (mut head, note) =
            lines::head(octets).ok_or(ContinuationError::Head("no empty line before a checkpoint"))?;
        let old = head
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(lines::decimal)
            .ok_or(ContinuationError::Head("the first line is not `old` and a size"))?;
        let path = lines::hashes(head, MOST_HASHES)
            .ok_or(ContinuationError::Head("the proof is not at most 63 lines of 32 octets in base 64"))?;
        let signed = SignedCheckpoint::parse(note).map_err(ContinuationError::Checkpoint)?;
        if old > signed.checkpoint().size() {
            return Err(ContinuationError::Head("the earlier size is larger than the checkpoint's"));
        }
        Ok(Self { old, path, signed })
    }

    /// Verifies that the checkpoint continues the tree of size [`Continuation::old`] that has this root. Whether the checkpoint
    /// is signed is another question: see [`crate::checkpoint::Log::verify`].
    pub fn verify(&self, old_root: &Digest) -> Result<(), ProofError> {
        let now = self.signed.checkpoint();
        verify_consistency(self.old, old_root, now.size(), &now.root(), &self.path)
    }
}

impl fmt::Display for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", lines::of_hash(hash)))?;
        write!(f, "\n{}", self.signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The example of the specification.
    const EXAMPLE: &str = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let read = Continuation::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((read.old, read.path.len()), (20_852_014, 4));
        assert_eq!(read.signed.note().signatures().len(), 2);
        assert_eq!(read.to_string(), EXAMPLE);
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            EXAMPLE.replace("old 20852014", "old 020852014"),
            EXAMPLE.replace("old 20852014", "old 20852164"),
            EXAMPLE.replace("old ", "Old "),
            EXAMPLE.replace("old 20852014\n", ""),
            EXAMPLE.replace("PlRN", "PlR"),
            EXAMPLE.replacen("\n\nexample", "\n\n\nexample", 1),
            EXAMPLE.replacen("\n\nexample", "\nexample", 1),
            EXAMPLE.replace('\n', "\r\n"),
            EXAMPLE.replace(
                "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n",
                &format!("{}\n", lines::of_hash(&Digest::of(&[]))).repeat(61),
            ),
            "old 0".into(),
        ] {
            assert!(Continuation::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(head in "(old [0-9]{1,3}\n)?[A-Za-z0-9+/=\n]{0,50}") {
            let text = format!("{head}{}", &EXAMPLE[EXAMPLE.find("\n\n").unwrap()..]);
            if let Ok(read) = Continuation::parse(text.as_bytes()) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
