use std::collections::BTreeSet;

use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, SubjectAttribute};
use countersign_shared::protocol::SignatureDemand;

use super::super::calendar::Calendar;
use super::super::quorum::{Escalation, QuorumOrder, QuorumStep, Route};
use super::*;

fn rules() -> Rules {
    Rules {
        id: "p-web".to_owned(),
        name: "Web servers".to_owned(),
        environment: "production".to_owned(),
        names: vec!["*.corp.example".parse().unwrap()],
        requires_approval: true,
        quorum: vec![step("pki", 2)],
        issuer: "local-ca".to_owned(),
        keys: vec![KeyAlgorithm::Rsa(2048)],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        max_validity: Span::from_secs(90 * 86_400),
        justification: Justification::Required,
        ticket_pattern: Some(TicketPattern::new("^SECOPS-[0-9]+$").unwrap()),
        approval_timeout: None,
        renewal_policy: None,
        renew_key: RenewKey::Same,
        allow_wildcards: false,
        allow_ca: false,
        allow_ip: false,
        subject: vec![(SubjectAttribute::Organization, "Corp".to_owned())],
        require_login_session: false,
        deliver: None,
        quorum_order: QuorumOrder::Parallel,
        reject_threshold: 1,
        extra_for_scheduler: 0,
        routes: Vec::new(),
        carry_out_within: None,
        escalations: Vec::new(),
        calendar: None,
        auto_approve_after: None,
        allow_delegation: true,
        decision_signature: None,
    }
}

fn step(group: &str, need: u32) -> QuorumStep {
    QuorumStep { group: group.to_owned(), need }
}

fn route(owner: &str) -> Route {
    let quorum = vec![step("payments", 1)];
    Route { owner: owner.parse().unwrap(), quorum, quorum_order: QuorumOrder::Parallel }
}

fn escalation(hours: u64, groups: &[&str]) -> Escalation {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Escalation { after: Span::from_secs(hours * 3600), groups }
}

fn calendar() -> Calendar {
    let json = r#"{"id":"office","days":["mon"],"from":"08:00","until":"18:00","timezone":"Europe/Berlin","holidays":["2026-12-25"]}"#;
    serde_json::from_str(json).unwrap()
}

/// Everything that a profile can have beyond the first version's keys.
fn full() -> Rules {
    Rules {
        quorum: vec![step("pki", 2), step("leads", 1)],
        quorum_order: QuorumOrder::Ordered,
        reject_threshold: 2,
        extra_for_scheduler: 1,
        routes: vec![route("group:payments")],
        carry_out_within: Some(Span::from_secs(3600)),
        escalations: vec![escalation(4, &["leads"])],
        calendar: Some(calendar()),
        auto_approve_after: Some(Span::from_secs(7200)),
        allow_delegation: false,
        ..rules()
    }
}

/// Snapshots as the first version stored them, with the digests that its ledger records name.
const SNAPSHOTS_OF_THE_FIRST_VERSION: [(&str, &str); 3] = [
    (
        "71ac2be30507289fff4d4798104823b2cf5f74a112a0d5960d1a1bc7722d1080",
        r#"{"id":"p-web","name":"Web servers","environment":"production","names":["corp.example","*.corp.example"],"requires_approval":true,"quorum":{"group":"pki","need":1},"issuer":"local-ca","keys":["rsa-2048","ecdsa-p256","ecdsa-p384","ed25519"],"extended_key_usage":["server_auth"],"max_validity":"90d","justification":"required","ticket_pattern":"^SECOPS-[0-9]+$","approval_timeout":"3d","renewal_policy":"rp-standard","allow_wildcards":false,"allow_ca":false,"allow_ip":false,"subject":[["country","DE"],["organization","Corp Example Ltd"]],"require_login_session":false,"deliver":{"path":"/etc/ssl/countersign/{certificate}.pem","owner":"root:ssl-cert","mode":420}}"#,
    ),
    (
        "65685575069a8cb02062b39eaa2f534fea1e62cea127fdca829510b2efa1c05b",
        r#"{"id":"p-lab","name":"Laboratory","environment":"lab","names":["*.lab.corp.example"],"requires_approval":true,"quorum":null,"issuer":"local-ca","keys":["ecdsa-p256"],"extended_key_usage":["server_auth"],"max_validity":"7d","justification":"optional","ticket_pattern":null,"approval_timeout":"1s","renewal_policy":null,"allow_wildcards":false,"allow_ca":false,"allow_ip":false,"subject":[],"require_login_session":false,"deliver":null}"#,
    ),
    (
        "421b0aa05f4abbdef0315fdf837fec6c1470c5a74166e509ff8b4d0092c56e90",
        r#"{"id":"p-dev","name":"Development","environment":"dev","names":["*.dev.corp.example"],"requires_approval":false,"quorum":null,"issuer":"local-ca","keys":["rsa-2048","ecdsa-p256","ecdsa-p384","ed25519"],"extended_key_usage":["server_auth","client_auth"],"max_validity":"30d","justification":"optional","ticket_pattern":null,"approval_timeout":null,"renewal_policy":null,"allow_wildcards":false,"allow_ca":false,"allow_ip":false,"subject":[],"require_login_session":false,"deliver":null}"#,
    ),
];

