//! PKCS#12 (RFC 7292), of which only the certificate bags are opened: private keys stay encrypted.

mod cipher;
mod kdf;
mod mac;

use countersign_shared::text::Untrusted;

use super::der::{BMP_STRING, CONTEXT_0, CONTEXT_0_PRIMITIVE, Elements, INTEGER, OCTET_STRING, OID, SEQUENCE, SET};
use super::{Contents, Problem, Reading, Taken};

/// The most iterations that one file may ask for in all: about a second of work. OpenSSL writes 2048, Java 10000.
const MAX_ITERATIONS: u64 = 2_000_000;
/// How deep safe contents may stand in safe contents.
const MAX_NESTING: usize = 4;
/// The most encrypted parts of one file.
const MAX_SAFES: usize = 32;

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// 1.2.840.113549.1.7.6
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
/// 1.2.840.113549.1.12.10.1.3
const CERTIFICATE_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 3];
/// 1.2.840.113549.1.12.10.1.6
const SAFE_CONTENTS_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 6];
/// 1.2.840.113549.1.9.22.1
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
/// 1.2.840.113549.1.9.20
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];

/// Iterations that may still be asked for.
struct Work(u64);

impl Work {
    fn take(&mut self, iterations: u32) -> Result<u32, String> {
        let left = self.0;
        self.0 = left.checked_sub(iterations.into()).filter(|_| iterations > 0).ok_or_else(|| {
            format!(
                "its password is to be hashed {iterations} times; at most {left} are left for it of what is allowed"
            )
        })?;
        Ok(iterations)
    }
}

/// A password in the two ways in which it is written, see RFC 7292 appendix B.1.
struct Password {
    utf8: Vec<u8>,
    /// UTF-16 with a final zero; nothing at all for the password that is none.
    bmp: Vec<u8>,
}

impl Password {
    fn of(text: &str) -> Self {
        let bmp = text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
        Self { utf8: text.as_bytes().to_vec(), bmp }
    }

    /// Those to try: programs differ in whether no password is an empty string.
    fn candidates(known: Option<&str>) -> Vec<Self> {
        match known {
            Some(text) if !text.is_empty() => vec![Self::of(text)],
            _ => vec![Self::of(""), Self { utf8: Vec::new(), bmp: Vec::new() }],
        }
    }
}

/// True where the octets begin like a PFX of version 3, of definite or indefinite length.
pub(super) fn is(octets: &[u8]) -> bool {
    (2..=6).any(|start| octets.get(start..).is_some_and(|rest| rest.starts_with(&[INTEGER, 1, 3, SEQUENCE])))
}

pub(super) fn read(octets: &[u8], reading: Reading<'_>, contents: &mut Contents) {
    let allowed = reading.iterations.min(MAX_ITERATIONS);
    let mut work = Work(allowed);
    let read = pfx(octets, reading, contents, &mut work);
    contents.iterations += allowed - work.0;
    if let Err(why) = read {
        contents.problem(Problem::Unreadable(format!("PKCS#12: {why}")));
    }
}

