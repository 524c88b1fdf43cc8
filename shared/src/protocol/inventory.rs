//! Certificates that were found: what is listed of them, and `certificate.import`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PersonRef;
use crate::digest::Digest;
use crate::id::CertificateId;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;
use crate::time::Timestamp;

/// The most files of one import.
pub const MAX_IMPORT: usize = 500;

closed_set! {
    /// Which certificates are listed.
    CertificateSource {
        /// Those that were issued here, or are to be.
        Issued = "issued",
        /// Those that were found.
        Found = "found",
        /// Both.
        All = "all",
    }
}

closed_set! {
    /// How a certificate became known.
    FoundBy {
        /// By a scan.
        Scan = "scan",
        /// By `certificate.import`.
        Import = "import",
    }
}

closed_set! {
    /// A certificate at a place.
    PlaceState {
        /// It was there when somebody looked last.
        Present = "present",
        /// It was there, and could not be looked at again.
        Unknown = "unknown",
        /// It is there no longer.
        Gone = "gone",
        /// Another one has taken its place.
        Succeeded = "succeeded",
        /// The place is looked at no longer.
        LeftOut = "left_out",
    }
}

closed_set! {
    /// By what a certificate is known to be another's successor.
    LineageKind {
        /// The same names and the same key.
        NamesAndKey = "names_and_key",
        /// The same names.
        Names = "names",
        /// The same key.
        Key = "key",
        /// Some of the names.
        SomeNames = "some_names",
    }
}

/// A certificate that was found on this host. Everything in it is what it says of itself; nothing was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundCertificate {
    /// `mc-…`
    pub id: CertificateId,
    /// The name it is known by.
    pub primary_name: Untrusted,
    /// Its first hundred names with their types (`dns:www.corp.example`); the common name (`cn:…`) where it has no others.
    pub names: Vec<Untrusted>,
    /// How many it has.
    pub names_total: u64,
    /// The subject.
    pub subject: Untrusted,
    /// The issuer.
    pub issuer: Untrusted,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the DER.
    pub sha256: Digest,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Digest,
    /// The kind of key, as the policy writes it or nearly so: `rsa-2048`, `ecdsa-p521`, `oid:1.2.3`.
    pub key: String,
    /// True for an authority.
    pub ca: bool,
    /// notBefore.
    pub not_before: Timestamp,
    /// notAfter.
    pub not_after: Timestamp,
    /// The earliest end of the certificate and of the intermediates that stand with it.
    pub usable_until: Timestamp,
    /// Whole days until then, rounded down; negative after it.
    pub days_left: i64,
    /// How it became known.
    pub source: FoundBy,
    /// Whom the file or socket belongs to, or who imported it; whom it was given to since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PersonRef>,
    /// When it became known.
    pub created_at: Timestamp,
    /// True where it is seen somewhere.
    pub there: bool,
    /// True where alerts are raised for it.
    pub watched: bool,
    /// The first ten places where it is; those where it was once it is nowhere.
    pub places: Vec<FoundPlace>,
    /// How many places there are.
    pub places_total: u64,
    /// The certificate of which this is a version that was replaced or revoked, and is still presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_as: Option<CertificateId>,
    /// What took its place, wherever that was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Successor>,
}

/// A certificate at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundPlace {
    /// `file:/etc/ssl/www.pem`, or `tls:192.0.2.7:443 www.corp.example`.
    pub place: Untrusted,
    /// The alias in a keystore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Untrusted>,
    /// Whether it is there.
    pub state: PlaceState,
    /// When it was first seen there.
    pub first_seen: Timestamp,
    /// When it was last seen there.
    pub last_seen: Timestamp,
}

/// What took a certificate's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Successor {
    /// SHA-256 of its DER.
    pub sha256: Digest,
    /// Its id, issued or found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CertificateId>,
    /// How it is known to be the successor.
    pub lineage: LineageKind,
    /// When it was seen in its place.
    pub at: Timestamp,
}

/// `certificate.import`: files that the caller has read. They are read by nobody else, so nobody reads files through the
/// daemon. What is imported from a path takes the place of what the same account imported from there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    /// 1 to 500.
    pub items: Vec<ImportItem>,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportItem {
    /// Its absolute path. A backslash, control characters and octets that are not UTF-8 are written `\xNN`.
    pub path: Untrusted,
    /// Its octets in base 64: PEM, DER, PKCS#7, PKCS#12, JKS or JCEKS. Left out, the file is gone, or the directory with
    /// all below it: what the caller has imported from there is looked after no longer; for an admin, what anybody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octets: Option<String>,
    /// The password of a keystore. It is used and forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// True where the file was reached through a directory: authorities in it are then nobody's to look after.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

/// Without the password.
impl std::fmt::Debug for ImportItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let octets = self.octets.as_ref().map(String::len);
        f.debug_struct("ImportItem").field("path", &self.path).field("octets", &octets).finish_non_exhaustive()
    }
}

/// The answer to `certificate.import`: all of it is recorded, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportResult {
    /// Each file, in the order of the call.
    pub items: Vec<ImportedItem>,
}

/// What came of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedItem {
    /// Its path, as it came.
    pub path: Untrusted,
    /// The certificates in it, those of chains left out.
    pub certificates: Vec<ImportedCertificate>,
    /// What was in the way, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Untrusted>,
    /// How many certificates are there no longer, or have been succeeded.
    pub ended: u64,
}

/// One certificate of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedCertificate {
    /// Its id, where it is looked after: as a found one, or as one that was issued here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CertificateId>,
    /// True where it was issued here.
    pub issued: bool,
    /// True where nobody knew it before.
    pub new: bool,
    /// The alias in a keystore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Untrusted>,
    /// The name it is known by.
    pub primary_name: Untrusted,
    /// SHA-256 of the DER.
    pub sha256: Digest,
    /// notAfter.
    pub not_after: Timestamp,
    /// The earliest end of the certificate and of the intermediates that stand with it.
    pub usable_until: Timestamp,
}

/// The inventory in `daemon.status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InventoryStatus {
    /// Scans that began.
    pub scans: u64,
    /// When the newest began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended; absent while it goes on, and where the daemon ended first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Found certificates that are seen somewhere.
    pub found: u64,
    /// Of these, those that alerts are raised for.
    pub watched: u64,
    /// What was in the way of the last scan.
    pub problems: u64,
}

/// `certificate.assign`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignParams {
    /// `mc-…`, of a certificate that was found.
    pub certificate_id: CertificateId,
    /// An account of this host: its name, or `uid:N`.
    pub owner: Untrusted,
}

/// The answer to `certificate.assign`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignResult {
    /// `mc-…`
    pub certificate_id: CertificateId,
    /// Whose it is now.
    pub owner: PersonRef,
    /// Whose it was, where that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<PersonRef>,
    /// The ledger record.
    pub seq: u64,
    /// Its leaf hash.
    pub record_sha256: Digest,
}