#[test]
fn snapshots_of_the_first_version_are_read_and_written_as_they_were() {
    for (digest, snapshot) in SNAPSHOTS_OF_THE_FIRST_VERSION {
        let profile: Profile = serde_json::from_str(snapshot).unwrap();
        assert_eq!(profile.digest().to_string(), digest, "{}", profile.id());
        assert_eq!(serde_json::to_string(&profile).unwrap(), snapshot);
    }
}

#[test]
fn a_default_that_is_written_out_is_no_other_rule() {
    let plain = Profile::new(rules()).unwrap().digest();
    let week = Rules { carry_out_within: Some(Span::from_secs(7 * 86_400)), ..rules() };
    assert_eq!(week.carry_out_within(), rules().carry_out_within());
    assert_eq!(Profile::new(week).unwrap().digest(), plain);
}

#[test]
fn every_rule_changes_the_digest_and_the_display_name_does_not() {
    let delivery = || Delivery { path: "/a/{certificate}".to_owned(), owner: None, mode: 0o644, key_path: None };
    let edits: [&dyn Fn(&mut Rules); 53] = [
        &|_| {},
        &|r| r.id = "p-x".to_owned(),
        &|r| r.environment = "test".to_owned(),
        &|r| r.names.push("corp.example".parse().unwrap()),
        &|r| r.requires_approval = false,
        &|r| r.quorum.clear(),
        &|r| r.quorum = vec![step("pki", 1)],
        &|r| r.issuer = "other".to_owned(),
        &|r| r.keys.push(KeyAlgorithm::Ed25519),
        &|r| r.extended_key_usage.clear(),
        &|r| r.max_validity = Span::from_secs(1),
        &|r| r.justification = Justification::Optional,
        &|r| r.ticket_pattern = None,
        &|r| r.approval_timeout = Some(Span::from_secs(1)),
        &|r| r.renewal_policy = Some("rp-x".to_owned()),
        &|r| r.allow_wildcards = true,
        &|r| r.allow_ca = true,
        &|r| r.allow_ip = true,
        &|r| r.subject.clear(),
        &|r| r.require_login_session = true,
        &|r| r.decision_signature = Some(SignatureDemand::Ssh),
        &|r| r.decision_signature = Some(SignatureDemand::Fido2),
        &|r| r.deliver = Some(delivery()),
        &|r| r.deliver = Some(Delivery { mode: 0o600, ..delivery() }),
        &|r| r.deliver = Some(Delivery { owner: Some("www".to_owned()), ..delivery() }),
        &|r| r.deliver = Some(Delivery { key_path: Some("/b/{certificate}".to_owned()), ..delivery() }),
        &|r| r.renew_key = RenewKey::New,
        &|r| r.quorum.push(step("leads", 1)),
        &|r| r.quorum.insert(0, step("leads", 1)),
        &|r| r.quorum = vec![step("pki", 2), step("leads", 2)],
        &|r| r.quorum_order = QuorumOrder::Ordered,
        &|r| r.reject_threshold = 2,
        &|r| r.extra_for_scheduler = 1,
        &|r| r.routes = vec![route("group:payments")],
        &|r| r.routes = vec![route("person:payments")],
        &|r| r.routes = vec![route("group:payments"), route("person:payments")],
        &|r| r.routes = vec![route("person:payments"), route("group:payments")],
        &|r| r.routes = vec![Route { quorum: vec![step("payments", 2)], ..route("group:payments") }],
        &|r| r.routes = vec![Route { quorum_order: QuorumOrder::Ordered, ..route("group:payments") }],
        &|r| r.carry_out_within = Some(Span::from_secs(3600)),
        &|r| r.escalations = vec![escalation(4, &["leads"])],
        &|r| r.escalations = vec![escalation(5, &["leads"])],
        &|r| r.escalations = vec![escalation(4, &["leads", "ops"])],
        &|r| r.escalations = vec![escalation(4, &["leads"]), escalation(5, &["ops"])],
        &|r| r.auto_approve_after = Some(Span::from_secs(3600)),
        &|r| r.allow_delegation = false,
        &|r| r.calendar = Some(calendar()),
        &|r| r.calendar = Some(Calendar { id: "other".to_owned(), ..calendar() }),
        &|r| r.calendar = Some(Calendar { days: Vec::new(), ..calendar() }),
        &|r| r.calendar = Some(Calendar { from: "09:00".parse().unwrap(), ..calendar() }),
        &|r| r.calendar = Some(Calendar { until: "17:00".parse().unwrap(), ..calendar() }),
        &|r| r.calendar = Some(Calendar { timezone: "UTC".parse().unwrap(), ..calendar() }),
        &|r| r.calendar = Some(Calendar { holidays: Vec::new(), ..calendar() }),
    ];
    let digest = |edit: &dyn Fn(&mut Rules)| {
        let mut rules = rules();
        edit(&mut rules);
        Profile::new(rules).unwrap().digest()
    };
    let digests: BTreeSet<Digest> = edits.iter().map(|edit| digest(edit)).collect();
    assert_eq!(digests.len(), edits.len());
    assert_eq!(digest(&|r| r.name = "Other".to_owned()), digest(&|_| {}));
}

