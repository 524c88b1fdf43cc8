use std::fmt::Write;

use countersign_shared::time::Timestamp;
use proptest::prelude::*;

use super::super::tests::{POLICY, errors};
use super::super::{Permissions, Policy};
use super::*;
use crate::identity::directory::Account;

/// What each built-in role gives: for all profiles, and where a grant names `p-web`, under it, under another profile, and
/// about what belongs to none.
const TABLE: &str = "\
permission          requester  operator   admin      auditor
request.submit      1 1 0 0    0 0 0 0    0 0 0 0    0 0 0 0
request.read_own    1 1 1 1    0 0 0 0    1 1 1 1    0 0 0 0
request.read        0 0 0 0    1 1 0 0    1 1 0 0    0 0 0 0
request.approve     0 0 0 0    1 1 0 0    1 1 0 0    0 0 0 0
request.void        0 0 0 0    0 0 0 0    1 1 0 0    0 0 0 0
certificate.revoke  0 0 0 0    1 1 0 0    1 1 0 0    0 0 0 0
certificate.retire  0 0 0 0    1 1 0 0    1 1 0 0    0 0 0 0
certificate.import  1 1 1 1    0 0 0 0    0 0 0 0    0 0 0 0
inventory.manage    0 0 0 0    0 0 0 0    1 0 0 0    0 0 0 0
alert.manage        0 0 0 0    1 1 0 0    1 1 0 0    0 0 0 0
alarm.receive       0 0 0 0    0 0 0 0    1 0 0 0    0 0 0 0
profile.read        1 1 0 0    1 1 0 0    1 1 0 0    1 1 0 0
ledger.read         0 0 0 0    1 1 1 1    1 1 1 1    1 1 1 1
ledger.export       0 0 0 0    0 0 0 0    1 0 0 0    1 0 0 0
policy.read         0 0 0 0    0 0 0 0    1 0 0 0    1 0 0 0
policy.propose      0 0 0 0    0 0 0 0    1 0 0 0    0 0 0 0
policy.approve      0 0 0 0    1 0 0 0    1 0 0 0    0 0 0 0
delegation.revoke   0 0 0 0    0 0 0 0    1 0 0 0    0 0 0 0
quorum.every_group  0 0 0 0    0 0 0 0    1 0 0 0    0 0 0 0
";

#[test]
fn what_the_built_in_roles_give_is_one_table() {
    let mut table = format!("{:20}{}", "permission", Role::built_in().map(|role| format!("{role:11}")).concat());
    table.truncate(table.trim_end().len());
    table.push('\n');
    let web = ["p-web".to_owned()];
    for permission in Permission::ALL {
        let cell = |role: &Role| {
            let gives = |profiles, profile| u8::from(role.gives(profiles, permission.about(profile)));
            let narrowed = |profile| gives(Some(web.as_slice()), profile);
            // Without a list a role gives the same under every profile, and about what belongs to none.
            assert!(["p-api", ""].iter().all(|profile| gives(None, profile) == gives(None, "p-web")), "{role}");
            format!("{} {} {} {}", gives(None, "p-web"), narrowed("p-web"), narrowed("p-api"), narrowed(""))
        };
        let cells = Role::built_in().iter().map(cell).collect::<Vec<_>>().join("    ");
        let _ = writeln!(table, "{:20}{cells}", permission.as_str());
    }
    assert_eq!(table, TABLE);
}

fn with(tables: &str) -> String {
    format!("{POLICY}{tables}")
}

fn role(name: &str, permissions: &str) -> String {
    format!("[[role]]\nname = \"{name}\"\npermissions = [{permissions}]\n")
}

fn grant(role: &str, to: &str, more: &str) -> String {
    format!("[[grant]]\nrole = \"{role}\"\nto = \"{to}\"\n{more}\n")
}

const NIGHT: &str = "\"request.read\", \"request.approve\", \"profile.read\"";

