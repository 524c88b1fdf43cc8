//! Results as a daemon would give them.

use countersign_shared::content::{CertificateContent, ExtendedKeyUsage, KeyAlgorithm, KeyUsage, San};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{JobKind, JobState, RequestKind, RequestState};
use countersign_shared::protocol::*;
use countersign_shared::time::{Span, Timestamp};

pub const REQUEST: &str = "ar-01k8z3v5d2fq7m";
pub const JOB: &str = "job-01k8z3v5d2fq7m";
pub const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

fn time() -> Timestamp {
    "2027-01-31T08:00:00.000Z".parse().unwrap()
}

pub fn digest() -> Digest {
    Digest::of(&[b"content"])
}

pub fn person(name: &str) -> PersonRef {
    PersonRef { account: name.to_owned(), person: None, uid: 1000 }
}

pub fn job(state: JobState) -> Job {
    Job {
        id: JOB.parse().unwrap(),
        kind: JobKind::Issue,
        state,
        certificate_id: "mc-1".parse().unwrap(),
        request_id: Some(REQUEST.parse().unwrap()),
        profile_id: "p-web".to_owned(),
        error: None,
        created_at: time(),
        finished_at: None,
    }
}

pub fn request(name: &str) -> RequestSummary {
    RequestSummary {
        id: REQUEST.parse().unwrap(),
        kind: RequestKind::CertIssuance,
        state: RequestState::Pending,
        certificate_id: Some("mc-1".parse().unwrap()),
        job_id: Some(JOB.parse().unwrap()),
        profile_id: "p-web".to_owned(),
        environment: "production".to_owned(),
        requester: person("alice"),
        primary_name: name.into(),
        names: vec![San::Dns(name.into())],
        names_total: 1,
        reason: name.into(),
        ticket: None,
        risks: vec![],
        version: 1,
        digest: digest(),
        created_at: time(),
        expires_at: time(),
        not_before: None,
        batch: None,
        decided_at: None,
        decided_by: None,
        seq: 1,
    }
}

pub fn terms() -> Terms {
    Terms {
        steps: vec![Step { group: "pki".to_owned(), need: 1, filled_by: vec![], open: true }],
        ordered: false,
        reject_threshold: 1,
        rejections: 0,
        tightened: false,
        escalations: vec![],
        auto_approve_at: None,
        carry_out_within: Some(Span::from_secs(7 * 86_400)),
    }
}

pub fn detail(name: &str) -> RequestDetail {
    RequestDetail {
        request: request(name),
        profile_name: "Web servers".to_owned(),
        content: Some(CertificateContent {
            common_name: Some(name.into()),
            subject: vec![],
            sans: vec![San::Dns(name.into())],
            key: KeyAlgorithm::EcdsaP256,
            spki_sha256: digest(),
            ca: false,
            key_usage: vec![KeyUsage::DigitalSignature],
            extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
            valid_for: Span::from_secs(90 * 86_400),
            issuer: "local-ca".to_owned(),
            profile_id: "p-web".to_owned(),
            profile_digest: digest(),
        }),
        csr: Some(CsrView {
            pem: String::new(),
            sha256: digest(),
            subject: name.into(),
            key: KeyAlgorithm::EcdsaP256,
            spki_sha256: digest(),
        }),
        policy_change: None,
        changes: vec![],
        differences: vec![],
        in_force: None,
        checks: vec![],
        decisions: vec![],
        votes: Votes { given: 0, needed: 1 },
        who_may_decide: vec!["person:bob".to_owned()],
        you: MayDecide { allowed: true, rule: None, why: String::new(), delegated_by: None },
        you_may: vec![Verb::Comment],
        terms: terms(),
        amendments: vec![],
        remarks: vec![],
        job: Some(job(JobState::AwaitingApproval)),
        policy_sha256: digest(),
    }
}

pub fn decided() -> DecideResult {
    DecideResult {
        id: REQUEST.parse().unwrap(),
        state: RequestState::Approved,
        job: Some(job(JobState::Pending)),
        seq: 7,
        record_sha256: digest(),
        votes: Votes { given: 1, needed: 1 },
    }
}

pub fn submitted() -> SubmitResult {
    SubmitResult {
        request: Some(request("www.corp.example")),
        job: job(JobState::AwaitingApproval),
        certificate_id: "mc-1".parse().unwrap(),
        changes: vec![],
        repeated: false,
    }
}

pub fn ended(outcome: Outcome) -> WaitResult {
    WaitResult {
        outcome,
        request: Some(request("www.corp.example")),
        job: Some(job(JobState::Completed)),
        why: None,
        chain_pem: (outcome == Outcome::Issued).then(|| CHAIN.to_owned()),
    }
}

pub fn whoami() -> WhoamiResult {
    WhoamiResult {
        account: "bob (DEMO)".to_owned(),
        uid: 1000,
        gid: 1000,
        pid: 1,
        login_uid: None,
        session: None,
        person: Some("bob".to_owned()),
        roles: vec!["operator".to_owned()],
        demo: true,
        cannot_decide: None,
    }
}
