//! What people see, as a whole.

use countersign_shared::lifecycle::{JobState, RequestState, Verdict};
use countersign_shared::protocol::*;
use insta::assert_snapshot;

use super::{
    Style, View, audit, certificate, daemon, decision, delegation, detail, inventory, job, life, policy, request,
    samples,
};

fn view() -> View {
    View { style: Style::new(false, None), now: "2027-01-31T11:05:00Z".parse().unwrap() }
}

#[test]
fn the_queue() {
    let mut late = samples::request("xn--80ak6aa92e.com");
    late.names_total = 4;
    late.expires_at = "2027-02-03T08:00:00Z".parse().unwrap();
    let mut done = samples::request("www.corp.example");
    done.state = RequestState::Approved;
    done.requester.person = Some("alice in person".to_owned());
    assert_snapshot!(request::list(&[late, done], view()));
}

#[test]
fn a_request() {
    let mut detail = samples::detail("*.corp.example");
    detail.request.risks = vec![Risk::Wildcard, Risk::CaRequested];
    detail.request.reason = "new shop front; a long reason that goes on under itself where the line ends".into();
    detail.request.ticket = Some("SECOPS-7".into());
    detail.changes = vec![Change {
        field: "basic_constraints".to_owned(),
        action: ChangeAction::Dropped,
        value: "CA:TRUE".into(),
        why: "p-web gives no certification authorities".to_owned(),
    }];
    detail.checks = vec![
        Check { rule: "names".to_owned(), outcome: CheckOutcome::Passed, text: "every name matches".to_owned() },
        Check { rule: "wildcard".to_owned(), outcome: CheckOutcome::Warned, text: "covers every host".to_owned() },
    ];
    detail.decisions = vec![Decision {
        by: samples::person("carol"),
        verdict: Verdict::Approve,
        note: "seen".into(),
        version: 1,
        digest: samples::digest(),
        at: "2027-01-31T09:00:00Z".parse().unwrap(),
        seq: 3,
        counts_for: vec![],
        delegated_by: None,
        signed: None,
    }];
    detail.you = MayDecide {
        allowed: false,
        rule: None,
        why: "two-person integrity: you asked for it".to_owned(),
        delegated_by: None,
    };
    assert_snapshot!(detail::with_commands(&detail, view()));
}

#[test]
fn a_request_with_a_story() {
    assert_snapshot!(detail::with_commands(&samples::eventful(), view()));
}

#[test]
fn a_change_of_the_policy() {
    let before = decision::one_of_many(&samples::policy_detail(), view());
    assert_snapshot!(detail::with_commands(&samples::policy_detail(), view()) + "\n" + &before);
}

#[test]
fn delegations() {
    let (active, over) = (samples::delegation(true), samples::delegation(false));
    let list = delegation::list(&[active.clone(), over.clone()], view());
    assert_snapshot!([list, delegation::one(&active, view()), delegation::one(&over, view())].join("\n"));
}

#[test]
fn what_becomes_of_a_request_without_votes() {
    let ended = life::ended(&samples::ended_by(RequestState::Withdrawn), view());
    let remark = CommentResult { remark: samples::remark(RemarkKind::Comment) };
    let remarked = life::remarked(&samples::REQUEST.parse().unwrap(), &remark, view());
    assert_snapshot!([ended, life::amended(&samples::amended(), view()), remarked].join("\n"));
}

#[test]
fn several_decisions() {
    assert_snapshot!(decision::many(&samples::decided_many(), view()));
}

#[test]
fn a_fresh_request() {
    assert_snapshot!(request::submitted(&samples::submitted(), Some("web.key".as_ref()), view()));
}

#[test]
fn a_decision_and_an_end() {
    let decided = decision::made(&samples::decided(), view());
    let issued = decision::ended(samples::REQUEST, &samples::ended(Outcome::Issued), false, view());
    assert_snapshot!(decided + "\n" + &issued);
}

#[test]
fn jobs_and_certificates() {
    let mut failed = samples::job(JobState::Failed);
    failed.error = Some("the issuer answered with a key that nobody asked for, which is refused".into());
    let certificate = Certificate {
        id: "mc-1".parse().unwrap(),
        profile_id: "p-web".to_owned(),
        environment: "production".to_owned(),
        primary_name: "www.corp.example".into(),
        owner: samples::person("alice"),
        created_at: view().now,
        current: None,
        days_left: None,
        revoked: None,
        places: vec![],
        places_total: 0,
    };
    let page = CertificatePage { certificates: vec![certificate], found: vec![samples::found()], next_cursor: None };
    let jobs = job::list(&[failed.clone(), samples::job(JobState::AwaitingApproval)], view());
    let one = job::one(&failed, view());
    assert_snapshot!([jobs, one, certificate::list(&page, view())].join("\n"));
}

