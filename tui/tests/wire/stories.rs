//! `show` and `ls`: terms, votes, remarks, amendments, and what to do next; hostile text in all of them.

use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::*;
use countersign_shared::text::is_deceiving;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::hostile::everywhere;
use crate::samples::{self, DELEGATION, OTHER, REQUEST};

#[test]
fn a_request_tells_its_story_and_what_to_do_next() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::eventful()));
    let ran = daemon.run(&format!("show {REQUEST}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let one_line = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for shown in [
        "batch spring",
        "not before 2027-02-01T08:00:00Z",
        "steps one after another",
        "step 1 filled: 2 of group pki; carol, erin",
        "step 2 open: 3 of group security; frank, 2 more to come",
        "step 3 not asked yet: 1 of all who may decide; nobody yet",
        "stricter the policy in force asks for more",
        "approve dan with the say of carol for group pki at 2027-01-31T08:00:00Z",
        "rejections 1 of 2 that end it",
        "escalates group oncall too, asked since 2027-01-31T08:00:00Z",
        "group heads too, asked from 2027-02-02T08:00:00Z",
        "auto-approve 2027-02-03T08:00:00Z",
        "lapses where it is not carried out within 1d of its approval",
        "you may decide with the say of erin",
        "comment carol on version 1 at 2027-01-31T08:00:00Z",
        "ask the network team",
        "version 1 replaced at",
        "changed san: nothing becomes dns:shop.corp.example",
        "void approve by dan for group pki",
        &format!("approve countersign approve {REQUEST}"),
        &format!("reject countersign reject {REQUEST} --note WHY"),
        &format!("comment countersign comment {REQUEST} TEXT"),
        &format!("amend countersign amend {REQUEST}"),
        &format!("withdraw countersign withdraw {REQUEST}"),
        &format!("void countersign void {REQUEST} --reason WHY"),
    ] {
        assert!(one_line.contains(shown), "{shown}: {}", ran.out);
    }
    assert_eq!(
        daemon.run(&format!("show {REQUEST} --json")).out,
        serde_json::to_string(&samples::eventful()).unwrap() + "\n"
    );
}

#[test]
fn nobody_is_told_to_do_what_would_be_refused() {
    let daemon = FakeDaemon::start(|_, _| {
        let mut detail = samples::detail("www.corp.example");
        detail.you.allowed = false;
        detail.you_may.clear();
        Answer::of(&detail)
    });
    let ran = daemon.run(&format!("show {REQUEST}"));
    for absent in ["countersign approve", "countersign comment", "To decide", "What you can do"] {
        assert!(!ran.out.contains(absent), "{absent}: {}", ran.out);
    }
}

#[test]
fn lists_are_narrowed_to_a_batch_and_a_kind() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::page(vec![samples::policy_request()])));
    let ran = daemon.run("ls --batch spring --kind policy_change");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("policy 4"), "{}", ran.out);
    assert_eq!(daemon.calls()[0].1, json!({ "batch": "spring", "kind": "policy_change" }));
}

#[test]
fn nothing_that_anybody_wrote_reaches_a_terminal_as_it_is() {
    let digest = "ab".repeat(32);
    let daemon = FakeDaemon::start(|method, params| match method {
        "request.get" if params["id"] == OTHER => Answer::of(&everywhere(&samples::policy_detail())),
        "request.get" => Answer::of(&everywhere(&samples::eventful())),
        "request.list" => Answer::of(&everywhere(&samples::page(vec![samples::eventful().request]))),
        "request.decide" => Answer::of(&everywhere(&samples::decided_many())),
        "request.withdraw" | "request.void" => Answer::of(&samples::ended_by(samples::request("x").state)),
        "request.amend" => Answer::of(&everywhere(&samples::amended())),
        "request.comment" => Answer::of(&everywhere(&CommentResult { remark: samples::remark(RemarkKind::Void) })),
        "request.wait" => {
            let mut result = samples::ended(Outcome::Rejected);
            result.why = Some("why".into());
            Answer::of(&everywhere(&result))
        }
        "daemon.status" => Answer::of(&everywhere(&samples::status())),
        "request.submit" => Answer::of(&everywhere(&samples::submitted())),
        "policy.propose" => Answer::of(&everywhere(&samples::proposed())),
        "policy.check" => Answer::of(&everywhere(&PolicyCheckResult {
            valid: true,
            errors: vec!["error".to_owned()],
            warnings: vec!["warning".to_owned()],
            differences: samples::policy_change().differences,
            findings: samples::policy_change().findings,
        })),
        "delegation.list" => Answer::of(&everywhere(&DelegationPage {
            delegations: vec![samples::delegation(true), samples::delegation(false)],
            next_cursor: Some("c1".to_owned()),
        })),
        "delegation.grant" => Answer::of(&everywhere(&samples::delegation(true))),
        _ => Answer::of(&everywhere(&samples::delegation(false))),
    });
    for name in ["one.csr", "two.csr"] {
        std::fs::write(daemon.home.path().join(name), [0x30, 0x82, 0xff]).unwrap();
    }
    for line in [
        format!("show {REQUEST}"),
        format!("show {OTHER}"),
        format!("show {OTHER} --document"),
        "ls --batch x".to_owned(),
        format!("approve {REQUEST}@{digest} {OTHER}@{digest}"),
        format!("wait {REQUEST}"),
        "status".to_owned(),
        format!("amend {REQUEST} --reason x"),
        format!("comment {REQUEST} x"),
        "request --csr one.csr two.csr --batch b".to_owned(),
        "policy propose one.toml --reason x".to_owned(),
        "policy check one.toml".to_owned(),
        "delegations".to_owned(),
        "delegate dan --for 7d".to_owned(),
        format!("undelegate {DELEGATION}"),
    ] {
        std::fs::write(daemon.home.path().join("one.toml"), "version = 1\n").unwrap();
        for line in [line.clone(), format!("{line} --json")] {
            let ran = daemon.run(&line);
            let shown = (ran.out + &ran.err).replace('\n', "");
            assert!(shown.contains("hostile"), "{line}: {shown}");
            assert!(!shown.chars().any(is_deceiving), "{line}: {shown:?}");
        }
    }
}

#[test]
fn what_was_carried_out_lapses_no_more_and_a_vote_without_a_note_ends_with_its_time() {
    for (job, lapses) in [(JobState::Pending, true), (JobState::Completed, false), (JobState::Failed, false)] {
        let daemon = FakeDaemon::start(move |_, _| {
            let mut detail = samples::eventful();
            detail.request.state = RequestState::Approved;
            detail.job.as_mut().unwrap().state = job;
            detail.decisions[0].note = "".into();
            Answer::of(&detail)
        });
        let out = daemon.run(&format!("show {REQUEST}")).out;
        assert_eq!(out.contains("lapses"), lapses, "{job}: {out}");
        let vote = out.lines().skip_while(|line| !line.starts_with("approve ")).nth(1).unwrap();
        assert!(!vote.trim_end().ends_with(':'), "{vote}");
    }
}
