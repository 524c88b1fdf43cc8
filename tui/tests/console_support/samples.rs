//! Requests, records and answers as a daemon would give them.

use std::sync::OnceLock;

use countersign_shared::content::{CertificateContent, ExtendedKeyUsage, KeyAlgorithm, KeyUsage, San};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{JobKind, JobState, RequestKind, RequestState};
use countersign_shared::protocol::*;
use countersign_shared::time::{Span, Timestamp};

#[path = "two_person.rs"]
mod two_person;
pub use two_person::{policy_change, two_person};

/// The samples' present, in seconds since 1970; fixed unless a test sets it first.
pub static PRESENT: OnceLock<i64> = OnceLock::new();

/// A time so many seconds after the samples' present.
pub fn at(seconds: i64) -> Timestamp {
    let present = PRESENT.get_or_init(|| 1_800_000_000);
    Timestamp::from_unix_millis((present + seconds) * 1000).unwrap()
}

pub fn person(name: &str) -> PersonRef {
    PersonRef { account: format!("{name} (DEMO)"), person: Some(name.into()), uid: 61_001 }
}

/// A pending request of alice; the number makes the id and the age.
pub fn summary(number: u32, name: &str, risks: &[Risk]) -> RequestSummary {
    RequestSummary {
        id: format!("ar-01k8z3v5d2{number:04}").parse().unwrap(),
        kind: RequestKind::CertIssuance,
        state: RequestState::Pending,
        certificate_id: Some(format!("mc-01k8z3v5d2{number:04}").parse().unwrap()),
        job_id: Some(format!("job-01k8z3v5d2{number:04}").parse().unwrap()),
        profile_id: "p-web".into(),
        environment: "production".into(),
        requester: person("alice"),
        primary_name: name.into(),
        names: vec![San::Dns(name.into())],
        names_total: 1,
        reason: "The shop moves to its new load balancer on Thursday".into(),
        ticket: Some("SECOPS-4711".into()),
        risks: risks.to_vec(),
        version: 1,
        digest: Digest::of(&[b"content", name.as_bytes()]),
        created_at: at(-600 * i64::from(number) - 300),
        expires_at: at(259_200 - 600 * i64::from(number)),
        not_before: None,
        batch: None,
        decided_at: None,
        decided_by: None,
        seq: u64::from(number),
    }
}

/// Ends a request.
pub fn ended(mut request: RequestSummary, state: RequestState, by: &str) -> RequestSummary {
    request.state = state;
    request.decided_at = Some(at(-60));
    request.decided_by = Some(by.into());
    request
}

/// The work of a request; none for a change of the policy.
pub fn job(request: &RequestSummary) -> Option<Job> {
    let state = match request.state {
        RequestState::Pending => JobState::AwaitingApproval,
        RequestState::Approved => JobState::Pending,
        _ => JobState::Cancelled,
    };
    Some(Job {
        id: request.job_id.clone()?,
        kind: JobKind::Issue,
        state,
        certificate_id: request.certificate_id.clone()?,
        request_id: Some(request.id.clone()),
        profile_id: request.profile_id.clone(),
        error: None,
        created_at: request.created_at,
        finished_at: None,
    })
}

/// A request in full, for a caller who may decide.
pub fn detail(request: RequestSummary) -> RequestDetail {
    let content = CertificateContent {
        common_name: Some(request.primary_name.clone()),
        subject: Vec::new(),
        sans: request.names.clone(),
        key: KeyAlgorithm::EcdsaP256,
        spki_sha256: Digest::of(&[b"spki"]),
        ca: false,
        key_usage: vec![KeyUsage::DigitalSignature],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        valid_for: Span::from_secs(90 * 86_400),
        issuer: "local-ca".into(),
        profile_id: request.profile_id.clone(),
        profile_digest: Digest::of(&[b"profile"]),
    };
    let check = |rule: &str, outcome, text: &str| Check { rule: rule.into(), outcome, text: text.into() };
    two_person::fill(RequestDetail {
        profile_name: "Web servers".into(),
        csr: Some(CsrView {
            pem: "-----BEGIN CERTIFICATE REQUEST-----".into(),
            sha256: Digest::of(&[b"csr"]),
            subject: format!("CN={},O=Example", request.primary_name.raw()).into(),
            key: content.key,
            spki_sha256: content.spki_sha256,
        }),
        policy_change: None,
        revocation: None,
        changes: vec![Change {
            field: "subject".into(),
            action: ChangeAction::Dropped,
            value: "O=Example".into(),
            why: "the profile alone sets subject attributes".into(),
        }],
        differences: Vec::new(),
        in_force: None,
        checks: vec![
            check("names", CheckOutcome::Passed, "every name is one of the profile's"),
            check("key", CheckOutcome::Passed, "ecdsa-p256 is allowed"),
            check("validity", CheckOutcome::Warned, "90d is the longest that the profile allows"),
        ],
        decisions: Vec::new(),
        votes: Votes { given: 0, needed: 1 },
        who_may_decide: vec!["bob".into(), "carol".into()],
        you: MayDecide { allowed: true, rule: None, why: String::new(), delegated_by: None },
        signing: None,
        you_may: vec![Verb::Void, Verb::Comment],
        terms: terms(),
        amendments: Vec::new(),
        remarks: Vec::new(),
        job: job(&request),
        policy_sha256: Digest::of(&[b"policy"]),
        content: Some(content),
        request,
    })
}

