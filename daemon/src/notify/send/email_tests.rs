//! Mail against servers that behave, refuse, forget, hang and lie.

use std::sync::Arc;
use std::time::Duration;

use super::email::{Email, Protection};
use super::servers::{Mta, Pki, mail_server, pki};
use crate::notify::message::Audience;
use crate::notify::outcome::{Outcome, Receipt};
use crate::notify::testing::alert;

/// What a test waits for at most, where a server is silent; and what nothing reaches, where one answers.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

fn email(port: u16, protection: Protection) -> Email {
    Email {
        host: "localhost".to_owned(),
        port,
        protection,
        login: None,
        from: "countersign <pki@corp.example>".parse().unwrap(),
        to: vec!["oncall@corp.example".parse().unwrap()],
        hello: "pki1.corp.example".to_owned(),
        timeout: LONG,
    }
}

fn good() -> Mta {
    Mta { after_data: Some("250 queued"), ..Mta::default() }
}

fn to(addresses: &[&str]) -> Audience {
    Audience { mail: addresses.iter().map(|address| (*address).into()).collect(), ..Audience::default() }
}

fn later(receipt: &Receipt) -> String {
    match receipt.outcome() {
        Outcome::Temporary { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn never(receipt: &Receipt) -> String {
    match receipt.outcome() {
        Outcome::Permanent { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn plain_to_a_relay_of_this_host() {
    let server = mail_server(good()).await;
    let email = email(server.port, Protection::Plain);
    let audience = to(&["alice@corp.example", "bob@corp.example"]);
    for _ in 0..2 {
        assert_eq!(email.send(&alert(7), &audience).await.outcome(), Outcome::Delivered);
    }
    let kept = server.kept.lock().unwrap();
    assert_eq!(kept[0].from, "MAIL FROM:<pki@corp.example>");
    assert_eq!(kept[0].to, ["alice@corp.example", "bob@corp.example"]);
    assert!(kept[0].octets.contains("\r\nMessage-ID: <ne-01@corp.example>\r\n"), "{}", kept[0].octets);
    assert_eq!(kept[0].octets, kept[1].octets, "a repeat is the same mail");
    assert!(!kept[0].tls && !kept[0].login);
}

#[tokio::test]
async fn encrypted_either_way_and_with_a_login() {
    let pki = Arc::new(pki());
    let starttls = Mta { starttls: Some(pki.clone()), ..good() };
    let implicit = Mta { implicit: Some(pki.clone()), ..good() };
    for (mta, protection) in
        [(starttls, Protection::StartTls(pki.trust.clone())), (implicit, Protection::Implicit(pki.trust.clone()))]
    {
        // printf '\0pki\0s3cret' | base64
        let server = mail_server(Mta { login: Some("AHBraQBzM2NyZXQ="), ..mta }).await;
        let mut email = email(server.port, protection);
        email.login = Some(("pki".to_owned(), "s3cret".into()));
        let receipt = email.send(&alert(7), &Audience::default()).await;
        assert_eq!(receipt.outcome(), Outcome::Delivered, "{receipt:?}");
        {
            let kept = server.kept.lock().unwrap();
            assert!(kept[0].tls && kept[0].login);
            assert_eq!(kept[0].to, ["oncall@corp.example"]);
        }
        email.login = Some(("pki".to_owned(), "wr0ng".into()));
        let why = never(&email.send(&alert(7), &Audience::default()).await);
        // The server repeats the credentials in its refusal.
        assert!(why.contains("refused the login (535)") && !why.contains("wr0ng") && !why.contains("AHBra"), "{why}");
        assert!(!format!("{email:?}").contains("wr0ng"));
    }
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_or_to_somebody_else() {
    let ours = Arc::new(pki());
    let theirs = Arc::new(pki());
    let trust = || ours.trust.clone();
    let starttls = |pki: &Arc<Pki>| Mta { starttls: Some(pki.clone()), ..good() };
    for (mta, protection, words) in [
        (good(), Protection::StartTls(trust()), "offers no STARTTLS"),
        (starttls(&theirs), Protection::StartTls(trust()), "invalid peer certificate"),
        (Mta { implicit: Some(theirs.clone()), ..good() }, Protection::Implicit(trust()), "invalid peer certificate"),
        (
            Mta { injected: "250-localhost\r\n250 AUTH PLAIN\r\n", ..starttls(&ours) },
            Protection::StartTls(trust()),
            "out of turn",
        ),
    ] {
        let server = mail_server(mta).await;
        let mut email = email(server.port, protection);
        email.login = Some(("pki".to_owned(), "s3cret".into()));
        let why = later(&email.send(&alert(7), &Audience::default()).await);
        assert!(why.contains(words), "{why}");
        assert!(server.kept.lock().unwrap().is_empty());
    }
    let server = mail_server(starttls(&ours)).await;
    let elsewhere = Email { host: "127.0.0.1".to_owned(), ..email(server.port, Protection::StartTls(trust())) };
    let why = later(&elsewhere.send(&alert(7), &Audience::default()).await);
    assert!(why.contains("not valid for name"), "{why}");
}

#[tokio::test]
async fn each_recipient_has_a_result() {
    let recipients = vec![("grey", "451 4.7.1 greylisted, come back"), ("gone", "550 5.1.1 no such \u{1b}[2Juser")];
    let server = mail_server(Mta { recipients, ..good() }).await;
    let email = email(server.port, Protection::Plain);
    let audience =
        to(&["alice@corp.example", "grey@corp.example", "gone@corp.example", "no address", "é@corp.example"]);
    let receipt = email.send(&alert(7), &audience).await;
    let words = ["Delivered", "451", "550", "no mail address", "no mail address"];
    for (one, words) in receipt.each().iter().zip(words) {
        assert!(format!("{one:?}").contains(words), "{one:?}");
        assert!(!format!("{:?}", one.outcome).contains('\u{1b}'));
    }
    assert_eq!(receipt.each().len(), 5);
    assert_eq!(receipt.again().map(|to| to.raw()).collect::<Vec<_>>(), ["grey@corp.example"]);
    assert_eq!(server.kept.lock().unwrap()[0].to, ["alice@corp.example"]);

    let receipt = email.send(&alert(7), &to(&["gone@corp.example"])).await;
    assert!(never(&receipt).contains("550"), "{receipt:?}");
    assert_eq!(server.kept.lock().unwrap().len(), 1, "a mail without recipients is not sent");
}

#[tokio::test]
async fn many_recipients_are_several_mails() {
    let server = mail_server(good()).await;
    let addresses: Vec<String> = (0..250).map(|number| format!("u{number}@corp.example")).collect();
    let audience = to(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let receipt = email(server.port, Protection::Plain).send(&alert(7), &audience).await;
    assert_eq!((receipt.outcome(), receipt.each().len()), (Outcome::Delivered, 250));
    assert_eq!(server.kept.lock().unwrap().iter().map(|mail| mail.to.len()).collect::<Vec<_>>(), [100, 100, 50]);
}

#[tokio::test]
async fn what_the_server_says_at_the_end_counts() {
    for (after_data, temporary) in [
        (Some("451 4.3.0 try again"), true),
        (Some("554 5.6.0 spam"), false),
        // It may have taken the mail: the repeat has the same Message-ID.
        (None, true),
        (Some("nonsense"), true),
    ] {
        let server = mail_server(Mta { after_data, ..good() }).await;
        let receipt = email(server.port, Protection::Plain).send(&alert(7), &Audience::default()).await;
        if temporary {
            later(&receipt)
        } else {
            never(&receipt)
        };
        assert!(server.kept.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_silent_server_costs_the_limit_and_no_more() {
    for hangs_at in ["greeting", "MAIL", "DATA", "."] {
        let server = mail_server(Mta { hangs_at, ..good() }).await;
        let email = Email { timeout: SHORT, ..email(server.port, Protection::Plain) };
        let why = later(&email.send(&alert(7), &Audience::default()).await);
        assert!(why.contains("took longer than"), "{hangs_at}: {why}");
    }
}

#[tokio::test]
async fn a_result_that_is_in_outlives_the_limit() {
    let recipients = vec![("gone", "550 5.1.1 no such user")];
    let server = mail_server(Mta { recipients, hangs_at: ".", ..good() }).await;
    let email = Email { timeout: SHORT, ..email(server.port, Protection::Plain) };
    let receipt = email.send(&alert(7), &to(&["gone@corp.example", "alice@corp.example"])).await;
    assert!(matches!(receipt.each()[0].outcome, Outcome::Permanent { .. }), "{receipt:?}");
    assert_eq!(receipt.again().map(|to| to.raw()).collect::<Vec<_>>(), ["alice@corp.example"]);
}

#[tokio::test]
async fn a_server_that_never_ends_a_line_is_cut_off() {
    for floods_at in ["greeting", "MAIL", "DATA", "."] {
        let server = mail_server(Mta { floods_at, ..good() }).await;
        let why = later(&email(server.port, Protection::Plain).send(&alert(7), &Audience::default()).await);
        assert!(why.contains("sent more than 262144 octets"), "{floods_at}: {why}");
    }
}

#[tokio::test]
async fn no_server_and_nobody_to_tell() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut email = email(port, Protection::Plain);
    assert!(later(&email.send(&alert(7), &Audience::default()).await).contains("cannot be used"));
    email.to.clear();
    assert!(never(&email.send(&alert(7), &Audience::default()).await).contains("nobody to tell"));
}

#[tokio::test]
async fn a_hundred_who_are_refused_keep_nobody_else_from_the_mail() {
    let mta = Mta { recipients: vec![("gone", "550 5.1.1 no such user")], ..good() };
    let server = mail_server(mta).await;
    let mut addresses: Vec<String> = (0..100).map(|i| format!("gone{i}@corp.example")).collect();
    addresses.push("carol@corp.example".to_owned());
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let receipt = email(server.port, Protection::Plain).send(&alert(7), &to(&addresses)).await;
    assert!(never(&receipt).starts_with("1 of 101 reached; gone0@corp.example: "), "{receipt:?}");
    assert_eq!(server.kept.lock().unwrap()[0].to, ["carol@corp.example"]);
}
