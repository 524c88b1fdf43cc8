//! What alerts opened elsewhere is closed when the certificate is renewed, revoked or retired: also where an attempt failed,
//! since it may have been accepted all the same.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{CertificateRetire, CertificateRevoke, RequestSubmit};
use countersign_shared::protocol::{Outcome, RetireParams, RetireReason, RevokeParams, SubmitParams};
use countersign_shared::revocation::RevocationReason;
use countersign_shared::time::Span;

use crate::alerts::{alerting, configure, secret};
use crate::support::mail::MailServer;
use crate::support::web::{ACCEPTS, BUSY, Web};
use crate::support::{ALICE, BOB, Host, ask, can_be_people, until};

struct Elsewhere {
    pagerduty: Web,
    opsgenie: Web,
    mail: MailServer,
}

impl Elsewhere {
    /// PagerDuty takes what it gets, OpsGenie is busy; the owner reads mail.
    fn new() -> (Host, Self) {
        let policy = alerting(r#"["PagerDuty", "OpsGenie"], critical = ["PagerDuty"]"#).replacen(
            "name = \"alice\"\n",
            "name = \"alice\"\nemail = \"alice@corp.example\"\n",
            1,
        );
        let mut host = Host::prepared(&policy);
        let new = Self { pagerduty: Web::serving(ACCEPTS), opsgenie: Web::serving(BUSY), mail: MailServer::start() };
        let key = secret(&host, "key", "k1");
        let web =
            |name: &str, web: &Web| format!("[notify.{name}]\nkey = \"{key}\"\nbase_url = \"{}\"\n", web.address());
        configure(
            &host,
            &format!("{}{}{}", web("pagerduty", &new.pagerduty), web("opsgenie", &new.opsgenie), new.mail.table()),
        );
        host.start();
        (host, new)
    }

    /// What PagerDuty was told, in order.
    fn events(&self) -> Vec<String> {
        let got = self.pagerduty.got();
        got.iter()
            .map(|got| format!("{} {}", got.body["event_action"], got.body["dedup_key"]).replace('"', ""))
            .collect()
    }

    fn is_closed_at_opsgenie(&self, id: &str) -> bool {
        let close = format!("POST /v2/alerts/countersign:{id}/close?identifierType=alias ");
        self.opsgenie.got().iter().filter(|got| got.head.starts_with(&close)).count() == 1
    }
}

/// A certificate of alice's that ends in six days, and that both channels were tried for.
fn alerted(host: &Host, elsewhere: &Elsewhere, name: &str) -> String {
    let asked = SubmitParams { valid_for: Some(Span::from_secs(6 * 86_400)), ..ask(&[name]) };
    let submitted = host.user(ALICE).call::<RequestSubmit>(&asked);
    assert_eq!(host.user(ALICE).wait(&submitted.job.id).outcome, Outcome::Issued);
    let id = submitted.certificate_id.to_string();
    let states = format!(
        "SELECT coalesce(group_concat(channel || ' ' || state, ', ' ORDER BY channel), '') FROM notification_events
         WHERE kind = 'expiration_alert' AND resource_id = '{id}'"
    );
    until("both were tried", || host.value::<String>(&states) == "OpsGenie failed, PagerDuty sent");
    assert_eq!(elsewhere.events().last(), Some(&format!("trigger countersign:{id}")));
    elsewhere.opsgenie.say(ACCEPTS);
    id
}

#[test]
fn what_is_renewed_is_closed_also_where_nobody_knows_whether_it_was_opened() {
    if !can_be_people() {
        return;
    }
    let (host, elsewhere) = Elsewhere::new();
    let id = alerted(&host, &elsewhere, "a.dev.test.example");
    host.user(ALICE).submit(&["a.dev.test.example"]);
    until("PagerDuty is told", || {
        elsewhere.events() == [format!("trigger countersign:{id}"), format!("resolve countersign:{id}")]
    });
    until("OpsGenie is told", || elsewhere.is_closed_at_opsgenie(&id));
    assert_eq!(elsewhere.events().len(), 2);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM notification_events WHERE kind = 'certificate_renewed'"), 2);
}

#[test]
fn what_is_revoked_or_retired_is_closed_too_and_its_owner_is_told() {
    if !can_be_people() {
        return;
    }
    let (mut host, elsewhere) = Elsewhere::new();
    let id = alerted(&host, &elsewhere, "a.dev.test.example");
    let revoke = RevokeParams {
        certificate_id: Some(id.parse().unwrap()),
        serial: None,
        reason: RevocationReason::Superseded,
        note: None,
        ticket: None,
    };
    let revoked = host.user(ALICE).call::<CertificateRevoke>(&revoke);
    assert!(revoked.request.as_ref().is_none_or(|request| request.state == RequestState::Approved));
    until("PagerDuty is told", || elsewhere.events().last() == Some(&format!("resolve countersign:{id}")));
    until("OpsGenie is told", || elsewhere.is_closed_at_opsgenie(&id));
    assert_eq!(elsewhere.mail.wait_for("Revoked: a.dev.test.example").to, ["alice@corp.example"]);

    elsewhere.opsgenie.say(BUSY);
    let id = alerted(&host, &elsewhere, "b.dev.test.example");
    host.stop();
    host.tamper(&format!(
        "UPDATE expiry_watch SET not_before = '2020-01-01T00:00:00.000Z', not_after = '2020-02-01T00:00:00.000Z',
             due_at = '2020-02-01T00:00:00.000Z' WHERE certificate_id = '{id}'"
    ));
    host.start();
    until("the end is told", || elsewhere.events().len() == 4);
    let retire = RetireParams { certificate_id: id.parse().unwrap(), reason: RetireReason::Unused };
    host.user(BOB).call::<CertificateRetire>(&retire);
    until("PagerDuty is told", || elsewhere.events().len() == 5);
    assert_eq!(elsewhere.events().last(), Some(&format!("resolve countersign:{id}")));
    let retired = elsewhere.mail.wait_for("Retired: b.dev.test.example");
    assert_eq!(retired.to, ["alice@corp.example"]);
    assert!(retired.text.contains("unused"), "{}", retired.text);
    until("OpsGenie is told", || elsewhere.is_closed_at_opsgenie(&id));
    let note: String = elsewhere.opsgenie.got().last().unwrap().body["note"].as_str().unwrap().to_owned();
    assert_eq!(note, "Dealt with (retired): b.dev.test.example");
    let count = "SELECT count(*) FROM notification_events WHERE kind = 'certificate_dealt_with' AND state = 'sent'";
    until("all is written down", || host.value::<i64>(count) == 4);
    assert!(host.oneself().status().damage.is_none());
}
