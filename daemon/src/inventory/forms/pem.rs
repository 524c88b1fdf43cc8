//! PEM (RFC 7468) as it is found: blocks of any kind, among any octets, some of them broken.

use data_encoding::BASE64;

use super::{Contents, Problem, Reading, Taken, pkcs7};

/// What is done with a block.
enum Kind {
    Certificate,
    /// OpenSSL's form: trust settings follow the certificate.
    TrustedCertificate,
    Pkcs7,
    /// Keys, requests, parameters: passed over without being decoded.
    Other,
}

fn kind(label: &[u8]) -> Kind {
    match label {
        b"CERTIFICATE" | b"X509 CERTIFICATE" => Kind::Certificate,
        b"TRUSTED CERTIFICATE" => Kind::TrustedCertificate,
        b"PKCS7" | b"CMS" | b"PKCS #7 SIGNED DATA" => Kind::Pkcs7,
        _ => Kind::Other,
    }
}

/// Reads every block of certificates; a broken one is a problem and hides no other.
pub(super) fn read(octets: &[u8], reading: Reading<'_>, contents: &mut Contents) {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let mut lines = octets.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    let mut open = lines.by_ref().find_map(|line| boundary(line, b"-----BEGIN "));
    let mut number = 0_u32;
    while let Some(label) = open.take() {
        let kind = kind(label);
        number += 1;
        let other = matches!(kind, Kind::Other);
        contents.recognised |= !other;
        contents.other_blocks |= other;
        let mut body = Vec::new();
        let mut ended = false;
        for line in lines.by_ref() {
            if let Some(end) = boundary(line, b"-----END ") {
                ended = end == label;
                break;
            }
            open = boundary(line, b"-----BEGIN ");
            if open.is_some() {
                break;
            }
            if !other {
                body.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
            }
        }
        if !other {
            let what = format!("PEM block {number}");
            match (ended, BASE64.decode(&body)) {
                (false, _) => contents.problem(Problem::Unreadable(format!("{what} has no END line of its own"))),
                (true, Err(_)) => contents.problem(Problem::Unreadable(format!("{what} is not base 64"))),
                (true, Ok(der)) => match block(&kind, &der, &what, reading, contents) {
                    Taken::Full => return,
                    Taken::Read { rest } if rest > 0 && matches!(kind, Kind::Certificate) => {
                        contents.problem(Problem::Unreadable(format!("{what}: {rest} octets follow the certificate")));
                    }
                    Taken::Read { .. } | Taken::Unreadable => {}
                },
            }
        }
        if open.is_none() {
            open = lines.by_ref().find_map(|line| boundary(line, b"-----BEGIN "));
        }
    }
}

fn block(kind: &Kind, der: &[u8], what: &str, reading: Reading<'_>, contents: &mut Contents) -> Taken {
    if let Kind::Pkcs7 = kind {
        pkcs7::read(der, reading, contents);
        let full = contents.entries.len() >= reading.limit;
        return if full { Taken::Full } else { Taken::Read { rest: 0 } };
    }
    contents.take(der, None, reading.limit, what)
}

/// What stands between `-----BEGIN ` and `-----`.
fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}
