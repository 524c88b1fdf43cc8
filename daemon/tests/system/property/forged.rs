//! The oracle can complain: each forgery here is one that it has to see.

use countersign_shared::protocol::Outcome;

use super::oracle::Oracle;
use super::world::{PEOPLE, document};
use crate::support::{ALICE, BOB, CAROL, ERIN, Host, can_be_people};

/// Two certificates that were agreed to, one of them by two people; and a request that waits.
fn scene() -> Host {
    let mut host = Host::serving(&document(0));
    let mut alice = host.user(ALICE);
    let one = alice.request(&["w1.one.example"]);
    host.user(BOB).approve(&one);
    assert_eq!(alice.wait(&one.id).outcome, Outcome::Issued);
    let par = alice.request(&["w1.par.example"]);
    host.user(CAROL).approve(&par);
    host.user(ERIN).approve(&par);
    assert_eq!(alice.wait(&par.id).outcome, Outcome::Issued);
    alice.request(&["w2.one.example"]);
    host.stop();
    host
}

/// What the oracle says after `sql`, or under another table of who is who.
fn said(host: &Host, people: &[(u32, &'static str)]) -> String {
    Oracle::new(people).look(&host.db()).join("\n")
}

#[test]
fn the_oracle_has_nothing_to_say_of_what_is_right_and_sees_each_forgery() {
    if !can_be_people() {
        return;
    }
    assert_eq!(said(&scene(), PEOPLE), "");
    let vote = "(SELECT seq FROM audit_events WHERE action = 'approval_approved' LIMIT 1)";
    let rewritten = |from: &str, to: &str, which: &str| {
        format!(
            "UPDATE audit_events SET record = CAST(replace(CAST(record AS TEXT), '{from}', '{to}') AS BLOB) WHERE {which}"
        )
    };
    let pending = "(SELECT id FROM approval_requests WHERE state = 'pending')";
    let copied = |job: &str| {
        format!(
            "INSERT INTO certificate_versions SELECT certificate_id, 99, 'superseded', issuer, 'ff', hex(zeroblob(32)),
                 spki_sha256, content, not_before, not_after, chain_pem, {job}, seq FROM certificate_versions LIMIT 1"
        )
    };
    for (what, sql, complaint) in [
        (
            "a certificate without votes",
            rewritten("approval_approved", "approval_commented", &format!("seq = {vote}")),
            "does not approve its request",
        ),
        (
            "a certificate under a vote that names other content",
            rewritten("\"version\":1", "\"version\":2", &format!("seq = {vote}")),
            "another version of its request",
        ),
        (
            "a vote of the requester",
            rewritten(&format!("\"uid\":{BOB}"), &format!("\"uid\":{ALICE}"), &format!("seq = {vote}")),
            "alice is behind",
        ),
        (
            "one human in both places",
            rewritten(&format!("\"uid\":{ERIN}"), &format!("\"uid\":{CAROL}"), "actor = 'uid:62007'"),
            "carol has two votes",
        ),
        (
            "a vote of somebody who is in no group that was asked",
            rewritten(&format!("\"uid\":{BOB}"), "\"uid\":62005", &format!("seq = {vote}")),
            "no quorum",
        ),
        (
            "a certificate for a request that waits",
            format!(
                "{}; UPDATE jobs SET state = 'completed', serial = 'aa', finished_at = created_at, record_seq = 3
                 WHERE request_id = {pending}",
                copied(&format!("(SELECT id FROM jobs WHERE request_id = {pending})"))
            ),
            "has a certificate, and",
        ),
        (
            "a request approved by SQL",
            "UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'bob'
             WHERE state = 'pending'"
                .to_owned(),
            "is approved, and the ledger has 0 ends",
        ),
        (
            "a job freed by SQL",
            format!("UPDATE jobs SET state = 'pending', record_seq = 1 WHERE request_id = {pending}"),
            "is pending, and its job",
        ),
        (
            "two certificates under one approval",
            "UPDATE jobs SET record_seq = (SELECT max(record_seq) FROM jobs) WHERE state = 'completed'".to_owned(),
            "made two certificates",
        ),
        (
            "another chain in the place of the one that was agreed to",
            "UPDATE certificate_versions SET chain_pem = (SELECT max(chain_pem) FROM certificate_versions)".to_owned(),
            "its key is not the one that was agreed to",
        ),
        (
            "other content in the place of the one that was agreed to",
            "UPDATE submissions SET content = replace(content, 'w1.one.example', 'w9.one.example')".to_owned(),
            "its content is not what its record allows",
        ),
        (
            "a policy that nobody agreed to",
            format!("INSERT INTO policies SELECT 2, '{:064}', document, in_force_since, seq FROM policies", 0),
            "took force and nobody who may agreed",
        ),
        ("a record taken out", "DELETE FROM audit_events WHERE seq = 3".to_owned(), "does not follow the one before"),
    ] {
        let host = scene();
        host.tamper(&format!("DROP INDEX jobs_one_signature_per_record; {sql}"));
        let said = said(&host, PEOPLE);
        assert!(said.contains(complaint), "{what}: {said}");
    }
    // The same accounts, and other humans behind them.
    let second_account: Vec<_> =
        PEOPLE.iter().map(|(uid, human)| (*uid, if *uid == BOB { "alice" } else { *human })).collect();
    let said = said(&scene(), &second_account);
    assert!(said.contains("alice is behind") && said.contains("no quorum"), "{said}");
}
