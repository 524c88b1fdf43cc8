//! The lists that the embedded authority signs: read again and compared with what was ordered before they leave.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_shared::revocation::RevocationReason;
use countersign_shared::time::Timestamp;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, SubjectPublicKeyInfo};

use super::LocalCa;
use crate::issuer::{CrlOrder, IssueError};

fn refused(what: &str, error: impl std::fmt::Display) -> IssueError {
    IssueError::Refused(format!("the list of what was revoked: {what}: {error}"))
}

/// Signs the list, and returns its DER.
pub(super) fn sign(ca: &LocalCa, order: &CrlOrder) -> Result<Vec<u8>, IssueError> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut revoked_certs = Vec::with_capacity(order.entries.len());
    for entry in &order.entries {
        let serial = data_encoding::HEXLOWER
            .decode(entry.serial.as_bytes())
            .map_err(|error| refused("a serial number cannot be read", error))?;
        revoked_certs.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time: epoch + since_1970(entry.revoked_at)?,
            reason_code: code(entry.reason),
            invalidity_date: None,
        });
    }
    let params = CertificateRevocationListParams {
        this_update: epoch + since_1970(order.this_update)?,
        next_update: epoch + since_1970(order.next_update)?,
        crl_number: SerialNumber::from(order.number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = params.signed_by(&ca.signer).map_err(|error| refused("signing failed", error))?;
    let der = list.der().to_vec();
    says_what_was_ordered(ca, order, &der)?;
    Ok(der)
}

/// Whole seconds since 1970.
fn since_1970(at: Timestamp) -> Result<Duration, IssueError> {
    let seconds = u64::try_from(at.unix_millis().div_euclid(1000));
    seconds.map(Duration::from_secs).map_err(|error| refused("a moment lies before 1970", error))
}

/// RFC 5280 §5.3.1: a reason that is not specified is not written.
const fn code(reason: RevocationReason) -> Option<rcgen::RevocationReason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(rcgen::RevocationReason::KeyCompromise),
        RevocationReason::AffiliationChanged => Some(rcgen::RevocationReason::AffiliationChanged),
        RevocationReason::Superseded => Some(rcgen::RevocationReason::Superseded),
        RevocationReason::CessationOfOperation => Some(rcgen::RevocationReason::CessationOfOperation),
        RevocationReason::PrivilegeWithdrawn => Some(rcgen::RevocationReason::PrivilegeWithdrawn),
    }
}

/// The signature is that of the intermediate, the number and the times are those of the order, and so is every entry.
fn says_what_was_ordered(ca: &LocalCa, order: &CrlOrder, der: &[u8]) -> Result<(), IssueError> {
    let other = |what: &str| Err(refused("what was signed is not what was ordered", what));
    let (rest, list) =
        CertificateRevocationList::from_der(der).map_err(|error| refused("what was signed cannot be read", error))?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&ca.intermediate.spki_der)
        .map_err(|error| refused("the authority's key cannot be read", error))?;
    if !rest.is_empty() || list.verify_signature(&key).is_err() {
        return other("its signature is not that of the authority");
    }
    let seconds = |at: Timestamp| at.unix_millis().div_euclid(1000);
    let number = list.crl_number().map(|number| number.to_string());
    if number != Some(order.number.to_string())
        || list.last_update().timestamp() != seconds(order.this_update)
        || list.next_update().map(|at| at.timestamp()) != Some(seconds(order.next_update))
    {
        return other("its number or its times differ");
    }
    let ordered: BTreeMap<String, (i64, u8)> = order
        .entries
        .iter()
        .map(|entry| (entry.serial.clone(), (seconds(entry.revoked_at), entry.reason.code())))
        .collect();
    let mut signed = BTreeMap::new();
    for entry in list.iter_revoked_certificates() {
        let serial = data_encoding::HEXLOWER.encode(entry.raw_serial());
        let reason = entry.reason_code().map_or(0, |(_, code)| code.0);
        signed.insert(serial, (entry.revocation_date.timestamp(), reason));
    }
    if signed != ordered { other("its entries differ") } else { Ok(()) }
}
