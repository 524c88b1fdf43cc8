//! PKCS#7 and CMS signed data (RFC 5652 §5.1), of which only the certificates are of interest.

use super::der::{CONTEXT_0, Elements, INTEGER, OID, SEQUENCE, SET};
use super::{Contents, Problem, Reading, Taken};

/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];

/// True where the octets begin like signed data, of definite or indefinite length.
pub(super) fn is(octets: &[u8]) -> bool {
    // Tag and at most five octets of length, then the type.
    (2..=6).any(|start| {
        octets.get(start..).is_some_and(|rest| rest.starts_with(&[OID, 9]) && rest[2..].starts_with(SIGNED_DATA))
    })
}

pub(super) fn read(octets: &[u8], reading: Reading<'_>, contents: &mut Contents) {
    if let Err(why) = certificates(octets, reading, contents) {
        contents.problem(Problem::Unreadable(format!("PKCS#7: {why}")));
    }
}

fn certificates(octets: &[u8], reading: Reading<'_>, contents: &mut Contents) -> Result<(), String> {
    let mut info = Elements(octets).inside(SEQUENCE)?;
    if info.expect(OID)? != SIGNED_DATA {
        return Err("it is not signed data".to_owned());
    }
    let mut signed = info.inside(CONTEXT_0)?.inside(SEQUENCE)?;
    signed.expect(INTEGER)?;
    signed.expect(SET)?;
    signed.expect(SEQUENCE)?;
    let mut certificates = Elements(signed.optional(CONTEXT_0)?.unwrap_or_default());
    while !certificates.is_empty() {
        let certificate = certificates.next()?;
        // Attribute certificates and extended ones stand under tags of their own.
        if certificate.tag == SEQUENCE {
            let taken = contents.take(certificate.whole, None, reading.limit, "PKCS#7");
            if let Taken::Full = taken {
                return Ok(());
            }
        }
    }
    Ok(())
}
