//! Keys, passwords and tokens of the host enter no record, no column and no export.

use std::path::{Path, PathBuf};

use countersign_shared::protocol::method::{AlertList, AuditExport, DaemonStatus};
use countersign_shared::protocol::{ExportParams, NoParams};

use crate::alerts::{alerting, configure, secret};
use crate::support::web::{ACCEPTS, BUSY, TAKES, Web};
use crate::support::{ALICE, CAROL, DAVE, Host, ask, can_be_people, until};

/// Every file below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The longest line of each private key in PEM below a directory, and the files that hold them.
fn private_keys(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    files(directory, &mut all);
    let read = all.into_iter().filter_map(|path| Some((std::fs::read_to_string(&path).ok()?, path)));
    read.filter(|(text, _)| text.contains("PRIVATE KEY"))
        .map(|(text, path)| (path, text.lines().max_by_key(|line| line.len()).unwrap().to_owned()))
        .collect()
}

#[test]
fn no_key_and_no_token_of_the_host_is_in_a_record_a_column_or_an_export() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&alerting(r#"["Slack", "PagerDuty", "Webhook"]"#));
    let (slack, pagerduty, webhook) = (Web::serving(TAKES), Web::serving(BUSY), Web::serving(ACCEPTS));
    let tokens = ["kingfisher-key-1", "kingfisher-hook-2", "kingfisher-sign-3"];
    let (key, sign) = (secret(&host, "key", tokens[0]), secret(&host, "sign", tokens[2]));
    let hook = secret(&host, "hook", &format!("https://hooks.slack.com/services/T0/B0/{}", tokens[1]));
    configure(
        &host,
        &format!(
            "[notify.slack]\nwebhook = \"{hook}\"\nbase_url = \"{}\"\n\
             [notify.pagerduty]\nkey = \"{key}\"\nbase_url = \"{}\"\n\
             [notify.webhook]\nsecret = \"{sign}\"\nurl = \"{}\"\n",
            slack.address(),
            pagerduty.address(),
            webhook.address()
        ),
    );
    host.start();
    let mut asked = ask(&["one.dev.test.example"]);
    asked.valid_for = Some(countersign_shared::time::Span::from_secs(6 * 86_400));
    let mut alice = host.user(ALICE);
    let job = alice.call::<countersign_shared::protocol::method::RequestSubmit>(&asked).job.id;
    alice.wait(&job);
    let told = |channel: &str| {
        host.value::<String>(&format!(
            "SELECT coalesce(group_concat(state), '') FROM notification_events WHERE channel = '{channel}'"
        ))
    };
    until("two took it and one did not", || {
        told("Slack") == "sent" && told("Webhook") == "sent" && told("PagerDuty") == "failed"
    });
    let range = serde_json::json!({
        "from": format!("{}", host.oneself().status().started_at),
        "to": "9999-01-01T00:00:00Z"
    });
    let mut range: ExportParams = serde_json::from_value(range).unwrap();
    range.to = countersign_shared::time::Timestamp::from_unix_millis(range.from.unix_millis() + 86_400_000).unwrap();
    let mut said: Vec<String> = Vec::new();
    let page = host.user(DAVE).call::<AuditExport>(&range);
    said.extend(page.lines.iter().map(|line| line.get().to_owned()));
    assert!(said.iter().any(|line| line.contains("expiration_alert_failed")), "{said:?}");
    said.push(
        serde_json::to_string(&host.user(CAROL).call::<AlertList>(&serde_json::from_str("{}").unwrap())).unwrap(),
    );
    said.push(serde_json::to_string(&host.oneself().call::<DaemonStatus>(&NoParams {})).unwrap());
    host.kill();
    let keys = private_keys(&host.state);
    assert!(!keys.is_empty(), "the authority of the host has a key");
    for file in ["countersign.db", "countersign.db-wal"] {
        let octets = std::fs::read(host.state.join(file)).unwrap_or_default();
        said.push(String::from_utf8_lossy(&octets).into_owned());
    }
    said.push(host.log());
    for text in &said {
        for secret in tokens.iter().copied().chain(keys.iter().map(|(_, line)| line.as_str())).chain(["PRIVATE KEY"]) {
            assert!(!text.contains(secret), "{secret:.20} stands in {text:.200}");
        }
    }
}
