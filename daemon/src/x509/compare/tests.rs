//! One difference at a time, made by an authority that the test holds.

use super::*;
use crate::x509::testing::{at, content_for, fresh_csr};
use countersign_shared::content::{ExtendedKeyUsage, San};
use countersign_shared::digest::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use std::time::Duration;

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Test CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn seconds(offset: i64) -> Duration {
    Duration::from_secs(u64::try_from(at(offset).unix_millis() / 1000).unwrap())
}

/// Issues by edited parameters for content that was approved unedited; returns the comparison's sentences.
fn judged(
    edit_ca: &dyn Fn(&mut CertificateParams),
    edit: &dyn Fn(&mut CertificateParams),
    edit_approved: &dyn Fn(&mut CertificateContent),
    edit_chain: &dyn Fn(&mut Vec<IssuedCertificate>),
) -> Vec<String> {
    let csr = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, &["www.corp.example"]);
    let mut approved = content_for(&csr);
    approved.subject.remove(0);
    let key = KeyPair::generate().unwrap();
    let mut ca = ca_params();
    edit_ca(&mut ca);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::new(vec!["www.corp.example".to_owned()]).unwrap();
    params.not_before = epoch + seconds(0);
    params.not_after = epoch + seconds(90 * 86_400);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Corp GmbH");
    params.distinguished_name.push(DnType::CommonName, "www.corp.example");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    edit(&mut params);
    let spki = SubjectPublicKeyInfo::from_der(&csr.spki_der).unwrap();
    let leaf = params.signed_by(&spki, &Issuer::from_params(&ca, &key)).unwrap();
    let root = ca.self_signed(&key).unwrap();
    let mut chain: Vec<IssuedCertificate> =
        [leaf.der(), root.der()].iter().map(|der| IssuedCertificate::parse(der).unwrap()).collect();
    edit_approved(&mut approved);
    edit_chain(&mut chain);
    compare(&approved, &chain, Window { ordered: at(0), answered: at(2) }).err().unwrap_or_default()
}

type Edit<'a, T> = &'a dyn Fn(&mut T);

#[test]
fn the_approved_certificate_passes_and_every_other_is_told_apart() {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    assert_eq!(judged(&|_| {}, &|_| {}, &|_| {}, &|_| {}), Vec::<String>::new());
    let by_issuer: [(Edit<'_, CertificateParams>, &str); 20] = [
        (&|p| p.distinguished_name.push(DnType::CommonName, "evil"), "the common name is \"evil\""),
        (&|p| assert!(p.distinguished_name.remove(DnType::CommonName)), "the common name is none"),
        (&|p| p.distinguished_name.push(DnType::OrganizationName, "Evil"), "attributes are O \"Evil\"; approved: O"),
        (&|p| p.distinguished_name.push(DnType::LocalityName, "x"), "L \"x\""),
        (&|p| assert!(p.distinguished_name.remove(DnType::OrganizationName)), "attributes are none"),
        (
            &|p| p.subject_alt_names.push(SanType::DnsName("evil.example".try_into().unwrap())),
            "the name dns \"evil.example\" was not approved",
        ),
        (&|p| p.subject_alt_names.clear(), "\"www.corp.example\" is missing"),
        (&|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "is a certification authority, other"),
        (&|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign), "the key usage is digitalSignature, keyCertSign"),
        (&|p| p.key_usages.clear(), "the key usage is none"),
        (&|p| p.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::Any), "anyExtendedKeyUsage"),
        (&|p| p.extended_key_usages.clear(), "extended key usage is none; approved: serverAuth"),
        (
            &|p| {
                let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
                unknown.set_criticality(true);
                p.custom_extensions.push(unknown);
            },
            "critical extension 1.2.3.4",
        ),
        (&|p| p.serial_number = Some(SerialNumber::from_slice(&[0x7f; 21])), "positive number of at most 20 octets"),
        (&|p| p.serial_number = Some(SerialNumber::from_slice(&[0])), "positive number of at most 20 octets"),
        (&|p| p.not_after = epoch + seconds(90 * 86_400 + 1), "longer than the approved 90d"),
        (&|p| p.not_before = epoch + seconds(120), "begins in the future"),
        (&|p| p.not_before = epoch + seconds(-400), "more than five minutes before"),
        (&|p| p.not_after = epoch + seconds(-10), "before it begins"),
        (&|p| p.not_after = epoch + seconds(1), "has expired already"),
    ];
    for (edit, word) in by_issuer {
        told(&judged(&|_| {}, edit, &|_| {}, &|_| {}), word);
    }
    let by_authority: [(Edit<'_, CertificateParams>, &str); 4] = [
        (&|p| p.is_ca = IsCa::ExplicitNoCa, "may not sign certificates"),
        (&|p| p.key_usages = vec![KeyUsagePurpose::CrlSign], "may not sign certificates"),
        (&|p| p.not_after = epoch + seconds(86_400), "outside of its issuer"),
        (&|p| p.not_before = epoch + seconds(1), "outside of its issuer"),
    ];
    for (edit, word) in by_authority {
        told(&judged(edit, &|_| {}, &|_| {}, &|_| {}), word);
    }
    let approved_other: [(Edit<'_, CertificateContent>, &str); 4] = [
        (&|c| c.spki_sha256 = Digest::of(&[b"other"]), "the public key is"),
        (&|c| c.ca = true, "is not a certification authority, other"),
        (&|c| c.sans.push(San::Ip([192, 0, 2, 7].into())), "the approved name ip \"192.0.2.7\" is missing"),
        (&|c| c.extended_key_usage.push(ExtendedKeyUsage::ClientAuth), "approved: clientAuth, serverAuth"),
    ];
    for (edit, word) in approved_other {
        told(&judged(&|_| {}, &|_| {}, edit, &|_| {}), word);
    }
}

#[test]
fn what_takes_two_edits_to_show_is_told_too() {
    let other_kind = judged(&|_| {}, &|_| {}, &|c| c.key = countersign_shared::content::KeyAlgorithm::Ed25519, &|_| {});
    assert_eq!(other_kind, ["the key is ecdsa-p256, approved is ed25519"]);
    let useless_authority =
        judged(&|_| {}, &|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)), &|c| c.ca = true, &|_| {});
    assert_eq!(useless_authority, ["the issuer may not make certification authorities (path length 0)"]);
    let nameless = |critical: bool| {
        judged(
            &|_| {},
            &|p| p.distinguished_name = DistinguishedName::new(),
            &|c| {
                c.common_name = None;
                c.subject.clear();
            },
            &|chain| chain[0].san_critical = critical,
        )
    };
    assert_eq!(nameless(true), Vec::<String>::new());
    assert_eq!(nameless(false), ["the subject is empty and the subject alternative names are not critical"]);
}

