//! Whether a witness cosigns (C2SP `tlog-witness`): a log may only grow, and every checkpoint has to continue the last one.
//!
//! The caller keeps one [`Head`] for each origin. It reads the head, calls [`judge`], stores [`Accepted::head`] durably, and only
//! then cosigns; nobody else may do the same for the same origin meanwhile, or an old head could overwrite a newer one.

use std::fmt;

use countersign_shared::digest::Digest;

use crate::checkpoint::{Log, NotOfLog, SignedCheckpoint};
use crate::cosignature::Cosigner;
use crate::lines::shown;
use crate::note::SignatureLine;
use crate::request::Continuation;
use crate::tree::{ProofError, empty_root};

/// The tree that a witness saw last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many records.
    pub size: u64,
    /// Its root.
    pub root: Digest,
}

impl Head {
    /// What a witness knows of a log of which it has seen nothing: that the empty tree precedes every tree.
    pub fn none() -> Self {
        Self { size: 0, root: empty_root() }
    }

    fn of(signed: &SignedCheckpoint) -> Self {
        Self { size: signed.checkpoint().size(), root: signed.checkpoint().root() }
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It watches no log of this origin.
    UnknownLog(String),
    /// The checkpoint is not signed by a key of the log, or the signature is wrong.
    Signature(NotOfLog),
    /// Smaller than what was seen: the log was cut off, restored from an old state, or this is an old checkpoint.
    Rollback {
        /// What was seen last.
        seen: Head,
        /// What the checkpoint says.
        offered: Head,
    },
    /// Of the size that was seen, with another root: two histories, both signed by the log.
    Fork {
        /// What was seen last.
        seen: Head,
        /// What the checkpoint says.
        offered: Head,
    },
    /// The proof begins at another size than what was seen last. Says nothing of the log: the request is made anew from there.
    OtherStart {
        /// What was seen last.
        seen: Head,
        /// Where the proof begins.
        old: u64,
    },
    /// The proof does not show that the checkpoint continues what was seen.
    NotConsistent {
        /// What was seen last.
        seen: Head,
        /// What the checkpoint says.
        offered: Head,
        /// What is wrong with the proof.
        error: Box<ProofError>,
    },
}

impl Refusal {
    /// True where the log signed something that it cannot have signed honestly: the checkpoint is evidence, and is to be kept.
    pub fn is_evidence(&self) -> bool {
        matches!(self, Self::Fork { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLog(origin) => write!(f, "no ledger {} is watched here", shown(origin)),
            Self::Signature(error) => error.fmt(f),
            Self::Rollback { seen, offered } => write!(
                f,
                "the checkpoint is of {} records, {} were seen already: the ledger was cut off or restored from an older \
                 state, or this is an old checkpoint",
                offered.size, seen.size
            ),
            Self::Fork { seen, offered } => write!(
                f,
                "two ledgers of {} records: the root seen is {}, this one is {}; both are signed, one of them is forged",
                seen.size, seen.root, offered.root
            ),
            Self::OtherStart { seen, old } => {
                write!(f, "the proof begins at {old} records; {} were seen last, make it from there", seen.size)
            }
            Self::NotConsistent { seen, offered, error } => write!(
                f,
                "not shown that the ledger of {} records continues that of {}: {error}",
                offered.size, seen.size
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// A checkpoint that may be cosigned, made by [`judge`] alone.
#[derive(Debug)]
pub struct Accepted<'a> {
    signed: &'a SignedCheckpoint,
}

impl Accepted<'_> {
    /// The log's origin.
    pub fn origin(&self) -> &str {
        self.signed.checkpoint().origin()
    }

    /// What is to be kept from now on, before anything is signed.
    pub fn head(&self) -> Head {
        Head::of(self.signed)
    }

    /// The witness's line, at `seconds` since 1970, UTC.
    pub fn cosign(&self, cosigner: &Cosigner, seconds: u32) -> SignatureLine {
        cosigner.cosign(self.signed, seconds)
    }
}

/// Decides whether to cosign: `seen` gives the last head for an origin, [`Head::none`] where there is none.
pub fn judge<'a>(
    offered: &'a Continuation,
    logs: &[Log],
    seen: impl FnOnce(&str) -> Head,
) -> Result<Accepted<'a>, Refusal> {
    let signed = &offered.signed;
    let origin = signed.checkpoint().origin();
    let log = logs.iter().find(|log| log.origin() == origin).ok_or_else(|| Refusal::UnknownLog(origin.to_owned()))?;
    log.verify(signed).map_err(Refusal::Signature)?;
    let (seen, now) = (seen(origin), Head::of(signed));
    if now.size < seen.size {
        return Err(Refusal::Rollback { seen, offered: now });
    }
    if now.size == seen.size && now.root != seen.root {
        return Err(Refusal::Fork { seen, offered: now });
    }
    if offered.old != seen.size {
        return Err(Refusal::OtherStart { seen, old: offered.old });
    }
    match offered.verify(&seen.root) {
        Ok(()) => Ok(Accepted { signed }),
        Err(error) => Err(Refusal::NotConsistent { seen, offered: now, error: Box::new(error) }),
    }
}

#[cfg(test)]
mod tests;
