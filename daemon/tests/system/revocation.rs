//! Certificates that end before their time: under the quorum of their profile, and in a list that openssl reads.

use std::process::{Command, Output};

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{JobState, RequestKind};
use countersign_shared::protocol::method::{
    CertificateGet, CertificateList, CertificateRevoke, JobRetry, RequestAmend, RequestApprove, RequestGet,
    RequestReject, RequestSubmit,
};
use countersign_shared::protocol::{
    CertificateIdParams, JobIdParams, ListCertificatesParams, Outcome, RequestIdParams, RequestSummary, RevokeParams,
    SubmitParams, SubmitResult, VersionState,
};
use countersign_shared::revocation::RevocationReason;
use countersign_shared::time::Span;

use crate::support::{
    ALICE, ALICE_ADM, BOB, CAROL, DAVE, ERIN, Host, MALLORY, amending, ask, can_be_people, on, policy, policy_with,
    skipped, until,
};

fn possible() -> bool {
    let openssl = Command::new("openssl").arg("version").output().is_ok();
    if !openssl {
        skipped("openssl is not installed");
    }
    openssl && can_be_people()
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn end(submitted: &SubmitResult) -> RevokeParams {
    RevokeParams {
        certificate_id: Some(submitted.certificate_id.clone()),
        serial: None,
        reason: RevocationReason::KeyCompromise,
        note: Some("the key was on a stick that is lost".into()),
        ticket: None,
    }
}

/// Issues for this name: submitted by alice, and approved by bob where the profile asks people.
fn issued(host: &Host, name: &str) -> SubmitResult {
    let submitted = host.user(ALICE).submit(&[name]);
    if let Some(request) = &submitted.request {
        host.user(BOB).approve(request);
    }
    assert_eq!(host.user(ALICE).wait(&submitted.job.id).outcome, Outcome::Issued);
    submitted
}

/// The list of the authority, once it has come to this number.
fn list(host: &Host, number: u64) -> String {
    let path = host.state.join("crl/local-ca.crl.pem");
    let mut text = String::new();
    until("the list is published", || {
        text = said(&openssl(&["crl", "-in", path.to_str().unwrap(), "-noout", "-text"]));
        text.contains("Number") && host.value::<u64>("SELECT coalesce(max(number), 0) FROM crls") >= number && {
            let der: Vec<u8> = host.value("SELECT der FROM crls");
            std::fs::read(host.state.join("crl/local-ca.crl")).is_ok_and(|found| found == der)
        }
    });
    said(&openssl(&["crl", "-in", path.to_str().unwrap(), "-noout", "-text"]))
}

/// What openssl makes of a chain with the list beside it.
fn verdict(host: &Host, chain: &str) -> Output {
    let second = chain.match_indices("-----BEGIN").nth(1).unwrap().0;
    let (leaf, issuing) = (host.path("leaf.pem"), host.path("issuing.pem"));
    std::fs::write(&leaf, &chain[..second]).unwrap();
    std::fs::write(&issuing, &chain[second..]).unwrap();
    let paths = [host.state.join("issuers/local-ca/root.crt"), issuing, host.state.join("crl/local-ca.crl.pem"), leaf];
    let [root, issuing, crl, leaf] = paths.each_ref().map(|path| path.to_str().unwrap());
    openssl(&["verify", "-crl_check", "-CAfile", root, "-untrusted", issuing, "-CRLfile", crl, leaf])
}

fn is_active(host: &Host, submitted: &SubmitResult) -> bool {
    let params = CertificateIdParams { id: submitted.certificate_id.clone() };
    host.user(CAROL).call::<CertificateGet>(&params).certificate.unwrap().current.is_some()
}

#[test]
fn a_quorum_ends_a_certificate_and_openssl_refuses_it() {
    if !possible() {
        return;
    }
    let mut host = Host::serving(&policy());
    let (first, other) = (issued(&host, "web1.corp.example"), issued(&host, "web2.corp.example"));
    let chain = host.user(ALICE).wait(&first.job.id).chain_pem.unwrap();
    let other_chain = host.user(ALICE).wait(&other.job.id).chain_pem.unwrap();

    let asked = host.user(ALICE).call::<CertificateRevoke>(&end(&first));
    let request = asked.request.unwrap();
    assert_eq!((request.kind, asked.job.state), (RequestKind::CertRevocation, JobState::AwaitingApproval));
    let seen = host.user(BOB).call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert_eq!(seen.revocation.as_ref(), Some(&asked.revocation));
    assert_eq!(seen.request.reason.raw(), "the key was on a stick that is lost");
    assert!(seen.differences.is_empty() && seen.you.allowed, "{seen:#?}");

    // Neither the requester, nor their other account, nor somebody without a vote.
    for (uid, kind) in [
        (ALICE, ErrorKind::TwoPersonIntegrity),
        (ALICE_ADM, ErrorKind::TwoPersonIntegrity),
        (DAVE, ErrorKind::Forbidden),
        (MALLORY, ErrorKind::Forbidden),
    ] {
        host.user(uid).refused::<RequestApprove>(&on(&request), kind);
    }
    assert!(is_active(&host, &first));
    host.user(BOB).approve(&request);
    let waited = host.user(ALICE).wait(&request.id);
    assert_eq!((waited.outcome, &waited.chain_pem), (Outcome::Revoked, &None));

    let detail = host.user(ALICE).call::<CertificateGet>(&CertificateIdParams { id: first.certificate_id.clone() });
    let row = detail.certificate.unwrap();
    assert_eq!((&row.current, detail.chain_pem), (&None, None));
    let version = &detail.versions[0];
    assert_eq!(version.state, VersionState::Revoked);
    assert_eq!(version.revoked.as_ref().unwrap().reason, RevocationReason::KeyCompromise);
    let listed = host.user(CAROL).call::<CertificateList>(&ListCertificatesParams::default()).certificates;
    let end_of = |id| listed.iter().find(|listed| listed.id == id).unwrap().revoked.clone();
    assert_eq!((&row.revoked, &end_of(row.id.clone())), (&version.revoked, &version.revoked));
    assert_eq!(end_of(other.certificate_id.clone()), None);
    // What has ended is given to nobody any more.
    assert_eq!(host.user(ALICE).wait(&first.job.id).chain_pem, None);

    let text = list(&host, 1);
    assert_eq!(text.matches("Serial Number:").count(), 1, "{text}");
    assert!(text.to_lowercase().contains(&version.serial) && text.contains("Key Compromise"), "{text}");
    let root = host.state.join("issuers/local-ca");
    let crl = host.state.join("crl/local-ca.crl");
    let signed = openssl(&[
        "crl",
        "-inform",
        "DER",
        "-in",
        crl.to_str().unwrap(),
        "-CAfile",
        root.join("intermediate.crt").to_str().unwrap(),
        "-noout",
    ]);
    assert!(said(&signed).contains("verify OK"), "{}", said(&signed));
    let refused = verdict(&host, &chain);
    assert!(!refused.status.success() && said(&refused).contains("certificate revoked"), "{}", said(&refused));
    let accepted = verdict(&host, &other_chain);
    assert!(accepted.status.success(), "{}", said(&accepted));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&crl).unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o644);

    // What the ledger says of it, and what a start makes of that.
    let records = host.user(DAVE).records(&first.certificate_id);
    let told: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(told, ["certificate_issued", "certificate_revoked"]);
    assert_eq!(records[1].details["serial"], *version.serial);
    std::fs::remove_file(&crl).unwrap();
    let half = host.state.join("crl/.countersign-17.tmp");
    std::fs::write(&half, "half a list").unwrap();
    host.kill();
    host.start();
    assert_eq!(host.oneself().status().damage, None);
    assert_eq!(list(&host, 1), text, "the same list, written again");
    assert!(!half.exists());
    crate::evidence::everything_verifies(&host);
}