#[test]
fn a_snapshot_reads_back_with_its_digest() {
    let profile = Profile::new(rules()).unwrap();
    let snapshot = serde_json::to_string(&profile).unwrap();
    let read: Profile = serde_json::from_str(&snapshot).unwrap();
    assert_eq!(read, profile);
    assert_eq!(read.digest(), profile.digest());
    let with_more = snapshot.replacen('{', "{\"allow_all\":true,", 1);
    assert!(serde_json::from_str::<Profile>(&with_more).is_err());
    let profile = Profile::new(full()).unwrap();
    let read: Profile = serde_json::from_str(&serde_json::to_string(&profile).unwrap()).unwrap();
    assert_eq!((read.digest(), &read), (profile.digest(), &profile));
    let text = snapshot.replace("\"Corp\"", "\"e\u{301}\"");
    assert!(serde_json::from_str::<Profile>(&text).is_err(), "no canonical form");
}

#[test]
fn the_view_says_who_has_to_agree() {
    let default = Span::from_secs(7200);
    let view = |edit: &dyn Fn(&mut Rules)| {
        let mut rules = rules();
        edit(&mut rules);
        let profile = Profile::new(rules).unwrap();
        (profile.votes_needed(), profile.to_view(default))
    };
    let (votes, with_step) = view(&|_| {});
    assert_eq!((votes, with_step.quorum), (2, vec!["2 of group pki".to_owned()]));
    assert_eq!(with_step.approval_timeout, default);
    let (votes, without) = view(&|r| r.quorum.clear());
    assert_eq!((votes, without.quorum), (1, vec!["1 operator of the profile other than the requester".to_owned()]));
    let (votes, all) = view(&|r| *r = full());
    assert_eq!(votes, 3);
    assert_eq!(
        all.quorum,
        [
            "first 2 of group pki",
            "then 1 of group leads",
            "for certificates of group:payments: 1 of group payments",
            "1 more, any operators of the profile, where no human asked",
        ]
    );
    let (votes, unattended) = view(&|r| r.requires_approval = false);
    assert_eq!((votes, unattended.quorum), (0, Vec::new()));
}

#[test]
fn ticket_patterns_are_bounded() {
    assert!(TicketPattern::new("^SECOPS-[0-9]+$").unwrap().is_match("SECOPS-7"));
    for bad in ["", "(", "a{1000}{1000}", &"(".repeat(200), &"a".repeat(257), "\\p{Greek}"] {
        assert!(TicketPattern::new(bad).is_err(), "{bad}");
    }
}
