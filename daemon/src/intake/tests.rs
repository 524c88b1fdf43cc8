use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, KeyUsage, SubjectAttribute};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::text::is_deceiving;
use proptest::prelude::*;

use super::*;

const POLICY: &str = r#"
version = 1
[[grant]]
role = "requester"
to = "user:alice"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["corp.example", "*.corp.example"]
issuer = "local-ca"
keys = ["rsa-3072", "ecdsa-p256"]
max_validity = "90d"
justification = "required"
ticket_pattern = "^SECOPS-[0-9]+$"
subject = { organization = "Corp", country = "DE" }
[[profile]]
id = "p-wide"
name = "Wide"
environment = "lab"
names = [".corp.example", "10.0.0.0/8", "email:@corp.example", "uri:spiffe://corp.example/*"]
issuer = "hsm"
keys = ["rsa-2048", "ecdsa-p256", "ed25519"]
extended_key_usage = ["server_auth", "client_auth"]
max_validity = "30d"
allow_wildcards = true
allow_ip = true
allow_ca = true
[[profile]]
id = "p-dev"
name = "Development"
environment = "lab"
names = ["*.dev.corp.example", "10.0.0.0/8"]
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "30d"
[[issuer]]
id = "local-ca"
type = "local-ca"
[[issuer]]
id = "hsm"
type = "exec"
command = ["/usr/local/bin/sign"]
"#;

fn dns(name: &str) -> San {
    San::Dns(name.into())
}

fn csr(sans: &[San]) -> ParsedCsr {
    ParsedCsr {
        der: vec![0x30],
        sha256: Digest::of(&[b"csr"]),
        subject: "".into(),
        common_name: None,
        subject_rest: Vec::new(),
        sans: sans.to_vec(),
        key: KeyAlgorithm::EcdsaP256,
        spki_der: vec![0x30],
        spki_sha256: Digest::of(&[b"spki"]),
        asks_ca: None,
        key_usage: Vec::new(),
        extended_key_usage: Vec::new(),
        other_extensions: Vec::new(),
    }
}

fn run(csr: &ParsedCsr, ask: &Ask<'_>) -> Result<Intake, ApiError> {
    let (policy, _) = Policy::parse(POLICY).unwrap();
    intake(&policy, csr, ask, |_| true)
}

/// Under `p-web`, with all that it requires.
fn web(csr: &ParsedCsr) -> Result<Intake, ApiError> {
    let (reason, ticket) = ("new host".into(), "SECOPS-7".into());
    run(csr, &Ask { profile: Some("p-web"), reason: Some(&reason), ticket: Some(&ticket), ..Ask::default() })
}

fn wide(csr: &ParsedCsr) -> Result<Intake, ApiError> {
    run(csr, &Ask { profile: Some("p-wide"), ..Ask::default() })
}

fn listed_changes(intake: &Intake) -> Vec<String> {
    let line = |change: &Change| format!("{} {} {}", change.action, change.field, change.value.safe());
    intake.changes.iter().map(line).collect()
}

#[track_caller]
fn refused(result: Result<Intake, ApiError>, rule: &str, words: &[&str]) {
    let error = result.expect_err("refused");
    assert_eq!((error.rule, error.kind), (Some(rule), ErrorKind::Forbidden), "{error}");
    let whole = format!("{} | {}", error.message, error.hint);
    for word in words {
        assert!(whole.contains(word), "{word:?} is not in {whole:?}");
    }
    assert!(!error.hint.is_empty());
}

