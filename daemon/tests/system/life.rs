//! What happens to a request besides votes: it is taken back, voided, and talked about.

use std::sync::Barrier;

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::method::{
    RequestAmend, RequestApprove, RequestComment, RequestGet, RequestReject, RequestVoid, RequestWithdraw,
};
use countersign_shared::protocol::{
    AmendParams, CommentParams, Outcome, RemarkKind, RequestIdParams, RequestSummary, Verb,
};

use crate::identity::can_have_logins;
use crate::support::{
    ALICE, ALICE_ADM, BOB, CAROL, DAVE, Host, MALLORY, account, amending, can_be_people, ending, on, policy,
    policy_with,
};

const ROUNDS: usize = 40;

fn remark(request: &RequestSummary, text: &str) -> CommentParams {
    CommentParams { id: request.id.clone(), text: text.into() }
}

/// The verbs and rules of the refusals that are on record about a request, oldest first.
fn refusals(host: &Host, request: &RequestSummary) -> Vec<(String, String)> {
    let records = host.user(DAVE).records(&request.id);
    let refused = records.iter().filter(|record| record.action.as_str() == "approval_refused");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    refused.map(|record| (text(&record.details["verb"]), text(&record.details["rule"]))).collect()
}

fn issued(host: &Host) -> i64 {
    host.value("SELECT count(*) FROM certificate_versions")
}

#[test]
fn the_requester_takes_a_request_back_by_any_of_their_accounts() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut adm, mut bob) = (host.user(ALICE), host.user(ALICE_ADM), host.user(BOB));
    let request = alice.request(&["web1.corp.example"]);
    let detail = alice.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert_eq!(detail.you_may, [Verb::Comment, Verb::Withdraw, Verb::Amend]);
    for (uid, rule) in [(BOB, "not_requester"), (CAROL, "not_requester"), (DAVE, "no_role"), (MALLORY, "no_role")] {
        let error = host.user(uid).refused::<RequestWithdraw>(&ending(&request, None), ErrorKind::Forbidden);
        assert_eq!(error.data.rule.as_deref(), Some(rule), "{error:?}");
    }
    let long = "x".repeat(4097);
    alice.refused::<RequestWithdraw>(&ending(&request, Some(&long)), ErrorKind::Invalid);
    assert_eq!(alice.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).request.seq, request.seq);

    let ended = alice.call::<RequestWithdraw>(&ending(&request, Some("the name is wrong\u{202e}")));
    let job = ended.job.unwrap();
    assert_eq!((ended.state, job.state), (RequestState::Withdrawn, JobState::Cancelled));
    assert_eq!(job.error.unwrap().raw(), "withdrawn: the name is wrong\u{202e}");
    let waited = bob.wait(&request.id);
    assert_eq!((waited.outcome, waited.why.unwrap().raw()), (Outcome::Withdrawn, "the name is wrong\u{202e}"));
    let told = format!("{} was withdrawn by {} at ", request.id, account(ALICE));
    for error in [
        alice.refused::<RequestWithdraw>(&ending(&request, None), ErrorKind::AlreadyDecided),
        bob.refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided),
        host.user(CAROL).refused::<RequestVoid>(&ending(&request, Some("late")), ErrorKind::AlreadyDecided),
        alice.refused::<RequestAmend>(
            &AmendParams { reason: Some("x".into()), ..amending(&request) },
            ErrorKind::AlreadyDecided,
        ),
    ] {
        assert!(error.message.starts_with(&told), "{error:?}");
    }
    let not_requester = ("request.withdraw".to_owned(), "not_requester".to_owned());
    let no_role = ("request.withdraw".to_owned(), "no_role".to_owned());
    let expected = [not_requester.clone(), not_requester, no_role.clone(), no_role];
    assert_eq!(refusals(&host, &request), expected);
    let records = host.user(DAVE).records(&request.id);
    let record = records.last().unwrap();
    assert_eq!((record.action.as_str(), record.seq), ("approval_withdrawn", ended.seq));
    assert_eq!((&record.details["version"], &record.details["job"]), (&1.into(), &job.id.as_str().into()));
    assert_eq!(record.details["digest"], request.digest.to_string());
    assert!(record.details["reason_sha256"].as_str().is_some_and(|digest| digest.len() == 64));
    assert!(!record.details.to_string().contains("the name is wrong"));

    // The name is free again; the second account is the same person, and need not say why.
    let again = alice.request(&["web1.corp.example"]);
    let ended = adm.call::<RequestWithdraw>(&ending(&again, None));
    assert_eq!(ended.job.unwrap().error.unwrap().raw(), "withdrawn");
    let waited = alice.wait(&again.id);
    assert_eq!((waited.outcome, waited.why, waited.chain_pem), (Outcome::Withdrawn, None, None));
    assert_eq!(waited.request.unwrap().decided_by, Some(account(ALICE_ADM)));
    assert_eq!(issued(&host), 0);
}