#[test]
fn mistakes_are_refused_with_their_place_and_what_to_do() {
    // The document ends on line 37.
    let night = |permissions: &str| role("night", permissions) + &grant("night", "user:nina", "");
    let long = format!("\"{}\"", "x".repeat(9000));
    let table: &[(String, &str)] = &[
        (night(""), "line 40: [[role]] night: permissions: the list is empty, and gives nothing: name permissions, or"),
        (night("\"request.aprove\""), "permissions: `request.aprove` is no permission: expected request.submit, "),
        (night("\"request.reject\""), "permissions: `request.reject` is no permission: expected request.submit, "),
        (night("\"*\""), "permissions: `*` is no permission"),
        (night("\"request.*\""), "permissions: `request.*` is no permission"),
        (night("\"Request.Read\""), "permissions: `Request.Read` is no permission"),
        (night("\" request.read\""), "permissions: ` request.read` is no permission"),
        (night("\"request.read\\u202e\""), "is no permission"),
        (night(&long), "permissions: `xxx"),
        (night("\"request.read\", \"request.read\""), "permissions: request.read is there twice"),
        (night("\"quorum.every_group\""), "permissions: quorum.every_group is what admins alone have"),
        (
            night("\"request.approve\""),
            "permissions: request.approve without request.read: nobody acts on what they cannot",
        ),
        (night("\"request.approve\", \"request.read_own\""), "request.approve without request.read"),
        (night("\"request.void\""), "request.void without request.read"),
        (night("\"request.submit\""), "request.submit without request.read_own"),
        (night("\"certificate.import\""), "certificate.import without request.read_own"),
        (night("\"ledger.export\""), "ledger.export without ledger.read"),
        (night("\"policy.propose\", \"request.read_own\""), "policy.propose without policy.read"),
        (night("\"policy.propose\", \"policy.read\""), "policy.propose without request.read_own"),
        (night("1"), "permissions: invalid type: integer"),
        ("[[role]]\nname = \"x\"".to_owned(), "[[role]] x: missing field `permissions`"),
        ("[[role]]\npermissions = [\"request.read\"]".to_owned(), "[[role]] number 1: missing field `name`"),
        ("[[role]]\nname = \"x\"\npermissions = \"request.read\"".to_owned(), "[[role]] x: permissions: invalid type"),
        (
            "[[role]]\nname = \"x\"\npermissions = [\"request.read\"]\nprofiles = [\"p-web\"]".to_owned(),
            "[[role]] x: profiles: unknown field",
        ),
        ("[role]\nname = \"x\"".to_owned(), "role is a list of tables, each written as [[role]]"),
        (role("Night Shift", NIGHT), "[[role]] Night Shift: name: "),
        (role("", NIGHT), "name: "),
        (
            role("operator", NIGHT),
            "line 39: [[role]] operator: name: operator is built in, and means the same in every",
        ),
        (role("admin", "\"request.read_own\""), "name: admin is built in"),
        (role("night", NIGHT) + &role("night", NIGHT), "line 42: [[role]] night: name: a second [[role]] of that name"),
        (
            grant("night", "user:nina", ""),
            "[[grant]] number 3: role: `night`: there is no [[role]] of that name: expected one of requester, operator, \
             admin, auditor",
        ),
        (grant("Operator", "user:nina", ""), "role: `Operator`: there is no [[role]]"),
        (
            role("night", NIGHT) + &grant("night", "user:nina", "profiles = [\"p-x\"]"),
            "profiles: there is no [[profile]] `p-x`",
        ),
        (
            role("keeper", "\"policy.read\", \"request.read\"") + &grant("keeper", "user:k", "profiles = [\"p-web\"]"),
            "profiles: keeper gives policy.read, which is about everything: remove the key, or policy.read from the role",
        ),
        ((0..65).map(|at| role(&format!("r{at}"), NIGHT)).collect(), "65 tables [[role]]; at most 64 are allowed"),
    ];
    for (tables, expected) in table {
        let found = errors(&with(tables));
        assert!(
            found.iter().any(|error| error.contains(expected)),
            "{tables}: expected {expected:?}, found {found:#?}"
        );
        assert!(found.iter().all(|error| !error.chars().any(countersign_shared::text::is_deceiving)), "{found:#?}");
        assert!(found.iter().all(|error| error.chars().count() <= 401), "{found:#?}");
    }
    // What follows from a mistake is none of its own: the grant of a role that could not be read.
    assert_eq!(errors(&with(&night("1"))).len(), 1);
    assert_eq!(errors(&with(&night("\"request.aprove\", \"request.read\""))).len(), 1);
}

