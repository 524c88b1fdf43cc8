//! Requests that no honest tool makes, each with a valid proof of possession.

use super::*;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};

/// One DER element.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        0..128 => out.push(content.len() as u8),
        length => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend(content);
    out
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID_EXTENSION_REQUEST: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
const OID_CHALLENGE: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7];

/// An extension of id-ce.
fn extension(last: u8, value: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&[6, 3, 0x55, 0x1d, last], &der(4, &[value])])
}

fn request(extensions: &[&[u8]]) -> Vec<u8> {
    let value = der(SEQUENCE, extensions);
    der(SEQUENCE, &[OID_EXTENSION_REQUEST, &der(SET, &[&value])])
}

/// A CSR of these parts, signed by the key; `spki` instead of the key's own where given.
fn signed(version: u8, spki: Option<&[u8]>, attributes: &[&[u8]]) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let own = key.subject_public_key_info();
    let attributes = der(0xa0, attributes);
    let info = der(SEQUENCE, &[&[2, 1, version], &der(SEQUENCE, &[]), spki.unwrap_or(&own), &attributes]);
    let signature = key.sign(&info).unwrap();
    let ecdsa_with_sha256 = der(SEQUENCE, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
    der(SEQUENCE, &[&info, &ecdsa_with_sha256, &der(3, &[&[0], &signature])])
}

fn refusal(csr: &[u8]) -> String {
    parse_der(csr).unwrap_err().message
}

#[test]
fn the_forger_can_also_make_a_good_one() {
    let challenge = der(SEQUENCE, &[OID_CHALLENGE, &der(SET, &[&der(12, &[b"secret"])])]);
    let csr = parse_der(&signed(0, None, &[&challenge, &request(&[&extension(15, &[3, 2, 7, 0x80])])])).unwrap();
    assert_eq!(csr.key_usage, ["digitalSignature"]);
    assert_eq!(csr.other_extensions, ["1.2.840.113549.1.9.7"]);
}

#[test]
fn nothing_hides_behind_what_is_read() {
    let usage = extension(15, &[3, 2, 7, 0x80]);
    let list = der(SEQUENCE, &[&usage]);
    let two_values = der(SEQUENCE, &[OID_EXTENSION_REQUEST, &der(SET, &[&list, &list])]);
    assert!(refusal(&signed(0, None, &[&two_values])).contains("exactly one value"));
    let one = request(&[&usage]);
    assert!(refusal(&signed(0, None, &[&one, &one])).contains("attribute 1.2.840.113549.1.9.14 stands there twice"));
    assert!(refusal(&signed(0, None, &[&request(&[&usage, &usage])])).contains("2.5.29.15 stands there twice"));
    assert!(refusal(&signed(1, None, &[])).contains("version"));
    for (last, value) in [
        (15, &[3, 2, 7, 0x80, 0][..]),
        (19, &[0x30, 3, 1, 1, 0xff, 0x30, 0]),
        (37, &[0x30, 0, 0]),
        (17, &[0x30, 3, 0x82, 1, b'a', 0]),
        (15, &[3, 3, 6, 0, 0x40]),
    ] {
        let message = refusal(&signed(0, None, &[&request(&[&extension(last, value)])]));
        assert_eq!(message, format!("the extension 2.5.29.{last} is not readable"));
    }
}

#[test]
fn counts_are_limited() {
    let many: Vec<Vec<u8>> = (0..33).map(|i| extension(100 + i, &[5, 0])).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert!(refusal(&signed(0, None, &[&request(&many)])).contains("at most 32"));
    let attributes: Vec<Vec<u8>> =
        (0..33).map(|i| der(SEQUENCE, &[&[6, 3, 0x55, 4, i], &der(SET, &[&[5, 0]])])).collect();
    let attributes: Vec<&[u8]> = attributes.iter().map(Vec::as_slice).collect();
    assert!(refusal(&signed(0, None, &attributes)).contains("more than 32 attributes"));
}

#[test]
fn misshapen_keys_are_refused_before_any_arithmetic() {
    let rsa = der(SEQUENCE, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], &[5, 0]]);
    let spki = |unused: u8, modulus: &[u8], exponent: &[u8], after: &[u8]| {
        let key = der(SEQUENCE, &[&der(2, &[modulus]), &der(2, &[exponent])]);
        der(SEQUENCE, &[&rsa, &der(3, &[&[unused], &key, after])])
    };
    let mut modulus = vec![0xff; 257];
    modulus[0] = 0;
    let mut even = modulus.clone();
    even[256] = 0xfe;
    let f4 = &[1, 0, 1][..];
    for (spki, word) in [
        (spki(0, &even, f4, &[]), "even"),
        (spki(0, &modulus, f4, &[0]), "octets follow the RSA key"),
        (spki(1, &modulus, f4, &[0x80]), "whole number of octets"),
        (spki(0, &modulus[1..], f4, &[]), "not positive"),
        (spki(0, &modulus, &[1, 0, 2], &[]), "exponent is 65538"),
        (spki(0, &modulus, &[0x7f; 9], &[]), "at most 64 bits"),
        (spki(0, &modulus, &[2, 0, 0, 0, 1], &[]), "exponent is 8589934593"),
        (spki(0, &modulus[..256], f4, &[]), "weak: 2040 bits"),
    ] {
        let message = refusal(&signed(0, Some(&spki), &[]));
        assert!(message.contains(word), "{message} / {word}");
    }
    let ed25519 = der(SEQUENCE, &[&der(SEQUENCE, &[&[6, 3, 0x2b, 0x65, 0x70]]), &der(3, &[&[0; 32]])]);
    assert!(refusal(&signed(0, Some(&ed25519), &[])).contains("not 32 octets"));
    // A sound RSA key that did not make the signature.
    assert!(refusal(&signed(0, Some(&spki(0, &modulus, f4, &[])), &[])).contains("does not verify"));
}
