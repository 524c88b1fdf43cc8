//! Who there is in the random runs, and the policies that they live under.

use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, DAVE, ERIN, FRANK, MALLORY};

/// An admin besides carol: a policy that one of them proposes is decided by the other.
pub const GINA: u32 = 62_010;
/// A service account with the rights of a requester and an operator, of no person.
pub const SERVICE: u32 = 62_011;

/// Which human is behind an account, whatever a policy says.
pub const PEOPLE: &[(u32, &str)] = &[
    (0, "root"),
    (ALICE, "alice"),
    (ALICE_ADM, "alice"),
    (BOB, "bob"),
    (CAROL, "carol"),
    (DAVE, "dave"),
    (ERIN, "erin"),
    (FRANK, "frank"),
    (GINA, "gina"),
    (MALLORY, "mallory"),
    (SERVICE, "the service"),
];

/// Sessions: the account, and who had logged in.
pub const SESSIONS: &[(u32, Option<u32>)] = &[
    (ALICE, None),
    (ALICE, Some(ALICE)),
    (ALICE_ADM, None),
    (ALICE_ADM, Some(ALICE)),
    (BOB, None),
    (BOB, Some(BOB)),
    (CAROL, None),
    (CAROL, Some(CAROL)),
    (ERIN, None),
    (ERIN, Some(ERIN)),
    (FRANK, Some(FRANK)),
    (GINA, Some(GINA)),
    (SERVICE, None),
    // By `sudo -u`, from a session of somebody else.
    (BOB, Some(ALICE)),
    (CAROL, Some(ALICE_ADM)),
    (SERVICE, Some(BOB)),
    (0, None),
    (0, Some(CAROL)),
    (MALLORY, None),
    (DAVE, Some(DAVE)),
];

/// The sessions of admins in [`SESSIONS`].
pub const ADMINS: [usize; 3] = [6, 7, 11];

/// People of the policy, to hand a say to.
pub const NAMES: &[&str] = &["alice", "bob", "carol", "erin", "frank", "gina"];

/// The domains, each of a profile of its own.
pub const DOMAINS: &[&str] = &["one", "two", "par", "ord", "thr", "free", "esc", "route", "auto", "login"];

/// How many documents there are.
pub const DOCUMENTS: u64 = 8;

/// A policy. Number 0 is the first in force; each of the others changes something for better or worse.
pub fn document(number: u64) -> String {
    let change = |at: u64, then: &'static str, otherwise: &'static str| if number == at { then } else { otherwise };
    let two = change(1, r#"quorum = [{ group = "pki", need = 3 }]"#, r#"quorum = [{ group = "pki", need = 2 }]"#);
    let one = change(2, "", "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]");
    let free = change(2, "requires_approval = true", "");
    // A registry that forgets bob: what he did stays his. And one that takes the service for erin's.
    let (bob, bobs) = match number {
        3 => (String::new(), format!("uid:{BOB}")),
        _ => (format!("[[person]]\nname = \"bob\"\naccounts = [\"uid:{BOB}\"]\n"), "person:bob".to_owned()),
    };
    let erin = if number == 4 { format!(", \"uid:{SERVICE}\"") } else { String::new() };
    let auto = change(5, "", "auto_approve_after = \"1h\"");
    let leads = change(6, r#"["law"]"#, r#"["leads"]"#);
    // The role that law has instead of an operator's: it decides on certificates, and in one document no longer.
    let watch = change(7, r#"["request.read"]"#, r#"["request.read", "request.approve", "ledger.read"]"#);
    let order = change(1, "quorum_order = \"ordered\"", "");
    format!(
        r#"version = 1
[[person]]
name = "alice"
accounts = ["uid:{ALICE}", "uid:{ALICE_ADM}"]
{bob}
[[person]]
name = "carol"
accounts = ["uid:{CAROL}"]
[[person]]
name = "erin"
accounts = ["uid:{ERIN}"{erin}]
[[person]]
name = "frank"
accounts = ["uid:{FRANK}"]
[[person]]
name = "gina"
accounts = ["uid:{GINA}"]
[[group]]
name = "pki"
members = ["person:alice", "{bobs}", "person:carol", "uid:{SERVICE}"]
[[group]]
name = "security"
members = ["person:erin", "{bobs}"]
[[group]]
name = "law"
members = ["person:frank"]
[[group]]
name = "night"
members = ["person:alice", "{bobs}"]
[[group]]
name = "leads"
members = ["person:erin"]
[[group]]
name = "everybody"
members = ["group:pki", "group:security", "group:law", "group:leads"]
[[grant]]
role = "requester"
to = "group:everybody"
[[grant]]
role = "operator"
to = "group:pki"
[[grant]]
role = "operator"
to = "group:security"
[[grant]]
role = "operator"
to = "group:leads"
[[role]]
name = "watch"
permissions = {watch}
[[grant]]
role = "watch"
to = "group:law"
[[grant]]
role = "admin"
to = "person:carol"
[[grant]]
role = "admin"
to = "person:gina"
[[grant]]
role = "auditor"
to = "uid:{DAVE}"
[[issuer]]
id = "local-ca"
type = "local-ca"
[[renewal_policy]]
id = "rp-all"
alert_severity_map = {{ "0" = "critical" }}
{}{}{}{}{}{}{}{}{}{}"#,
        profile("one", one),
        profile("two", &format!("requires_approval = true\n{two}")),
        profile(
            "par",
            &format!(
                "requires_approval = true\n{order}\nquorum = [{{ group = \"pki\", need = 1 }}, {{ group = \"security\", need = 1 }}]"
            )
        ),
        profile(
            "ord",
            "requires_approval = true\nquorum_order = \"ordered\"\n\
             quorum = [{ group = \"security\", need = 1 }, { group = \"law\", need = 1 }]"
        ),
        profile(
            "thr",
            "requires_approval = true\nreject_threshold = 2\n\
             quorum = [{ group = \"pki\", need = 1 }, { group = \"security\", need = 1 }]"
        ),
        profile("free", free),
        profile(
            "esc",
            &format!(
                "requires_approval = true\napproval_timeout = \"8h\"\nquorum = [{{ group = \"night\", need = 1 }}]\n\
                 escalate = [{{ after = \"2h\", groups = {leads} }}]"
            )
        ),
        profile(
            "route",
            "requires_approval = true\nquorum = [{ group = \"law\", need = 1 }]\n\
             route = [{ owner = \"person:alice\", quorum = [{ group = \"security\", need = 1 }, { group = \"pki\", need = 1 }] }]"
        ),
        profile(
            "auto",
            &format!(
                "requires_approval = true\napproval_timeout = \"30d\"\n{auto}\nquorum = [{{ group = \"pki\", need = 1 }}]"
            )
        ),
        profile("login", "requires_approval = true\nrequire_login_session = true"),
    )
}

fn profile(domain: &str, rules: &str) -> String {
    let within = if rules.is_empty() { "" } else { "carry_out_within = \"6h\"" };
    format!(
        r#"
[[profile]]
id = "p-{domain}"
name = "{domain}"
environment = "test"
names = ["*.{domain}.example"]
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
renewal_policy = "rp-all"
{within}
{rules}
"#
    )
}
