//! What an issuer is asked to say of certificates that have ended before their time (RFC 5280 §5).

use countersign_shared::revocation::RevocationReason;
use countersign_shared::time::Timestamp;

/// A certificate that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// Why.
    pub reason: RevocationReason,
    /// When. Lists hold whole seconds; it is rounded down.
    pub revoked_at: Timestamp,
}

/// A complete list to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlOrder {
    /// The CRL number: larger than that of every list before.
    pub number: u64,
    /// When it is signed; whole seconds.
    pub this_update: Timestamp,
    /// When the next one is there at the latest; whole seconds.
    pub next_update: Timestamp,
    /// Every certificate that has ended and would otherwise still be good.
    pub entries: Vec<CrlEntry>,
}