#[test]
fn a_plain_request_becomes_its_content() {
    let mut csr = csr(&[dns("www.corp.example"), dns("corp.example")]);
    csr.common_name = Some("www.corp.example".into());
    let intake = web(&csr).unwrap();
    let expected = CertificateContent {
        common_name: Some("www.corp.example".into()),
        subject: vec![(SubjectAttribute::Country, "DE".into()), (SubjectAttribute::Organization, "Corp".into())],
        sans: vec![dns("corp.example"), dns("www.corp.example")],
        key: KeyAlgorithm::EcdsaP256,
        spki_sha256: csr.spki_sha256,
        ca: false,
        key_usage: vec![KeyUsage::DigitalSignature],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        valid_for: Span::from_secs(90 * 86_400),
        issuer: "local-ca".into(),
        profile_id: "p-web".into(),
        profile_digest: intake.profile.digest(),
    };
    assert_eq!(intake.content, expected);
    assert_eq!(intake.primary_name, "www.corp.example".into());
    assert_eq!(intake.risks, []);
    assert_eq!(listed_changes(&intake), ["added subject C=DE", "added subject O=Corp"]);
    let checks: Vec<&str> = intake.checks.iter().map(|check| check.rule.as_str()).collect();
    assert_eq!(checks, ["names", "wildcard", "key", "validity", "proof_of_possession", "justification", "ticket"]);
    assert!(intake.checks.iter().all(|check| check.outcome == CheckOutcome::Passed));
}

#[test]
fn exactly_one_profile_has_to_match() {
    let (reason, ticket) = ("why".into(), "SECOPS-1".into());
    let ask = Ask { reason: Some(&reason), ticket: Some(&ticket), ..Ask::default() };
    let chosen = |names: &[San], ask: &Ask<'_>| run(&csr(names), ask).map(|intake| intake.profile.id().to_owned());
    assert_eq!(chosen(&[dns("corp.example")], &ask).unwrap(), "p-web");
    assert_eq!(chosen(&[dns("a.b.corp.example")], &ask).unwrap(), "p-wide");
    let lab = Ask { environment: Some("lab"), ..ask };
    assert_eq!(chosen(&[dns("www.corp.example")], &lab).unwrap(), "p-wide");

    refused(run(&csr(&[dns("www.corp.example")]), &ask), "profile_match", &["p-web, p-wide", "--profile"]);
    refused(
        run(&csr(&[dns("corp.example"), dns("evil.example")]), &ask),
        "profile_match",
        &["p-web allows every name but evil.example", "p-dev does not allow corp.example, evil.example"],
    );
    let nowhere = Ask { environment: Some("moon\u{202e}"), ..ask };
    refused(run(&csr(&[dns("corp.example")]), &nowhere), "profile_match", &["moon<U+202E>", "p-web"]);
}

#[test]
fn a_named_profile_has_to_be_open_and_to_fit() {
    let unknown = Ask { profile: Some("p-x\u{1b}[2J"), ..Ask::default() };
    refused(run(&csr(&[dns("corp.example")]), &unknown), "profile_match", &["p-x<U+001B>[2J", "p-web, p-wide, p-dev"]);
    let elsewhere = Ask { profile: Some("p-web"), environment: Some("lab"), ..Ask::default() };
    refused(run(&csr(&[dns("corp.example")]), &elsewhere), "profile_match", &["production, not lab"]);
    refused(
        web(&csr(&[dns("a.b.corp.example")])),
        "profile.names",
        &["a.b.corp.example", "corp.example, *.corp.example"],
    );

    let (policy, _) = Policy::parse(POLICY).unwrap();
    let named = Ask { profile: Some("p-web"), ..Ask::default() };
    for ask in [named, Ask::default()] {
        let closed = intake(&policy, &csr(&[dns("corp.example")]), &ask, |_| false);
        refused(closed, "profile_match", &["you may submit under no profile"]);
    }
    let only_dev = intake(&policy, &csr(&[dns("corp.example")]), &named, |profile| profile.id() == "p-dev");
    refused(only_dev, "profile_match", &["no profile p-web that you may submit under", "p-dev"]);
}

