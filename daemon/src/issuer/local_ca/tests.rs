//! The embedded authority against its own comparison, openssl, crashes and careless modes.

use super::*;
use crate::issuer::{Serial, finish};
use crate::x509::testing::{at, content_for, fresh_csr};
use countersign_shared::content::KeyAlgorithm;
use countersign_shared::time::Span;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

type ContentEdit<'a> = &'a dyn Fn(&mut CertificateContent);
type DirectoryEdit<'a> = &'a dyn Fn(&Path);

fn names() -> CaNames {
    CaNames { organization: Some("Corp GmbH".into()), root: "Corp Root".into(), intermediate: "Corp Issuing".into() }
}

fn authority() -> (tempfile::TempDir, PathBuf, LocalCa) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("ca");
    let ca = LocalCa::open_or_create(&dir, &names(), at(0)).unwrap();
    (place, dir, ca)
}

fn order() -> Order {
    Order { serial: Serial::random().unwrap(), not_before: at(0) }
}

#[test]
fn every_kind_of_key_gets_exactly_what_was_approved() {
    let (_place, _, ca) = authority();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let csr = fresh_csr(algorithm, &["www.corp.example", "*.corp.example", "192.0.2.7", "2001:db8::7"]);
        let mut content = content_for(&csr);
        content.sans.push(San::Uri("spiffe://corp.example/web".into()));
        content.sans.push(San::Email("pki@corp.example".into()));
        content.key_usage = KeyUsage::ALL.to_vec();
        content.extended_key_usage = ExtendedKeyUsage::ALL.to_vec();
        content.subject = SubjectAttribute::ALL.iter().map(|kind| (*kind, "DE".to_owned())).collect();
        let (approved, order) = (Approved::for_tests(content, csr.der), order());
        let answer = ca.issue(&approved, &order).unwrap();
        let issued = finish(&approved, &order, &answer, at(1)).unwrap();
        let leaf = issued.leaf().unwrap();
        assert_eq!(leaf.serial_hex, order.serial.to_string());
        assert_eq!(leaf.not_after.unix_millis() - leaf.not_before.unix_millis(), 90 * 86_400_000);
        assert_eq!(leaf.subject.raw(), "CN=www.corp.example,OU=DE,O=DE,L=DE,ST=DE,C=DE");
        assert_eq!(leaf.other_extensions, ["2.5.29.35", "2.5.29.14"]);
        assert_eq!((leaf.ca, leaf.path_len), (false, None));
        assert_eq!(issued.chain.len(), 2);
        assert_eq!(issued.chain[1], *ca.intermediate());
    }
}

#[test]
fn rsa_keys_and_an_empty_subject_are_written_as_they_came() {
    let (_place, _, ca) = authority();
    let csr = csr::parse(include_str!("../../../tests/fixtures/csr/rsa2048.pem")).unwrap();
    let mut content = content_for(&csr);
    assert_eq!(content.key, KeyAlgorithm::Rsa(2048));
    content.common_name = None;
    content.subject.clear();
    let (approved, order) = (Approved::for_tests(content, csr.der), order());
    let issued = finish(&approved, &order, &ca.issue(&approved, &order).unwrap(), at(1)).unwrap();
    let leaf = issued.leaf().unwrap();
    assert!(leaf.san_critical && leaf.subject.raw().is_empty());
    assert_eq!(leaf.spki_der, csr.spki_der);
}

