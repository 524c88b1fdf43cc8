//! What convinces somebody who does not trust this host: Merkle proofs over the ledger, checkpoints that are signed and
//! cosigned, and the comparison of a ledger with checkpoints that were kept elsewhere.
//!
//! Nothing in here performs I/O, reads a clock or draws randomness. The daemon, the console and the offline checks call the
//! same functions; `docs/checkpoint.md` describes the formats and how to check them with other tools.
//!
//! | module | |
//! | --- | --- |
//! | [`tree`] | the RFC 6962 tree: appending, roots, proofs and their verification |
//! | [`note`] | C2SP signed notes, keys and their names |
//! | [`checkpoint`] | the checkpoint in a note; the log that it is of |
//! | [`cosignature`] | what a witness adds |
//! | [`request`] | a checkpoint with the proof that it continues an earlier one |
//! | [`bundle`] | a record's place in a checkpoint as one text |
//! | [`witness`] | whether to cosign |
//! | [`anchor`] | the ledger beside checkpoints from outside |
//! | [`short`], [`qr`] | a checkpoint in 255 digits, and drawn |
//! | [`sshsig`] | signatures that `ssh-keygen -Y sign` makes |

pub mod anchor;
pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod note;
pub mod qr;
pub mod request;
pub mod short;
pub mod sshsig;
pub mod tree;
pub mod witness;

mod lines;
