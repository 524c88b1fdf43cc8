//! `import`, and lists with what was found.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::{
    CertificatePage, ImportItem, ImportParams, ImportResult, ImportedCertificate, ImportedItem,
};
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";

/// What the daemon was sent: each call's files.
fn sent(daemon: &FakeDaemon) -> Vec<Vec<ImportItem>> {
    let params = |(_, params): (String, _)| serde_json::from_value::<ImportParams>(params).unwrap().items;
    daemon.calls().into_iter().map(params).collect()
}

/// A daemon that finds a certificate in each file whose name says so.
fn finding() -> FakeDaemon {
    FakeDaemon::start(|_, params| {
        let items = serde_json::from_value::<ImportParams>(params.clone()).unwrap().items;
        let item = |item: ImportItem| {
            let found = samples::found();
            let certificate = ImportedCertificate {
                id: Some(found.id),
                issued: false,
                new: true,
                alias: None,
                primary_name: found.primary_name,
                sha256: found.sha256,
                not_after: found.not_after,
                usable_until: found.usable_until,
            };
            let bad = item.path.raw().contains("bad");
            ImportedItem {
                certificates: if bad || item.octets.is_none() { vec![] } else { vec![certificate] },
                problems: if bad { vec!["there is no certificate in it".into()] } else { vec![] },
                ended: u64::from(item.octets.is_none() && !bad),
                path: item.path,
            }
        };
        Answer::of(&ImportResult { items: items.into_iter().map(item).collect() })
    })
}

#[test]
fn files_are_sent_without_their_keys_and_named_ones_have_to_hold_something() {
    let daemon = finding();
    let at = |name: &str| daemon.home.path().join(name);
    std::fs::create_dir(at("dir")).unwrap();
    std::fs::write(at("a.pem"), format!("{KEY}{PEM}")).unwrap();
    std::fs::write(at("dir/b.p12"), [0x30, 0x82, 1, 0, 2, 1, 3]).unwrap();
    std::fs::write(at("dir/readme"), "nothing").unwrap();
    std::fs::write(at("dir/bad.pem"), PEM).unwrap();
    std::fs::write(at("pass"), "s3cret\n").unwrap();
    std::fs::set_permissions(at("pass"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let ran = daemon.run("import a.pem dir --password-file pass");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("shop.corp.example") && ran.out.contains("problem"), "{}", ran.out);
    let [items] = &sent(&daemon)[..] else { panic!("one call") };
    let told: Vec<(&str, bool, Option<&str>)> = items
        .iter()
        .map(|item| (item.path.raw().rsplit('/').next().unwrap(), item.below, item.password.as_deref()))
        .collect();
    assert_eq!(told, [("a.pem", false, None), ("b.p12", true, Some("s3cret")), ("bad.pem", true, None)]);
    let octets = data_encoding::BASE64.decode(items[0].octets.as_ref().unwrap().as_bytes()).unwrap();
    assert_eq!(String::from_utf8(octets).unwrap(), PEM);

    assert_eq!(daemon.run("import dir/bad.pem").code, 4);
    assert_eq!(daemon.run("import --gone a.pem").code, 0);
    assert_eq!(daemon.run("import --gone bad.pem").code, 4);
    let scripts = daemon.run("import a.pem --json");
    let result: serde_json::Value = serde_json::from_str(&scripts.out).unwrap();
    assert_eq!(result["items"][0]["certificates"][0]["id"], "mc-2");
}

#[test]
fn what_cannot_be_read_is_said_before_anything_is_sent() {
    let daemon = finding();
    let at = |name: &str| daemon.home.path().join(name);
    std::fs::write(at("a.pem"), PEM).unwrap();
    std::fs::write(at("key.pem"), KEY).unwrap();
    std::fs::write(at("open"), "s3cret").unwrap();
    std::fs::set_permissions(at("open"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (line, words) in [
        ("import a.pem none.pem", "cannot look at"),
        ("import a.pem /dev/null", "neither a file nor a directory"),
        ("import a.pem --password-file open", "others may use it"),
        ("import a.pem --password-file none", "cannot read the password file"),
    ] {
        let ran = daemon.run(line);
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        assert!(ran.err.contains(words), "{line}: {}", ran.err);
    }
    let ran = daemon.run("import key.pem");
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("there is no certificate in it"), "{}", ran.err);
    assert!(daemon.calls().is_empty());
}

#[test]
fn much_is_sent_in_several_calls_each_within_a_frame() {
    let daemon = finding();
    for at in 0..5 {
        let path = daemon.home.path().join(format!("{at}.pem"));
        std::fs::write(path, PEM.repeat(6000)).unwrap();
    }
    let ran = daemon.run("import 0.pem 1.pem 2.pem 3.pem 4.pem --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let calls = sent(&daemon);
    assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), 5);
    assert!(calls.len() > 1);
    let result: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(result["items"].as_array().unwrap().len(), 5);
}

#[test]
fn a_refusal_is_the_commands_own() {
    let daemon = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::Forbidden));
    std::fs::write(daemon.home.path().join("a.pem"), PEM).unwrap();
    let ran = daemon.run("import a.pem");
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("the message"), "{}", ran.err);
}

#[test]
fn certs_lists_both_and_asks_for_what_the_flags_say() {
    let page = CertificatePage { certificates: vec![], found: vec![samples::found()], next_cursor: Some("f7".into()) };
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&page));
    let ran = daemon.run("certs");
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in ["mc-2", "shop.corp.example", "rsa-2048", "www-data", "4"] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert!(!ran.out.contains(['\u{1b}', '\u{200b}', '\u{202e}']), "{}", ran.out);
    assert!(ran.err.contains("--cursor f7"), "{}", ran.err);
    daemon.run("certs --found --expires-within 30");
    daemon.run("certs --issued --cursor 5");
    let asked: Vec<serde_json::Value> = daemon.calls().into_iter().map(|(_, params)| params).collect();
    assert_eq!(
        asked,
        [
            json!({ "source": "all" }),
            json!({ "source": "found", "expires_within": 30 }),
            json!({ "source": "issued", "cursor": "5" })
        ]
    );
}
