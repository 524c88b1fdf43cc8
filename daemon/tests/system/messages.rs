//! Who gets mail of a request, from a daemon to a real mail server: those who can decide, and whoever asked.

use countersign_shared::protocol::method::{RequestComment, RequestReject, RequestSubmit};
use countersign_shared::protocol::{CommentParams, DecideParams, RequestSummary, SubmitParams};
use countersign_shared::time::Span;

use crate::support::mail::{Mail, MailServer};
use crate::support::{ALICE, BOB, CAROL, Host, ask, can_be_people, on, policy_with, until};

const HOSTILE: &str =
    "x\r\nBcc: evil@evil.example\r\n\r\n.\r\nMAIL FROM:<evil@evil.example>\r\n\u{1b}]0;owned\u{7}\u{202e}";

/// The people of the tests, each with an address.
pub fn addressed(policy: &str) -> String {
    ["alice", "bob", "carol"].iter().fold(policy.to_owned(), |policy, name| {
        let written = format!("name = \"{name}\"\n");
        policy.replacen(&written, &format!("{written}email = \"{name}@corp.example\"\n"), 1)
    })
}

/// A daemon whose people read mail.
pub fn host(policy: &str, mail: &MailServer, more: &str) -> Host {
    let mut host = Host::prepared(&addressed(policy));
    std::fs::write(host.path("countersign.toml"), format!("{}{more}", mail.table())).unwrap();
    host.start();
    host
}

fn submit(host: &Host, uid: u32, names: &[&str]) -> RequestSummary {
    let params = SubmitParams { reason: Some(HOSTILE.into()), ..ask(names) };
    host.user(uid).call::<RequestSubmit>(&params).request.unwrap()
}

fn noted(request: &RequestSummary) -> DecideParams {
    DecideParams { note: Some(HOSTILE.into()), ..on(request) }
}

/// What foreign text may not do, in any mail that was sent.
fn assert_whole(mail: &Mail) {
    let known = [
        "From",
        "Date",
        "Message-ID",
        "Subject",
        "Content-Type",
        "To",
        "Auto-Submitted",
        "X-Countersign-Kind",
        "X-Countersign-Object",
        "Content-Transfer-Encoding",
        "MIME-Version",
    ];
    for name in mail.headers() {
        assert!(known.contains(&name.as_str()), "{name}: {}", mail.text);
    }
    assert!(mail.to.iter().all(|to| to.ends_with("@corp.example")), "{:?}", mail.to);
    assert!(!mail.text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", mail.text);
}

fn sent(host: &Host) -> i64 {
    host.value("SELECT count(*) FROM notification_events WHERE state = 'sent'")
}

#[test]
fn approvers_are_asked_and_reminded_and_whoever_asked_is_told_the_outcome() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let escalate = "escalate = [{ after = \"1h\", groups = [\"pki\"] }]";
    let mut host = host(&policy_with(2, escalate, ""), &mail, "");
    let request = submit(&host, ALICE, &["www.corp.example", "api.corp.example"]);
    let asked = mail.wait_for("Approval needed: www.corp.example");
    assert_eq!(asked.to, ["bob@corp.example", "carol@corp.example"]);
    assert_eq!(asked.header("X-Countersign-Object").as_deref(), Some(request.id.as_str()));

    host.user(BOB).approve(&request);
    host.pass(Span::from_secs(3600));
    assert_eq!(mail.wait_for("Still waiting for approval: www.corp.example").to, ["carol@corp.example"]);

    host.user(CAROL).call::<countersign_shared::protocol::method::RequestApprove>(&noted(&request));
    assert_eq!(mail.wait_for("Request approved: www.corp.example").to, ["alice@corp.example"]);
    assert_eq!(mail.wait_for("Issued: www.corp.example").to, ["alice@corp.example"]);

    let second = submit(&host, ALICE, &["two.corp.example"]);
    host.user(BOB).call::<RequestReject>(&noted(&second));
    assert_eq!(mail.wait_for("Request rejected: two.corp.example").to, ["alice@corp.example"]);
    until("all is sent", || {
        host.value::<i64>("SELECT count(*) FROM outbox") == 0 && sent(&host) == mail.kept().len() as i64
    });
    for mail in mail.kept() {
        assert_whole(&mail);
    }
    let asked = mail.about("Approval needed").into_iter().chain(mail.about("Still waiting"));
    assert!(asked.flat_map(|mail| mail.to).all(|to| to != "alice@corp.example"), "never the requester");
    let ids: std::collections::BTreeSet<_> = mail.kept().iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), mail.kept().len(), "nothing was sent twice");
}

