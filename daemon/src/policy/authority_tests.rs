use super::*;

const POLICY: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice", "alice-adm", "uid:61001"]
[[person]]
name = "bob"
accounts = ["bob"]
[[person]]
name = "carol"
accounts = ["carol"]
[[group]]
name = "pki"
members = ["person:alice", "user:bob", "unixgroup:pki-unix"]
[[group]]
name = "outer"
members = ["group:pki", "uid:7000"]
[[grant]]
role = "requester"
to = "group:outer"
profiles = ["p-web"]
[[grant]]
role = "operator"
to = "group:outer"
profiles = ["p-web", "p-api"]
[[grant]]
role = "admin"
to = "person:carol"
[[grant]]
role = "auditor"
to = "user:dave"
until = 2030-01-01T00:00:00Z
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
quorum = [{ group = "pki", need = 1 }]
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "90d"
[[profile]]
id = "p-api"
name = "API"
environment = "production"
names = ["*.api.corp.example"]
requires_approval = true
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "90d"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

fn policy() -> Policy {
    Policy::parse(POLICY).unwrap().0
}

fn account(uid: u32, name: &str, unix_groups: &[&str]) -> Account {
    let unix_groups = unix_groups.iter().map(|group| (*group).to_owned()).collect();
    Account { uid, name: (!name.is_empty()).then(|| name.to_owned()), unix_groups }
}

fn at(raw: &str) -> Timestamp {
    raw.parse().unwrap()
}

#[test]
fn accounts_fold_into_people() {
    let policy = policy();
    for (uid, name, person) in [
        (1000, "alice", Some("alice")),
        (1001, "alice-adm", Some("alice")),
        (61001, "", Some("alice")),
        (61001, "renamed", Some("alice")),
        (61001, "bob", None),
        (1002, "bob", Some("bob")),
        (1003, "erin", None),
        (0, "alice", None),
        (0, "root", None),
    ] {
        assert_eq!(policy.person_of(&account(uid, name, &[])), person, "{uid} {name}");
    }
    assert_eq!(policy.conflicting_people(&account(61001, "bob", &[])), Some(("bob", "alice")));
}

#[test]
fn membership_is_by_person_account_number_and_unix_group() {
    let policy = policy();
    for (who, pki, outer) in [
        (account(1001, "alice-adm", &[]), true, true),
        (account(1002, "bob", &[]), true, true),
        (account(1003, "erin", &["pki-unix"]), true, true),
        (account(7000, "", &[]), false, true),
        (account(1003, "erin", &["pki"]), false, false),
        (account(0, "root", &["pki-unix"]), false, false),
    ] {
        assert_eq!((policy.in_group("pki", &who), policy.in_group("outer", &who)), (pki, outer), "{who:?}");
        assert!(!policy.in_group("none", &who));
    }
}