#[test]
fn the_daemon_and_the_caller() {
    let status = samples::status();
    assert_snapshot!(daemon::status(&status, view()) + "\n" + &daemon::whoami(&samples::whoami(), view()));
}

#[test]
fn the_ledger() {
    let event = AuditEvent {
        seq: 7,
        event_id: "ev-01k8z3v5d2fq7m".parse().unwrap(),
        created_at: "2027-01-31T09:00:00.123Z".parse().unwrap(),
        actor: "alice".to_owned(),
        actor_type: ActorType::User,
        action: AuditAction::ExpirationAlertSkippedInvalidChannel,
        category: Category::CertLifecycle,
        resource_type: "request".to_owned(),
        resource_id: samples::REQUEST.to_owned(),
        details: serde_json::json!({}),
        record_sha256: samples::digest(),
        text: Some("a note".into()),
    };
    let intact = VerifyResult {
        intact: true,
        records: 8,
        root_sha256: samples::digest(),
        damage: None,
        acknowledged: Vec::new(),
    };
    let list = audit::list(std::slice::from_ref(&event), view());
    let record = audit::record(&AuditRecord { event, record: "{\"a\":1}".to_owned() }, view());
    assert_snapshot!([list, record, audit::verification(&intact, view())].join("\n"));
}

#[test]
fn the_policy() {
    let profile = Profile {
        id: "p-web".to_owned(),
        name: "Web servers".to_owned(),
        environment: "production".to_owned(),
        names: vec!["corp.example".to_owned(), "*.corp.example".to_owned()],
        requires_approval: true,
        quorum: vec!["1 of group pki".to_owned()],
        issuer: "local-ca".to_owned(),
        keys: vec!["rsa-2048".parse().unwrap(), "ed25519".parse().unwrap()],
        extended_key_usage: vec!["server_auth".parse().unwrap()],
        max_validity: "90d".parse().unwrap(),
        justification_required: true,
        ticket_pattern: None,
        approval_timeout: "72h".parse().unwrap(),
    };
    let check = PolicyCheckResult {
        valid: false,
        errors: vec!["quorum of p-web: no group `pki`".to_owned()],
        warnings: vec!["p-dev: unattended".to_owned()],
        differences: vec![],
        findings: vec![],
    };
    let list = policy::profiles(std::slice::from_ref(&profile), view());
    assert_snapshot!([list, policy::profile(&profile, view()), policy::check(&check, view())].join("\n"));
}

#[test]
fn nothing_to_show_is_said() {
    assert_eq!(request::list(&[], view()), "no requests\n");
    assert_eq!(job::list(&[], view()), "no jobs\n");
    assert_eq!(
        certificate::list(&CertificatePage { certificates: vec![], found: vec![], next_cursor: None }, view()),
        "no certificates\n"
    );
    assert_eq!(audit::list(&[], view()), "no records\n");
    assert_eq!(policy::profiles(&[], view()), "no profiles\n");
}

#[test]
fn what_was_found() {
    let mut found = samples::found();
    found.successor = Some(Successor {
        sha256: found.sha256,
        id: Some("mc-3".parse().unwrap()),
        lineage: LineageKind::NamesAndKey,
        at: "2027-01-31T07:00:00Z".parse().unwrap(),
    });
    let detail =
        CertificateDetail { certificate: None, found: Some(found), versions: vec![], chain_pem: Some("PEM\n".into()) };
    assert_snapshot!(certificate::detail(&detail, view()));
}

#[test]
fn an_import() {
    let certificate = ImportedCertificate {
        id: Some("mc-2".parse().unwrap()),
        issued: false,
        new: true,
        alias: None,
        primary_name: "shop.corp.example".into(),
        sha256: samples::found().sha256,
        not_after: "2027-02-05T08:00:00Z".parse().unwrap(),
        usable_until: "2027-02-05T08:00:00Z".parse().unwrap(),
    };
    let item = |path: &str| ImportedItem { path: path.into(), certificates: vec![], problems: vec![], ended: 0 };
    let result = ImportResult {
        items: vec![
            ImportedItem { certificates: vec![certificate], ended: 1, ..item("/etc/ssl/shop.pem") },
            ImportedItem { problems: vec!["it needs a password".into()], ..item("/srv/\u{1b}k.p12") },
        ],
    };
    assert_snapshot!(inventory::imported(&result, false, view()));
}
