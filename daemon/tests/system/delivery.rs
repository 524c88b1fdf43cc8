//! The daemon writes where the policy says, and nowhere else.

use std::os::unix::fs::{PermissionsExt, symlink};

use countersign_shared::protocol::method::CertificateGet;
use countersign_shared::protocol::{CertificateIdParams, Outcome};

use crate::support::{ALICE, BOB, Host, can_be_people, policy_with, until};

/// A host whose profile delivers to this path, `PLACE` standing for the host's own directory.
fn delivering(path: &str, mode: &str) -> Host {
    let mut host = Host::prepared("");
    let path = path.replace("PLACE", host.path("").to_str().unwrap().trim_end_matches('/'));
    let deliver = format!("deliver = {{ path = \"{path}\", mode = \"{mode}\" }}");
    std::fs::write(host.path("policy.toml"), policy_with(1, &deliver, "")).unwrap();
    host.start();
    host
}

#[test]
fn the_chain_appears_whole_under_its_mode() {
    if !can_be_people() {
        return;
    }
    let host = delivering("PLACE/ssl/{certificate}.pem", "0640");
    std::fs::create_dir(host.path("ssl")).unwrap();
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    for _ in 0..2 {
        let submitted = alice.submit(&["web1.corp.example"]);
        bob.approve(&submitted.request.unwrap());
        let chain = alice.wait(&submitted.job.id).chain_pem.unwrap();
        let path = host.path("ssl").join(format!("{}.pem", submitted.certificate_id));
        // A renewal replaces it in one step: whoever reads finds one chain or the other.
        until("it is delivered", || {
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(found.is_empty() || found.ends_with("-----END CERTIFICATE-----\n"), "{found}");
            found == chain
        });
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    }
    assert_eq!(std::fs::read_dir(host.path("ssl")).unwrap().count(), 1);
}

#[test]
fn a_symlink_on_the_way_is_refused_and_the_certificate_is_kept() {
    if !can_be_people() {
        return;
    }
    let host = delivering("PLACE/link/{certificate}.pem", "0644");
    std::fs::create_dir(host.path("real")).unwrap();
    symlink(host.path("real"), host.path("link")).unwrap();
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let submitted = alice.submit(&["web1.corp.example"]);
    bob.approve(&submitted.request.unwrap());
    let waited = alice.wait(&submitted.job.id);
    assert_eq!(waited.outcome, Outcome::Issued);
    until("the refusal is logged", || host.log().contains("issued, and not delivered"));
    assert!(host.log().contains("is a symlink or not a directory"), "{}", host.log());
    assert_eq!(std::fs::read_dir(host.path("real")).unwrap().count(), 0);
    let certificate = alice.call::<CertificateGet>(&CertificateIdParams { id: submitted.certificate_id });
    assert_eq!(certificate.chain_pem, waited.chain_pem);
}

#[test]
fn a_delivery_that_was_refused_is_remembered_until_it_can_be_done() {
    if !can_be_people() {
        return;
    }
    let mut host = delivering("PLACE/ssl/{certificate}.pem", "0640");
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let mut issue = |name: &str| {
        let submitted = alice.submit(&[name]);
        bob.approve(&submitted.request.unwrap());
        (submitted.certificate_id, alice.wait(&submitted.job.id).chain_pem.unwrap())
    };
    let (first, _) = issue("web1.corp.example");
    let (renewed, chain) = issue("web1.corp.example");
    assert_eq!(first, renewed);
    let (other, _) = issue("web2.corp.example");
    let refused = "SELECT count(*) FROM deliveries WHERE state = 'failed' AND error LIKE '%does not exist%'";
    until("both are refused", || host.value::<i64>(refused) == 2);
    assert_eq!(host.value::<i64>("SELECT version FROM deliveries ORDER BY certificate_id LIMIT 1"), 2);

    std::fs::create_dir(host.path("ssl")).unwrap();
    std::fs::create_dir(host.path(&format!("ssl/{other}.pem"))).unwrap();
    host.kill();
    host.start();
    let path = host.path("ssl").join(format!("{first}.pem"));
    until("it is delivered", || std::fs::read_to_string(&path).is_ok_and(|found| found == chain));
    until("it is noted", || host.value::<i64>("SELECT count(*) FROM deliveries WHERE state = 'done'") == 1);
    until("the other is still in somebody's way", || {
        host.value::<i64>("SELECT attempts FROM deliveries WHERE state = 'failed'") >= 2
    });
    // What is done is not done again: the file is its owner's.
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir(host.path(&format!("ssl/{other}.pem"))).unwrap();
    host.stop();
    host.start();
    until("the other is delivered", || host.path(&format!("ssl/{other}.pem")).exists());
    assert!(!path.exists());
}