/// One operator, within a week of whose word it has to be carried out.
pub fn terms() -> Terms {
    Terms {
        steps: vec![Step { group: "*".into(), need: 1, filled_by: Vec::new(), open: true }],
        ordered: false,
        reject_threshold: 1,
        rejections: 0,
        tightened: false,
        escalations: Vec::new(),
        auto_approve_at: None,
        carry_out_within: Some(Span::from_secs(7 * 86_400)),
    }
}

pub fn status(pending: u64, ledger_size: u64) -> StatusResult {
    StatusResult {
        forward: None,
        version: "0.1.0".into(),
        protocol: PROTOCOL_VERSION,
        origin: "demo".into(),
        started_at: at(-7200),
        now: at(0),
        read_only: false,
        damage: None,
        demo: true,
        bypass: false,
        acknowledged_damage: 0,
        pending,
        oldest_pending_at: Some(at(-7000)),
        ledger_size,
        ledger_root: Digest::of(&[b"root"]),
        unanchored: ledger_size,
        unanchored_since: None,
        verification: None,
        last_verification: None,
        anchor_overdue: false,
        anchor_limits: None,
        last_checkpoint: None,
        last_anchor: None,
        checkpoint_failing: Vec::new(),
        policy_sha256: Digest::of(&[b"policy"]),
        policy_file_differs: false,
        attestation: "pidfd".into(),
        attempts: Vec::new(),
        inventory: None,
        alerts: None,
    }
}

pub fn whoami(name: &str) -> WhoamiResult {
    let role = match name {
        "alice" | "bob" => "operator (p-web)",
        "carol" => "admin",
        _ => "auditor",
    };
    WhoamiResult {
        account: format!("{name} (DEMO)"),
        uid: 61_001,
        gid: 61_001,
        pid: 4711,
        login_uid: None,
        session: None,
        person: Some(name.into()),
        roles: vec![role.into()],
        permissions: Vec::new(),
        says: Vec::new(),
        demo: true,
        cannot_decide: None,
    }
}

pub fn record(seq: u64, action: AuditAction, about: &str) -> AuditEvent {
    AuditEvent {
        seq,
        event_id: format!("ev-01k8z3v5d2{seq:04}").parse().unwrap(),
        created_at: at(i64::try_from(seq).unwrap() - 3600),
        actor: "alice (DEMO)".into(),
        actor_type: ActorType::User,
        action,
        category: Category::CertLifecycle,
        resource_type: "request".into(),
        resource_id: about.into(),
        details: serde_json::json!({"profile": "p-web", "version": 1}),
        record_sha256: Digest::of(&[b"record", &seq.to_be_bytes()]),
        text: Some("please look at this one".into()),
    }
}

/// A dozen requests of the kinds that a queue holds.
pub fn queue() -> Vec<RequestSummary> {
    let mut renewal = summary(2, "shop.corp.example", &[Risk::NamesAdded, Risk::KeyChanged]);
    renewal.kind = RequestKind::CertRenewal;
    renewal.names = ["shop", "shop-new", "pay"].map(|host| San::Dns(format!("{host}.corp.example").into())).to_vec();
    renewal.names_total = 3;
    let mut soon = summary(7, "mail.corp.example", &[Risk::BareIp]);
    soon.expires_at = at(1800);
    vec![
        summary(1, "www.corp.example", &[]),
        renewal,
        summary(3, "*.corp.example", &[Risk::Wildcard]),
        summary(4, "xn--80ak6aa92e.corp.example", &[Risk::Idn, Risk::OtherOwner]),
        summary(5, "ca.corp.example", &[Risk::CaRequested]),
        ended(summary(6, "old.corp.example", &[]), RequestState::Expired, "system-reaper"),
        soon,
        ended(summary(8, "no.corp.example", &[]), RequestState::Rejected, "carol (DEMO)"),
        ended(summary(9, "done.corp.example", &[]), RequestState::Approved, "bob (DEMO)"),
    ]
}
