use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, KeyUsage, San};
use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestState;

use super::*;
use crate::policy::Policy;
use crate::store::rows::requests::Login;

const POLICY: &str = r#"
version = 1
[[grant]]
role = "operator"
to = "user:bob"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
auto_approve_after = "WAIT"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

fn profile(wait: &str) -> Profile {
    Policy::parse(&POLICY.replace("WAIT", wait)).unwrap().0.profile("p-web").unwrap().clone()
}

fn content() -> CertificateContent {
    CertificateContent {
        common_name: Some("www.corp.example".into()),
        subject: Vec::new(),
        sans: vec![San::Dns("www.corp.example".into())],
        key: KeyAlgorithm::EcdsaP256,
        spki_sha256: Digest::of(&[b"spki"]),
        ca: false,
        key_usage: vec![KeyUsage::DigitalSignature],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        valid_for: Span::from_secs(86_400),
        issuer: "local-ca".into(),
        profile_id: "p-web".into(),
        profile_digest: profile("2h").digest(),
    }
}

/// A certificate that says exactly that.
fn issued() -> IssuedCertificate {
    let mut params = rcgen::CertificateParams::new(vec!["www.corp.example".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "www.corp.example");
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    IssuedCertificate::parse(params.self_signed(&key).unwrap().der()).unwrap()
}

fn person(name: &str, uid: u32) -> PersonRef {
    PersonRef { account: name.into(), person: Some(name.into()), uid }
}

struct Scene {
    request: RequestRow,
    submission: Submission,
    in_force: Option<Profile>,
    before: Option<Predecessor>,
}

fn outcome(change: impl FnOnce(&mut Scene)) -> Result<Span, &'static str> {
    let request = RequestRow {
        id: RequestId::fresh(1, 1),
        kind: RequestKind::CertRenewal,
        state: RequestState::Pending,
        work: None,
        version: 1,
        digest: Digest::of(&[b"seen"]),
        profile_id: "p-web".into(),
        requester: person("alice", 1),
        requester_login: Login::default(),
        requested_seq: 0,
        votes_needed: 1,
        created_tick: 0,
        deadline_tick: 1000,
        decided_at: None,
        decided_by: None,
    };
    let submission = Submission {
        digest: request.digest,
        content: content(),
        csr: Vec::new(),
        csr_subject: "".into(),
        profile: profile("2h"),
        policy_sha256: Digest::of(&[b"policy"]),
        changes: Vec::new(),
        checks: Vec::new(),
        reason: "".into(),
        reason_salt: Vec::new(),
        reason_sha256: None,
        ticket: None,
    };
    let before = Predecessor {
        holders: [Some(person("alice", 1)), Some(person("alice", 1))],
        version: Some((content(), issued())),
    };
    let mut scene = Scene { request, submission, in_force: Some(profile("3h")), before: Some(before) };
    change(&mut scene);
    wait(&scene.request, &scene.submission, scene.in_force.as_ref(), scene.before.as_ref())
}

#[test]
fn the_longer_wait_of_both_rules_counts_and_a_key_of_the_same_kind_changes_nothing() {
    assert_eq!(outcome(|_| {}), Ok(Span::from_secs(3 * 3600)));
    assert_eq!(outcome(|s| s.in_force = Some(profile("1h"))), Ok(Span::from_secs(2 * 3600)));
    assert!(outcome(|s| s.submission.content.spki_sha256 = Digest::of(&[b"another"])).is_ok());
    assert!(outcome(|s| s.request.requester = person("system-scheduler", 0)).is_ok());
    assert!(
        outcome(|s| s.request.requester = PersonRef { uid: 9, account: "alice-adm".into(), ..person("alice", 1) })
            .is_ok()
    );
    assert!(outcome(|s| s.submission.content.valid_for = Span::from_secs(3600)).is_ok());
}

#[test]
fn whatever_differs_waits_for_people() {
    type Change = fn(&mut Scene);
    let changes: &[(&str, Change)] = &[
        ("no renewal", |s| s.request.kind = RequestKind::CertIssuance),
        ("amended", |s| s.request.version = 2),
        ("another asks", |s| s.request.requester = person("mallory", 5)),
        ("a reused uid asks", |s| s.request.requester = PersonRef { person: None, ..person("newcomer", 1) }),
        ("no human asked for the one in force", |s| s.before.as_mut().unwrap().holders[0] = None),
        ("another asked for the one in force", |s| s.before.as_mut().unwrap().holders[0] = Some(person("bob", 2))),
        ("the key is that of another", |s| s.before.as_mut().unwrap().holders[1] = Some(person("bob", 2))),
        ("no human brought the key", |s| s.before.as_mut().unwrap().holders[1] = None),
        ("nothing in force", |s| s.before.as_mut().unwrap().version = None),
        ("the certificate itself says otherwise", |s| {
            let (content, _) = s.before.as_mut().unwrap().version.as_mut().unwrap();
            content.sans.push(San::Dns("evil.corp.example".into()));
            s.submission.content.sans.push(San::Dns("evil.corp.example".into()));
        }),
        ("no certificate", |s| s.before = None),
        ("not in the rules in force", |s| s.in_force = None),
        ("a name more", |s| s.submission.content.sans.push(San::Dns("evil.corp.example".into()))),
        ("a name less", |s| s.submission.content.sans.clear()),
        ("another common name", |s| s.submission.content.common_name = None),
        ("another kind of key", |s| s.submission.content.key = KeyAlgorithm::Ed25519),
        ("an authority", |s| s.submission.content.ca = true),
        ("another use", |s| s.submission.content.extended_key_usage = vec![ExtendedKeyUsage::CodeSigning]),
        ("another use of the key", |s| s.submission.content.key_usage = vec![KeyUsage::KeyCertSign]),
        ("another issuer", |s| s.submission.content.issuer = "other".into()),
        ("for longer", |s| s.submission.content.valid_for = Span::from_secs(86_401)),
    ];
    for (what, change) in changes {
        assert!(outcome(change).is_err(), "{what}");
    }
}
