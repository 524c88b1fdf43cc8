//! The first start: two keys, two certificates, written beside their place and renamed there as a whole.

use std::path::Path;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, SerialNumber,
};

use super::directory::{self, Files};
use crate::issuer::Serial;

/// Ten and five years of 365.25 days, in seconds.
const ROOT_VALIDITY: i64 = 3652 * 86_400 + 43_200;
const INTERMEDIATE_VALIDITY: i64 = 1826 * 86_400 + 21_600;
/// 9999-12-31T23:59:59Z, the last moment that X.509 can write.
const LAST_MOMENT: i64 = 253_402_300_799;

/// What the embedded authority calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaNames {
    /// The organization in both names; left out where `None`.
    pub organization: Option<String>,
    /// The root's common name.
    pub root: String,
    /// The intermediate's common name.
    pub intermediate: String,
}

/// Makes the authority in `dir`.
pub(super) fn create(dir: &Path, names: &CaNames, now: Timestamp) -> Result<(), ApiError> {
    let files = generate(names, now)
        .map_err(|error| ApiError::new(ErrorKind::Unavailable, format!("the local CA cannot be made: {error}")))?;
    directory::write(dir, &files)
}

fn generate(names: &CaNames, now: Timestamp) -> Result<Files, rcgen::Error> {
    let now = now.unix_millis().div_euclid(1000);
    let root_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
    let root_params = authority(names, &names.root, now, ROOT_VALIDITY, BasicConstraints::Constrained(1))?;
    let root = root_params.self_signed(&root_key)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
    let mut params =
        authority(names, &names.intermediate, now, INTERMEDIATE_VALIDITY, BasicConstraints::Constrained(0))?;
    params.use_authority_key_identifier_extension = true;
    let intermediate = params.signed_by(&key, &Issuer::from_params(&root_params, &root_key))?;
    Ok(Files {
        root_key: root_key.serialize_pem(),
        root_crt: root.pem(),
        intermediate_key: key.serialize_pem(),
        intermediate_crt: intermediate.pem(),
    })
}

fn authority(
    names: &CaNames,
    common_name: &str,
    now: i64,
    validity: i64,
    constraints: BasicConstraints,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    if !set_validity(&mut params, now, now.saturating_add(validity)) {
        return Err(rcgen::Error::Time);
    }
    let serial = Serial::random().map_err(|_| rcgen::Error::RingUnspecified)?;
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = &names.organization {
        params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
    }
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Sets the validity in seconds since 1970; false for what lies before 1970 or after the year 9999.
#[must_use]
pub(super) fn set_validity(params: &mut CertificateParams, begin: i64, end: i64) -> bool {
    let since_1970 = |seconds: i64| u64::try_from(seconds).ok().filter(|_| seconds <= LAST_MOMENT);
    let (Some(begin), Some(end)) = (since_1970(begin), since_1970(end)) else {
        return false;
    };
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(begin);
    params.not_after = epoch + Duration::from_secs(end);
    true
}