#[test]
fn an_admin_voids_with_a_reason_and_nothing_is_issued() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy_with(2, "", ""));
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let request = alice.request(&["web1.corp.example"]);
    bob.approve(&request);
    for reason in [None, Some(""), Some(" \u{a0}\n")] {
        let error = carol.refused::<RequestVoid>(&ending(&request, reason), ErrorKind::Invalid);
        assert!(error.message.contains("`reason`"), "{error:?}");
    }
    for (uid, rule) in [(ALICE, "no_void"), (BOB, "no_void"), (DAVE, "no_role"), (MALLORY, "no_role")] {
        let error = host.user(uid).refused::<RequestVoid>(&ending(&request, Some("no")), ErrorKind::Forbidden);
        assert_eq!(error.data.rule.as_deref(), Some(rule), "{error:?}");
    }
    let detail = carol.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert!(detail.you_may.contains(&Verb::Void), "{:?}", detail.you_may);
    let ended = carol.call::<RequestVoid>(&ending(&request, Some("the host is gone")));
    assert_eq!((ended.state, ended.job.unwrap().state), (RequestState::Voided, JobState::Cancelled));
    let waited = alice.wait(&request.id);
    assert_eq!((waited.outcome, waited.why.unwrap().raw()), (Outcome::Voided, "the host is gone"));
    let detail = alice.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    let [remark] = &detail.remarks[..] else { panic!("{:?}", detail.remarks) };
    assert_eq!((remark.kind, remark.text.raw(), remark.seq), (RemarkKind::Void, "the host is gone", ended.seq));
    assert_eq!((remark.by.person.as_deref(), remark.version), (Some("carol"), 1));
    assert_eq!(detail.you_may, [Verb::Comment]);
    host.user(CAROL).refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided);
    assert_eq!(issued(&host), 0);
    assert_eq!(host.value::<String>("SELECT state FROM jobs"), "cancelled");

    // What is approved is not voided any more.
    let approved = alice.request(&["web2.corp.example"]);
    bob.approve(&approved);
    carol.approve(&approved);
    carol.refused::<RequestVoid>(&ending(&approved, Some("late")), ErrorKind::AlreadyDecided);
    alice.refused::<RequestWithdraw>(&ending(&approved, None), ErrorKind::AlreadyDecided);
    assert_eq!(alice.wait(&approved.id).outcome, Outcome::Issued);
    let unknown =
        countersign_shared::protocol::EndParams { id: "ar-00000000000000".parse().unwrap(), reason: Some("x".into()) };
    carol.refused::<RequestVoid>(&unknown, ErrorKind::NotFound);
    alice.refused::<RequestWithdraw>(&unknown, ErrorKind::NotFound);
}

#[test]
fn only_ones_own_session_speaks_for_anybody() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user_by(ALICE, ALICE).request(&["web1.corp.example"]);
    let amended = AmendParams { reason: Some("another".into()), ..amending(&request) };
    for (login, uid, rule) in [
        (BOB, ALICE, "login_mismatch"),
        (CAROL, ALICE, "login_mismatch"),
        (ALICE, CAROL, "login_mismatch"),
        (0, ALICE, "login_mismatch"),
        (ALICE, 0, "root_decides_nothing"),
        (0, 0, "root_decides_nothing"),
    ] {
        let mut caller = host.user_by(login, uid);
        for error in [
            caller.refused::<RequestWithdraw>(&ending(&request, None), ErrorKind::TwoPersonIntegrity),
            caller.refused::<RequestVoid>(&ending(&request, Some("x")), ErrorKind::TwoPersonIntegrity),
            caller.refused::<RequestComment>(&remark(&request, "x"), ErrorKind::TwoPersonIntegrity),
            caller.refused::<RequestAmend>(&amended, ErrorKind::TwoPersonIntegrity),
        ] {
            assert_eq!(error.data.rule.as_deref(), Some(rule), "{login} as {uid}: {error:?}");
        }
    }
    let verbs: Vec<String> = refusals(&host, &request).into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs.len(), 24);
    assert_eq!(verbs[..4], ["request.withdraw", "request.void", "request.comment", "request.amend"]);
    // alice through her own other account is alice.
    let mut adm = host.user_by(ALICE, ALICE_ADM);
    adm.call::<RequestComment>(&remark(&request, "not needed any more"));
    assert_eq!(adm.call::<RequestWithdraw>(&ending(&request, None)).state, RequestState::Withdrawn);
}

