//! `[notify]` as it is written, and channels made of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::testing::alert;
use super::*;
use crate::policy::Channel;

fn secret(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    format!("file:{}", path.display())
}

fn whole(dir: &Path) -> String {
    let key = secret(dir, "key", "s3cret\n");
    let hook = secret(dir, "hook", "https://hooks.slack.com/services/T/B/s3cret\n");
    let ca = dir.join("ca.pem");
    fs::write(&ca, super::send::test_ca()).unwrap();
    let ca = ca.display();
    format!(
        r#"
        [email]
        host = "mail.corp.example"
        tls = "starttls"
        from = "countersign <pki@corp.example>"
        to = ["oncall@corp.example"]
        username = "pki"
        password = "{key}"
        ca_file = "{ca}"
        timeout = "20s"
        [slack]
        webhook = "{hook}"
        base_url = "http://127.0.0.1:8080/slack"
        [teams]
        webhook = "{hook}"
        ca_file = "{ca}"
        [pagerduty]
        key = "{key}"
        ca_file = "{ca}"
        [opsgenie]
        key = "{key}"
        base_url = "https://api.eu.opsgenie.com"
        ca_file = "{ca}"
        [webhook]
        url = "http://relay.corp.example/hook"
        plain_http = true
        secret = "{key}"
        [syslog]
        protocol = "rfc5424"
        [command]
        command = ["/usr/local/bin/page", "--now"]
        [wall]
        "#
    )
}

#[test]
fn every_channel_opens_and_no_secret_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let settings: NotifySettings = toml::from_str(&whole(dir.path())).unwrap();
    let (channels, problems) = Channels::open(&settings);
    assert_eq!(problems, []);
    assert_eq!(channels.configured().count(), 9);
    assert!(!format!("{settings:?} {channels:?}").contains("s3cret"));
}

#[test]
fn what_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let whole = whole(dir.path());
    let open = secret(dir.path(), "open", "s3cret");
    fs::set_permissions(dir.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let key = format!("file:{}", dir.path().join("key").display());
    for (from, to, words) in [
        ("tls = \"starttls\"", "tls = \"none\"", "[notify.email]: `password` would be sent in the clear"),
        ("username = \"pki\"", "", "[notify.email]: `username` and `password` belong together"),
        (
            "\"mail.corp.example\"",
            "\"mail corp\\r\\nX\"",
            "[notify.email]: `host` is no host name: mail corp<U+000D>␊X",
        ),
        ("timeout = \"20s\"", "timeout = \"20m\"", "[notify.email]: `timeout` is not above 0s"),
        ("ca.pem", "none.pem", "none.pem: No such file"),
        ("\"http://127.0.0.1:8080/slack\"", "\"http://relay.corp.example\"", "[notify.slack]: `base_url` is http://"),
        ("plain_http = true", "", "[notify.webhook]: `url` is http:// to another host"),
        ("\"/usr/local/bin/page\"", "\"page\"", "[notify.command]: `command` does not begin with an absolute path"),
        (key.as_str(), open.as_str(), "is open to others (mode 0644)"),
        (key.as_str(), "credential:nothing-of-this-name", "the unit has no such credential"),
    ] {
        let settings: NotifySettings = toml::from_str(&whole.replace(from, to)).unwrap();
        let (_, problems) = Channels::open(&settings);
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(shown.iter().any(|problem| problem.contains(words)), "{to}: {shown:?}");
        assert!(!shown.iter().any(|problem| problem.contains("s3cret")), "{shown:?}");
    }
    for (from, to, words) in [
        ("[wall]", "[wall]\nloud = true", "unknown field"),
        ("[wall]", "[pigeon]", "unknown field"),
        ("countersign <pki@corp.example>", "pki@corp.example\\r\\nBcc: x@y", "no mail address"),
        ("oncall@corp.example", "oncäll@corp.example", "SMTPUTF8"),
        (key.as_str(), "s3cret", "a secret is named by"),
        ("rfc5424", "rfc3164", "unknown variant"),
    ] {
        let refused = toml::from_str::<NotifySettings>(&whole.replace(from, to)).unwrap_err();
        assert!(refused.message().contains(words), "{to}: {refused}");
        assert!(!refused.message().contains("s3cret"), "{refused}");
    }
}

#[tokio::test]
async fn one_channel_that_cannot_be_used_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("log");
    let server = std::os::unix::net::UnixDatagram::bind(&place).unwrap();
    let text = format!(
        "[slack]\nwebhook = \"file:/nonexistent\"\n[syslog]\nprotocol = \"journal\"\nsocket = \"{}\"\n[command]\ncommand = [\"/bin/cat\"]",
        place.display()
    );
    let (channels, problems) = Channels::open(&toml::from_str(&text).unwrap());
    assert_eq!(problems.iter().map(|problem| problem.channel).collect::<Vec<_>>(), [Channel::Slack]);
    let (message, nobody) = (alert(7), Audience::default());
    let now = message.at;
    assert_eq!(channels.send(Channel::Syslog, None, &message, &nobody, now).await.outcome(), Outcome::Delivered);
    assert!(server.recv(&mut [0; 4096]).unwrap() > 0);
    assert_eq!(channels.send(Channel::Command, None, &message, &nobody, now).await.outcome(), Outcome::Delivered);
    let slack = channels.send(Channel::Slack, None, &message, &nobody, now).await.outcome();
    assert!(matches!(&slack, Outcome::Temporary { why, .. } if why.contains("/nonexistent")), "{slack:?}");
    let email = channels.send(Channel::Email, None, &message, &nobody, now).await.outcome();
    assert!(matches!(&email, Outcome::Permanent { why } if why.contains("add [notify.email]")), "{email:?}");
}

