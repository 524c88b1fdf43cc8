//! CSRs as openssl makes them, and what an attacker would make of them.

use super::*;
use countersign_shared::content::{KeyAlgorithm, San};
use countersign_shared::text::{Untrusted, is_deceiving};
use proptest::prelude::*;

mod forged;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/csr/", $name, ".pem"))
    };
}

const P256: &str = fixture!("p256");

#[test]
fn what_openssl_makes_is_read() {
    for (name, pem, key) in [
        ("rsa2048", fixture!("rsa2048"), KeyAlgorithm::Rsa(2048)),
        ("rsa-pss-signature", fixture!("rsa-pss-signature"), KeyAlgorithm::Rsa(2048)),
        ("p256", P256, KeyAlgorithm::EcdsaP256),
        ("with-text", fixture!("with-text"), KeyAlgorithm::EcdsaP256),
        ("p384", fixture!("p384"), KeyAlgorithm::EcdsaP384),
        ("ed25519", fixture!("ed25519"), KeyAlgorithm::Ed25519),
    ] {
        let csr = parse(pem).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(csr.key, key, "{name}");
        assert_eq!(csr.subject.raw(), "CN=www.corp.example", "{name}");
        assert_eq!(csr.common_name, Some(Untrusted::from("www.corp.example")), "{name}");
        assert_eq!(csr.spki_sha256, Digest::of(&[&csr.spki_der]));
        assert_eq!(csr.sha256, Digest::of(&[&csr.der]));
        assert_eq!(parse_der(&csr.der).as_ref(), Ok(&csr));
    }
}

#[test]
fn every_requested_thing_is_listed() {
    let csr = parse(fixture!("all-sans")).unwrap();
    let sans: Vec<String> = csr.sans.iter().map(San::tagged).collect();
    assert_eq!(
        sans,
        [
            "dns:www.corp.example",
            "dns:*.corp.example",
            "ip:192.0.2.7",
            "ip:2001:db8::7",
            "uri:spiffe://corp.example/web",
            "email:pki@corp.example",
        ]
    );
    assert_eq!(csr.subject.raw(), r#"CN=www.corp.example,OU=Web,O=Corp \"Quoted\"\, Inc.,C=DE"#);
    let kinds: Vec<&str> = csr.subject_rest.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["C", "O", "OU"]);
    assert_eq!(csr.key_usage, ["digitalSignature", "keyEncipherment"]);
    assert_eq!(csr.extended_key_usage, ["serverAuth", "clientAuth", "1.3.6.1.5.2.3.5"]);
    assert_eq!(csr.other_extensions, ["1.3.6.1.5.5.7.1.24"]);
    assert_eq!(csr.asks_ca, None);

    let ca = parse(fixture!("ca-true")).unwrap();
    assert_eq!(ca.asks_ca, Some(Some(1)));
    assert_eq!(ca.key_usage, ["keyCertSign", "cRLSign"]);

    let empty = parse(fixture!("empty-subject")).unwrap();
    assert_eq!((empty.subject.raw(), empty.common_name, empty.sans.len()), ("", None, 1));
    assert!(parse(fixture!("no-extensions")).unwrap().sans.is_empty());
    assert_eq!(parse(fixture!("idn")).unwrap().sans, [San::Dns("xn--bcher-kva.example".into())]);
}

