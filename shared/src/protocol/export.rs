//! `audit.export`: the records of a time range with their bytes, a page a call, under one ledger record of the export.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Category;
use crate::digest::Digest;
use crate::time::Timestamp;

/// Rows of an export where `limit` is left out.
pub const DEFAULT_EXPORT: u32 = 50_000;
/// The most rows of one export.
pub const MAX_EXPORT: u32 = 100_000;
/// The longest range of one export, in days.
pub const MAX_EXPORT_DAYS: u32 = 90;
/// The format of lines and manifest.
pub const EXPORT_FORMAT: &str = "countersign-export-1";

/// `audit.export`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportParams {
    /// Records whose wall-clock time is not before this one.
    pub from: Timestamp,
    /// Records whose wall-clock time is before this one; after `from`, by 90 days at most.
    pub to: Timestamp,
    /// Only this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Rows of this export: 1 to 100,000; 50,000 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor`, for the next page of the same export; or `more_cursor`, for another export that goes on where one ended
    /// at its limit. The other parameters stay as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of an export.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportPage {
    /// What is exported; on the first page of an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ExportManifest>,
    /// The rows of this page in the order of the ledger, each a line of the file as it is. A page may have none and be
    /// followed by others.
    #[schemars(with = "Vec<ExportLine>")]
    pub lines: Vec<Box<RawValue>>,
    /// Where the next page of this export begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// On the last page of an export that ended at its limit: where another begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_cursor: Option<String>,
}

/// What an export is of. It was recorded before the first row left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportManifest {
    /// `countersign-export-1`
    pub format: String,
    /// The installation's id.
    pub origin: String,
    /// The sequence number of the export's own record.
    pub export_seq: u64,
    /// The leaf hash of that record.
    pub export_sha256: Digest,
    /// As asked for.
    pub from: Timestamp,
    /// As asked for.
    pub to: Timestamp,
    /// As asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Rows of this export.
    pub rows: u64,
    /// Rows that were there for it, those beyond the limit included.
    pub matching: u64,
    /// The sequence number of the first row, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// The sequence number of the last row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// The ledger's size when the rows were counted.
    pub size: u64,
    /// The Merkle root over that many records.
    pub root_sha256: Digest,
    /// The roots of the complete subtrees over the records before the first row, largest first: with them the rows make the
    /// ledger's roots again, where no record is left out between the first row and the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peaks: Vec<Digest>,
    /// That the ledger goes on from the last row, and how: a C2SP `add-checkpoint` body, whose checkpoint covers the export's own
    /// record. Absent where there is no row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// The public key of that checkpoint, as `NAME+ID+KEY`; to be compared with one from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier_key: Option<String>,
}

/// A line of an export: the columns, and the exact bytes that they are derived from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportLine {
    /// 0, 1, 2, …: the order, and the leaf's index in the Merkle tree.
    pub seq: u64,
    /// `ev-…`
    pub event_id: String,
    /// Wall-clock time, RFC 3339, UTC; never the order.
    pub created_at: String,
    /// An account, `uid:N`, or a system actor.
    pub actor: String,
    /// `User` or `System`.
    pub actor_type: String,
    /// What happened.
    pub action: String,
    /// `cert_lifecycle`, `auth` or `config`.
    pub category: String,
    /// What kind of object it is about.
    pub resource_type: String,
    /// The object's id.
    pub resource_id: String,
    /// The rest of the record, an object.
    #[schemars(with = "Value")]
    pub details: Box<RawValue>,
    /// RFC 6962 leaf hash of the record's bytes.
    pub record_sha256: Digest,
    /// The exact bytes that are hashed: canonical JSON as text. Absent where a damaged ledger holds something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The same in base 64 where they are not UTF-8: a record that was damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_base64: Option<String>,
    /// The nine columns from `event_id` to `details` to the octet, in base 64, where one of them is not UTF-8: a record that was
    /// damaged, of which people may have acknowledged exactly that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns_base64: Option<Vec<String>>,
}
