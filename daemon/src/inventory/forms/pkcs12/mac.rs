//! The MAC of a PKCS#12 file (RFC 7292 §4), which tells a right password from a wrong one.

use ring::{digest, hmac};

use super::super::der::{Elements, OCTET_STRING, OID, SEQUENCE};
use super::kdf::{Purpose, derive};
use super::{Password, Work};

/// The longest salt, in octets.
pub(super) const MAX_SALT: usize = 1024;

/// 1.3.14.3.2.26
const SHA1: &[u8] = &[0x2b, 14, 3, 2, 26];
/// 2.16.840.1.101.3.4.2, before the number of the hash
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];

/// What the MAC says of some passwords.
pub(super) enum Verdict {
    /// The one at this place is right.
    Fits(usize),
    /// None is right, or the file is damaged.
    FitsNone,
    /// The MAC is of a kind that is not known (RFC 9579): only opening the parts will tell.
    Unknown,
}

pub(super) fn which(
    mut rest: Elements<'_>,
    content: &[u8],
    passwords: &[Password],
    work: &mut Work,
) -> Result<Verdict, String> {
    let mut data = rest.inside(SEQUENCE)?;
    let mut info = data.inside(SEQUENCE)?;
    let kind = info.inside(SEQUENCE)?.expect(OID)?;
    let wanted = info.expect(OCTET_STRING)?;
    let salt = data.expect(OCTET_STRING)?;
    let iterations = if data.is_empty() { 1 } else { data.number()? };
    let (hash, hmac_kind): (&digest::Algorithm, _) = match kind {
        SHA1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        [family @ .., 1] if *family == *SHA2 => (&digest::SHA256, hmac::HMAC_SHA256),
        [family @ .., 2] if *family == *SHA2 => (&digest::SHA384, hmac::HMAC_SHA384),
        [family @ .., 3] if *family == *SHA2 => (&digest::SHA512, hmac::HMAC_SHA512),
        _ => return Ok(Verdict::Unknown),
    };
    if salt.len() > MAX_SALT {
        return Err(format!("its salt has {} octets; at most {MAX_SALT} are allowed", salt.len()));
    }
    for (i, password) in passwords.iter().enumerate() {
        let key = derive(hash, Purpose::Mac, &password.bmp, salt, work.take(iterations)?, hash.output_len());
        if hmac::verify(&hmac::Key::new(hmac_kind, &key), content, wanted).is_ok() {
            return Ok(Verdict::Fits(i));
        }
    }
    Ok(Verdict::FitsNone)
}
