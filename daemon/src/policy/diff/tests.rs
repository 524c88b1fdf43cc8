use proptest::prelude::*;

use super::*;

/// Everything that a document can say, so that an edit changes one line of it.
const POLICY: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice", "alice-adm"]
email = "alice@corp.example"
keys = ["ssh-ed25519 AAAAone a"]
[[person]]
name = "bob"
accounts = ["bob"]
[[person]]
name = "carol"
accounts = ["carol"]
[[person]]
name = "dora"
accounts = ["dora"]
[[group]]
name = "pki"
members = ["user:nina", "user:otto", "user:paul", "person:alice", "person:bob", "person:carol"]
[[group]]
name = "leads"
members = ["person:carol", "person:dora"]
[[group]]
name = "team"
members = ["user:erin", "user:frank"]
[[group]]
name = "owners"
members = ["group:team"]
[[grant]]
role = "requester"
to = "group:team"
profiles = ["p-dev", "p-web"]
[[grant]]
role = "operator"
to = "group:pki"
[[grant]]
role = "operator"
to = "group:leads"
until = 2030-01-01T00:00:00Z
[[grant]]
role = "auditor"
to = "user:zoe"
[[role]]
name = "night"
permissions = ["request.read", "request.approve"]
[[grant]]
role = "night"
to = "user:nora"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["corp.example", "*.corp.example"]
requires_approval = true
quorum = [{ group = "pki", need = 2 }, { group = "leads", need = 1 }]
quorum_order = "parallel"
reject_threshold = 2
extra_for_scheduler = 1
route = [{ owner = "group:owners", quorum = [{ group = "pki", need = 2 }] }]
carry_out_within = "2d"
escalate = [{ after = "4h", groups = ["leads"] }]
calendar = "office"
auto_approve_after = "24h"
allow_delegation = false
issuer = "hsm"
keys = ["rsa-3072", "ed25519"]
extended_key_usage = ["server_auth", "client_auth"]
max_validity = "90d"
justification = "required"
ticket_pattern = "^A[0-9]+$"
approval_timeout = "72h"
renewal_policy = "rp-std"
allow_wildcards = false
allow_ca = false
allow_ip = false
subject = { organization = "Corp", country = "DE" }
require_login_session = true
deliver = { path = "/etc/ssl/{certificate}.pem", owner = "root:ssl", mode = "0644" }
[[profile]]
id = "p-dev"
name = "Dev"
environment = "development"
names = ["*.dev.corp.example"]
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "30d"
[[calendar]]
id = "office"
days = ["mon", "tue"]
from = "08:00"
until = "18:00"
timezone = "Europe/Berlin"
holidays = ["2026-12-25"]
[change_control]
quorum = [{ group = "leads", need = 2 }]
quorum_order = "parallel"
reject_threshold = 2
approval_timeout = "3d"
[[renewal_policy]]
id = "rp-std"
renewal_window_days = 20
auto_renew = false
max_retries = 4
retry_interval_seconds = 600
alert_thresholds_days = [30, 7]
alert_severity_map = { "30" = "informational", "7" = "critical" }
alert_channels = { warning = ["Slack"] }
[[issuer]]
id = "local-ca"
type = "local-ca"
crl = { url = "http://pki.corp.example/ca.crl", lifetime = "2d" }
[[issuer]]
id = "hsm"
type = "exec"
command = ["/usr/bin/sign", "--slot", "1"]
timeout = "30s"
"#;

