//! `alerts …`: what is asked of the daemon, the statuses, and what is said.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::{
    Alert, AlertChannel, AlertPage, AlertPlanPage, AlertState, RequeueResult, TestAlertResult,
};
use countersign_shared::text::is_deceiving;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};

const CERTIFICATE: &str = "mc-00jb6vw2w0h8d3rt";
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{202e}www\nnext";

fn alert(state: AlertState) -> Alert {
    Alert {
        id: 7,
        created_at: "2027-01-24T07:00:00Z".parse().unwrap(),
        kind: "expiration_alert_test".to_owned(),
        resource_id: CERTIFICATE.to_owned(),
        name: Some(HOSTILE.into()),
        version: None,
        threshold: None,
        severity: None,
        channel: Some(AlertChannel::Email),
        unknown_channel: None,
        state,
        attempts: None,
        next_attempt_at: None,
        accepted_at: None,
        detail: HOSTILE.into(),
        seq: 41,
    }
}

#[test]
fn a_trial_ends_with_what_the_other_side_did() {
    let line = format!("alerts test --certificate {CERTIFICATE} --threshold 7 --channel Email --timeout 5s");
    for (state, code) in
        [(AlertState::Sent, 0), (AlertState::Dead, 3), (AlertState::Skipped, 3), (AlertState::Queued, 124)]
    {
        let daemon = FakeDaemon::start(move |_, _| Answer::of(&TestAlertResult { alert: alert(state) }));
        let ran = daemon.run(&line);
        assert_eq!(ran.code, code, "{state}: {ran:?}");
        let shown = (ran.out + &ran.err).replace('\n', "");
        assert!(shown.contains("www") && !shown.chars().any(is_deceiving), "{shown:?}");
        assert_eq!(daemon.run(&format!("{line} --json")).code, code);
        let calls = daemon.calls();
        let params = json!({ "certificate": CERTIFICATE, "threshold": 7, "channel": "Email", "timeout": "5s" });
        assert_eq!((calls[0].0.as_str(), &calls[0].1), ("alert.test", &params));
    }
    let refused = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::Forbidden));
    assert_eq!(refused.run(&line).code, 3);
}

#[test]
fn a_dry_run_asks_for_the_plan_and_sends_nothing() {
    let page = || AlertPlanPage { certificates: Vec::new(), channels: Vec::new(), next_cursor: Some("c1".to_owned()) };
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&page()));
    for (line, params) in [
        ("alerts test --dry-run".to_owned(), json!({})),
        (format!("alerts test --dry-run --certificate {CERTIFICATE}"), json!({ "certificate": CERTIFICATE })),
        ("alerts plan --days 30 --limit 2".to_owned(), json!({ "days": 30, "limit": 2 })),
    ] {
        let ran = daemon.run(&line);
        assert_eq!((ran.code, ran.out.as_str()), (0, "no certificate that anybody has to look after\n"));
        assert!(ran.err.contains("--cursor c1"), "{ran:?}");
        let calls = daemon.calls();
        let (method, asked) = calls.last().unwrap();
        assert_eq!((method.as_str(), asked), ("alert.plan", &params), "{line}");
    }
}

#[test]
fn lists_and_requeues_ask_for_what_was_named() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "alert.requeue" => Answer::of(&RequeueResult { requeued: 3, left: 0, seq: Some(9) }),
        _ => Answer::of(&AlertPage { alerts: vec![alert(AlertState::Dead)], next_cursor: None }),
    });
    for (line, params, words) in [
        ("alerts ls --state dead --channel Email", json!({ "state": "dead", "channel": "Email" }), "dead"),
        ("alerts requeue 7", json!({ "id": 7, "all_dead": false }), "3 messages are tried again"),
        (
            "alerts requeue --all-dead --channel Wall",
            json!({ "all_dead": true, "channel": "Wall" }),
            "3 messages are tried again",
        ),
    ] {
        let ran = daemon.run(line);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        assert!(ran.out.contains(words), "{ran:?}");
        assert!(!ran.out.replace('\n', "").chars().any(is_deceiving), "{ran:?}");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
        assert_eq!(daemon.calls().last().unwrap().1, params, "{line}");
    }
}