#[test]
fn a_role_that_nobody_has_is_warned_of_and_one_that_somebody_has_is_not() {
    let (_, warnings) = Policy::parse(&with(&role("night", NIGHT))).unwrap();
    assert_eq!(warnings, ["line 38: [[role]] night: no grant gives it to anybody: grant it, or remove it"]);
    let (_, warnings) = Policy::parse(&with(&(role("night", NIGHT) + &grant("night", "user:nina", "")))).unwrap();
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_stored_document_of_a_program_that_knew_more_gives_less_and_says_so() {
    let document = with(&(role("night", "\"request.read\", \"moon.shine\"") + &grant("night", "user:nina", "")));
    assert!(Policy::parse(&document).is_err());
    let (policy, warnings) = Policy::parse_stored(&document).unwrap();
    assert!(warnings[0].contains("permissions: `moon.shine` is no permission that this program knows"), "{warnings:?}");
    let held = Permissions::of(&policy, &somebody("nina"), Timestamp::EPOCH);
    assert_eq!(held.in_words(), ["request.read"]);
}

fn somebody(name: &str) -> Account {
    Account { uid: 4711, name: Some(name.to_owned()), unix_groups: Vec::new() }
}

#[test]
fn a_grant_narrows_a_role_of_the_document_and_ends_it() {
    let second = POLICY.replace("[[renewal_policy]]", &format!("{}[[renewal_policy]]", SECOND));
    let document = second
        + &role("night", NIGHT)
        + &grant("night", "user:nina", "profiles = [\"p-api\"]\nuntil = 2030-01-01T00:00:00Z")
        + &grant("night", "user:nina", "profiles = [\"p-web\"]\nuntil = 2029-01-01T00:00:00Z")
        + &grant("operator", "user:otto", "profiles = [\"p-api\"]")
        + &grant("night", "user:otto", "profiles = [\"p-web\"]");
    let (policy, _) = Policy::parse(&document).unwrap();
    let held = |name, at: &str| Permissions::of(&policy, &somebody(name), at.parse().unwrap());
    let shown = |held: &Permissions| held.roles().iter().map(ToString::to_string).collect::<Vec<_>>();
    let early = held("nina", "2028-12-31T23:59:59Z");
    assert_eq!(shown(&early), ["night (p-api, p-web)"]);
    assert_eq!(
        early.in_words(),
        ["request.read (p-api, p-web)", "request.approve (p-api, p-web)", "profile.read (p-api, p-web)"]
    );
    let late = held("nina", "2029-01-01T00:00:00Z");
    assert_eq!(shown(&late), ["night (p-api)"]);
    assert!(late.allows(Permission::Decide("p-api")) && !late.allows(Permission::Decide("p-web")));
    assert!(!late.allows(Permission::ReadAllRequests("")) && !late.is_admin());
    assert_eq!(shown(&held("nina", "2030-01-01T00:00:00Z")), [""; 0]);
    // Built-in roles come first; what several roles give adds up.
    let otto = held("otto", "2028-01-01T00:00:00Z");
    assert_eq!(shown(&otto), ["operator (p-api)", "night (p-web)"]);
    let words = otto.in_words();
    assert!(words.contains(&"request.approve (p-api, p-web)".to_owned()), "{words:?}");
    assert!(words.contains(&"certificate.revoke (p-api)".to_owned()), "{words:?}");
    assert!(words.contains(&"ledger.read".to_owned()), "about no profile: {words:?}");
    assert!(!words.iter().any(|word| word.starts_with("policy.approve")), "{words:?}");
}

const SECOND: &str = r#"[[profile]]
id = "p-api"
name = "API"
environment = "production"
names = ["*.api.example"]
requires_approval = true
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "90d"
"#;

/// The same rights by another name: whatever the policy says of an operator it says of the role with its permissions.
#[test]
fn a_role_with_the_permissions_of_an_operator_is_an_operator_to_everybody_who_asks() {
    let permissions = Role::built_in()[1].permissions();
    let listed = permissions.iter().map(|permission| format!("\"{}\"", permission.as_str())).collect::<Vec<_>>();
    // `policy.approve` is about everything, and goes with no list of profiles.
    for narrowed in [true, false] {
        let listed: Vec<String> =
            listed.iter().filter(|name| !(narrowed && name.contains("policy.approve"))).cloned().collect();
        let scope = if narrowed { "profiles = [\"p-web\"]" } else { "" };
        let base =
            POLICY.replace("profiles = [\"p-web\"]", scope).replace("[[issuer]]", &format!("{SECOND}[[issuer]]"));
        let base = base + &grant("admin", "user:carol", "");
        let own = base.replace("role = \"operator\"", "role = \"night\"") + &role("night", &listed.join(", "));
        let (built_in, own) = (Policy::parse(&base).unwrap().0, Policy::parse(&own).unwrap().0);
        let now = Timestamp::EPOCH;
        assert_eq!(own.change_deciders(&somebody("carol"), now), built_in.change_deciders(&somebody("carol"), now));
        for name in ["alice", "bob", "carol", "erin"] {
            let who = somebody(name);
            let held = |policy| Permissions::of(policy, &who, now).in_words();
            assert_eq!(held(&own), held(&built_in), "{name}");
            for id in ["p-web", "p-api"] {
                let [own_profile, profile] = [&own, &built_in].map(|policy| policy.profile(id).unwrap());
                assert_eq!(own.deciders(own_profile, &who, now), built_in.deciders(profile, &who, now), "{name} {id}");
                assert_eq!(
                    own.counts_for(own_profile, &who, now),
                    built_in.counts_for(profile, &who, now),
                    "{name} {id}"
                );
            }
            assert_eq!(own.operators("p-web", now), built_in.operators("p-web", now));
        }
        let said = |policy| super::super::prove::prove(policy, now);
        let apart = |finding: &countersign_shared::protocol::Finding| finding.rule != "separation_of_duties";
        assert_eq!(said(&own).into_iter().filter(apart).collect::<Vec<_>>(), said(&built_in));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An independent reading: a role gives what its list names, under the profiles that the grant names.
    #[test]
    fn a_role_gives_what_its_list_names_and_nothing_else(chosen in proptest::bits::u32::between(0, 18), narrowed: bool) {
        let mut chosen: Vec<Permission<'_>> =
            Permission::ALL.into_iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, one)| one).collect();
        let needed: Vec<Permission<'_>> = chosen.iter().flat_map(|one| one.needs()).copied().collect();
        needed.into_iter().for_each(|one| if !chosen.contains(&one) { chosen.push(one) });
        let names: Vec<String> = chosen.iter().map(|one| format!("\"{}\"", one.as_str())).collect();
        let scope = if narrowed { "profiles = [\"p-web\"]" } else { "" };
        let parsed = Policy::parse(&with(&(role("night", &names.join(", ")) + &grant("night", "user:nina", scope))));
        let whole = |one: &&Permission<'_>| matches!(one.as_str(), "inventory.manage" | "alarm.receive" | "ledger.export"
            | "policy.read" | "policy.propose" | "policy.approve" | "delegation.revoke");
        if chosen.is_empty() || (narrowed && chosen.iter().any(|one| whole(&one))) {
            prop_assert!(parsed.is_err());
            return Ok(());
        }
        let (policy, _) = parsed.unwrap();
        let held = Permissions::of(&policy, &somebody("nina"), Timestamp::EPOCH);
        prop_assert!(!held.is_admin());
        for permission in Permission::ALL {
            let listed = chosen.contains(&permission);
            prop_assert_eq!(held.allows(permission.about("p-web")), listed, "{}", permission.as_str());
            let beside = matches!(permission.as_str(), "request.read_own" | "certificate.import" | "ledger.read");
            let elsewhere = listed && (!narrowed || beside);
            prop_assert_eq!(held.allows(permission.about("p-api")), elsewhere, "{}", permission.as_str());
            prop_assert_eq!(held.allows(permission), elsewhere, "{}", permission.as_str());
        }
    }

    #[test]
    fn no_text_makes_a_role_that_was_not_written(name in "\\PC{0,40}", permission in "\\PC{0,40}") {
        let text = |raw: &str| toml::Value::String(raw.to_owned()).to_string();
        let document = with(&format!("[[role]]\nname = {}\npermissions = [{}]\n", text(&name), text(&permission)));
        match Policy::parse(&document) {
            Ok((policy, _)) => {
                let found: Vec<&Role> = policy.roles_of_document().collect();
                prop_assert_eq!(found.len(), 1);
                prop_assert_eq!(found[0].name(), name.as_str());
                prop_assert_eq!(found[0].permissions().iter().map(Permission::as_str).collect::<Vec<_>>(), [permission]);
            }
            Err(errors) => {
                prop_assert!(errors.iter().all(|error| !error.chars().any(countersign_shared::text::is_deceiving)));
            }
        }
    }
}

#[test]
fn whoever_is_refused_learns_which_roles_would_do() {
    assert_eq!(
        Permission::ExportLedger.needed(),
        "the permission ledger.export is needed: admin and auditor give it, and so does a role of the policy that lists it"
    );
    assert!(Permission::Submit("p-web").needed().contains("request.submit is needed: requester gives it"));
}