/// What stands in the document, what it becomes, the table, id and key that say so, and which way that goes.
type Edit = (&'static str, &'static str, &'static str, &'static str, &'static str, Effect);

use Effect::{Laxer, Neutral, Stricter};

/// Edits of one key that touch no other, so that any two of different keys go together.
const EDITS: [Edit; 95] = [
    ("\"alice\", \"alice-adm\"]", "\"alice\", \"alice-adm\", \"newcomer\"]", "person", "alice", "accounts", Laxer),
    ("\"alice\", \"alice-adm\"]", "\"alice\"]", "person", "alice", "accounts", Stricter),
    ("alice@corp.example", "al@corp.example", "person", "alice", "email", Neutral),
    ("AAAAone a\"]", "AAAAone a\", \"ssh-ed25519 AAAAtwo b\"]", "person", "alice", "keys", Laxer),
    ("keys = [\"ssh-ed25519 AAAAone a\"]", "keys = []", "person", "alice", "keys", Stricter),
    (
        "\"person:bob\", \"person:carol\"]",
        "\"person:bob\", \"person:carol\", \"user:max\"]",
        "group",
        "pki",
        "members",
        Laxer,
    ),
    ("\"person:bob\", \"person:carol\"]", "\"person:carol\"]", "group", "pki", "members", Stricter),
    ("\"user:erin\", \"user:frank\"]", "\"user:erin\"]", "group", "team", "members", Laxer),
    (
        "\"user:erin\", \"user:frank\"]",
        "\"user:erin\", \"user:frank\", \"unixgroup:w\"]",
        "group",
        "team",
        "members",
        Laxer,
    ),
    ("role = \"auditor\"", "role = \"requester\"", "grant", "requester to user:zoe", "role", Laxer),
    ("\"request.read\", \"request.approve\"]", "\"request.read\"]", "role", "night", "permissions", Stricter),
    (
        "\"request.read\", \"request.approve\"]",
        "\"request.read\", \"request.approve\", \"ledger.read\"]",
        "role",
        "night",
        "permissions",
        Laxer,
    ),
    ("to = \"user:zoe\"", "to = \"user:yan\"", "grant", "auditor to user:yan", "to", Laxer),
    ("to = \"user:zoe\"", "to = \"user:yan\"", "grant", "auditor to user:zoe", "to", Stricter),
    ("[\"p-dev\", \"p-web\"]", "[\"p-web\"]", "grant", "requester to group:team", "profiles", Stricter),
    ("profiles = [\"p-dev\", \"p-web\"]\n", "", "grant", "requester to group:team", "profiles", Laxer),
    (
        "to = \"group:pki\"\n",
        "to = \"group:pki\"\nprofiles = [\"p-web\"]\n",
        "grant",
        "operator to group:pki",
        "profiles",
        Stricter,
    ),
    ("2030-01-01", "2031-01-01", "grant", "operator to group:leads", "until", Laxer),
    ("2030-01-01", "2029-01-01", "grant", "operator to group:leads", "until", Stricter),
    ("until = 2030-01-01T00:00:00Z\n", "", "grant", "operator to group:leads", "until", Laxer),
    ("name = \"Web\"", "name = \"Other\"", "profile", "p-web", "name", Neutral),
    ("\"production\"", "\"staging\"", "profile", "p-web", "environment", Laxer),
    ("names = [\"corp.example\", ", "names = [\"x.example\", \"corp.example\", ", "profile", "p-web", "names", Laxer),
    ("names = [\"corp.example\", ", "names = [", "profile", "p-web", "names", Stricter),
    ("need = 2 }, {", "need = 1 }, {", "profile", "p-web", "quorum", Laxer),
    ("need = 2 }, {", "need = 3 }, {", "profile", "p-web", "quorum", Stricter),
    ("need = 2 }, { group = \"leads\", need = 1 }]", "need = 2 }]", "profile", "p-web", "quorum", Laxer),
    ("[{ group = \"pki\", need = 2 }, {", "[{", "profile", "p-web", "quorum", Laxer),
    (
        "quorum = [{ group = \"pki\", need = 2 }, { group = \"leads\", need = 1 }]\n",
        "",
        "profile",
        "p-web",
        "quorum",
        Laxer,
    ),
    (
        "quorum_order = \"parallel\"\nreject_threshold = 2\nextra",
        "quorum_order = \"ordered\"\nreject_threshold = 2\nextra",
        "profile",
        "p-web",
        "quorum_order",
        Stricter,
    ),
    ("reject_threshold = 2\nextra", "reject_threshold = 3\nextra", "profile", "p-web", "reject_threshold", Laxer),
    ("reject_threshold = 2\nextra", "reject_threshold = 1\nextra", "profile", "p-web", "reject_threshold", Stricter),
    ("extra_for_scheduler = 1", "extra_for_scheduler = 0", "profile", "p-web", "extra_for_scheduler", Laxer),
    ("need = 2 }] }]", "need = 1 }] }]", "profile", "p-web", "route", Laxer),
    ("need = 2 }] }]", "need = 3 }] }]", "profile", "p-web", "route", Stricter),
    ("need = 2 }] }]", "need = 2 }], quorum_order = \"ordered\" }]", "profile", "p-web", "route", Stricter),
    (
        "route = [{ owner = \"group:owners\", quorum = [{ group = \"pki\", need = 2 }] }]\n",
        "",
        "profile",
        "p-web",
        "route",
        Stricter,
    ),
    (
        "need = 2 }] }]",
        "need = 2 }] }, { owner = \"user:y\", quorum = [{ group = \"pki\", need = 3 }] }]",
        "profile",
        "p-web",
        "route",
        Laxer,
    ),
    ("owner = \"group:owners\"", "owner = \"group:team\"", "profile", "p-web", "route", Laxer),
    ("carry_out_within = \"2d\"", "carry_out_within = \"3d\"", "profile", "p-web", "carry_out_within", Laxer),
    ("carry_out_within = \"2d\"", "carry_out_within = \"1d\"", "profile", "p-web", "carry_out_within", Stricter),
    ("carry_out_within = \"2d\"\n", "", "profile", "p-web", "carry_out_within", Laxer),
    ("escalate = [{ after = \"4h\", groups = [\"leads\"] }]\n", "", "profile", "p-web", "escalate", Stricter),
    ("after = \"4h\"", "after = \"2h\"", "profile", "p-web", "escalate", Laxer),
    ("groups = [\"leads\"]", "groups = [\"leads\", \"pki\"]", "profile", "p-web", "escalate", Laxer),
    ("calendar = \"office\"\n", "", "profile", "p-web", "calendar", Laxer),
    ("auto_approve_after = \"24h\"", "auto_approve_after = \"23h\"", "profile", "p-web", "auto_approve_after", Laxer),
    (
        "auto_approve_after = \"24h\"",
        "auto_approve_after = \"25h\"",
        "profile",
        "p-web",
        "auto_approve_after",
        Stricter,
    ),
    ("auto_approve_after = \"24h\"\n", "", "profile", "p-web", "auto_approve_after", Stricter),
    ("allow_delegation = false", "allow_delegation = true", "profile", "p-web", "allow_delegation", Laxer),
    ("issuer = \"hsm\"", "issuer = \"local-ca\"", "profile", "p-web", "issuer", Laxer),
    ("\"rsa-3072\"", "\"rsa-2048\"", "profile", "p-web", "keys", Laxer),
    ("\"rsa-3072\"", "\"rsa-4096\"", "profile", "p-web", "keys", Stricter),
    ("\"rsa-3072\", \"ed25519\"", "\"rsa-3072\", \"ed25519\", \"ecdsa-p256\"", "profile", "p-web", "keys", Laxer),
    ("\"rsa-3072\", \"ed25519\"", "\"ed25519\"", "profile", "p-web", "keys", Stricter),
    ("\"client_auth\"]", "\"client_auth\", \"code_signing\"]", "profile", "p-web", "extended_key_usage", Laxer),
    ("\"server_auth\", \"client_auth\"", "\"server_auth\"", "profile", "p-web", "extended_key_usage", Stricter),
    ("max_validity = \"90d\"", "max_validity = \"91d\"", "profile", "p-web", "max_validity", Laxer),
    ("max_validity = \"90d\"", "max_validity = \"89d\"", "profile", "p-web", "max_validity", Stricter),
    ("justification = \"required\"", "justification = \"optional\"", "profile", "p-web", "justification", Laxer),
    ("^A[0-9]+$", "^[0-9]+$", "profile", "p-web", "ticket_pattern", Laxer),
    ("ticket_pattern = \"^A[0-9]+$\"\n", "", "profile", "p-web", "ticket_pattern", Laxer),
    ("approval_timeout = \"72h\"", "approval_timeout = \"73h\"", "profile", "p-web", "approval_timeout", Laxer),
    ("approval_timeout = \"72h\"", "approval_timeout = \"71h\"", "profile", "p-web", "approval_timeout", Stricter),
    ("approval_timeout = \"72h\"\n", "", "profile", "p-web", "approval_timeout", Laxer),
    ("renewal_policy = \"rp-std\"\n", "", "profile", "p-web", "renewal_policy", Stricter),
    ("allow_wildcards = false", "allow_wildcards = true", "profile", "p-web", "allow_wildcards", Laxer),
    ("allow_ca = false", "allow_ca = true", "profile", "p-web", "allow_ca", Laxer),
    ("allow_ip = false", "allow_ip = true", "profile", "p-web", "allow_ip", Laxer),
    ("organization = \"Corp\"", "organization = \"Corpse\"", "profile", "p-web", "subject", Laxer),
    ("organization = \"Corp\", ", "", "profile", "p-web", "subject", Stricter),
    (
        "require_login_session = true",
        "require_login_session = false",
        "profile",
        "p-web",
        "require_login_session",
        Laxer,
    ),
    ("mode = \"0644\"", "mode = \"0600\"", "profile", "p-web", "deliver", Laxer),
    ("owner = \"root:ssl\", ", "", "profile", "p-web", "deliver", Laxer),
    ("/etc/ssl/{certificate}.pem", "/etc/{certificate}.pem", "profile", "p-web", "deliver", Laxer),
    (
        "id = \"p-dev\"\n",
        "id = \"p-dev\"\nrequires_approval = true\n",
        "profile",
        "p-dev",
        "requires_approval",
        Stricter,
    ),
    ("\"mon\", \"tue\"", "\"mon\", \"wed\"", "calendar", "office", "days", Laxer),
    ("\"08:00\"", "\"07:00\"", "calendar", "office", "from", Laxer),
    ("\"18:00\"", "\"17:00\"", "calendar", "office", "until", Laxer),
    ("Europe/Berlin", "UTC", "calendar", "office", "timezone", Laxer),
    ("\"2026-12-25\"", "\"2026-12-25\", \"2026-12-26\"", "calendar", "office", "holidays", Laxer),
    ("\"leads\", need = 2 }]", "\"leads\", need = 1 }]", "change_control", "", "quorum", Laxer),
    (
        "\"leads\", need = 2 }]",
        "\"leads\", need = 2 }, { group = \"pki\", need = 1 }]",
        "change_control",
        "",
        "quorum",
        Stricter,
    ),
    ("quorum = [{ group = \"leads\", need = 2 }]\n", "", "change_control", "", "quorum", Laxer),
    (
        "reject_threshold = 2\napproval",
        "reject_threshold = 1\napproval",
        "change_control",
        "",
        "reject_threshold",
        Stricter,
    ),
    ("approval_timeout = \"3d\"", "approval_timeout = \"4d\"", "change_control", "", "approval_timeout", Laxer),
    ("renewal_window_days = 20", "renewal_window_days = 21", "renewal_policy", "rp-std", "renewal_window_days", Laxer),
    ("auto_renew = false", "auto_renew = true", "renewal_policy", "rp-std", "auto_renew", Laxer),
    ("max_retries = 4", "max_retries = 5", "renewal_policy", "rp-std", "max_retries", Neutral),
    (
        "retry_interval_seconds = 600",
        "retry_interval_seconds = 601",
        "renewal_policy",
        "rp-std",
        "retry_interval_seconds",
        Neutral,
    ),
    ("[30, 7]", "[30]", "renewal_policy", "rp-std", "alert_thresholds_days", Neutral),
    ("\"7\" = \"critical\"", "\"7\" = \"warning\"", "renewal_policy", "rp-std", "alert_severity_map", Neutral),
    ("[\"Slack\"]", "[]", "renewal_policy", "rp-std", "alert_channels", Neutral),
    ("lifetime = \"2d\"", "lifetime = \"3d\"", "issuer", "local-ca", "crl", Laxer),
    ("\"--slot\", \"1\"", "\"--slot\", \"2\"", "issuer", "hsm", "command", Laxer),
];

fn policy(document: &str) -> Policy {
    Policy::parse(document).unwrap_or_else(|errors| panic!("{errors:#?}")).0
}

fn between(old: &str, new: &str) -> Vec<PolicyDifference> {
    differences(&policy(old), &policy(new))
}

fn edited(document: &str, (from, to, ..): &Edit) -> String {
    assert!(document.contains(from), "{from}");
    document.replacen(from, to, 1)
}

fn effect_on(found: &[PolicyDifference], (_, _, table, id, key, _): &Edit) -> Option<Effect> {
    let of_key = found.iter().filter(|one| (&*one.table, &*one.id, &*one.key) == (*table, *id, *key));
    of_key.map(|one| one.effect).max()
}

#[test]
fn every_edit_names_its_key_and_its_effect() {
    for edit in &EDITS {
        let found = between(POLICY, &edited(POLICY, edit));
        assert_eq!(effect_on(&found, edit), Some(edit.5), "{edit:?}: {found:#?}");
        let alone = matches!(edit.2, "grant") || found.iter().all(|one| (&*one.table, &*one.key) == (edit.2, edit.4));
        // These change the words of the quorum as well: who agrees where nobody did, and which step is which.
        assert!(alone || matches!(edit.4, "requires_approval" | "quorum_order"), "{edit:?}: {found:#?}");
    }
}

/// What goes one way goes the other way back; only of what is in doubt both ways are laxer.
#[test]
fn an_edit_undone_is_never_weighed_as_the_same_gain() {
    for edit in &EDITS {
        let back = between(&edited(POLICY, edit), POLICY);
        match (edit.5, effect_on(&back, edit)) {
            (Stricter, back) => assert_eq!(back, Some(Laxer), "{edit:?}"),
            (Neutral, back) => assert_eq!(back, Some(Neutral), "{edit:?}"),
            (Laxer, back) => assert!(matches!(back, Some(Stricter | Laxer | Neutral)), "{edit:?}: {back:?}"),
        }
    }
}

#[test]
fn what_means_the_same_does_not_show() {
    let tables: Vec<&str> = POLICY.split("\n[").collect();
    let (first, rest) = tables.split_first().unwrap();
    let turned = rest.iter().rev().fold((*first).to_owned(), |text, table| format!("{text}\n[{table}"));
    for other in [
        POLICY.replace('\n', "   # a comment\n\n"),
        turned,
        POLICY.replace("[\"corp.example\", \"*.corp.example\"]", "[\"*.corp.example\", \"corp.example\"]"),
        POLICY.replace("[\"rsa-3072\", \"ed25519\"]", "[\"ed25519\", \"rsa-3072\"]"),
        POLICY.replace(
            "quorum = [{ group = \"pki\", need = 2 }, { group = \"leads\", need = 1 }]",
            "quorum = [{ group = \"leads\", need = 1 }, { group = \"pki\", need = 2 }]",
        ),
        POLICY.replace("\"person:bob\", \"person:carol\"", "\"person:carol\", \"person:bob\""),
        POLICY.replace("\"72h\"", "\"3d\""),
        POLICY.replace("2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00"),
        POLICY.replace("[\"p-dev\", \"p-web\"]", "[\"p-web\", \"p-dev\"]"),
        POLICY.replace("name = \"Dev\"\n", "name = \"Dev\"\nallow_ip = false\njustification = \"optional\"\n"),
    ] {
        assert_ne!(other, POLICY);
        assert_eq!(between(POLICY, &other), [], "{other}");
    }
}

fn row(
    table: &str,
    id: &str,
    key: &str,
    before: Option<&str>,
    after: Option<&str>,
    effect: Effect,
) -> PolicyDifference {
    PolicyDifference {
        table: table.to_owned(),
        id: id.to_owned(),
        key: key.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        effect,
    }
}

#[test]
fn differences_stand_in_the_documentation_s_order_and_in_plain_words() {
    let new = POLICY
        .replace("\"person:bob\", \"person:carol\"]", "\"person:carol\", \"user:max\"]")
        .replace("need = 2 }, { group = \"leads\", need = 1 }]", "need = 3 }]")
        .replace("max_validity = \"90d\"", "max_validity = \"60d\"")
        .replace("allow_ip = false", "allow_ip = true")
        .replace("quorum = [{ group = \"leads\", need = 2 }]\n", "");
    assert_eq!(
        between(POLICY, &new),
        [
            row("group", "pki", "members", Some("person:bob"), None, Stricter),
            row("group", "pki", "members", None, Some("user:max"), Laxer),
            row("profile", "p-web", "quorum", Some("1 of group leads"), None, Laxer),
            row("profile", "p-web", "quorum", Some("2 of group pki"), Some("3 of group pki"), Laxer),
            row("profile", "p-web", "max_validity", Some("90d"), Some("60d"), Stricter),
            row("profile", "p-web", "allow_ip", Some("false"), Some("true"), Laxer),
            row(
                "change_control",
                "",
                "quorum",
                None,
                Some("1 admin, or operator of all profiles, other than the proposer"),
                Laxer
            ),
            row("change_control", "", "quorum", Some("2 of group leads"), None, Laxer),
        ]
    );
}

#[test]
fn what_is_new_or_gone_shows_what_it_sets() {
    let table = "[[profile]]\nid = \"p-lab\"\nname = \"Lab\"\nenvironment = \"lab\"\nnames = [\"*.lab.example\"]\n\
                 issuer = \"local-ca\"\nkeys = [\"ed25519\"]\nmax_validity = \"1d\"\n";
    let with = format!("{POLICY}{table}");
    let texts = |found: &[PolicyDifference], effect: Effect| -> Vec<String> {
        assert!(found.iter().all(|one| one.effect == effect && one.id == "p-lab"), "{found:#?}");
        let text = |one: &PolicyDifference| one.before.clone().or_else(|| one.after.clone()).unwrap();
        found.iter().map(|one| format!("{} = {}", one.key, text(one))).collect()
    };
    let expected = [
        "id = p-lab",
        "name = Lab",
        "environment = lab",
        "names = *.lab.example",
        "quorum = nobody",
        "issuer = local-ca",
        "keys = ed25519",
        "extended_key_usage = server_auth",
        "max_validity = 1d",
    ];
    let added = between(POLICY, &with);
    assert!(added.iter().all(|one| one.before.is_none()));
    assert_eq!(texts(&added, Laxer), expected);
    let removed = between(&with, POLICY);
    assert!(removed.iter().all(|one| one.after.is_none()));
    assert_eq!(texts(&removed, Stricter), expected);
    let renamed = between(&with, &with.replace("p-lab", "p-loft"));
    assert_eq!(renamed.len(), 2 * expected.len());
}

#[test]
fn folding_accounts_into_one_person_is_stricter_and_letting_one_go_is_not() {
    let with = |person: &str| format!("{POLICY}{person}");
    let frank = "[[person]]\nname = \"frank\"\naccounts = [\"frank\"]\n";
    let both = "[[person]]\nname = \"frank\"\naccounts = [\"frank\", \"erin\"]\n";
    let accounts = |old: &str, new: &str| -> Vec<(String, Effect)> {
        let found = between(old, new);
        found.iter().filter(|one| one.key == "accounts").map(|one| (one.id.clone(), one.effect)).collect()
    };
    let frank_is = |effect| ("frank".to_owned(), effect);
    assert_eq!(accounts(POLICY, &with(frank)), [frank_is(Neutral)]);
    assert_eq!(accounts(POLICY, &with(both)), [frank_is(Stricter), frank_is(Stricter)]);
    assert_eq!(accounts(&with(frank), &with(both)), [frank_is(Stricter)]);
    assert_eq!(accounts(&with(both), &with(frank)), [frank_is(Laxer)], "erin votes by herself again");
    assert_eq!(accounts(&with(both), POLICY), [frank_is(Laxer), frank_is(Laxer)]);
    // An account that gets a person's roles by it is a gain.
    let zoe = POLICY.replace("accounts = [\"bob\"]", "accounts = [\"bob\", \"zoe\"]");
    assert_eq!(accounts(POLICY, &zoe), [("bob".to_owned(), Laxer)]);
    // One that goes over to somebody else takes nothing away from anybody for sure.
    let moved = POLICY
        .replace("\"alice\", \"alice-adm\"]", "\"alice\"]")
        .replace("accounts = [\"bob\"]", "accounts = [\"bob\", \"alice-adm\"]");
    assert_eq!(accounts(POLICY, &moved), [("alice".to_owned(), Laxer), ("bob".to_owned(), Laxer)]);
    // Whose certificates have a route, by way of a group.
    let routed = POLICY.replace("\"group:team\"]", "\"group:team\", \"person:alice\"]");
    let without = routed.replace("\"alice\", \"alice-adm\"]", "\"alice\"]");
    assert_eq!(accounts(&routed, &without), [("alice".to_owned(), Laxer)]);
    // With a unix group in the policy, nobody knows what an account has by itself.
    let unix = |document: &str| document.replace("\"user:frank\"]", "\"user:frank\", \"unixgroup:w\"]");
    let without = POLICY.replace("\"alice\", \"alice-adm\"]", "\"alice\"]");
    assert_eq!(accounts(POLICY, &without), [("alice".to_owned(), Stricter)]);
    assert_eq!(accounts(&unix(POLICY), &unix(&without)), [("alice".to_owned(), Laxer)]);
}

#[test]
fn the_order_of_routes_and_of_ordered_steps_shows() {
    let route = |owner: &str| format!("{{ owner = \"{owner}\", quorum = [{{ group = \"pki\", need = 2 }}] }}");
    let list = |owners: &[&str]| owners.iter().map(|owner| route(owner)).collect::<Vec<_>>().join(", ");
    let with = |owners: &[&str]| POLICY.replace(&route("group:owners"), &list(owners));
    let found = between(&with(&["group:owners", "user:x"]), &with(&["user:x", "group:owners"]));
    let (old, new) = ("in the order group:owners, user:x", "in the order user:x, group:owners");
    assert_eq!(found, [row("profile", "p-web", "route", Some(old), Some(new), Laxer)]);
    let found = between(&with(&["group:owners", "user:x"]), &with(&["user:y", "group:owners", "user:x"]));
    assert_eq!(found.len(), 1, "{found:#?}");

    let ordered = POLICY.replacen("quorum_order = \"parallel\"", "quorum_order = \"ordered\"", 1);
    let turned = ordered.replace(
        "quorum = [{ group = \"pki\", need = 2 }, { group = \"leads\", need = 1 }]",
        "quorum = [{ group = \"leads\", need = 1 }, { group = \"pki\", need = 2 }]",
    );
    let found = between(&ordered, &turned);
    let step = |words: &str, old, new| {
        row(
            "profile",
            "p-web",
            "quorum",
            Some(&format!("{words}, step {old}")),
            Some(&format!("{words}, step {new}")),
            Neutral,
        )
    };
    assert_eq!(found, [step("1 of group leads", 2, 1), step("2 of group pki", 1, 2)]);
}

#[test]
fn a_list_of_every_use_is_laxer_than_any() {
    let ca = POLICY.replace("allow_ca = false", "allow_ca = true");
    let every = ca.replace("[\"server_auth\", \"client_auth\"]", "[]");
    assert!(between(&ca, &every).iter().all(|one| one.effect == Laxer));
    assert!(between(&every, &ca).iter().all(|one| one.effect == Stricter));
}

#[test]
fn several_grants_of_one_role_to_one_receiver_are_told_apart() {
    let grant =
        |profile: &str| format!("[[grant]]\nrole = \"requester\"\nto = \"user:x\"\nprofiles = [\"{profile}\"]\n");
    let two = format!("{POLICY}{}{}", grant("p-web"), grant("p-dev"));
    let turned = format!("{POLICY}{}{}", grant("p-dev"), grant("p-web"));
    assert_eq!(between(&two, &turned), []);
    let one = format!("{POLICY}{}", grant("p-dev"));
    let found = between(&one, &two);
    assert!(found.iter().all(|one| one.id == "requester to user:x (2)" && one.effect == Laxer), "{found:#?}");
    assert_eq!(found.len(), 3);
}

#[test]
fn texts_are_safe_and_short_and_still_tell_two_apart() {
    let key = |end: &str| format!("ssh-ed25519 AAAA{}{end} a", "x".repeat(1000));
    let with = |end: &str| POLICY.replace("ssh-ed25519 AAAAone a", &key(end));
    let found = between(&with("1"), &with("2"));
    assert_eq!(found.len(), 2);
    let texts: BTreeSet<&str> =
        found.iter().flat_map(|one| one.before.as_deref().into_iter().chain(one.after.as_deref())).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts.iter().all(|text| text.chars().count() < MAX_CHARS + 100));
    let hostile = POLICY.replace("\"--slot\"", "\"\\u001b[2J\\u202e\"");
    for one in between(POLICY, &hostile) {
        for text in [one.before, one.after].into_iter().flatten() {
            assert!(!text.chars().any(countersign_shared::text::is_deceiving), "{text:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_two_edits_name_both_keys_and_nothing_differs_from_itself(one in 0..EDITS.len(), other in 0..EDITS.len()) {
        let (one, other) = (&EDITS[one], &EDITS[other]);
        let first = edited(POLICY, one);
        prop_assert_eq!(between(&first, &first), []);
        // Two edits of one line may not go together.
        if !first.contains(other.0) || one.0.contains(other.0) || other.0.contains(one.0) {
            return Ok(());
        }
        // A grant is called by its role and receiver, and either may be what the other edit changed.
        let named = |found: &[PolicyDifference], edit: &Edit| match edit.2 {
            "grant" => found.iter().any(|one| one.table == "grant" && one.key == edit.4),
            _ => effect_on(found, edit).is_some(),
        };
        if let Ok((both, _)) = Policy::parse(&edited(&first, other)) {
            let found = differences(&policy(POLICY), &both);
            prop_assert!(named(&found, one), "{one:?} and {other:?}: {found:#?}");
            prop_assert!(named(&found, other), "{one:?} and {other:?}: {found:#?}");
            prop_assert_eq!(&found, &differences(&policy(POLICY), &both));
        }
    }

    #[test]
    fn a_number_that_grows_is_weighed_by_what_it_means(old in 1u32..4, new in 1u32..4) {
        let with = |need: u32| POLICY.replace("need = 2 }, {", &format!("need = {need} }}, {{"));
        let found = between(&with(old), &with(new));
        let expected = match new.cmp(&old) {
            std::cmp::Ordering::Less => Some(Laxer),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Stricter),
        };
        prop_assert_eq!(found.iter().map(|one| one.effect).max(), expected);
    }
}
