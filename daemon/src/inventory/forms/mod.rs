//! The forms in which certificates stand in files: told by the octets, not by the file's name.

mod der;
mod jks;
mod pem;
mod pkcs12;
mod pkcs7;
#[cfg(test)]
mod tests;

use countersign_shared::text::Untrusted;

use super::Problem;
use crate::x509::found::FoundCertificate;

/// The longest alias that is kept, in characters.
const MAX_ALIAS: usize = 256;
/// The largest certificate that is taken, in octets: what serves is far smaller (a message of TLS holds 64 KiB in most
/// programs), and what is taken is kept for ever.
const MAX_CERTIFICATE: usize = 128 << 10;
/// The most problems that are told of one file.
const MAX_PROBLEMS: usize = 20;

/// A certificate inside a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The alias (JKS) or friendly name (PKCS#12) of the keystore.
    pub alias: Option<Untrusted>,
    /// The certificate.
    pub certificate: FoundCertificate,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The certificates in their order.
    pub entries: Vec<Entry>,
    /// What was wrong with parts of it, each thing once.
    pub problems: Vec<Problem>,
    /// True where the octets are of a form that holds certificates, whether there is one in it or not.
    pub recognised: bool,
    /// True where there are PEM blocks of other kinds in it: keys, requests, parameters.
    pub other_blocks: bool,
    /// Iterations of key derivation that it took.
    pub iterations: u64,
}

impl Contents {
    fn problem(&mut self, problem: Problem) {
        let problem = match self.problems.len() {
            MAX_PROBLEMS.. => return,
            last if last + 1 == MAX_PROBLEMS => Problem::Limit { of: "problems", limit: last as u64 },
            _ => problem,
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Takes one certificate; what does not read as one is a problem.
    fn take(&mut self, octets: &[u8], alias: Option<Untrusted>, limit: usize, what: &str) -> Taken {
        if self.entries.len() >= limit {
            self.problem(Problem::Limit { of: "certificates", limit: limit as u64 });
            return Taken::Full;
        }
        match FoundCertificate::read(octets) {
            Ok((certificate, rest)) if certificate.der.len() > MAX_CERTIFICATE => {
                let octets = certificate.der.len();
                let why = format!("{what}: a certificate has {octets} octets; at most {MAX_CERTIFICATE} are taken");
                self.problem(Problem::Unreadable(why));
                Taken::Read { rest: rest.len() }
            }
            Ok((certificate, rest)) => {
                self.entries.push(Entry { alias, certificate });
                Taken::Read { rest: rest.len() }
            }
            Err(why) => {
                self.problem(Problem::Unreadable(format!("{what}: {why}")));
                Taken::Unreadable
            }
        }
    }
}

enum Taken {
    Read { rest: usize },
    Unreadable,
    Full,
}

/// How to read a file.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The password of a keystore, where one is known.
    pub password: Option<&'a str>,
    /// The most certificates that are taken.
    pub limit: usize,
    /// The most iterations of key derivation that are done for it; never more than 2,000,000.
    pub iterations: u64,
}

/// Reads what a file holds: PEM (certificates and PKCS#7), DER (certificates one after the other, PKCS#7, PKCS#12),
/// or a Java keystore (JKS, JCEKS). Private keys are neither decrypted nor decoded.
pub fn read(octets: &[u8], reading: Reading<'_>) -> Contents {
    let mut contents = Contents::default();
    match octets {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => jks::read(octets, reading, &mut contents),
        // A SEQUENCE of at least 128 octets, or of indefinite length: certificates and their containers.
        [0x30, 0x80..=0x84, ..] => structure(octets, reading, &mut contents),
        _ => pem::read(octets, reading, &mut contents),
    }
    contents
}

fn structure(octets: &[u8], reading: Reading<'_>, contents: &mut Contents) {
    if pkcs7::is(octets) {
        contents.recognised = true;
        return pkcs7::read(octets, reading, contents);
    }
    if pkcs12::is(octets) {
        contents.recognised = true;
        return pkcs12::read(octets, reading, contents);
    }
    let mut rest = octets;
    while !rest.is_empty() {
        // What begins like DER may be anything; only after a certificate is it clear what was meant.
        if contents.entries.is_empty() && FoundCertificate::read(rest).is_err() {
            return;
        }
        contents.recognised = true;
        let what = if rest.len() == octets.len() { "DER" } else { "what follows a certificate" };
        match contents.take(rest, None, reading.limit, what) {
            Taken::Read { rest: left } => rest = &rest[rest.len() - left..],
            Taken::Unreadable | Taken::Full => return,
        }
    }
}

/// An alias cut to [`MAX_ALIAS`] characters.
fn alias(raw: &str) -> Untrusted {
    raw.chars().take(MAX_ALIAS).collect::<String>().into()
}