#[test]
fn what_it_cannot_write_exactly_is_refused() {
    let (_place, _, ca) = authority();
    let csr = fresh_csr(&rcgen::PKCS_ED25519, &["www.corp.example"]);
    let edits: [(ContentEdit<'_>, &str); 6] = [
        (&|content| content.ca = true, "path length 0"),
        (
            &|content| content.valid_for = Span::from_secs(6 * 366 * 86_400),
            "outside of the validity of CN=Corp Issuing",
        ),
        (&|content| content.spki_sha256 = countersign_shared::digest::Digest::of(&[]), "not the approved one"),
        (&|content| content.subject.push((SubjectAttribute::Country, "FR".into())), "country is there twice"),
        (&|content| content.subject[0].1 = "\u{1b}[".into(), "<U+001B>"),
        (&|content| content.sans.push(San::Dns("é".into())), "not ASCII"),
    ];
    for (edit, word) in edits {
        let mut content = content_for(&csr);
        edit(&mut content);
        let refusal = ca.issue(&Approved::for_tests(content, csr.der.clone()), &order()).unwrap_err();
        assert!(matches!(&refusal, IssueError::Refused(reason) if reason.contains(word)), "{refusal}");
    }
    let early = Order { not_before: at(-3600), ..order() };
    let refusal = ca.issue(&Approved::for_tests(content_for(&csr), csr.der.clone()), &early).unwrap_err();
    assert!(refusal.to_string().contains("outside of the validity"), "{refusal}");
}

#[test]
fn it_is_made_once_and_closed_to_others() {
    let (place, dir, ca) = authority();
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("."), mode("root.key"), mode("intermediate.key")), (0o700, 0o600, 0o600));
    assert_eq!((ca.root().path_len, ca.intermediate().path_len), (Some(1), Some(0)));
    let years = |certificate: &IssuedCertificate| {
        (certificate.not_after.unix_millis() - certificate.not_before.unix_millis()) / 31_557_600_000
    };
    assert_eq!((years(ca.root()), years(ca.intermediate())), (10, 5));
    let again = LocalCa::open_or_create(&dir, &names(), at(99)).unwrap();
    assert_eq!((again.root(), again.intermediate()), (ca.root(), ca.intermediate()));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_crash_in_the_middle_of_the_first_start_does_no_harm() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("ca");
    let unfinished = place.path().join(".ca.new-00");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("root.key"), "half").unwrap();
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    LocalCa::open_or_create(&dir, &names(), at(0)).unwrap();
    assert!(!unfinished.exists());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_damaged_or_open_directory_is_refused_by_name() {
    let set_mode = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let other = authority();
    let edits: [(DirectoryEdit<'_>, &str); 10] = [
        (&|dir| set_mode(dir.join("intermediate.key"), 0o640), "intermediate.key is open to others (mode 0640)"),
        (&|dir| set_mode(dir.join("root.key"), 0o604), "root.key is open to others"),
        (&|dir| set_mode(dir.to_owned(), 0o750), "open to others (mode 0750)"),
        (&|dir| fs::remove_file(dir.join("root.key")).unwrap(), "root.key is missing"),
        (&|dir| fs::remove_file(dir.join("intermediate.crt")).unwrap(), "intermediate.crt is missing"),
        (&|dir| fs::write(dir.join("root.crt"), "").unwrap(), "root.crt is not exactly one certificate"),
        (&|dir| fs::write(dir.join("intermediate.key"), "x").unwrap(), "not a readable private key"),
        (&|dir| drop(fs::copy(other.1.join("intermediate.key"), dir.join("intermediate.key"))), "not the key of"),
        (&|dir| drop(fs::copy(other.1.join("root.crt"), dir.join("root.crt"))), "not signed by root.crt"),
        (
            &|dir| {
                fs::rename(dir.join("intermediate.key"), dir.join("elsewhere")).unwrap();
                std::os::unix::fs::symlink("elsewhere", dir.join("intermediate.key")).unwrap();
            },
            "cannot open",
        ),
    ];
    for (edit, word) in edits {
        let (_place, dir, _) = authority();
        edit(&dir);
        let error = LocalCa::open_or_create(&dir, &names(), at(0)).err().unwrap();
        assert!(error.message.contains(word), "{error} / {word}");
    }
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&other.1, place.path().join("ca")).unwrap();
    assert!(LocalCa::open_or_create(&place.path().join("ca"), &names(), at(0)).is_err());
    assert!(LocalCa::open_or_create(&place.path().join("no/ca"), &names(), at(0)).is_err());
}

#[test]
fn a_root_that_is_no_authority_is_refused() {
    let (_place, dir, _) = authority();
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = CertificateParams::default();
    let mut intermediate = CertificateParams::default();
    intermediate.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let signed = intermediate.signed_by(&key, &rcgen::Issuer::from_params(&root, &root_key)).unwrap();
    fs::write(dir.join("root.crt"), root.self_signed(&root_key).unwrap().pem()).unwrap();
    fs::write(dir.join("intermediate.crt"), signed.pem()).unwrap();
    fs::write(dir.join("intermediate.key"), key.serialize_pem()).unwrap();
    let error = LocalCa::open_or_create(&dir, &names(), at(0)).err().unwrap();
    assert!(error.message.contains("not a certification authority"), "{error}");
}

/// The real openssl is the judge of what clients will accept.
#[test]
fn openssl_verifies_the_chain() {
    let now = Timestamp::from_unix_millis(chrono::Utc::now().timestamp_millis()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("ca");
    let ca = LocalCa::open_or_create(&dir, &names(), now).unwrap();
    for (i, names) in [["www.corp.example"], ["*.corp.example"]].iter().enumerate() {
        let csr = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, names);
        let mut content = content_for(&csr);
        if i == 1 {
            content.common_name = None;
            content.subject.clear();
        }
        let order = Order { serial: Serial::random().unwrap(), not_before: now };
        let approved = Approved::for_tests(content, csr.der);
        let leaf = place.path().join("leaf.pem");
        fs::write(&leaf, ca.issue(&approved, &order).unwrap()).unwrap();
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "www.corp.example"]);
        openssl.arg("-CAfile").arg(dir.join("root.crt")).arg("-untrusted").arg(dir.join("intermediate.crt"));
        match openssl.arg(&leaf).output() {
            Ok(output) => {
                let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert!(output.status.success(), "{out}{err}");
            }
            Err(error) => eprintln!("SKIPPED: openssl verify did not run: {error}"),
        }
    }
}