#[test]
fn what_no_profile_may_allow_is_refused_by_name() {
    for (pem, word) in [
        (fixture!("rsa1024"), "weak: 1024 bits"),
        (fixture!("rsa16384"), "too large: 16384 bits"),
        (fixture!("rsa-e3"), "exponent is 3"),
        (fixture!("rsa-pss-key"), "RSASSA-PSS"),
        (fixture!("rsa-pss-salt"), "RSASSA-PSS signature with these parameters"),
        (fixture!("rsa-sha1"), "SHA-1 with RSA"),
        (fixture!("rsa-md5"), "MD5 with RSA"),
        (fixture!("p256-sha512"), "SHA-512 with ECDSA"),
        (fixture!("p256-explicit"), "does not name its curve"),
        (fixture!("p256-compressed"), "compressed"),
        (fixture!("p521"), "P-521"),
        (fixture!("secp256k1"), "secp256k1"),
        (fixture!("dsa"), "DSA"),
        (fixture!("ed448"), "Ed448"),
        (fixture!("wrong-signature"), "does not verify"),
        (fixture!("two-common-names"), "more than one common name"),
        (fixture!("escape-in-common-name"), "\"www<U+001B>[2J.corp.example\" has control characters"),
        (fixture!("nul-in-san"), "\"a<U+0000>b.com\""),
        (fixture!("idn-broken"), "not valid IDNA"),
        (fixture!("othername"), "otherName (1.3.6.1.4.1.311.20.2.3)"),
        (fixture!("registered-id"), "registeredID"),
        (fixture!("directory-name"), "directoryName"),
        (fixture!("duplicate-extension"), "2.5.29.17 stands there twice"),
        (fixture!("sans-10000"), "10000 subject alternative names; at most 100"),
        ("", "neither PEM"),
        ("not base 64!", "neither PEM"),
        ("AQID", "not a readable PKCS#10"),
        ("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n", "not CERTIFICATE REQUEST"),
        ("-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n", "private key"),
    ] {
        let error = parse(pem).expect_err(word);
        assert!(error.message.contains(word), "{} / {word}", error.message);
        assert!(!error.message.chars().any(is_deceiving) && error.message.len() < 300, "{}", error.message);
    }
    let big = "A".repeat(MAX_CSR + 1);
    assert!(parse(&big).unwrap_err().message.contains("at most 131072"));
    assert!(parse(&P256.repeat(2)).unwrap_err().message.contains("second PEM block"));
}

#[test]
fn der_in_base_64_and_old_labels_are_read() {
    let csr = parse(P256).unwrap();
    let bare: String = P256.lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n ");
    assert_eq!(parse(&bare).as_ref(), Ok(&csr));
    assert_eq!(parse(&pem::encode("NEW CERTIFICATE REQUEST", &csr.der)).as_ref(), Ok(&csr));
    let mut longer = csr.der;
    longer.push(0);
    assert!(parse_der(&longer).unwrap_err().message.contains("1 octets follow"));
}

/// 20,000 SEQUENCEs in one another.
fn deep() -> Vec<u8> {
    let mut reversed: Vec<u8> = Vec::new();
    for _ in 0..20_000 {
        let length = reversed.len();
        match length {
            0..128 => reversed.push(length as u8),
            _ => {
                let octets = u32::try_from(length).unwrap().to_be_bytes();
                reversed.extend(octets[1..].iter().rev());
                reversed.push(0x83);
            }
        }
        reversed.push(0x30);
    }
    reversed.reverse();
    reversed
}

#[test]
fn deep_nesting_is_met_without_deep_recursion() {
    let deep = deep();
    for last in [14, 15, 17, 18, 19, 30, 31, 32, 33, 35, 36, 37, 54] {
        let mut params = rcgen::CertificateParams::default();
        params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, last], deep.clone()));
        let key = rcgen::KeyPair::generate().unwrap();
        let request = params.serialize_request(&key).unwrap();
        assert!(request.der().len() < MAX_CSR);
        // A stack overflow would end the whole process. What is not interpreted may also be listed as unused.
        let oid = format!("2.5.29.{last}");
        match parse_der(request.der()) {
            Ok(csr) => assert!(![15, 17, 19, 37].contains(&last) && csr.other_extensions == [oid.as_str()], "{oid}"),
            Err(error) => assert!(error.message.contains(&oid), "{oid}: {error}"),
        }
    }
    assert!(parse_der(&deep).is_err());
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(der in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(parse_der(&der).is_err());
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        prop_assert!(parse(&text).is_err());
    }

    /// A changed octet is either refused or lies outside of what the proof of possession covers.
    #[test]
    fn mutated_requests_never_pass_as_the_original(
        which in 0usize..3,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        let original = parse([P256, fixture!("all-sans"), fixture!("rsa2048")][which]).unwrap();
        let mut der = original.der.clone();
        for (place, value) in &changes {
            let place = place.index(der.len());
            der[place] = *value;
        }
        if truncate {
            der.truncate(cut.index(der.len()));
        }
        if let Ok(csr) = parse_der(&der) {
            prop_assert_eq!(csr.spki_sha256, original.spki_sha256);
            prop_assert_eq!(csr.sans, original.sans);
            prop_assert_eq!(csr.subject, original.subject);
        }
    }
}