#[test]
fn what_nobody_has_to_agree_to_ends_at_once_and_by_its_owner() {
    if !possible() {
        return;
    }
    let host = Host::serving(&policy());
    let submitted = issued(&host, "a.dev.test.example");
    for uid in [DAVE, MALLORY] {
        host.user(uid).attempt::<CertificateRevoke>(&end(&submitted)).unwrap().unwrap_err();
    }
    assert!(is_active(&host, &submitted));
    let asked = host.user(ALICE).call::<CertificateRevoke>(&end(&submitted));
    assert!(asked.request.is_none());
    assert_eq!(host.user(ALICE).wait(&asked.job.id).outcome, Outcome::Revoked);
    assert!(list(&host, 1).to_lowercase().contains(&asked.revocation.serial));
    let again = host.user(ALICE).refused::<CertificateRevoke>(&end(&submitted), ErrorKind::Conflict);
    assert!(again.message.contains("no version in force"), "{}", again.message);
    let by_serial =
        RevokeParams { certificate_id: None, serial: Some(asked.revocation.serial.to_uppercase()), ..end(&submitted) };
    let again = host.user(ALICE).refused::<CertificateRevoke>(&by_serial, ErrorKind::Conflict);
    assert!(again.message.contains("is revoked already"), "{}", again.message);
    let records = host.user(DAVE).records(&asked.job.id);
    assert_eq!(records[0].action.as_str(), "revocation_requested");
}

