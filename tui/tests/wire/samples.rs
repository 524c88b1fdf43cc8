//! Results as a daemon would give them.

use countersign_shared::content::{CertificateContent, ExtendedKeyUsage, KeyAlgorithm, KeyUsage, San};
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{JobKind, JobState, RequestKind, RequestState, Verdict};
use countersign_shared::protocol::*;
use countersign_shared::revocation::{Revocation, RevocationReason};
use countersign_shared::time::{Span, Timestamp};

pub const REQUEST: &str = "ar-01k8z3v5d2fq7m";
pub const OTHER: &str = "ar-01k8z3v5d2fq7n";
pub const DELEGATION: &str = "dg-01k8z3v5d2fq7m";
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

/// The end of a certificate, as it was asked for.
pub fn revoked(name: &str) -> RevokeResult {
    let mut job = job(JobState::AwaitingApproval);
    job.kind = JobKind::Revoke;
    RevokeResult {
        request: Some(RequestSummary { kind: RequestKind::CertRevocation, ..request(name) }),
        job,
        revocation: Revocation {
            certificate_id: "mc-1".parse().unwrap(),
            version: 3,
            issuer: "local-ca".to_owned(),
            serial: "4f0a".to_owned(),
            sha256: Digest::of(&[b"certificate"]),
            reason: RevocationReason::KeyCompromise,
        },
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
        revocation: None,
        changes: vec![],
        differences: vec![],
        in_force: None,
        checks: vec![],
        decisions: vec![],
        votes: Votes { given: 0, needed: 1 },
        who_may_decide: vec!["person:bob".to_owned()],
        you: MayDecide { allowed: true, rule: None, why: String::new(), delegated_by: None },
        signing: None,
        you_may: vec![Verb::Comment],
        terms: terms(),
        amendments: vec![],
        remarks: vec![],
        job: Some(job(JobState::AwaitingApproval)),
        policy_sha256: digest(),
    }
}

/// A request with a story: ordered steps, a delegated vote, remarks, an amendment.
pub fn eventful() -> RequestDetail {
    let mut detail = detail("www.corp.example");
    let vote = Decision {
        by: person("dan"),
        verdict: Verdict::Approve,
        note: "seen".into(),
        version: 2,
        digest: digest(),
        at: time(),
        seq: 5,
        counts_for: vec!["pki".to_owned()],
        delegated_by: Some("carol".to_owned()),
        signed: None,
    };
    detail.request.version = 2;
    detail.request.batch = Some("spring".to_owned());
    detail.request.ticket = Some("SECOPS-7".into());
    detail.request.not_before = Some("2027-02-01T08:00:00Z".parse().unwrap());
    detail.request.decided_by = Some("bob".to_owned());
    detail.content.as_mut().unwrap().subject = vec![("organization".parse().unwrap(), "Corp".to_owned())];
    detail.changes = vec![Change {
        field: "key_usage".to_owned(),
        action: ChangeAction::Dropped,
        value: "crl_sign".into(),
        why: "the profile gives none".to_owned(),
    }];
    detail.checks =
        vec![Check { rule: "names".to_owned(), outcome: CheckOutcome::Warned, text: "a wildcard".to_owned() }];
    detail.you = MayDecide {
        allowed: true,
        rule: Some("delegated".to_owned()),
        why: "because".to_owned(),
        delegated_by: Some("erin".to_owned()),
    };
    detail.you_may = Verb::ALL.to_vec();
    detail.votes = Votes { given: 3, needed: 6 };
    detail.terms = Terms {
        steps: vec![
            Step {
                group: "pki".to_owned(),
                need: 2,
                filled_by: vec!["carol".to_owned(), "erin".to_owned()],
                open: false,
            },
            Step { group: "security".to_owned(), need: 3, filled_by: vec!["frank".to_owned()], open: true },
            Step { group: "*".to_owned(), need: 1, filled_by: vec![], open: false },
        ],
        ordered: true,
        reject_threshold: 2,
        rejections: 1,
        tightened: true,
        escalations: vec![
            Escalation { at: time(), groups: vec!["oncall".to_owned()], done: true },
            Escalation { at: "2027-02-02T08:00:00Z".parse().unwrap(), groups: vec!["heads".to_owned()], done: false },
        ],
        auto_approve_at: Some("2027-02-03T08:00:00Z".parse().unwrap()),
        carry_out_within: Some(Span::from_secs(86_400)),
    };
    let difference = Difference { field: "san".to_owned(), before: None, after: Some("dns:shop.corp.example".into()) };
    detail.amendments = vec![Amendment {
        version: 1,
        digest: digest(),
        at: time(),
        seq: 4,
        differences: vec![difference],
        decisions: vec![Decision { version: 1, delegated_by: None, ..vote.clone() }],
    }];
    detail.decisions = vec![vote];
    detail.remarks = vec![remark(RemarkKind::Comment)];
    detail
}

