//! Messages and matrices for people, with names that want to be obeyed.

use countersign_shared::text::is_deceiving;
use countersign_shared::time::Timestamp;

use super::super::Style;
use super::*;

fn view() -> View {
    View { style: Style::new(false, Some(200)), now: at("2027-01-24T08:00:00Z") }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn alert(state: AlertState) -> Alert {
    Alert {
        id: 7,
        created_at: at("2027-01-24T07:00:00Z"),
        kind: "expiration_alert".to_owned(),
        resource_id: "mc-01".to_owned(),
        name: Some("www.corp.example".into()),
        version: Some(1),
        threshold: Some(7),
        severity: Some(AlertSeverity::Warning),
        channel: Some(AlertChannel::Slack),
        unknown_channel: None,
        state,
        attempts: None,
        next_attempt_at: None,
        accepted_at: None,
        detail: "".into(),
        seq: 41,
    }
}

fn certificate() -> PlannedCertificate {
    let planned = |threshold, severity, channel, outlook, state| PlannedAlert {
        threshold,
        at: at("2027-01-24T08:00:00Z"),
        severity,
        channel,
        unknown_channel: None,
        outlook,
        state,
    };
    use AlertSeverity::{Critical, Informational, Warning};
    PlannedCertificate {
        id: "mc-00jb6vw2w0h8d3rt".parse().unwrap(),
        name: Some("www.corp.example".into()),
        version: 2,
        not_after: at("2027-01-31T08:00:00Z"),
        days_left: 7,
        profile_id: Some("p-web".to_owned()),
        renewal_policy: None,
        mail: Some("alice@corp.example".into()),
        accounts: Vec::new(),
        alerts: vec![
            planned(30, Informational, None, Outlook::Passed, None),
            planned(7, Warning, Some(AlertChannel::Email), Outlook::Due, None),
            planned(7, Warning, Some(AlertChannel::Slack), Outlook::Raised, Some(AlertState::Dead)),
            planned(0, Critical, Some(AlertChannel::Wall), Outlook::Ahead, None),
            PlannedAlert {
                unknown_channel: Some("Pig\u{202e}eon".into()),
                ..planned(-1, Critical, None, Outlook::Ahead, None)
            },
        ],
    }
}

fn page() -> AlertPlanPage {
    let channel = |channel, configured, to: &[&str]| PlannedChannel {
        channel,
        configured,
        to: to.iter().map(|one| (*one).into()).collect(),
    };
    AlertPlanPage {
        certificates: vec![certificate()],
        channels: vec![
            channel(AlertChannel::Email, true, &["ops@corp.example", "alice@corp.example"]),
            channel(AlertChannel::Slack, false, &[]),
            channel(AlertChannel::Wall, true, &[]),
        ],
        next_cursor: None,
    }
}

#[test]
fn what_failed_says_when_it_is_tried_again() {
    let failed = Alert {
        attempts: Some(2),
        next_attempt_at: Some(at("2027-01-24T08:03:00Z")),
        detail: "503".into(),
        ..alert(AlertState::Failed)
    };
    let skipped = Alert {
        channel: None,
        unknown_channel: Some("Pigeon".into()),
        threshold: Some(-1),
        ..alert(AlertState::Skipped)
    };
    let shown = list(&[failed, skipped], view());
    let lines: Vec<&str> = shown.lines().map(str::trim).collect();
    assert!(lines[1].contains("failed   Slack"), "{shown}");
    assert!(lines[1].contains("7 days before  mc-01"), "{shown}");
    assert_eq!(lines[2], "www.corp.example; 2 attempts failed; the next attempt in 3m 0s; 503");
    assert!(lines[3].contains("Pigeon, which is no channel") && lines[3].contains("1 day after"), "{shown}");
    assert_eq!(lines[4], "www.corp.example");
    assert_eq!(list(&[], view()), "no messages\n");
}

#[test]
fn why_is_said_whole_on_a_narrow_screen() {
    let view = View { style: Style::new(false, Some(80)), ..view() };
    let why =
        "1 of 2 reached; full@corp.example: the mail server and the recipient: transient error (452): mailbox full";
    let long = Alert {
        id: 123_456,
        kind: "certificate_renewed".to_owned(),
        resource_id: "mc-01k8z3v5d2fq7m".to_owned(),
        threshold: None,
        channel: Some(AlertChannel::PagerDuty),
        detail: why.into(),
        ..alert(AlertState::Skipped)
    };
    let shown = list(&[long], view);
    assert!(shown.lines().all(|line| line.len() <= 80), "{shown}");
    let joined = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains(why) && joined.contains("certificate_renewed mc-01k8z3v5d2fq7m"), "{shown}");
}

