//! What another implementation makes of the certificates.

use std::process::Command;

use countersign_shared::content::San;
use countersign_shared::protocol::RequestIdParams;
use countersign_shared::protocol::method::{RequestGet, RequestSubmit};

use crate::support::{ALICE, BOB, Host, ask, can_be_people, policy, skipped};

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    said
}

#[test]
fn openssl_verifies_the_chain_and_reads_what_was_approved() {
    if !can_be_people() {
        return;
    }
    if Command::new("openssl").arg("version").output().is_err() {
        return skipped("openssl is not installed");
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let mut params = ask(&["web1.corp.example", "api.corp.example"]);
    params.valid_for = Some("30d".parse().unwrap());
    let request = alice.call::<RequestSubmit>(&params).request.unwrap();
    let content = bob.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).content.unwrap();
    bob.approve(&request);
    let chain = alice.wait(&request.id).chain_pem.unwrap();
    let second = chain.match_indices("-----BEGIN").nth(1).unwrap().0;
    let (leaf, issuing) = (host.path("leaf.pem"), host.path("issuing.pem"));
    std::fs::write(&leaf, &chain[..second]).unwrap();
    std::fs::write(&issuing, &chain[second..]).unwrap();
    let root = host.state.join("issuers/local-ca/root.crt");
    let [root, leaf, issuing] = [&root, &leaf, &issuing].map(|path| path.to_str().unwrap());

    for purpose in ["sslserver", "any"] {
        let verdict =
            openssl(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, "-untrusted", issuing, leaf]);
        assert!(verdict.trim_end().ends_with("OK"), "{verdict}");
    }
    let named =
        openssl(&["verify", "-verify_hostname", "api.corp.example", "-CAfile", root, "-untrusted", issuing, leaf]);
    assert!(named.trim_end().ends_with("OK"), "{named}");

    let text = openssl(&["x509", "-in", leaf, "-noout", "-text"]);
    let sans = content.sans.iter().map(|san| match san {
        San::Dns(name) => format!("DNS:{}", name.raw()),
        other => panic!("{other:?}"),
    });
    assert!(text.contains(&sans.collect::<Vec<_>>().join(", ")), "{text}");
    for line in ["Public-Key: (256 bit)", "CA:FALSE", "TLS Web Server Authentication", "Digital Signature"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("CN=web1.corp.example") || text.contains("CN = web1.corp.example"), "{text}");
    let serial = openssl(&["x509", "-in", leaf, "-noout", "-serial"]);
    let reserved: String = host.value("SELECT serial FROM jobs");
    assert_eq!(serial.trim().trim_start_matches("serial=").to_lowercase(), reserved.to_lowercase());
    let seconds = |days: u32| (days * 86_400).to_string();
    openssl(&["x509", "-in", leaf, "-noout", "-checkend", &seconds(29)]);
    let past = Command::new("openssl").args(["x509", "-in", leaf, "-noout", "-checkend", &seconds(30)]).output();
    assert!(!past.unwrap().status.success(), "it is valid for longer than was approved");
    let spki = openssl(&["x509", "-in", leaf, "-noout", "-pubkey"]);
    let der = spki.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let der = data_encoding::BASE64.decode(der.as_bytes()).unwrap();
    assert_eq!(countersign_shared::digest::Digest::of(&[&der]), content.spki_sha256);
}
