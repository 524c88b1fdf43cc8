use std::collections::BTreeSet;

use super::*;

fn rules() -> Rules {
    Rules {
        id: "p-web".to_owned(),
        name: "Web servers".to_owned(),
        environment: "production".to_owned(),
        names: vec!["*.corp.example".parse().unwrap()],
        requires_approval: true,
        quorum: Some(QuorumStep { group: "pki".to_owned(), need: 2 }),
        issuer: "local-ca".to_owned(),
        keys: vec![KeyAlgorithm::Rsa(2048)],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        max_validity: Span::from_secs(90 * 86_400),
        justification: Justification::Required,
        ticket_pattern: Some(TicketPattern::new("^SECOPS-[0-9]+$").unwrap()),
        approval_timeout: None,
        renewal_policy: None,
        allow_wildcards: false,
        allow_ca: false,
        allow_ip: false,
        subject: vec![(SubjectAttribute::Organization, "Corp".to_owned())],
        require_login_session: false,
        deliver: None,
    }
}

#[test]
fn every_rule_changes_the_digest_and_the_display_name_does_not() {
    let delivery = || Delivery { path: "/a/{certificate}".to_owned(), owner: None, mode: 0o644 };
    let edits: [&dyn Fn(&mut Rules); 23] = [
        &|_| {},
        &|r| r.id = "p-x".to_owned(),
        &|r| r.environment = "test".to_owned(),
        &|r| r.names.push("corp.example".parse().unwrap()),
        &|r| r.requires_approval = false,
        &|r| r.quorum = None,
        &|r| r.quorum = Some(QuorumStep { group: "pki".to_owned(), need: 1 }),
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
        &|r| r.deliver = Some(delivery()),
        &|r| r.deliver = Some(Delivery { mode: 0o600, ..delivery() }),
        &|r| r.deliver = Some(Delivery { owner: Some("www".to_owned()), ..delivery() }),
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
    let (votes, without) = view(&|r| r.quorum = None);
    assert_eq!((votes, without.quorum), (1, vec!["1 operator of the profile other than the requester".to_owned()]));
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
