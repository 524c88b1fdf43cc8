//! `audit.archive`, `audit.archives`: the ledger's beginning as files, one after the other without a gap, each shown to be the part
//! of the ledger that it says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ExportLine;
use crate::digest::Digest;
use crate::time::Timestamp;

/// The format of an archive and its manifest.
pub const ARCHIVE_FORMAT: &str = "countersign-archive-1";

/// `audit.archive`: exactly one of `until`, `until_seq` and `number`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveParams {
    /// Seal what is not sealed yet, up to the first record whose wall-clock time is this one or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Seal what is not sealed yet, up to this record and without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_seq: Option<u64>,
    /// Read an archive that was sealed before, by its number: 1, 2, 3, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// `next_cursor`, for the next page; with `number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of an archive.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveLines {
    /// What the archive is; on the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ArchiveManifest>,
    /// The records of this page in order, each a line of the file as it is: those of an export.
    #[schemars(with = "Vec<ExportLine>")]
    pub lines: Vec<Box<RawValue>>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What an archive is, and what shows it to be a part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifest {
    /// `countersign-archive-1`
    pub format: String,
    /// The ledger, as its checkpoints name it.
    pub origin: String,
    /// 1, 2, 3, …
    pub number: u64,
    /// The first record.
    pub from_seq: u64,
    /// The record behind the last.
    pub to_seq: u64,
    /// How many lines there are: one a record.
    pub rows: u64,
    /// How many octets the file has.
    pub octets: u64,
    /// SHA-256 over the file's octets.
    pub sha256: Digest,
    /// The leaf hash of the record before the first; 64 zeros where there is none.
    pub prev_sha256: Digest,
    /// The leaf hash of the last record.
    pub last_sha256: Digest,
    /// The roots of the complete subtrees over the records before the first, largest first.
    pub peaks_before: Vec<Digest>,
    /// The same over all records up to the last.
    pub peaks_after: Vec<Digest>,
    /// The Merkle root over all records up to the last.
    pub root_sha256: Digest,
    /// The record `ledger_sealed` that tells of this archive.
    pub sealed_seq: u64,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// That record, and that it is in the ledger: a C2SP `tlog-proof` whose line `extra` holds its octets.
    pub sealed: String,
    /// That the ledger goes on from `to_seq` records: a C2SP `add-checkpoint` body, with the same checkpoint.
    pub continuation: String,
    /// The public key of that checkpoint, as `NAME+ID+KEY`; to be compared with one from elsewhere.
    pub verifier_key: String,
}

/// `audit.archives`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListArchivesParams {
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// An archive as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveRow {
    /// 1, 2, 3, …
    pub number: u64,
    /// The first record.
    pub from_seq: u64,
    /// The record behind the last.
    pub to_seq: u64,
    /// How many octets the file has.
    pub octets: u64,
    /// SHA-256 over the file's octets.
    pub sha256: Digest,
    /// The Merkle root over all records up to the last.
    pub root_sha256: Digest,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// By whom.
    pub sealed_by: String,
    /// The record of it.
    pub seq: u64,
}

/// A page of archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchivePage {
    /// The rows.
    pub archives: Vec<ArchiveRow>,
    /// Records that no archive has.
    pub unsealed: u64,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