#[test]
fn a_trial_says_what_the_other_side_did() {
    for (state, words) in [
        (AlertState::Sent, "accepted it"),
        (AlertState::Dead, "did not accept it"),
        (AlertState::Skipped, "nothing was sent"),
        (AlertState::Queued, "nobody has answered yet"),
    ] {
        let result = TestAlertResult { alert: Alert { detail: "550 no".into(), ..alert(state) } };
        let shown = tried(&result, view());
        assert!(shown.contains(words) && shown.contains("550 no") && shown.contains("record 41"), "{shown}");
    }
}

#[test]
fn the_matrix_says_to_whom_and_what_fails() {
    let shown = plan(&page(), view());
    let row = |start: &str, also: &str| {
        let found = shown.lines().find(|line| line.starts_with(start) && line.contains(also));
        found.unwrap_or_else(|| panic!("{start} {also}: {shown}")).to_owned()
    };
    assert!(row("30 days before", "nobody").ends_with(" passed"));
    assert!(row("7 days before", "Email").ends_with("due"));
    assert!(row("7 days before", "Slack").ends_with("dead"));
    assert!(row("  Email ", "").ends_with(" alice@corp.example, ops@corp.example"));
    assert!(row("  Slack ", "").ends_with(" not configured: this fails"));
    assert!(row("  Wall ", "").ends_with(" nobody: this fails"));
    assert!(row("1 day after", "").contains("Pig<U+202E>eon, which is no channel"));
    assert!(shown.contains("p-web, no renewal policy"));
    assert!(shown.contains("2027-01-31T08:00:00Z, in 7d"));
}

#[test]
fn nothing_that_came_from_outside_is_obeyed() {
    let hostile = "a\u{1b}[2J\nb\u{202e}c\u{200b}";
    let mut page = page();
    page.certificates[0].name = Some(hostile.into());
    page.certificates[0].mail = Some(hostile.into());
    page.certificates[0].profile_id = Some(hostile.to_owned());
    page.channels[0].to = vec![hostile.into()];
    let bad = Alert {
        name: Some(hostile.into()),
        detail: hostile.into(),
        kind: hostile.to_owned(),
        resource_id: hostile.to_owned(),
        channel: None,
        unknown_channel: Some(hostile.into()),
        threshold: None,
        ..alert(AlertState::Dead)
    };
    let tried_one = tried(&TestAlertResult { alert: bad.clone() }, view());
    for shown in [plan(&page, view()), list(&[bad], view()), tried_one] {
        assert!(!shown.chars().any(|c| c != '\n' && is_deceiving(c)), "{shown:?}");
        assert!(shown.contains("<U+001B>"), "{shown}");
    }
}

#[test]
fn counts_are_said_in_words() {
    let result = |requeued, left| requeued_words(requeued, left);
    assert_eq!(result(0, 0), "nothing is dead\n");
    assert_eq!(result(1, 0), "1 message is tried again\n");
    assert_eq!(result(1000, 24), "1000 messages are tried again; 24 more are dead: ask again\n");
}

fn requeued_words(requeued: u64, left: u64) -> String {
    super::requeued(&RequeueResult { requeued, left, seq: None }, view())
}