#[test]
fn channels_are_paced_as_their_tables_say_and_teams_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let whole = whole(dir.path());
    let quiet = "quiet_hours = { from = \"22:00\", to = \"06:00\", zone = \"Europe/Berlin\" }";
    let paced = whole
        .replace("timeout = \"20s\"", &format!("{quiet}\nrate = \"30/1h\"\ndigest = \"30m\""))
        .replace("[wall]", &format!("[wall]\n{quiet}"));
    let (channels, problems) = Channels::open(&toml::from_str(&paced).unwrap());
    assert_eq!(problems, []);
    let email = channels.pace(Channel::Email);
    assert!(email.quiet_hours.is_some() && email.digest.is_some());
    assert_eq!(email.rate.map(|rate| rate.most()), Some(30));
    let wall = channels.pace(Channel::Wall);
    assert!(wall.quiet_hours == email.quiet_hours && wall.rate.is_none() && wall.digest.is_none());
    assert_eq!(channels.pace(Channel::Slack), Pace::default());
    for (table, keys, words) in [
        ("wall", "digest = \"30m\"", "takes no digest"),
        ("pagerduty", "digest = \"30m\"", "takes no digest"),
        ("opsgenie", "digest = 30", "takes no digest"),
        ("email", "digest = \"59s\"", "`digest` is not within 1m to 1d"),
        ("email", "rate = \"0/1h\"", "a rate is written 30/1h"),
        ("slack", "quiet_hours = { from = \"22:00\", to = \"22:00\", zone = \"UTC\" }", "the same time"),
        ("slack", "quiet_hours = { from = \"22:00\", to = \"06:00\", zone = \"Mars\" }", "IANA"),
        ("slack", "quiet_hours = { from = \"22:00\", to = \"06:00\" }", "missing field `zone`"),
    ] {
        let table = format!("[{table}]\n");
        let refused =
            toml::from_str::<NotifySettings>(&whole.replace(&table, &format!("{table}{keys}\n"))).unwrap_err();
        assert!(refused.message().contains(words), "{keys}: {refused}");
    }
    for (team, words) in [
        ("[team.payments.slack]\nwebhook = \"file:/x\"\nrate = \"1/1h\"", "are those of [notify.slack], for all teams"),
        ("[team.payments.team.web.wall]", "cannot have teams of its own"),
        ("[team.\"A\\nB\".wall]", "team `A\u{240a}B`: "),
        ("[team.payments.pigeon]", "unknown field"),
    ] {
        let refused = toml::from_str::<NotifySettings>(team).unwrap_err();
        assert!(refused.message().contains(words), "{team}: {refused}");
    }
}

#[tokio::test]
async fn a_team_is_told_on_its_own_channels_and_else_on_the_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let bind = |name: &str| {
        let server = std::os::unix::net::UnixDatagram::bind(dir.path().join(name)).unwrap();
        server.set_nonblocking(true).unwrap();
        server
    };
    let (host, web) = (bind("host"), bind("web"));
    let table = |name: &str| format!("protocol = \"journal\"\nsocket = \"{}\"\n", dir.path().join(name).display());
    let text = format!(
        "[syslog]\n{}[team.web.syslog]\n{}[team.web.slack]\nwebhook = \"file:/nonexistent\"\n",
        table("host"),
        table("web")
    );
    let (channels, problems) = Channels::open(&toml::from_str(&text).unwrap());
    assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>().len(), 1);
    assert!(problems[0].to_string().starts_with("[notify.team.web.slack]: "), "{}", problems[0]);
    assert_eq!(channels.configured().collect::<Vec<_>>(), [Channel::Syslog]);
    let (message, nobody) = (alert(7), Audience::default());
    for (team, to_web) in [(None, false), (Some("web"), true), (Some("payments"), false)] {
        let receipt = channels.send(Channel::Syslog, team, &message, &nobody, message.at).await;
        assert_eq!(receipt.outcome(), Outcome::Delivered);
        let got = [&host, &web].map(|server| server.recv(&mut [0; 4096]).is_ok());
        assert_eq!(got, [!to_web, to_web], "{team:?}");
        assert_eq!(channels.is_own(Channel::Syslog, team), to_web);
    }
}

#[test]
fn the_example_that_is_installed_shows_every_channel_as_it_is_taken() {
    let example = include_str!("../../../packaging/countersign.toml");
    let is_setting =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let settings = example.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| is_setting(line));
    let mut document: toml::Table = toml::from_str(&settings.collect::<Vec<_>>().join("\n")).unwrap();
    let notify: NotifySettings = document.remove("notify").unwrap().try_into().unwrap();
    let NotifySettings { email, slack, teams, pagerduty, opsgenie, webhook, syslog, command, wall, team } = notify;
    assert!(email.is_some() && slack.is_some() && teams.is_some() && pagerduty.is_some() && opsgenie.is_some());
    assert!(team.contains_key("payments"));
    assert!(webhook.is_some() && syslog.is_some() && command.is_some() && wall.is_some());
    let checkpoint: crate::config::CheckpointSettings = document.remove("checkpoint").unwrap().try_into().unwrap();
    assert!(checkpoint.key.is_some() && checkpoint.witnesses.len() == 1);
}