#[test]
fn an_ordered_quorum_asks_the_next_step_when_it_is_reached_and_a_remark_finds_its_reader() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let policy =
        policy_with(1, "quorum_order = \"ordered\"", "[[group]]\nname = \"sec\"\nmembers = [\"person:carol\"]\n");
    let policy = policy
        .replace(
            "quorum = [{ group = \"pki\", need = 1 }]",
            "quorum = [{ group = \"law\", need = 1 }, { group = \"sec\", need = 1 }]",
        )
        .replace(
            "[[group]]\nname = \"sec\"",
            "[[group]]\nname = \"law\"\nmembers = [\"person:bob\"]\n[[group]]\nname = \"sec\"",
        )
        .replace("role = \"admin\"\nto = \"person:carol\"", "role = \"operator\"\nto = \"person:carol\"");
    let host = host(&policy, &mail, "");
    let request = submit(&host, ALICE, &["www.corp.example"]);
    assert_eq!(mail.wait_for("Approval needed: www.corp.example").to, ["bob@corp.example"]);
    let comment = |uid| {
        let params = CommentParams { id: request.id.clone(), text: HOSTILE.into() };
        host.user(uid).call::<RequestComment>(&params);
    };
    comment(BOB);
    assert_eq!(mail.wait_for("bob").to, ["alice@corp.example"]);
    comment(ALICE);
    assert_eq!(mail.wait_for("alice").to, ["bob@corp.example"]);
    host.user(BOB).approve(&request);
    until("carol is asked", || mail.about("Approval needed").len() == 2);
    assert_eq!(mail.about("Approval needed")[1].to, ["carol@corp.example"]);
    for mail in mail.kept() {
        assert_whole(&mail);
    }
}

#[test]
fn a_channel_that_is_named_and_not_configured_fails_and_is_seen_to() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let messages = "[messages]\nasked = [\"Slack\", \"Email\"]\ntold = []\n";
    let host = host(&policy_with(1, "", messages), &mail, "");
    let request = submit(&host, ALICE, &["www.corp.example"]);
    mail.wait_for("Approval needed: www.corp.example");
    let dead = "SELECT count(*) FROM notification_events WHERE channel = 'Slack' AND state = 'dead'
                    AND detail LIKE '%add [notify.slack]%'";
    until("Slack is given up", || host.value::<i64>(dead) == 1);
    host.user(BOB).approve(&request);
    let nobody = "SELECT count(*) FROM notification_events WHERE kind = 'approval_approved' AND state = 'skipped'
                      AND detail = 'no channel is configured for it'";
    assert_eq!(host.value::<i64>(nobody), 1);
}

#[test]
fn a_channel_with_a_digest_sends_one_mail_for_many() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let mut host = host(&policy_with(1, "", "[messages]\ntold = []\n"), &mail, "digest = \"1d\"\n");
    for name in ["one.corp.example", "two.corp.example", "three.corp.example"] {
        submit(&host, ALICE, &[name]);
    }
    let held = "SELECT count(*) FROM outbox WHERE claimed_tick IS NULL
                    AND next_tick > (SELECT max(created_tick) FROM approval_requests) + 100";
    until("all wait", || host.value::<i64>(held) == 3);
    assert_eq!(mail.kept().len(), 0);
    // Without the key what waits goes out at its time, one by one; with it, it goes out together.
    host.stop();
    host.tamper(
        "UPDATE notification_events SET created_at = '2020-01-01T00:00:00.000Z'; UPDATE outbox SET next_tick = 0",
    );
    host.start();
    let digest = mail.wait_for("[WARNING] 3 messages");
    assert_eq!(digest.to, ["bob@corp.example", "carol@corp.example"]);
    for name in ["one", "two", "three"] {
        assert!(digest.text.contains(&format!("Approval needed: {name}.corp.example")), "{}", digest.text);
    }
    until("all three are sent", || sent(&host) == 3);
    assert_eq!(mail.kept().len(), 1);
    assert_whole(&digest);
}

#[test]
fn what_quiet_hours_held_goes_out_when_a_reload_takes_them_away() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    // Quiet from this hour of the day on, for twenty-three hours.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let hour = since / 3600 % 24;
    let quiet =
        format!("quiet_hours = {{ from = \"{hour:02}:00\", to = \"{:02}:00\", zone = \"UTC\" }}\n", (hour + 23) % 24);
    let host = host(&policy_with(1, "", ""), &mail, &quiet);
    submit(&host, ALICE, &["www.corp.example"]);
    let waits = "SELECT count(*) FROM outbox WHERE channel = 'Email' AND attempts = 0 AND claimed_tick IS NULL
                 AND next_tick > (SELECT min(created_tick) + 3600000 FROM approval_requests)";
    until("it is held", || host.value::<i64>(waits) == 1);
    assert_eq!(mail.kept().len(), 0);
    std::fs::write(host.path("countersign.toml"), mail.table()).unwrap();
    host.signal(nix::sys::signal::Signal::SIGHUP);
    mail.wait_for("Approval needed: www.corp.example");
}