#[test]
fn whoever_sees_a_request_remarks_on_it_also_after_its_end() {
    if !can_be_people() {
        return;
    }
    let grant = format!("[[grant]]\nrole = \"requester\"\nto = \"uid:{MALLORY}\"\nprofiles = [\"p-dev\"]");
    let host = Host::serving(&policy_with(1, "", &grant));
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let request = alice.request(&["web1.corp.example"]);
    let first = bob.call::<RequestComment>(&remark(&request, "which host is\u{202e} this for?")).remark;
    assert_eq!((first.kind, first.version, first.by.person.as_deref()), (RemarkKind::Comment, 1, Some("bob")));
    let second = alice.call::<RequestComment>(&remark(&request, "the new one in rack 3")).remark;
    let long = "x".repeat(4097);
    for text in ["", "\u{a0} \n", &long] {
        bob.refused::<RequestComment>(&remark(&request, text), ErrorKind::Invalid);
    }
    // Whoever may not see it is told that there is none, and whoever has no role that reads, so much.
    host.user(MALLORY).refused::<RequestComment>(&remark(&request, "hello"), ErrorKind::NotFound);
    let nobody = host.user(MALLORY + 100).refused::<RequestComment>(&remark(&request, "x"), ErrorKind::Forbidden);
    assert_eq!(nobody.data.rule.as_deref(), Some("no_role"));

    // A remark changes neither content nor votes.
    let detail = bob.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert_eq!((detail.request.digest, detail.request.version), (request.digest, 1));
    assert_eq!(detail.request.seq, second.seq);
    assert_eq!(detail.remarks, [first, second]);
    bob.call::<RequestReject>(&on(&request));
    let after = alice.call::<RequestComment>(&remark(&request, "understood")).remark;
    let detail = carol.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert_eq!(detail.remarks.last(), Some(&after));
    assert_eq!(detail.request.state, RequestState::Rejected);
    assert_ne!(detail.request.seq, after.seq, "what has ended does not change");
    let records = host.user(DAVE).records(&request.id);
    let told: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(
        told,
        [
            "approval_requested",
            "approval_commented",
            "approval_commented",
            "approval_refused",
            "approval_rejected",
            "approval_commented"
        ]
    );
    assert!(records[1].details["text_sha256"].as_str().is_some_and(|digest| digest.len() == 64));
    let secret = "SELECT count(*) FROM audit_events WHERE CAST(record AS TEXT) LIKE '%rack 3%'";
    assert_eq!(host.value::<i64>(secret), 0);
}

#[test]
fn a_request_holds_so_many_remarks_and_no_more() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    alice.call::<RequestComment>(&remark(&request, "the first"));
    host.tamper(
        "INSERT INTO remarks (request_id, version, kind, uid, account, person, text, text_salt, at, seq)
             SELECT m.request_id, m.version, m.kind, m.uid, m.account, m.person, m.text, m.text_salt, m.at, 1000000 + n.i
             FROM remarks m, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 498)
             SELECT i FROM n) n",
    );
    alice.call::<RequestComment>(&remark(&request, "the last"));
    let error = alice.refused::<RequestComment>(&remark(&request, "one more"), ErrorKind::RateLimited);
    assert!(error.message.contains("500 remarks"), "{error:?}");
    assert_eq!(error.data.rule, None);
    // It can still be looked at, however long as JSON the remarks are, and decided.
    let talked = alice.request(&["web2.corp.example"]);
    for at in 0..60 {
        // As JSON each of these characters takes six octets.
        let text = format!("{at}{}", "\u{1}".repeat(4000));
        alice.call::<RequestComment>(&remark(&talked, &text));
    }
    let detail = alice.call::<RequestGet>(&RequestIdParams { id: talked.id.clone() });
    let shown: Vec<_> = detail.remarks.iter().map(|remark| remark.text.raw()[..2].to_owned()).collect();
    assert_eq!(shown, (50..60).map(|at| at.to_string()).collect::<Vec<_>>());
    for request in [&request, &talked] {
        host.user(BOB).approve(request);
    }
}