#[test]
fn nothing_that_waits_is_in_the_way_and_a_compromised_key_gets_no_certificate() {
    if !possible() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let params = ask(&["web1.corp.example"]);
    let first = alice.call::<RequestSubmit>(&params);
    bob.approve(first.request.as_ref().unwrap());
    assert_eq!(alice.wait(&first.job.id).outcome, Outcome::Issued);
    // A renewal with the same key waits; the revocation goes its own way.
    let renewal = alice.call::<RequestSubmit>(&params).request.unwrap();
    assert_eq!(renewal.kind, RequestKind::CertRenewal);
    let asked = alice.call::<CertificateRevoke>(&end(&first)).request.unwrap();
    let twice = alice.refused::<CertificateRevoke>(&end(&first), ErrorKind::Conflict);
    assert!(twice.message.contains("already"), "{}", twice.message);
    bob.approve(&asked);
    assert_eq!(alice.wait(&asked.id).outcome, Outcome::Revoked);
    // People agree to the renewal all the same; the key stays what it is.
    bob.approve(&renewal);
    let failed = alice.wait(&renewal.id);
    assert_eq!(failed.outcome, Outcome::Failed);
    assert!(failed.why.as_ref().unwrap().raw().contains("the key is compromised"), "{failed:#?}");
    let late = host.user(CAROL).refused::<JobRetry>(&JobIdParams { id: failed.job.unwrap().id }, ErrorKind::Conflict);
    assert_eq!(late.data.rule.as_deref(), Some("retry_too_late"));
    // Another key does.
    assert_eq!(alice.wait(&issued(&host, "web1.corp.example").job.id).outcome, Outcome::Issued);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions WHERE state = 'active'"), 1);
}

#[test]
fn what_was_superseded_is_named_by_its_serial_number() {
    if !possible() {
        return;
    }
    let host = Host::serving(&policy());
    let first = issued(&host, "web1.corp.example");
    let old: String = host.value("SELECT serial FROM certificate_versions");
    issued(&host, "web1.corp.example");
    let asked = host.user(ALICE).call::<CertificateRevoke>(&RevokeParams { serial: Some(old.clone()), ..end(&first) });
    assert_eq!((asked.revocation.version, &asked.revocation.serial), (1, &old));
    host.user(BOB).approve(&asked.request.unwrap());
    assert_eq!(host.user(ALICE).wait(&asked.job.id).outcome, Outcome::Revoked);
    assert!(is_active(&host, &first), "the version in force stays");
}

#[test]
fn a_revocation_that_is_not_agreed_to_ends_nothing() {
    if !possible() {
        return;
    }
    let mut host = Host::serving(&policy_with(2, "approval_timeout = \"1h\"", ""));
    let submitted = host.user(ALICE).submit(&["web1.corp.example"]);
    for uid in [BOB, CAROL] {
        host.user(uid).approve(submitted.request.as_ref().unwrap());
    }
    assert_eq!(host.user(ALICE).wait(&submitted.job.id).outcome, Outcome::Issued);
    let ask_for_it = |host: &Host| -> RequestSummary {
        host.user(ALICE).call::<CertificateRevoke>(&end(&submitted)).request.unwrap()
    };
    let rejected = ask_for_it(&host);
    host.user(BOB).approve(&rejected);
    assert!(is_active(&host, &submitted), "one of two");
    host.user(CAROL).call::<RequestReject>(&on(&rejected));
    assert_eq!(host.user(ALICE).wait(&rejected.id).outcome, Outcome::Rejected);
    let amended = ask_for_it(&host);
    let amending = countersign_shared::protocol::AmendParams { reason: Some("so".into()), ..amending(&amended) };
    let refused = host.user(ALICE).refused::<RequestAmend>(&amending, ErrorKind::Invalid);
    assert!(refused.message.contains("is not amended"), "{}", refused.message);
    host.user(BOB).approve(&amended);
    host.pass(Span::from_secs(2 * 3600));
    until("it expires", || host.user(ALICE).wait(&amended.id).outcome == Outcome::Expired);
    assert!(is_active(&host, &submitted));
    assert_eq!(host.value::<i64>("SELECT count(*) FROM crl_entries"), 0);
    assert!(!host.state.join("crl/local-ca.crl").exists());
    assert_eq!(host.oneself().status().damage, None);
}

