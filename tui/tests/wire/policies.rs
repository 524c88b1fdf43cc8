//! `policy check|diff|propose`, and a proposal on the screen.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::{FindingLevel, Outcome, PolicyCheckResult};
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, REQUEST};

const DOCUMENT: &str = "version = 1\n";

fn with_document(handler: impl Fn(&str) -> Answer + Send + Sync + 'static) -> FakeDaemon {
    let daemon = FakeDaemon::start(move |method, _| handler(method));
    std::fs::write(daemon.home.path().join("policy.toml"), DOCUMENT).unwrap();
    std::fs::write(daemon.home.path().join("octets.toml"), [0xff, 0xfe]).unwrap();
    daemon
}

fn checked(valid: bool) -> PolicyCheckResult {
    let change = samples::policy_change();
    let mut result = PolicyCheckResult {
        valid,
        errors: vec![],
        warnings: vec!["p-dev: unattended".to_owned()],
        differences: change.differences,
        findings: change.findings,
    };
    if !valid {
        result.errors = vec!["quorum of p-web: no such group".to_owned()];
        result.differences.clear();
        result.findings[0].level = FindingLevel::Error;
    }
    result
}

fn order(text: &str, words: &[&str]) {
    let places: Vec<usize> =
        words.iter().map(|word| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"))).collect();
    assert!(places.is_sorted(), "{words:?} at {places:?}: {text}");
}

#[test]
fn a_check_says_what_would_change_and_what_is_proved() {
    let daemon = with_document(|_| Answer::of(&checked(true)));
    let ran = daemon.run("policy check policy.toml");
    assert_eq!(ran.code, 0, "{ran:?}");
    order(
        &ran.out,
        &["valid", "p-dev: unattended", "LAXER", "stricter", "neutral", "single_point_of_failure", "replay"],
    );
    let diff = daemon.run("policy diff policy.toml");
    assert_eq!(diff.code, 0);
    order(
        &diff.out,
        &[
            "LAXER         profile p-web names: added *.example",
            "LAXER         profile p-web ticket_pattern: removed ^SECOPS-[0-9]+$",
            "stricter      profile p-web max_validity: 90d becomes 30d",
        ],
    );
    assert!(!diff.out.contains("replay") && !diff.out.contains("p-dev"), "{}", diff.out);
    for verb in ["check", "diff"] {
        let line = serde_json::to_string(&checked(true)).unwrap() + "\n";
        assert_eq!(daemon.run(&format!("policy {verb} policy.toml --json")).out, line);
    }
    assert!(daemon.calls().iter().all(|call| *call == ("policy.check".to_owned(), json!({ "document": DOCUMENT }))));
}

#[test]
fn a_document_that_is_not_valid_is_refused_with_its_reasons() {
    let daemon = with_document(|_| Answer::of(&checked(false)));
    for verb in ["check", "diff"] {
        let ran = daemon.run(&format!("policy {verb} policy.toml"));
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.out.contains("no such group") && ran.out.contains("not valid"), "{}", ran.out);
        assert!(!ran.out.contains("none that you may see"), "{}", ran.out);
    }
}

#[test]
fn no_difference_is_said() {
    let daemon = with_document(|_| {
        let mut result = checked(true);
        result.differences.clear();
        Answer::of(&result)
    });
    assert!(daemon.run("policy diff policy.toml").out.contains("none that you may see"));
}

#[test]
fn a_proposal_shows_what_is_proposed_and_who_could_agree() {
    let daemon = with_document(|method| match method {
        "policy.propose" => Answer::of(&samples::proposed()),
        _ => Answer::of(&samples::policy_detail()),
    });
    let ran = daemon.run("policy propose policy.toml --reason why");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    order(&ran.out, &[REQUEST, "LAXER", "stricter", "warning", "note", "Who decides", "person:bob"]);
    let base = "ab".repeat(32);
    let ran = daemon.run(&format!("policy propose policy.toml --reason why --base {base} --json"));
    assert_eq!(ran.out, serde_json::to_string(&samples::proposed()).unwrap() + "\n");
    assert_eq!(daemon.methods(), ["policy.propose", "request.get", "policy.propose"]);
    assert_eq!(daemon.calls()[0].1, json!({ "document": DOCUMENT, "reason": "why" }));
    assert_eq!(daemon.calls()[2].1, json!({ "document": DOCUMENT, "reason": "why", "base_sha256": base }));
}

#[test]
fn a_proposal_stands_even_where_it_cannot_be_looked_at() {
    for kind in [ErrorKind::Forbidden, ErrorKind::Unavailable] {
        let daemon = with_document(move |method| match method {
            "policy.propose" => Answer::of(&samples::proposed()),
            _ => Answer::refusal(kind),
        });
        let ran = daemon.run("policy propose policy.toml --reason why");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains(REQUEST));
        assert_eq!(ran.err.contains("who could decide is not known"), kind == ErrorKind::Unavailable, "{ran:?}");
    }
    for (kind, code) in [(ErrorKind::Invalid, 2), (ErrorKind::StaleContent, 5), (ErrorKind::Forbidden, 3)] {
        let daemon = with_document(move |_| Answer::refusal(kind));
        assert_eq!(daemon.run("policy propose policy.toml --reason why").code, code);
        assert_eq!(daemon.methods(), ["policy.propose"]);
    }
}

#[test]
fn a_file_that_is_no_text_is_not_sent() {
    let daemon = with_document(|_| Answer::Silence);
    for verb in ["check octets.toml", "diff none.toml", "propose octets.toml --reason x"] {
        assert_eq!(daemon.run(&format!("policy {verb}")).code, 2, "{verb}");
    }
    assert!(daemon.calls().is_empty());
}

#[test]
fn a_proposal_is_shown_and_its_document_printed_alone() {
    let daemon = with_document(|_| Answer::of(&samples::policy_detail()));
    let ran = daemon.run(&format!("show {REQUEST}"));
    order(
        &ran.out,
        &[
            "policy_change",
            "version 3",
            "LAXER",
            "stricter",
            "neutral",
            "single_point_of_failure of p-web",
            "policy_laxer",
            &format!("countersign show {REQUEST} --document"),
            "Who decides",
        ],
    );
    assert!(!ran.out.contains("What will be signed"), "{}", ran.out);
    assert_eq!(daemon.run(&format!("show {REQUEST} --document")).out, samples::policy_change().document);

    let other = FakeDaemon::start(|_, _| Answer::of(&samples::detail("www.corp.example")));
    for id in [REQUEST, "mc-1", "job-1"] {
        let ran = other.run(&format!("show {id} --document"));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    }
}

#[test]
fn a_policy_that_took_force_ends_the_wait_well() {
    let daemon = FakeDaemon::start(|_, _| {
        let mut result = samples::ended(Outcome::Applied);
        (result.request, result.job) = (Some(samples::policy_request()), None);
        Answer::of(&result)
    });
    let ran = daemon.run(&format!("wait {REQUEST} --out web.crt"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("applied"), "{}", ran.out);
    assert!(ran.err.contains("nothing is written"), "{ran:?}");
    assert!(!daemon.home.path().join("web.crt").exists());
}