#[test]
fn each_rule_of_the_profile_refuses_by_name() {
    let host = [dns("www.corp.example")];
    refused(web(&csr(&[dns("*.corp.example")])), "profile.wildcard", &["*.corp.example", "allow_wildcards"]);
    let dev = Ask { profile: Some("p-dev"), ..Ask::default() };
    refused(run(&csr(&[San::Ip([10, 0, 0, 1].into())]), &dev), "profile.ip", &["10.0.0.1", "allow_ip"]);
    for (key, allowed) in [
        (KeyAlgorithm::Rsa(2048), false),
        (KeyAlgorithm::Rsa(3072), true),
        (KeyAlgorithm::Rsa(4096), true),
        (KeyAlgorithm::EcdsaP256, true),
        (KeyAlgorithm::EcdsaP384, false),
        (KeyAlgorithm::Ed25519, false),
    ] {
        match web(&ParsedCsr { key, ..csr(&host) }) {
            Ok(_) => assert!(allowed, "{key}"),
            refusal if !allowed => refused(refusal, "profile.key", &["rsa of 3072 bits or more, ecdsa-p256"]),
            Err(why) => panic!("{key}: {why}"),
        }
    }
    let eku = ParsedCsr { extended_key_usage: vec!["clientAuth".into(), "1.2.3".into()], ..csr(&host) };
    refused(web(&eku), "profile.eku", &["clientAuth, 1.2.3", "serverAuth"]);

    let (reason, ticket, blank, wrong) = ("why".into(), "SECOPS-1".into(), " \n".into(), "X-SECOPS-1\u{202e}".into());
    let full = Ask { profile: Some("p-web"), reason: Some(&reason), ticket: Some(&ticket), ..Ask::default() };
    let long = Ask { valid_for: Some(Span::from_secs(91 * 86_400)), ..full };
    refused(run(&csr(&host), &long), "profile.validity", &["at most 90d, not 91d"]);
    refused(run(&csr(&host), &Ask { reason: None, ..full }), "profile.justification", &["--reason"]);
    refused(run(&csr(&host), &Ask { reason: Some(&blank), ..full }), "profile.justification", &["requires a reason"]);
    refused(run(&csr(&host), &Ask { ticket: None, ..full }), "profile.ticket", &["^SECOPS-[0-9]+$"]);
    refused(run(&csr(&host), &Ask { ticket: Some(&blank), ..full }), "profile.ticket", &["requires a ticket"]);
    assert_eq!(run(&csr(&host), &Ask { ticket: Some(&wrong), ..full }).unwrap_err().kind, ErrorKind::Invalid);
    let other = "SECOPS-1a".into();
    refused(run(&csr(&host), &Ask { ticket: Some(&other), ..full }), "profile.ticket", &["SECOPS-1a does not match"]);
}