#[test]
fn the_list_stands_where_the_policy_says_and_is_replaced_before_its_time() {
    if !possible() {
        return;
    }
    let mut host = Host::prepared("");
    let path = host.path("local-ca.crl");
    let crl = format!(
        "type = \"local-ca\"\ncrl = {{ url = \"http://pki.corp.example/local-ca.crl\", path = \"{}\", lifetime = \"1d\" }}",
        path.display()
    );
    std::fs::write(host.path("policy.toml"), policy().replacen("type = \"local-ca\"", &crl, 1)).unwrap();
    host.start();
    let empty = list(&host, 1);
    assert!(empty.contains("No Revoked Certificates"), "{empty}");
    let submitted = issued(&host, "web1.corp.example");
    let chain = host.user(ALICE).wait(&submitted.job.id).chain_pem.unwrap();
    let accepted = verdict(&host, &chain);
    assert!(accepted.status.success(), "{}", said(&accepted));
    let leaf = host.path("leaf.pem");
    let text = said(&openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-text"]));
    assert!(text.contains("URI:http://pki.corp.example/local-ca.crl"), "{text}");

    host.pass(Span::from_secs(11 * 3600));
    assert_eq!(host.value::<u64>("SELECT number FROM crls"), 1, "it is fresh");
    host.pass(Span::from_secs(2 * 3600));
    list(&host, 2);
    until("it is published", || std::fs::read(&path).ok() == Some(host.value::<Vec<u8>>("SELECT der FROM crls")));
    let signed = host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'crl_signed'");
    assert_eq!(signed, 2);
}

#[test]
fn a_certificate_is_revoked_by_no_approval_of_another_thing() {
    if !possible() {
        return;
    }
    let mut host = Host::serving(&policy());
    let first = issued(&host, "web1.corp.example");
    let asked = host.user(ALICE).call::<CertificateRevoke>(&end(&first)).request.unwrap();
    let waits = format!("'{}'", asked.id);
    let approval = "(SELECT seq FROM audit_events WHERE action = 'approval_approved' LIMIT 1)";
    // The approval of the certificate, borrowed for its end.
    host.tamper(&format!(
        "UPDATE jobs SET record_seq = 0 WHERE state = 'completed';
         UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'x', seq = {approval}
             WHERE id = {waits};
         UPDATE jobs SET state = 'pending', record_seq = {approval} WHERE request_id = {waits}"
    ));
    // Another job makes the executor look.
    host.user(ALICE)
        .attempt::<RequestSubmit>(&SubmitParams { profile: Some("p-dev".into()), ..ask(&["b.dev.test.example"]) });
    until("it is found", || host.oneself().status().read_only);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM crl_entries"), 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions WHERE state = 'revoked'"), 0);
    host.stop();
    host.start();
    assert!(host.oneself().status().read_only);
}