pub fn remark(kind: RemarkKind) -> Remark {
    Remark { kind, by: person("carol"), text: "ask the network team".into(), version: 1, at: time(), seq: 3 }
}

/// A change of the policy: one difference of each kind, one finding of each weight.
pub fn policy_change() -> PolicyChange {
    let difference = |key: &str, before: Option<&str>, after: Option<&str>, effect| PolicyDifference {
        table: "profile".to_owned(),
        id: "p-web".to_owned(),
        key: key.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        effect,
    };
    let finding = |level, rule: &str, subject: &str| Finding {
        level,
        rule: rule.to_owned(),
        subject: subject.to_owned(),
        text: format!("what {rule} says"),
    };
    PolicyChange {
        base_version: 3,
        base_sha256: digest(),
        sha256: digest(),
        differences: vec![
            difference("name", Some("Web"), Some("Web servers"), Effect::Neutral),
            difference("max_validity", Some("90d"), Some("30d"), Effect::Stricter),
            difference("names", None, Some("*.example"), Effect::Laxer),
            difference("ticket_pattern", Some("^SECOPS-[0-9]+$"), None, Effect::Laxer),
        ],
        findings: vec![
            finding(FindingLevel::Note, "replay", ""),
            finding(FindingLevel::Warning, "single_point_of_failure", "p-web"),
        ],
        document: "version = 1\nname = \"x\"\n".to_owned(),
    }
}

pub fn policy_request() -> RequestSummary {
    let mut request = request("policy 4");
    request.kind = RequestKind::PolicyChange;
    (request.certificate_id, request.job_id) = (None, None);
    request.profile_id = "policy".to_owned();
    (request.names, request.names_total) = (vec![], 0);
    request.risks = vec![Risk::PolicyLaxer];
    request
}

pub fn policy_detail() -> RequestDetail {
    let mut detail = detail("policy 4");
    detail.request = policy_request();
    detail.profile_name = "Change of the policy".to_owned();
    (detail.content, detail.csr, detail.job) = (None, None, None);
    detail.policy_change = Some(policy_change());
    detail.terms.carry_out_within = None;
    detail
}

pub fn proposed() -> ProposeResult {
    ProposeResult { request: policy_request(), change: policy_change() }
}

pub fn ended_by(state: RequestState) -> EndResult {
    EndResult {
        id: REQUEST.parse().unwrap(),
        state,
        job: Some(job(JobState::Cancelled)),
        seq: 9,
        record_sha256: digest(),
    }
}