#[test]
fn an_authority_makes_no_further_authorities() {
    for (limit, said) in [
        (BasicConstraints::Unconstrained, "the path length is without a limit"),
        (BasicConstraints::Constrained(1), "the path length is of 1"),
    ] {
        let above = &|p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(3));
        told(&judged(above, &|p| p.is_ca = IsCa::Ca(limit), &|c| c.ca = true, &|_| {}), said);
        assert_eq!(
            judged(above, &|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)), &|c| c.ca = true, &|_| {}),
            Vec::<String>::new()
        );
    }
}

#[test]
fn an_issuer_adds_what_is_its_own_and_nothing_else() {
    let with = |oid: &[u64], critical: bool| {
        judged(
            &|_| {},
            &|p| {
                let mut extension = CustomExtension::from_oid_content(oid, vec![4, 0]);
                extension.set_criticality(critical);
                p.custom_extensions.push(extension);
            },
            &|_| {},
            &|_| {},
        )
    };
    assert_eq!(with(&[2, 5, 29, 46], false), Vec::<String>::new());
    told(&with(&[2, 5, 29, 46], true), "the critical extension 2.5.29.46");
    // A certificate template (its users can log in to a domain), must-staple, and one that nobody knows.
    for oid in [&[1, 3, 6, 1, 4, 1, 311, 21, 7][..], &[1, 3, 6, 1, 5, 5, 7, 1, 24], &[1, 2, 3, 4]] {
        let dotted: Vec<String> = oid.iter().map(ToString::to_string).collect();
        told(&with(oid, false), &format!("the extension {} was not approved", dotted.join(".")));
    }
}

#[test]
fn the_chain_is_verified_link_by_link() {
    let stranger = || {
        let der = ca_params().self_signed(&KeyPair::generate().unwrap()).unwrap();
        IssuedCertificate::parse(der.der()).unwrap()
    };
    let edits: [(Edit<'_, Vec<IssuedCertificate>>, &str); 6] = [
        (&|chain| chain.clear(), "the chain is empty"),
        (&|chain| chain.truncate(1), "the leaf alone"),
        (&|chain| chain.reverse(), "the public key is"),
        (&|chain| chain[1] = stranger(), "certificate 1 of the chain: the signature does not verify"),
        (&|chain| chain.push(stranger()), "certificate 2 of the chain: the signature does not verify"),
        (&|chain| chain.insert(1, chain[1].clone()), "stands above more authorities"),
    ];
    for (edit, word) in edits {
        told(&judged(&|_| {}, &|_| {}, &|_| {}, edit), word);
    }
    let renamed = |p: &mut CertificateParams| p.distinguished_name.push(DnType::CommonName, "Other CA");
    let other_name = judged(&|_| {}, &|_| {}, &|_| {}, &|chain| {
        let mut params = ca_params();
        renamed(&mut params);
        chain[1] = IssuedCertificate::parse(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap();
    });
    told(&other_name, "names the issuer \"CN=Test CA\", the next one is \"CN=Other CA\"");
}

#[test]
fn backdating_within_the_allowance_passes() {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let backdated = judged(
        &|_| {},
        &|p| {
            p.not_before = epoch + seconds(-300);
            p.not_after = epoch + seconds(90 * 86_400 - 300);
        },
        &|_| {},
        &|_| {},
    );
    assert_eq!(backdated, Vec::<String>::new());
}

fn told(sentences: &[String], word: &str) {
    assert!(sentences.iter().any(|sentence| sentence.contains(word)), "{sentences:?} / {word}");
}