#[test]
fn one_vote_of_two_ends_nothing_whatever_the_rows_say() {
    if !possible() {
        return;
    }
    let host = Host::serving(&policy_with(2, "", ""));
    let submitted = host.user(ALICE).submit(&["web1.corp.example"]);
    for uid in [BOB, CAROL] {
        host.user(uid).approve(submitted.request.as_ref().unwrap());
    }
    assert_eq!(host.user(ALICE).wait(&submitted.job.id).outcome, Outcome::Issued);
    let asked = host.user(ALICE).call::<CertificateRevoke>(&end(&submitted)).request.unwrap();
    host.user(BOB).approve(&asked);
    // Bob's own vote, made to stand for the quorum.
    let vote = "(SELECT max(seq) FROM decisions)";
    host.tamper(&format!(
        "UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'x', seq = {vote}
             WHERE id = '{0}';
         UPDATE jobs SET state = 'pending', record_seq = {vote} WHERE request_id = '{0}'",
        asked.id
    ));
    // Another job makes the executor look.
    host.user(ALICE)
        .attempt::<RequestSubmit>(&SubmitParams { profile: Some("p-dev".into()), ..ask(&["b.dev.test.example"]) });
    let state = format!("SELECT state FROM jobs WHERE request_id = '{}'", asked.id);
    until("it is found, or ends", || {
        host.oneself().status().read_only || ["failed", "completed"].contains(&host.value::<String>(&state).as_str())
    });
    assert_eq!(host.value::<i64>("SELECT count(*) FROM crl_entries"), 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions WHERE state = 'revoked'"), 0);
}

#[test]
fn a_list_that_was_changed_by_hand_is_found() {
    if !possible() {
        return;
    }
    for sql in [
        "DELETE FROM crl_entries; UPDATE certificate_versions SET state = 'active' WHERE state = 'revoked'",
        "DELETE FROM crl_entries",
        "UPDATE crl_entries SET reason = 'superseded'",
        "UPDATE certificate_versions SET state = 'active' WHERE state = 'revoked'",
        "UPDATE crls SET number = 7",
        "DELETE FROM crls",
        "UPDATE crls SET der = x'3000'",
    ] {
        let mut host = Host::serving(&policy());
        let submitted = issued(&host, "a.dev.test.example");
        let asked = host.user(ALICE).call::<CertificateRevoke>(&end(&submitted));
        assert_eq!(host.user(ALICE).wait(&asked.job.id).outcome, Outcome::Revoked);
        list(&host, 1);
        host.stop();
        host.tamper(sql);
        host.start();
        assert!(host.oneself().status().read_only, "{sql}: nothing was found");
    }
}

#[test]
fn somebody_who_may_not_see_a_certificate_learns_nothing_of_it() {
    if !possible() {
        return;
    }
    let more = "[[grant]]\nrole = \"requester\"\nto = \"uid:62007\"\nprofiles = [\"p-dev\"]\n";
    assert_eq!(ERIN, 62_007);
    let host = Host::serving(&policy_with(1, "", more));
    let submitted = issued(&host, "web1.corp.example");
    let serial: String = host.value("SELECT serial FROM certificate_versions");
    host.user(ERIN).refused::<CertificateRevoke>(&end(&submitted), ErrorKind::NotFound);
    let by_serial = RevokeParams { certificate_id: None, serial: Some(serial), ..end(&submitted) };
    host.user(ERIN).refused::<CertificateRevoke>(&by_serial, ErrorKind::NotFound);
    // Under the profile that asks nobody, somebody else's is not theirs to end.
    let dev = issued(&host, "a.dev.test.example");
    host.user(ERIN).attempt::<CertificateRevoke>(&end(&dev)).unwrap().unwrap_err();
    assert!(is_active(&host, &dev));
    let silent = RevokeParams { note: None, ..end(&submitted) };
    let refused = host.user(ALICE).refused::<CertificateRevoke>(&silent, ErrorKind::Forbidden);
    assert!(refused.message.contains("requires a reason"), "{}", refused.message);
}

#[test]
fn a_revocation_names_the_ticket_that_its_profile_asks_for() {
    if !possible() {
        return;
    }
    let host = Host::serving(&policy_with(1, "ticket_pattern = \"^SECOPS-[0-9]+$\"", ""));
    let params = SubmitParams { ticket: Some("SECOPS-7".into()), ..ask(&["web1.corp.example"]) };
    let submitted = host.user(ALICE).call::<RequestSubmit>(&params);
    host.user(BOB).approve(submitted.request.as_ref().unwrap());
    assert_eq!(host.user(ALICE).wait(&submitted.job.id).outcome, Outcome::Issued);

    // The ticket of the issuance is not one for its end.
    for (ticket, said) in
        [(None, "requires a ticket"), (Some(" "), "requires a ticket"), (Some("X-1"), "does not match")]
    {
        let params = RevokeParams { ticket: ticket.map(Into::into), ..end(&submitted) };
        let refused = host.user(ALICE).refused::<CertificateRevoke>(&params, ErrorKind::Forbidden);
        assert!(refused.message.contains(said), "{ticket:?}: {}", refused.message);
    }
    let count: u64 = host.value("SELECT count(*) FROM jobs WHERE kind = 'revoke'");
    assert_eq!(count, 0);

    let params = RevokeParams { ticket: Some("SECOPS-8".into()), ..end(&submitted) };
    let request = host.user(ALICE).call::<CertificateRevoke>(&params).request.unwrap();
    assert_eq!(request.ticket.as_ref().map(|ticket| ticket.raw()), Some("SECOPS-8"));
    let seen = host.user(BOB).call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    let [check] = &seen.checks[..] else { panic!("{:#?}", seen.checks) };
    assert!(check.rule == "ticket" && check.text.starts_with("SECOPS-8 matches"), "{check:?}");
    // The digest binds it: the gate takes it again from what is stored before anything ends.
    host.user(BOB).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Revoked);
    assert!(!is_active(&host, &submitted));
}