pub fn amended() -> AmendResult {
    let mut request = request("www.corp.example");
    request.version = 2;
    let difference = |before: Option<&str>, after: Option<&str>| Difference {
        field: "san".to_owned(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    AmendResult {
        request,
        differences: vec![
            difference(None, Some("dns:shop.corp.example")),
            difference(Some("dns:old.corp.example"), None),
        ],
        changes: eventful().changes,
        votes_cleared: 2,
        seq: 10,
    }
}

pub fn delegation(active: bool) -> Delegation {
    Delegation {
        id: DELEGATION.parse().unwrap(),
        by: person("carol"),
        to: "dan".to_owned(),
        profiles: Some(vec!["p-web".to_owned(), "p-mail".to_owned()]),
        reason: "on leave".into(),
        created_at: time(),
        until: "2027-02-07T08:00:00Z".parse().unwrap(),
        active,
        ended_at: (!active).then(time),
        ended_by: (!active).then(|| "system-reaper".to_owned()),
        seq: 11,
    }
}

/// One that was decided, and one that was refused.
pub fn decided_many() -> DecideManyResult {
    let error = ApiError::new(ErrorKind::StaleContent, "version 2 was amended").hint("look at it again").into();
    DecideManyResult {
        items: vec![
            DecidedItem { id: REQUEST.parse().unwrap(), result: Some(decided()), error: None },
            DecidedItem { id: OTHER.parse().unwrap(), result: None, error: Some(error) },
        ],
    }
}

pub fn page(requests: Vec<RequestSummary>) -> RequestPage {
    RequestPage { requests, next_cursor: None, as_of_seq: 1 }
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

pub fn status() -> StatusResult {
    StatusResult {
        forward: None,
        version: "0.1.0".to_owned(),
        protocol: 1,
        origin: "countersign/5f3a".to_owned(),
        started_at: "2027-01-31T08:00:00Z".parse().unwrap(),
        now: "2027-01-31T11:05:00Z".parse().unwrap(),
        read_only: true,
        damage: Some(Damage { seq: Some(4), rule: "edited".to_owned(), text: "the hash differs".to_owned() }),
        demo: true,
        bypass: true,
        acknowledged_damage: 1,
        pending: 2,
        oldest_pending_at: Some("2027-01-30T08:00:00Z".parse().unwrap()),
        ledger_size: 12,
        ledger_root: digest(),
        unanchored: 12,
        unanchored_since: None,
        verification: None,
        last_verification: None,
        anchor_overdue: false,
        anchor_limits: Some(AnchorLimits { max_age: Some(Span::from_secs(7 * 86_400)), max_records: Some(500) }),
        last_checkpoint: Some(CheckpointMark { size: 12, at: "2027-01-31T11:00:00Z".parse().unwrap() }),
        last_anchor: Some(AnchorMark {
            size: 9,
            verdict: AnchorVerdict::Equal,
            at: "2027-01-24T08:00:00Z".parse().unwrap(),
        }),
        checkpoint_failing: vec![CheckpointFailing {
            place: "directory".to_owned(),
            since: "2027-01-31T10:00:00Z".parse().unwrap(),
            error: "/mnt/worm: No such file or directory".to_owned(),
        }],
        policy_sha256: digest(),
        policy_file_differs: true,
        attestation: "pidfd".to_owned(),
        attempts: vec![Attempts {
            human: "mallory".to_owned(),
            actor: "mallory".to_owned(),
            rule: "same_person".to_owned(),
            count: 5,
            at: "2027-01-31T10:00:00Z".parse().unwrap(),
            seq: 40,
        }],
        inventory: Some(InventoryStatus {
            scans: 3,
            started_at: Some("2027-01-31T07:00:00Z".parse().unwrap()),
            ended_at: Some("2027-01-31T07:01:00Z".parse().unwrap()),
            found: 12,
            watched: 11,
            problems: 2,
        }),
        alerts: Some(AlertsStatus { queued: 4, failed: 2, dead: 1 }),
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
        permissions: vec!["request.approve".to_owned()],
        says: Vec::new(),
        demo: true,
        cannot_decide: None,
    }
}

pub fn found() -> FoundCertificate {
    FoundCertificate {
        id: "mc-2".parse().unwrap(),
        primary_name: "shop.corp.example".into(),
        names: vec!["dns:shop.corp.example".into(), "dns:\u{202e}evil".into()],
        names_total: 3,
        subject: "CN=shop.corp.example".into(),
        issuer: "CN=Corp \u{1b}[2J CA,O=Corp".into(),
        serial: "4f".to_owned(),
        sha256: digest(),
        spki_sha256: digest(),
        key: "rsa-2048".to_owned(),
        ca: false,
        not_before: "2026-01-31T08:00:00Z".parse().unwrap(),
        not_after: "2027-02-20T08:00:00Z".parse().unwrap(),
        usable_until: "2027-02-05T08:00:00Z".parse().unwrap(),
        days_left: 4,
        source: FoundBy::Scan,
        owner: Some(person("www-data")),
        created_at: "2027-01-01T08:00:00Z".parse().unwrap(),
        there: true,
        watched: true,
        places: vec![FoundPlace {
            place: "file:/etc/ssl/\u{200b}shop.p12".into(),
            alias: Some("web".into()),
            state: PlaceState::Present,
            first_seen: "2027-01-01T08:00:00Z".parse().unwrap(),
            last_seen: "2027-01-31T07:00:00Z".parse().unwrap(),
        }],
        places_total: 3,
        issued_as: None,
        successor: None,
    }
}