#[test]
fn what_was_voided_and_withdrawn_is_counted_also_after_a_restart() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let (mut alice, mut carol) = (host.user(ALICE), host.user(CAROL));
    let requests: Vec<_> = (0..6).map(|at| alice.request(&[&format!("web{at}.corp.example")])).collect();
    for request in &requests[..2] {
        carol.call::<RequestVoid>(&ending(request, Some("not needed")));
    }
    for request in &requests[2..5] {
        alice.call::<RequestWithdraw>(&ending(request, None));
        alice.call::<RequestComment>(&remark(request, "asked again later"));
    }
    let counted = [
        "countersign_approval_decisions_total{outcome=\"voided\",profile_id=\"p-web\"} 2",
        "countersign_approval_decisions_total{outcome=\"withdrawn\",profile_id=\"p-web\"} 3",
        "countersign_approval_decisions_total{outcome=\"rejected\",profile_id=\"p-web\"} 0",
        "countersign_approval_pending_age_seconds_count 0",
        "countersign_approval_pending 1",
        "countersign_jobs{state=\"cancelled\"} 5",
    ];
    let check = |text: String| {
        for line in counted {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    };
    check(carol.metrics());
    host.stop();
    host.start();
    check(host.user(CAROL).metrics());
    host.kill();
    host.start();
    check(host.user(CAROL).metrics());
    assert_eq!(host.oneself().status().damage, None);
}

#[test]
fn of_an_approval_and_an_end_at_one_instant_one_happens() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let mut approvals = 0;
    for round in 0..ROUNDS {
        let request = alice.request(&[&format!("web{round}.corp.example")]);
        let start = Barrier::new(2);
        let voids = round % 2 == 0;
        let (approved, ended) = std::thread::scope(|scope| {
            let bob = scope.spawn(|| {
                start.wait();
                bob.attempt::<RequestApprove>(&on(&request)).unwrap()
            });
            let ender = scope.spawn(|| {
                start.wait();
                match voids {
                    true => carol.attempt::<RequestVoid>(&ending(&request, Some("no"))).unwrap(),
                    false => alice.attempt::<RequestWithdraw>(&ending(&request, None)).unwrap(),
                }
            });
            (bob.join().unwrap(), ender.join().unwrap())
        });
        let (outcome, loser) = match (approved, ended) {
            (Ok(_), Err(loser)) => (Outcome::Issued, loser),
            (Err(loser), Ok(_)) if voids => (Outcome::Voided, loser),
            (Err(loser), Ok(_)) => (Outcome::Withdrawn, loser),
            other => panic!("{other:?}"),
        };
        assert_eq!(loser.data.kind, ErrorKind::AlreadyDecided, "{loser:?}");
        assert_eq!(alice.wait(&request.id).outcome, outcome);
        approvals += i64::from(outcome == Outcome::Issued);
    }
    assert_eq!(issued(&host), approvals);
    let ended_and_issued = "SELECT count(*) FROM certificate_versions v JOIN jobs j ON j.id = v.job_id
         JOIN approval_requests r ON r.id = j.request_id WHERE r.state <> 'approved'";
    assert_eq!(host.value::<i64>(ended_and_issued), 0);
}