fn pfx(octets: &[u8], reading: Reading<'_>, contents: &mut Contents, work: &mut Work) -> Result<(), String> {
    let mut pfx = Elements(octets).inside(SEQUENCE)?;
    pfx.number()?;
    let mut info = pfx.inside(SEQUENCE)?;
    if info.expect(OID)? != DATA {
        return Err("it is protected by a public key, not by a password".to_owned());
    }
    let safes = info.inside(CONTEXT_0)?.expect(OCTET_STRING)?;
    let mut candidates = Password::candidates(reading.password);
    let closed = if reading.password.is_some() { Problem::WrongPassword } else { Problem::NeedsPassword };
    let mut fits = true;
    if !pfx.is_empty() {
        match mac::which(pfx, safes, &candidates, work)? {
            mac::Verdict::Fits(which) => candidates = vec![candidates.swap_remove(which)],
            // Without a password it only says that there is one; certificates may stand in clear all the same.
            mac::Verdict::FitsNone => fits = false,
            mac::Verdict::Unknown => {}
        }
    }
    if !fits && reading.password.is_some() {
        contents.problem(closed.clone());
    }
    let mut safes = Elements(safes).inside(SEQUENCE)?;
    let mut count = 0;
    while !safes.is_empty() {
        count += 1;
        if count > MAX_SAFES {
            return Err(format!("it has more than {MAX_SAFES} parts"));
        }
        let mut safe = safes.inside(SEQUENCE)?;
        match safe.expect(OID)? {
            DATA => {
                let bags = safe.inside(CONTEXT_0)?.expect(OCTET_STRING)?;
                bags_of(Elements(bags).inside(SEQUENCE)?, reading, contents, 0)?;
            }
            ENCRYPTED_DATA if !fits => contents.problem(closed.clone()),
            ENCRYPTED_DATA => {
                let mut encrypted = safe.inside(CONTEXT_0)?.inside(SEQUENCE)?;
                encrypted.number()?;
                let mut encrypted = encrypted.inside(SEQUENCE)?;
                encrypted.expect(OID)?;
                let scheme = cipher::Scheme::read(encrypted.inside(SEQUENCE)?)?;
                let data = encrypted.expect(CONTEXT_0_PRIMITIVE)?;
                let mut opened = false;
                for candidate in &candidates {
                    let Some(clear) = scheme.open(data, candidate, work)? else { continue };
                    // A wrong password makes right padding once in 256 times, but hardly ever DER.
                    if let Ok(bags) = Elements(&clear).inside(SEQUENCE) {
                        bags_of(bags, reading, contents, 0)?;
                        opened = true;
                        break;
                    }
                }
                if !opened {
                    contents.problem(closed.clone());
                }
            }
            _ => {
                let why = "PKCS#12: a part of it is protected by a public key, not by a password";
                contents.problem(Problem::Unreadable(why.to_owned()));
            }
        }
    }
    Ok(())
}

fn bags_of(mut bags: Elements<'_>, reading: Reading<'_>, contents: &mut Contents, depth: usize) -> Result<(), String> {
    if depth > MAX_NESTING {
        return Err(format!("its parts are nested more than {MAX_NESTING} deep"));
    }
    while !bags.is_empty() {
        let mut bag = bags.inside(SEQUENCE)?;
        match bag.expect(OID)? {
            CERTIFICATE_BAG => {
                let mut certificate = bag.inside(CONTEXT_0)?.inside(SEQUENCE)?;
                let alias = friendly_name(bag)?;
                if certificate.expect(OID)? != X509_CERTIFICATE {
                    contents.problem(Problem::Unreadable("PKCS#12: it has certificates that are not X.509".to_owned()));
                    continue;
                }
                let der = certificate.inside(CONTEXT_0)?.expect(OCTET_STRING)?;
                if let Taken::Full = contents.take(der, alias, reading.limit, "PKCS#12") {
                    return Ok(());
                }
            }
            SAFE_CONTENTS_BAG => {
                let nested = bag.inside(CONTEXT_0)?.inside(SEQUENCE)?;
                bags_of(nested, reading, contents, depth + 1)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The friendly name among the attributes that follow a bag.
fn friendly_name(mut bag: Elements<'_>) -> Result<Option<Untrusted>, String> {
    let mut attributes = Elements(bag.optional(SET)?.unwrap_or_default());
    while !attributes.is_empty() {
        let mut attribute = attributes.inside(SEQUENCE)?;
        if attribute.expect(OID)? == FRIENDLY_NAME {
            let (units, _) = attribute.inside(SET)?.expect(BMP_STRING)?.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            return Ok(Some(super::alias(&String::from_utf16_lossy(&units))));
        }
    }
    Ok(None)
}
