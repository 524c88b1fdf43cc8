//! Amendments where another policy is in force than the one that a request was made under.

use std::fmt::Write;

use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{RequestAmend, RequestApprove, RequestGet};
use countersign_shared::protocol::{AmendParams, Outcome, RequestIdParams, RequestSummary};
use countersignd::ledger::Tail;

use crate::support::ledger::{peaks, records, sealed};
use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, Host, amending, can_be_people, on, policy, policy_with};

/// The ledger and the tables of a stopped host, as if this policy had been in force from the beginning: what was made
/// under the other one is as it was.
fn in_force(host: &Host, policy: &str) {
    let db = host.db();
    let now = Digest::of(&[policy.as_bytes()]);
    let before: String = host.value("SELECT sha256 FROM policies");
    let mut tail = Tail::default();
    let mut sql = String::new();
    for (seq, mut columns) in records(&db, "main").into_iter().enumerate() {
        if columns[4] == "policy_loaded" || columns[4] == "daemon_started" {
            for column in [7, 8] {
                columns[column] = columns[column].replace(&before, &now.to_string());
            }
        }
        let record = hex(&sealed(&mut tail, &columns));
        let (resource, details) = (&columns[7], columns[8].replace('\'', "''"));
        writeln!(
            sql,
            "UPDATE audit_events SET resource_id = '{resource}', details = '{details}', record = x'{record}' WHERE seq = {seq};"
        )
        .unwrap();
    }
    let (document, peaks) = (policy.replace('\'', "''"), hex(&peaks(&tail)));
    write!(
        sql,
        "UPDATE policies SET document = '{document}', sha256 = '{now}'; UPDATE ledger_frontier SET peaks = x'{peaks}'"
    )
    .unwrap();
    drop(db);
    host.tamper(&sql);
    std::fs::write(host.path("policy.toml"), policy).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A request that was made under one policy, its host running under another.
fn moved_on(made_under: &str, now: &str) -> (Host, RequestSummary) {
    let mut host = Host::serving(made_under);
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.stop();
    in_force(&host, now);
    host.start();
    assert_eq!(host.oneself().status().damage, None);
    (host, request)
}

fn reason(request: &RequestSummary) -> AmendParams {
    AmendParams { reason: Some("better said".into()), ..amending(request) }
}

#[test]
fn an_amendment_asks_for_what_is_stricter_and_never_for_less_than_before() {
    if !can_be_people() {
        return;
    }
    for (made_under, now, needed) in [(2, 1, 2), (1, 2, 2)] {
        let (host, request) = moved_on(&policy_with(made_under, "", ""), &policy_with(now, "", ""));
        let amended = host.user(ALICE).call::<RequestAmend>(&reason(&request));
        let quorum: Vec<_> = amended.differences.iter().filter(|said| said.field == "quorum").collect();
        assert_eq!(quorum.len(), usize::from(needed != made_under), "{:?}", amended.differences);
        let (mut bob, mut carol) = (host.user(BOB), host.user(CAROL));
        let detail = bob.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
        assert_eq!((detail.votes.needed, detail.terms.tightened), (needed, false), "{made_under} {now}");
        assert_eq!(bob.call::<RequestApprove>(&on(&amended.request)).state, RequestState::Pending);
        assert_eq!(carol.call::<RequestApprove>(&on(&amended.request)).state, RequestState::Approved);
        assert_eq!(bob.wait(&request.id).outcome, Outcome::Issued);
    }
}

#[test]
fn an_amendment_is_made_under_the_rules_in_force() {
    if !can_be_people() {
        return;
    }
    let shorter = policy().replacen("max_validity = \"90d\"", "max_validity = \"7d\"", 1);
    let (host, request) = moved_on(&policy(), &shorter);
    let mut alice = host.user(ALICE);
    let kind = countersign_shared::error::ErrorKind::Forbidden;
    let error = alice.refused::<RequestAmend>(&reason(&request), kind);
    assert_eq!(error.data.rule.as_deref(), Some("profile.validity"), "what it had is too long now: {error:?}");
    let week = Some(countersign_shared::time::Span::from_secs(7 * 86_400));
    let amended = alice.call::<RequestAmend>(&AmendParams { valid_for: week, ..reason(&request) }).request;
    host.user(BOB).approve(&amended);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn whoever_amended_it_is_no_second_person_later() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let amended = host.user(ALICE_ADM).call::<RequestAmend>(&reason(&request)).request;
    host.stop();
    // alice's second account is somebody else's from now on, who may decide.
    let split = policy()
        .replacen(&format!("\"uid:{ALICE}\", \"uid:{ALICE_ADM}\""), &format!("\"uid:{ALICE}\""), 1)
        .replacen("[[group]]", &format!("[[person]]\nname = \"eve\"\naccounts = [\"uid:{ALICE_ADM}\"]\n[[group]]"), 1)
        .replacen("\"person:bob\", ", "\"person:bob\", \"person:eve\", ", 1);
    in_force(&host, &split);
    host.start();
    assert_eq!(host.oneself().status().damage, None);
    host.user(ALICE_ADM).approve(&amended);
    let waited = host.user(BOB).wait(&request.id);
    assert_eq!((waited.outcome, waited.chain_pem), (Outcome::Failed, None));
    let why = waited.why.unwrap();
    assert!(why.raw().contains("two-person integrity"), "{why:?}");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
}