#[test]
fn permissions_are_a_closed_table() {
    let policy = policy();
    let now = at("2029-12-31T23:59:59Z");
    let all = |profile| {
        [
            Permission::Submit(profile),
            Permission::ReadProfile(profile),
            Permission::ReadAllRequests(profile),
            Permission::ReadOwnRequests,
            Permission::Decide(profile),
            Permission::Void(profile),
            Permission::ReadLedger,
            Permission::ExportLedger,
            Permission::ReadPolicy,
        ]
    };
    let allowed = |who: &Account, profile| {
        let permissions = Permissions::of(&policy, who, now);
        all(profile).map(|permission| u8::from(permissions.allows(permission)))
    };
    let alice = account(1000, "alice", &[]);
    let (carol, dave) = (account(1005, "carol", &[]), account(1006, "dave", &[]));
    assert_eq!(allowed(&alice, "p-web"), [1, 1, 1, 1, 1, 0, 1, 0, 0]);
    assert_eq!(allowed(&alice, "p-api"), [0, 1, 1, 1, 1, 0, 1, 0, 0]);
    assert_eq!(allowed(&alice, "p-other"), [0, 0, 0, 1, 0, 0, 1, 0, 0]);
    assert_eq!(allowed(&carol, "p-other"), [0, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(allowed(&dave, "p-web"), [0, 1, 0, 0, 0, 0, 1, 1, 1]);
    for nobody in [account(1003, "erin", &[]), account(0, "root", &["pki-unix"]), account(61001, "bob", &[])] {
        assert_eq!(allowed(&nobody, "p-web"), [0; 9], "{nobody:?}");
    }
}

#[test]
fn a_grant_ends_at_its_moment() {
    let policy = policy();
    let dave = account(1006, "dave", &[]);
    assert_eq!(policy.roles(&dave, at("2029-12-31T23:59:59.999Z")).len(), 1);
    assert_eq!(policy.roles(&dave, at("2030-01-01T00:00:00Z")), []);
    let mut wider =
        POLICY.replacen("profiles = [\"p-web\"]\n", "profiles = [\"p-web\"]\nuntil = 2029-06-01T00:00:00Z\n", 1);
    wider.push_str("[[grant]]\nrole = \"requester\"\nto = \"user:alice\"\n");
    let (wider, _) = Policy::parse(&wider).unwrap();
    let shown = |name, now| wider.roles(&account(1000, name, &[]), at(now))[0].to_string();
    assert_eq!(shown("alice", "2029-01-01T00:00:00Z"), "requester");
    assert_eq!(shown("bob", "2029-05-31T00:00:00Z"), "requester (p-web)");
    assert_eq!(shown("bob", "2029-06-01T00:00:00Z"), "operator (p-api, p-web)");
    let operator = &policy.roles(&account(1002, "bob", &[]), at("2029-01-01T00:00:00Z"))[1];
    assert_eq!(operator.to_string(), "operator (p-api, p-web)");
}

#[test]
fn a_vote_counts_with_the_right_to_decide_and_the_step_s_group_or_as_admin() {
    let policy = policy();
    let now = at("2029-01-01T00:00:00Z");
    let web = policy.profile("p-web").unwrap();
    let api = policy.profile("p-api").unwrap();
    for (who, for_web, for_api) in [
        (account(1000, "alice", &[]), true, true),
        (account(7000, "", &[]), false, true),
        (account(1005, "carol", &[]), true, true),
        (account(1006, "dave", &[]), false, false),
        (account(0, "alice", &[]), false, false),
    ] {
        assert_eq!(policy.counts_for(web, &who, now), for_web, "{who:?}");
        assert_eq!(policy.counts_for(api, &who, now), for_api, "{who:?}");
    }
}

#[test]
fn any_step_a_route_s_or_an_escalation_s_group_lets_a_vote_count() {
    let document = POLICY
        .replace(
            "quorum = [{ group = \"pki\", need = 1 }]",
            "quorum = [{ group = \"pki\", need = 1 }, { group = \"leads\", need = 1 }]\n\
             route = [{ owner = \"person:dora\", quorum = [{ group = \"payments\", need = 1 }] }]\n\
             escalate = [{ after = \"4h\", groups = [\"night\"] }]",
        )
        .replace(
            "[[grant]]\nrole = \"admin\"",
            "[[person]]\nname = \"dora\"\naccounts = [\"dora\"]\n\
             [[group]]\nname = \"leads\"\nmembers = [\"person:dora\"]\n\
             [[group]]\nname = \"payments\"\nmembers = [\"user:paul\"]\n\
             [[group]]\nname = \"night\"\nmembers = [\"user:nina\"]\n\
             [[grant]]\nrole = \"operator\"\nto = \"group:leads\"\n\
             [[grant]]\nrole = \"operator\"\nto = \"group:payments\"\n\
             [[grant]]\nrole = \"operator\"\nto = \"group:night\"\n\
             [[grant]]\nrole = \"operator\"\nto = \"user:oscar\"\n\
             [[grant]]\nrole = \"admin\"",
        );
    let (policy, _) = Policy::parse(&document).unwrap();
    let web = policy.profile("p-web").unwrap();
    let now = at("2029-01-01T00:00:00Z");
    let asked = || web.rules().step_groups().chain(web.rules().escalation_groups());
    for (name, counts, groups) in [
        ("alice", true, &["pki"][..]),
        ("dora", true, &["leads"]),
        ("paul", true, &["payments"]),
        ("nina", true, &["night"]),
        ("oscar", false, &[]),
        ("carol", true, &[]),
        ("nobody", false, &[]),
    ] {
        let who = account(2000, name, &[]);
        assert_eq!(policy.counts_for(web, &who, now), counts, "{name}");
        assert_eq!(policy.groups_of(asked(), &who), groups, "{name}");
        assert_eq!(policy.is_admin(&who, now), name == "carol", "{name}");
    }
    let others = policy.deciders(web, &account(2000, "alice", &[]), now);
    assert_eq!(others, ["bob", "carol", "dora", "paul", "members of the unix group pki-unix"]);
    assert_eq!(policy.groups_of(["pki", "none", "pki"].into_iter(), &account(0, "alice", &[])), [""; 0]);
    let owner = &web.rules().routes[0].owner;
    assert!(policy.is_member(owner, &account(1, "dora", &[])) && !policy.is_member(owner, &account(1, "paul", &[])));
    let pki = Member::Group("pki".to_owned());
    assert!(
        policy.is_member(&pki, &account(1, "zoe", &["pki-unix"])) && !policy.is_member(&pki, &account(1, "zoe", &[]))
    );
}

#[test]
fn deciders_are_named_without_the_requester_in_any_guise() {
    let policy = policy();
    let now = at("2029-01-01T00:00:00Z");
    let web = policy.profile("p-web").unwrap();
    let unix = "members of the unix group pki-unix".to_owned();
    let named = |who: Account| policy.deciders(web, &who, now);
    assert_eq!(named(account(1001, "alice-adm", &[])), ["bob".to_owned(), "carol".to_owned(), unix.clone()]);
    assert_eq!(named(account(1003, "erin", &[])), ["alice".to_owned(), "bob".to_owned(), "carol".to_owned(), unix]);
    let api = policy.profile("p-api").unwrap();
    assert!(policy.deciders(api, &account(1003, "erin", &[]), now).contains(&"uid:7000".to_owned()));
    assert!(!policy.deciders(api, &account(7000, "svc", &[]), now).contains(&"uid:7000".to_owned()));
}

#[test]
fn powers_say_of_every_account_what_counts_for_says() {
    let policy = policy();
    let profiles: Vec<&Profile> = policy.profiles().iter().collect();
    let powers = Powers::of(&policy, &profiles, |_| true);
    let far = at("2000-01-01T00:00:00Z");
    let mut who: Vec<Account> = policy.known_accounts().iter().map(|name| synthetic(Some(name), Vec::new())).collect();
    who.extend([account(0, "alice", &[]), account(61001, "bob", &[]), account(5, "zoe", &["pki-unix"])]);
    let mut counted = 0;
    for who in &who {
        for (position, profile) in profiles.iter().enumerate() {
            let counts = powers.counts(&powers.of_account(who)).has(position);
            assert_eq!(counts, policy.counts_for(profile, who, far), "{who:?} {}", profile.id());
            counted += usize::from(counts);
        }
    }
    assert!(counted > 4 && counted < who.len() * profiles.len(), "{counted}");
}
