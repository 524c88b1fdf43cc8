//! What people are told of certificates that end, as callers see it: listed, planned, tried and sent again.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{AlertList, AlertPlan_, AlertRequeue, AlertTest};
use countersign_shared::protocol::{
    Alert, AlertChannel, AlertPlanParams, AlertState, ListAlertsParams, Outcome, Outlook, RequeueParams, SubmitResult,
    TestAlertParams,
};
use countersign_shared::time::Span;
use serde_json::json;

use crate::support::{ALICE, BOB, CAROL, DAVE, Host, MALLORY, can_be_people, policy_with, until};

/// A requester and nothing more.
const GRACE: u32 = 62_012;

/// Alerts for `p-dev` on a program and by mail, for `p-web` by mail alone.
fn policy() -> String {
    let more = format!(
        r#"
[[grant]]
role = "requester"
to = "uid:{GRACE}"
[[renewal_policy]]
id = "rp-dev"
auto_renew = false
alert_thresholds_days = [14, 60]
alert_severity_map = {{ "60" = "informational", "14" = "warning" }}
alert_channels = {{ informational = ["Command", "Email"], warning = [], critical = ["Wall", "PagerDuty"] }}
"#
    );
    let policy = policy_with(1, "", &more);
    policy.replacen("max_validity = \"30d\"", "max_validity = \"30d\"\nrenewal_policy = \"rp-dev\"", 1)
}

/// A daemon whose one channel is a program that keeps what it is told, and then ends as the file `verdict` says.
fn host() -> Host {
    let host = Host::prepared(&policy());
    let script = "cat >> \"$0.told\"; . \"$0\"";
    let config = format!(
        "[notify.command]\ncommand = [\"/bin/sh\", \"-c\", {script:?}, {:?}]\n[notify.wall]\n",
        host.path("verdict")
    );
    std::fs::write(host.path("countersign.toml"), config).unwrap();
    verdict(&host, "exit 0");
    host
}

fn verdict(host: &Host, script: &str) {
    std::fs::write(host.path("verdict"), script).unwrap();
}