#[test]
fn limits_are_invalid_whatever_the_profile_says() {
    let host = csr(&[dns("a.b.corp.example")]);
    let (reason, ticket, decomposed) = ("x".repeat(4097).into(), "t".repeat(257).into(), "e\u{301}".into());
    for ask in [
        Ask { reason: Some(&reason), ..Ask::default() },
        Ask { ticket: Some(&ticket), ..Ask::default() },
        Ask { ticket: Some(&decomposed), ..Ask::default() },
        Ask { valid_for: Some(Span::from_secs(0)), ..Ask::default() },
        Ask { valid_for: Some(Span::from_millis(1500)), ..Ask::default() },
    ] {
        assert_eq!(run(&host, &ask).unwrap_err().kind, ErrorKind::Invalid, "{ask:?}");
    }
    let many: Vec<San> = (0..10_000).map(|i| dns(&format!("h{i}.corp.example"))).collect();
    let error = wide(&csr(&many)).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Invalid, "the CSR carries 10000 SANs; at most 100 are allowed")
    );
    let extensions = ParsedCsr { other_extensions: vec!["1.2.3".into(); 101], ..host };
    assert_eq!(wide(&extensions).unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn the_common_name_is_one_of_the_sans_or_is_refused() {
    let long = format!("{}.b.corp.example", "a".repeat(60));
    let host = "a.b.corp.example";
    for (name, sans, common_name, count, changes) in [
        ("A.b.Corp.example.", vec![dns(host)], Some(host), 1, vec!["changed common_name A.b.Corp.example."]),
        (host, vec![], Some(host), 1, vec!["added san a.b.corp.example"]),
        ("*.corp.example", vec![dns(host)], Some("*.corp.example"), 2, vec!["added san *.corp.example"]),
        ("10.0.0.1", vec![], Some("10.0.0.1"), 1, vec!["added san 10.0.0.1"]),
        ("10.0.0.1", vec![San::Ip([10, 0, 0, 1].into())], Some("10.0.0.1"), 1, vec![]),
        ("a@corp.example", vec![San::Email("a@corp.example".into())], Some("a@corp.example"), 1, vec![]),
        ("  ", vec![dns(host)], None, 1, vec!["dropped common_name   "]),
        (&long, vec![], None, 1, vec![&format!("added san {long}"), &format!("dropped common_name {long}")]),
    ] {
        let intake = wide(&ParsedCsr { common_name: Some(name.into()), ..csr(&sans) }).unwrap();
        assert_eq!(intake.content.common_name.as_ref().map(Untrusted::raw), common_name, "{name}");
        assert_eq!(intake.content.sans.len(), count, "{name}");
        assert_eq!(listed_changes(&intake), changes, "{name}");
        assert!(intake.content.sans.is_sorted());
    }
    let words = "x ".repeat(40);
    let dropped = wide(&ParsedCsr { common_name: Some(words.as_str().into()), ..csr(&[dns(host)]) }).unwrap();
    assert_eq!((dropped.content.common_name, dropped.changes.len()), (None, 1));
    for name in ["Web server", "a@corp.example", "bücher.corp.example", "a\0.corp.example", "x\u{1b}[2J"] {
        let csr = ParsedCsr { common_name: Some(name.into()), ..csr(&[dns(host)]) };
        refused(wide(&csr), "profile.subject", &["neither a DNS name nor an address"]);
    }
    refused(wide(&csr(&[])), "profile.names", &["names nothing"]);
    refused(
        wide(&ParsedCsr { common_name: Some(words.as_str().into()), ..csr(&[]) }),
        "profile.names",
        &["names nothing"],
    );
    let foreign = ParsedCsr { common_name: Some("evil.example".into()), ..csr(&[dns(host)]) };
    refused(wide(&foreign), "profile.names", &["evil.example"]);
}

#[test]
fn what_is_dropped_changed_or_added_is_listed() {
    let asked = ParsedCsr {
        subject_rest: vec![
            ("O".into(), "Evil".into()),
            ("C".into(), "DE".into()),
            ("1.2.3".into(), "x\u{202e}".into()),
        ],
        asks_ca: Some(None),
        key_usage: vec!["keyCertSign".into(), "digitalSignature".into()],
        extended_key_usage: vec!["serverAuth".into(), "clientAuth".into()],
        other_extensions: vec!["1.3.6.1.5.5.7.1.24".into()],
        key: KeyAlgorithm::Rsa(3072),
        ..csr(&[dns("www.corp.example"), dns("WWW.corp.example")])
    };
    let intake = web(&asked).unwrap();
    assert_eq!(
        listed_changes(&intake),
        [
            "dropped san www.corp.example",
            "dropped subject O=Evil",
            "dropped subject 1.2.3=x<U+202E>",
            "added subject O=Corp",
            "dropped basic_constraints CA:TRUE",
            "dropped key_usage keyCertSign",
            "added key_usage keyEncipherment",
            "dropped extended_key_usage clientAuth",
            "dropped 1.3.6.1.5.5.7.1.24 1.3.6.1.5.5.7.1.24",
        ]
    );
    assert_eq!(intake.risks, [Risk::CaRequested]);
    assert!(!intake.content.ca);
    assert_eq!(intake.content.key_usage, [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment]);
    let partial = wide(&ParsedCsr { extended_key_usage: vec!["clientAuth".into()], ..csr(&[dns("a.b.corp.example")]) });
    assert_eq!(listed_changes(&partial.unwrap()), ["added extended_key_usage serverAuth"]);
}

#[test]
fn risks_are_named() {
    let asked = ParsedCsr {
        asks_ca: Some(Some(3)),
        ..csr(&[dns("*.corp.example"), dns("xn--80ak6aa92e.corp.example"), San::Ip([10, 1, 1, 1].into())])
    };
    let intake = wide(&asked).unwrap();
    assert_eq!(intake.risks, [Risk::Wildcard, Risk::Ca, Risk::Idn, Risk::BareIp]);
    assert!(intake.content.ca);
    assert_eq!(intake.content.key_usage, [KeyUsage::KeyCertSign, KeyUsage::CrlSign]);
    assert_eq!(listed_changes(&intake), ["dropped basic_constraints pathlen:3"]);
    let warned: Vec<&str> =
        intake.checks.iter().filter(|c| c.outcome == CheckOutcome::Warned).map(|c| c.rule.as_str()).collect();
    assert_eq!(warned, ["names", "wildcard", "ip", "ca", "justification"]);
    assert!(intake.checks.iter().any(|check| check.text.contains("аррӏе.corp.example")));
    let inside = wide(&csr(&[San::Uri("spiffe://corp.example/xn--80ak6aa92e".into())])).unwrap();
    assert_eq!(inside.risks, [Risk::Idn]);
}

fn any_san() -> impl Strategy<Value = San> {
    prop_oneof![
        "[a-z*.\\-]{0,12}(\\.corp\\.example)?".prop_map(|name| San::Dns(name.into())),
        "(\\*\\.)?[a-z0-9]{1,8}\\.corp\\.example".prop_map(|name| San::Dns(name.into())),
        any::<String>().prop_map(|name| San::Dns(name.into())),
        any::<std::net::IpAddr>().prop_map(San::Ip),
        any::<String>().prop_map(|name| San::Uri(name.into())),
        "[a-z\"@. ]{0,8}@corp\\.example".prop_map(|name| San::Email(name.into())),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_in_is_refused_in_safe_words_or_has_a_content_digest(
        sans in proptest::collection::vec(any_san(), 0..4),
        common_name in proptest::option::of(prop_oneof!["[a-zA-Z0-9]{1,8}\\.corp\\.example", any::<String>()]),
        profile in proptest::option::of(any::<String>()),
        reason in any::<String>(),
        ticket in prop_oneof!["[ -~]{0,20}", any::<String>()],
        key_usage in proptest::collection::vec(any::<String>(), 0..3),
    ) {
        let csr = ParsedCsr { common_name: common_name.map(Untrusted::from), key_usage, ..csr(&sans) };
        let (reason, ticket) = (Untrusted::from(reason), Untrusted::from(ticket));
        let wide = Some("p-wide");
        for profile in [profile.as_deref(), wide] {
            match run(&csr, &Ask { profile, reason: Some(&reason), ticket: Some(&ticket), ..Ask::default() }) {
                Err(error) => prop_assert!(!(error.message + &error.hint).chars().any(is_deceiving)),
                Ok(intake) => {
                    for check in &intake.checks {
                        prop_assert!(!check.text.chars().any(is_deceiving));
                    }
                    let purpose = countersign_shared::content::Purpose {
                        not_before: None,
                        kind: RequestKind::CertIssuance,
                        certificate_id: "mc-1",
                        csr_sha256: csr.sha256,
                        reason: None,
                        ticket: Some(ticket.raw()),
                    };
                    prop_assert!(intake.content.digest(&purpose).is_ok());
                    for san in &intake.content.sans {
                        prop_assert!(intake.profile.rules().names.iter().any(|pattern| pattern.covers(san)));
                    }
                    if let Some(name) = &intake.content.common_name {
                        prop_assert!(intake.content.sans.iter().any(|san| san.value() == *name));
                    }
                }
            }
        }
    }
}