#[test]
fn remarks_ends_and_versions_that_no_record_explains_are_damage() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let pending = alice.request(&["web1.corp.example"]);
    bob.call::<RequestComment>(&remark(&pending, "looks good"));
    let pending = alice.call::<RequestAmend>(&AmendParams { ticket: Some("T-1".into()), ..amending(&pending) }).request;
    let (voided, withdrawn) = (alice.request(&["web2.corp.example"]), alice.request(&["web3.corp.example"]));
    carol.call::<RequestVoid>(&ending(&voided, Some("not this one")));
    alice.call::<RequestWithdraw>(&ending(&withdrawn, Some("nor this one")));
    alice.call::<RequestComment>(&remark(&withdrawn, "it was a mistake"));
    drop((alice, bob, carol));
    host.stop();
    let kept = std::fs::read(host.database()).unwrap();
    let newest = "(SELECT max(seq) FROM audit_events a WHERE a.resource_id = approval_requests.id)";
    for (what, sql) in [
        ("a remark in other words", "UPDATE remarks SET text = 'looks bad' WHERE kind = 'comment'".to_owned()),
        ("a remark of somebody else", "UPDATE remarks SET account = 'uid:1' WHERE kind = 'comment'".into()),
        ("a remark of another person", "UPDATE remarks SET person = 'dave' WHERE kind = 'comment'".into()),
        ("a remark on another version", "UPDATE remarks SET version = 7 WHERE kind = 'comment'".into()),
        ("a remark that came with something else", "UPDATE remarks SET kind = 'comment' WHERE kind = 'void'".into()),
        ("another reason to void", "UPDATE remarks SET text = 'another' WHERE kind = 'void'".into()),
        ("a remark taken away", "DELETE FROM remarks WHERE kind = 'comment'".into()),
        ("a reason taken away", "DELETE FROM remarks WHERE kind = 'withdraw'".into()),
        ("another justification", "UPDATE submissions SET reason = 'because'".into()),
        (
            "a remark that nobody made",
            format!(
                "INSERT INTO remarks SELECT 99, request_id, version, kind, uid, account, person, text, text_salt, at, 1
                 FROM remarks WHERE request_id = '{}'",
                pending.id
            ),
        ),
        ("laxer terms", "UPDATE request_terms SET terms = replace(terms, 'pki:1', '*:1') WHERE version = 2".into()),
        ("other content of a version", "UPDATE request_terms SET digest = hex(zeroblob(32)) WHERE version = 1".into()),
        ("a batch", "UPDATE request_terms SET batch = 'b' WHERE version = 2".into()),
        (
            "a scheduled start",
            "UPDATE request_terms SET not_before = '2030-01-01T00:00:00.000Z', not_before_tick = 1".into(),
        ),
        ("a version taken away", "DELETE FROM request_terms WHERE version = 1".into()),
        ("the newest version taken away", "DELETE FROM request_terms WHERE version = 2".into()),
        (
            "the version before brought back",
            "UPDATE approval_requests SET version = 1,
                 digest = (SELECT digest FROM request_terms t WHERE t.version = 1 AND t.request_id = approval_requests.id),
                 submission_id = (SELECT submission_id FROM request_terms t WHERE t.version = 1
                     AND t.request_id = approval_requests.id) WHERE version = 2"
                .into(),
        ),
        (
            "a voided request brought back",
            format!(
                "UPDATE approval_requests SET state = 'pending', decided_at = NULL, decided_by = NULL,
                     seq = requested_seq WHERE id = '{}';
                 UPDATE jobs SET state = 'awaiting_approval', finished_at = NULL, error = NULL WHERE request_id = '{}'",
                voided.id, voided.id
            ),
        ),
        (
            "a withdrawn request brought back under a later remark",
            format!(
                "UPDATE approval_requests SET state = 'pending', decided_at = NULL, decided_by = NULL,
                     seq = {newest} WHERE id = '{}';
                 UPDATE jobs SET state = 'awaiting_approval', finished_at = NULL, error = NULL WHERE request_id = '{}'",
                withdrawn.id, withdrawn.id
            ),
        ),
    ] {
        std::fs::write(host.database(), &kept).unwrap();
        host.tamper(&sql);
        host.start();
        let damage = host.oneself().status().damage.unwrap_or_else(|| panic!("{what}: no damage was found"));
        assert_eq!(damage.rule, "state", "{what}: {damage:?}");
        host.user(BOB).refused::<RequestApprove>(&on(&pending), ErrorKind::ReadOnly);
        host.user(ALICE).refused::<RequestWithdraw>(&ending(&pending, None), ErrorKind::ReadOnly);
        host.stop();
    }
    // Nor is a text emptied, unless a record says that it was erased.
    std::fs::write(host.database(), &kept).unwrap();
    host.tamper("UPDATE remarks SET text = '', text_salt = x''; UPDATE submissions SET reason = '', reason_salt = x''");
    host.start();
    assert_eq!(host.oneself().status().damage.map(|damage| damage.rule).as_deref(), Some("state"));
}