fn told(host: &Host) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(host.path("verdict.told")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn issued(host: &Host, uid: u32, name: &str) -> SubmitResult {
    let submitted = host.user(uid).submit(&[name]);
    assert_eq!(host.user(uid).wait(&submitted.job.id).outcome, Outcome::Issued);
    submitted
}

fn trial(of: &SubmitResult, channel: AlertChannel) -> TestAlertParams {
    TestAlertParams {
        certificate: of.certificate_id.clone(),
        threshold: 7,
        channel,
        timeout: Some(Span::from_secs(30)),
    }
}

fn listed(host: &Host, uid: u32, params: &ListAlertsParams) -> Vec<Alert> {
    host.user(uid).call::<AlertList>(params).alerts
}

/// The two alerts that a fresh certificate of `p-dev` raises: one is accepted, the channel of the other is not configured.
fn settled(host: &Host, of: &SubmitResult) -> (Alert, Alert) {
    let params = ListAlertsParams {
        certificate: Some(of.certificate_id.clone()),
        kind: Some("expiration_alert".to_owned()),
        ..Default::default()
    };
    let mut alerts = Vec::new();
    until("its alerts are settled", || {
        alerts = listed(host, CAROL, &params);
        alerts.len() == 2 && alerts.iter().all(|alert| matches!(alert.state, AlertState::Sent | AlertState::Dead))
    });
    alerts.sort_by_key(|alert| alert.channel);
    let dead = alerts.iter().position(|alert| alert.channel == Some(AlertChannel::Email)).unwrap();
    let dead = alerts.remove(dead);
    (alerts.remove(0), dead)
}

#[test]
fn a_trial_is_sent_for_real_marked_recorded_and_counts_for_nothing() {
    if !can_be_people() {
        return;
    }
    let mut host = host();
    host.start();
    let of = issued(&host, ALICE, "a.dev.test.example");
    settled(&host, &of);
    let before = told(&host).len();
    let given_up = || {
        let text = host.user(CAROL).metrics();
        text.lines().find(|line| line.starts_with("countersign_notification_dead_total")).map(str::to_owned)
    };
    let dead = given_up();

    let sent = host.user(BOB).call::<AlertTest>(&trial(&of, AlertChannel::Command)).alert;
    assert_eq!((sent.state, sent.kind.as_str(), sent.threshold), (AlertState::Sent, "expiration_alert_test", None));
    assert!(sent.accepted_at.is_some(), "{sent:?}");
    let message = &told(&host)[before];
    assert_eq!((&message["test"], &message["threshold_days"]), (&json!(true), &json!(7)));
    assert!(message["title"].as_str().unwrap().starts_with("TEST: "), "{message}");
    assert_eq!(message["object"], json!(of.certificate_id));
    // Once for each call: nothing is deduplicated against it, and it is no alert.
    host.user(BOB).call::<AlertTest>(&trial(&of, AlertChannel::Command));
    assert_eq!(told(&host).len(), before + 2);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM alert_events"), 2);

    // Not configured, and a failure that may pass: one attempt each.
    let never = host.user(CAROL).call::<AlertTest>(&trial(&of, AlertChannel::Slack)).alert;
    assert_eq!(never.state, AlertState::Dead);
    assert!(never.detail.raw().contains("[notify.slack]"), "{never:?}");
    verdict(&host, "echo 'the pager is full' >&2; exit 75");
    let later = host.user(CAROL).call::<AlertTest>(&trial(&of, AlertChannel::Command)).alert;
    assert_eq!((later.state, later.attempts), (AlertState::Dead, None));
    assert!(later.detail.raw().contains("the pager is full"), "{later:?}");
    assert_eq!(told(&host).len(), before + 3);
    assert_eq!(given_up(), dead, "nobody is called for what somebody tries");

    // Whoever waits no longer is told that nobody has answered; it goes on.
    verdict(&host, "sleep 3; exit 0");
    let hasty = TestAlertParams { timeout: Some(Span::from_millis(1)), ..trial(&of, AlertChannel::Command) };
    let queued = host.user(BOB).call::<AlertTest>(&hasty).alert;
    assert_eq!(queued.state, AlertState::Queued);
    until("it is sent all the same", || {
        let params = ListAlertsParams { state: Some(AlertState::Sent), ..Default::default() };
        listed(&host, CAROL, &params).iter().any(|alert| alert.id == queued.id)
    });
    let records = host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'alert_tested'");
    assert_eq!(records, 5);
    assert!(host.oneself().status().damage.is_none());
}

#[test]
fn whoever_may_not_is_refused_and_told_what_is_meant() {
    if !can_be_people() {
        return;
    }
    let mut host = host();
    host.start();
    let of = issued(&host, GRACE, "g.dev.test.example");
    let other = issued(&host, ALICE, "a.dev.test.example");
    let (_, dead) = settled(&host, &of);
    settled(&host, &other);

    // The owner sees its alerts, and neither tries them nor those of others.
    let own = listed(&host, GRACE, &ListAlertsParams::default());
    assert!(!own.is_empty());
    let about = [of.certificate_id.to_string(), of.job.id.to_string()];
    assert!(own.iter().all(|alert| about.contains(&alert.resource_id)), "{own:#?}");
    let by_owner = host.user(GRACE).refused::<AlertTest>(&trial(&of, AlertChannel::Command), ErrorKind::Forbidden);
    assert_eq!(by_owner.data.rule.as_deref(), Some("no_role"));
    host.user(GRACE).refused::<AlertTest>(&trial(&other, AlertChannel::Command), ErrorKind::NotFound);
    let one = |id| RequeueParams { id: Some(id), ..Default::default() };
    let all = RequeueParams { all_dead: true, ..Default::default() };
    host.user(GRACE).refused::<AlertRequeue>(&one(dead.id), ErrorKind::Forbidden);
    host.user(GRACE).refused::<AlertRequeue>(&all, ErrorKind::Forbidden);
    let planned = host.user(GRACE).call::<AlertPlan_>(&AlertPlanParams::default());
    assert_eq!(planned.certificates.iter().map(|one| &one.id).collect::<Vec<_>>(), [&of.certificate_id]);
    let foreign = AlertPlanParams { certificate: Some(other.certificate_id.clone()), ..Default::default() };
    host.user(GRACE).refused::<AlertPlan_>(&foreign, ErrorKind::NotFound);

    // An auditor reads everything and changes nothing; somebody without a role sees nothing at all.
    assert!(listed(&host, DAVE, &ListAlertsParams::default()).len() > own.len());
    assert_eq!(host.user(DAVE).call::<AlertPlan_>(&AlertPlanParams::default()).certificates.len(), 2);
    host.user(DAVE).refused::<AlertTest>(&trial(&of, AlertChannel::Command), ErrorKind::Forbidden);
    host.user(DAVE).refused::<AlertRequeue>(&all, ErrorKind::Forbidden);
    host.user(MALLORY).refused::<AlertList>(&ListAlertsParams::default(), ErrorKind::Forbidden);
    host.user(MALLORY).refused::<AlertPlan_>(&AlertPlanParams::default(), ErrorKind::Forbidden);
    host.user(MALLORY).refused::<AlertTest>(&trial(&of, AlertChannel::Command), ErrorKind::Forbidden);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action LIKE 'alert_%'"), 0);
    let refused =
        "SELECT count(*) FROM audit_events WHERE action = 'approval_refused' AND details ->> '$.verb' LIKE 'alert.%'";
    assert!(host.value::<i64>(refused) >= 6);

    // What does not exist is named, and what does is listed.
    let mut carol = host.user(CAROL);
    let id = &of.certificate_id;
    for (params, kind, words) in [
        (json!({ "certificate": id, "threshold": 7, "channel": "Pigeon" }), ErrorKind::Invalid, "`PagerDuty`"),
        (json!({ "certificate": id, "threshold": 366, "channel": "Email" }), ErrorKind::Invalid, "0 to 365"),
        (
            json!({ "certificate": id, "threshold": 7, "channel": "Email", "timeout": "11m" }),
            ErrorKind::Invalid,
            "at most",
        ),
        (
            json!({ "certificate": "mc-0000000000000", "threshold": 7, "channel": "Email" }),
            ErrorKind::NotFound,
            "mc-000",
        ),
    ] {
        let error = carol.attempt_by_name("alert.test", &params).unwrap().unwrap_err();
        assert_eq!(error.data.kind, kind, "{error:?}");
        assert!(error.message.contains(words), "{words}: {error:?}");
    }
    let strange = ListAlertsParams { kind: Some("party\u{1b}[2J".to_owned()), ..Default::default() };
    let error = host.user(CAROL).refused::<AlertList>(&strange, ErrorKind::Invalid);
    assert!(error.data.hint.contains("expiration_alert_test") && !error.message.contains('\u{1b}'), "{error:?}");
    host.user(CAROL).refused::<AlertRequeue>(&RequeueParams::default(), ErrorKind::Invalid);
    host.user(CAROL).refused::<AlertRequeue>(&RequeueParams { all_dead: true, ..one(1) }, ErrorKind::Invalid);
    host.user(CAROL).refused::<AlertRequeue>(&one(9999), ErrorKind::NotFound);
}

#[test]
fn what_is_dead_is_sent_again_by_hand_and_on_record() {
    if !can_be_people() {
        return;
    }
    let mut host = host();
    verdict(&host, "exit 65");
    host.start();
    let of = issued(&host, ALICE, "a.dev.test.example");
    let (refused, unconfigured) = settled(&host, &of);
    assert_eq!((refused.state, unconfigured.state), (AlertState::Dead, AlertState::Dead));
    verdict(&host, "exit 0");
    let one = RequeueParams { id: Some(refused.id), ..Default::default() };
    let answer = host.user(BOB).call::<AlertRequeue>(&one);
    assert_eq!((answer.requeued, answer.left), (1, 0));
    let (now, _) = settled(&host, &of);
    assert_eq!((now.id, now.state), (refused.id, AlertState::Sent));
    assert_eq!(told(&host).len(), 2);
    assert_eq!(told(&host)[0]["id"], told(&host)[1]["id"], "the other side recognises a repeat");
    let error = host.user(BOB).refused::<AlertRequeue>(&one, ErrorKind::Conflict);
    assert!(error.message.contains("is sent"), "{error:?}");

    let all = |channel| RequeueParams { id: None, all_dead: true, channel };
    let none = host.user(CAROL).call::<AlertRequeue>(&all(Some(AlertChannel::Command)));
    assert_eq!((none.requeued, none.seq), (0, None));
    let answer = host.user(CAROL).call::<AlertRequeue>(&all(None));
    assert_eq!((answer.requeued, answer.left), (1, 0));
    assert_eq!(settled(&host, &of).1.state, AlertState::Dead, "it is not configured still");
    let records: i64 = host.value("SELECT count(*) FROM audit_events WHERE action = 'alert_requeued'");
    assert_eq!(records, 2);
    let named: String = host.value(
        "SELECT resource_type || ' ' || resource_id || ' ' || (details ->> '$.channel') FROM audit_events
         WHERE action = 'alert_requeued' ORDER BY seq LIMIT 1",
    );
    assert_eq!(named, format!("certificate {} Command", of.certificate_id));
}

#[test]
fn the_plan_says_which_alert_goes_when_to_whom_on_what() {
    if !can_be_people() {
        return;
    }
    let mut host = host();
    host.start();
    let (first, second) = (issued(&host, ALICE, "a.dev.test.example"), issued(&host, ALICE, "b.dev.test.example"));
    settled(&host, &first);
    settled(&host, &second);
    let one = AlertPlanParams { certificate: Some(first.certificate_id.clone()), ..Default::default() };
    let page = host.user(BOB).call::<AlertPlan_>(&one);
    let [planned] = page.certificates.as_slice() else { panic!("{page:#?}") };
    assert_eq!((planned.renewal_policy.as_deref(), planned.profile_id.as_deref()), (Some("rp-dev"), Some("p-dev")));
    let cell = |alert: &countersign_shared::protocol::PlannedAlert| {
        let state = alert.state.map_or("-", AlertState::as_str);
        let channel = alert.channel.map_or("nobody", AlertChannel::as_str);
        format!("{} {} {channel} {} {state}", alert.threshold, alert.severity, alert.outlook)
    };
    assert_eq!(
        planned.alerts.iter().map(cell).collect::<Vec<_>>(),
        [
            "60 informational Command raised sent",
            "60 informational Email raised dead",
            "14 warning nobody ahead -",
            "-1 critical Wall ahead -",
            "-1 critical PagerDuty ahead -",
        ]
    );
    assert!(planned.alerts.iter().all(|alert| alert.outlook != Outlook::Due));
    let configured = page.channels.iter().filter(|known| known.configured).map(|known| known.channel);
    assert_eq!(configured.collect::<Vec<_>>(), [AlertChannel::Command, AlertChannel::Wall]);
    let to = page.channels.iter().find(|known| known.channel == AlertChannel::Command).unwrap();
    assert_eq!(to.to, ["/bin/sh".into()], "the program alone: arguments may be secret");
    assert!(planned.accounts.iter().any(|account| account.raw() == format!("uid:{BOB}")), "{planned:#?}");

    // Page by page, what ends first before the rest.
    let mut params = AlertPlanParams { limit: Some(1), ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = host.user(BOB).call::<AlertPlan_>(&params);
        assert_eq!(page.certificates.len(), 1);
        seen.push((page.certificates[0].not_after, page.certificates[0].id.clone()));
        match page.next_cursor {
            Some(cursor) => params.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen.len(), 2);
    assert!(seen.is_sorted());
    for (days, found) in [(0, 0), (29, 0), (31, 2)] {
        let params = AlertPlanParams { days: Some(days), ..Default::default() };
        assert_eq!(host.user(BOB).call::<AlertPlan_>(&params).certificates.len(), found, "{days}");
    }
    for cursor in ["", "x", "2027-01-31T08:00:00Z", "yesterday/mc-1"] {
        let params = AlertPlanParams { cursor: Some(cursor.to_owned()), ..Default::default() };
        host.user(BOB).refused::<AlertPlan_>(&params, ErrorKind::Invalid);
    }
    assert_eq!(told(&host).len(), 2, "planning sends nothing");
}

#[test]
fn lists_are_filtered_and_read_page_by_page() {
    if !can_be_people() {
        return;
    }
    let mut host = host();
    host.start();
    let names = ["a.dev.test.example", "b.dev.test.example", "c.dev.test.example"];
    let all: Vec<SubmitResult> = names.iter().map(|name| issued(&host, ALICE, name)).collect();
    for one in &all {
        settled(&host, one);
    }
    let count = |params: ListAlertsParams| listed(&host, BOB, &params).len();
    let alerts = || ListAlertsParams { kind: Some("expiration_alert".to_owned()), ..Default::default() };
    assert_eq!(count(alerts()), 6);
    assert_eq!(count(ListAlertsParams { state: Some(AlertState::Dead), ..alerts() }), 3);
    assert_eq!(count(ListAlertsParams { channel: Some(AlertChannel::Command), ..alerts() }), 3);
    assert_eq!(count(ListAlertsParams { text: Some("B.DEV.test".to_owned()), ..alerts() }), 2);
    assert_eq!(count(ListAlertsParams { text: Some("[notify.email]".to_owned()), ..alerts() }), 3);
    assert_eq!(count(ListAlertsParams { state: Some(AlertState::Queued), ..alerts() }), 0);
    let of = Some(all[1].certificate_id.clone());
    let row = &listed(&host, BOB, &ListAlertsParams { certificate: of, state: Some(AlertState::Sent), ..alerts() })[0];
    assert_eq!(row.name.as_ref().map(|name| name.raw()), Some(names[1]));
    assert_eq!((row.version, row.threshold, row.next_attempt_at), (Some(1), Some(60), None));

    let mut params = ListAlertsParams { limit: Some(2), ..Default::default() };
    let mut ids = Vec::new();
    loop {
        let page = host.user(BOB).call::<AlertList>(&params);
        ids.extend(page.alerts.iter().map(|alert| alert.id));
        match page.next_cursor {
            Some(cursor) => params.cursor = Some(cursor),
            None => break,
        }
    }
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
    assert_eq!(i64::try_from(ids.len()).unwrap(), host.value::<i64>("SELECT count(*) FROM notification_events"));
}
