use super::super::tests::{POLICY, errors};
use super::super::{Policy, Profile, QuorumOrder};

/// Every key of agreement once.
const KEYS: &str = r#"renewal_policy = "rp-std"
quorum_order = "ordered"
reject_threshold = 2
extra_for_scheduler = 1
route = [{ owner = "user:payments", quorum = [{ group = "outer", need = 1 }], quorum_order = "ordered" }]
carry_out_within = "2h"
approval_timeout = "3d"
escalate = [{ after = "4h", groups = ["outer"] }, { after = "8h", groups = ["pki", "outer"] }]
calendar = "office"
auto_approve_after = "48h"
allow_delegation = false
[[calendar]]
id = "office"
days = ["mon", "fri"]
from = "08:00"
until = "24:00"
timezone = "Europe/Berlin"
holidays = ["2026-12-25"]
[change_control]
quorum = [{ group = "outer", need = 2 }, { group = "pki", need = 1 }]
quorum_order = "ordered"
reject_threshold = 3
approval_timeout = "1d""#;

fn full() -> String {
    POLICY
        .replace("renewal_policy = \"rp-std\"", KEYS)
        .replace("accounts = [\"bob\"]", "accounts = [\"bob\", \"erin\"]")
        .replace("\"person:bob\"]", "\"person:bob\", \"user:frank\"]")
}

#[test]
fn the_people_have_to_suffice_for_every_part_of_a_quorum() {
    let more = "[[person]]\nname = \"gus\"\naccounts = [\"gus\", \"gus-adm\"]\n\
                [[group]]\nname = \"narrow\"\nmembers = [\"person:alice\"]\n\
                [[group]]\nname = \"also\"\nmembers = [\"user:alice\"]\n\
                [[group]]\nname = \"split\"\nmembers = [\"user:gus\"]\n\
                [[group]]\nname = \"away\"\nmembers = [\"unixgroup:away\"]\n\
                [[group]]\nname = \"idle\"\nmembers = [\"user:idle\"]\n\
                [[grant]]\nrole = \"operator\"\nto = \"user:gus-adm\"\n";
    let step = |group: &str, need: u32| format!("{{ group = \"{group}\", need = {need} }}");
    let with = |steps: &[String], keys: &str| {
        let quorum = format!("quorum = [{}]\n{keys}", steps.join(", "));
        let document = POLICY.replace("quorum = [{ group = \"pki\", need = 1 }]\n", &quorum);
        Policy::parse(&format!("{document}{more}")).map(|(_, warnings)| warnings)
    };
    // Alice is the one person of both groups.
    let errors = with(&[step("pki", 1), step("narrow", 1), step("also", 1)], "").unwrap_err();
    assert!(errors[0].contains("3 different people have to agree, but only 2 could decide"), "{errors:#?}");
    let errors = with(&[step("narrow", 1), step("also", 1), step("away", 1)], "").unwrap_err();
    assert!(errors[0].contains("2 different people of group narrow or also have to agree, but only 1"), "{errors:#?}");
    // Gus is an operator by one account and in the group by the other: neither counts.
    let errors = with(&[step("split", 1)], "").unwrap_err();
    assert!(errors[0].contains("nobody could decide"), "{errors:#?}");
    // Alice may submit, and nobody could take her place.
    let warnings = with(&[step("narrow", 1), step("pki", 1)], "").unwrap();
    assert!(
        warnings.iter().any(|one| one.contains("only 2 could decide, and what one of them submits")),
        "{warnings:#?}"
    );
    let warnings = with(&[step("pki", 1), step("away", 1)], "").unwrap();
    assert!(warnings.iter().any(|one| one.contains("depends on unix groups")), "{warnings:#?}");
    // Whoever is needed for the scheduler besides is any operator: gus counts there.
    assert_eq!(with(&[step("pki", 2)], "extra_for_scheduler = 1\n").map(|_| ()), Ok(()));
    let errors = with(&[step("pki", 2)], "extra_for_scheduler = 2\n").unwrap_err();
    assert!(errors[0].contains("extra_for_scheduler: 4 different people"), "{errors:#?}");
    let warnings = with(&[step("pki", 1)], "escalate = [{ after = \"4h\", groups = [\"idle\"] }]\n").unwrap();
    assert!(warnings.iter().any(|one| one.contains("nobody in the groups that are asked after 4h")), "{warnings:#?}");
}

#[test]
fn what_is_written_of_agreement_is_what_the_rules_say() {
    let (policy, _) = Policy::parse(&full()).unwrap();
    let rules = policy.profile("p-web").unwrap().rules();
    assert_eq!((rules.quorum_order, rules.reject_threshold, rules.extra_for_scheduler), (QuorumOrder::Ordered, 2, 1));
    let [route] = rules.routes.as_slice() else { panic!("{:?}", rules.routes) };
    assert_eq!((route.owner.to_string().as_str(), route.quorum_order), ("user:payments", QuorumOrder::Ordered));
    assert_eq!(route.quorum[0].group, "outer");
    assert_eq!(rules.carry_out_within().to_string(), "2h");
    assert_eq!(rules.escalation_groups().collect::<Vec<_>>(), ["outer", "pki", "outer"]);
    assert_eq!(rules.escalations[1].after.to_string(), "8h");
    assert_eq!(rules.calendar.as_ref(), policy.calendars().first());
    let calendar = rules.calendar.as_ref().unwrap();
    assert_eq!((calendar.from.to_string(), calendar.until.to_string()), ("08:00".to_owned(), "24:00".to_owned()));
    assert_eq!(
        (calendar.timezone.to_string(), calendar.holidays[0].to_string().as_str()),
        ("Europe/Berlin".to_owned(), "2026-12-25")
    );
    assert_eq!(rules.auto_approve_after.unwrap().to_string(), "2d");
    assert!(!rules.allow_delegation);
    let control = policy.change_control();
    assert_eq!((control.quorum.len(), control.quorum_order, control.reject_threshold), (2, QuorumOrder::Ordered, 3));
    assert_eq!(control.approval_timeout.to_string(), "1d");
    let profile = policy.profile("p-web").unwrap();
    let snapshot = serde_json::to_string(profile).unwrap();
    assert_eq!(&serde_json::from_str::<Profile>(&snapshot).unwrap(), profile);
}

proptest::proptest! {
    #[test]
    fn keys_of_agreement_with_anything_in_them_are_read_or_refused(at in 0..KEYS.len(), noise in "[\\[\\]{}\"=,a-z0-9:\n\u{202e}]{0,6}") {
        let document = full();
        let at = document.find(KEYS).unwrap() + at;
        let (before, after) = document.split_at(at);
        for error in errors(&format!("{before}{noise}{after}")) {
            proptest::prop_assert!(error.starts_with("line ") || error.starts_with("and "), "{error}");
            proptest::prop_assert!(!error.chars().any(countersign_shared::text::is_deceiving), "{error}");
        }
    }
}

#[test]
fn a_mistake_about_agreement_names_its_line_table_and_key() {
    for (from, to, expected) in [
        ("renewal_policy = \"rp-std\"", "reject_threshold = 0", "reject_threshold: 0 is not within 1 to 10"),
        ("renewal_policy = \"rp-std\"", "reject_threshold = 11", "reject_threshold: 11 is not within 1 to 10"),
        ("renewal_policy = \"rp-std\"", "extra_for_scheduler = 6", "extra_for_scheduler: 6 is not within 0 to 5"),
        (
            "renewal_policy = \"rp-std\"",
            "extra_for_scheduler = 2",
            "line 32: [[profile]] p-web: extra_for_scheduler: 3 different people have to agree to what no human asked for, but only 2",
        ),
        ("renewal_policy = \"rp-std\"", "quorum_order = \"random\"", "quorum_order: unknown variant `random`"),
        ("renewal_policy = \"rp-std\"", "carry_out_within = \"59s\"", "carry_out_within: 59s is not within 1m to 90d"),
        ("renewal_policy = \"rp-std\"", "carry_out_within = \"91d\"", "carry_out_within: 91d is not within 1m to 90d"),
        (
            "renewal_policy = \"rp-std\"",
            "auto_approve_after = \"59m\"",
            "auto_approve_after: 59m is not within 1h to 90d",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "approval_timeout = \"1h\"\nauto_approve_after = \"1h\"",
            "line 33: [[profile]] p-web: auto_approve_after: it would never come",
        ),
        ("renewal_policy = \"rp-std\"", "calendar = \"office\"", "calendar: there is no [[calendar]] `office`"),
        ("renewal_policy = \"rp-std\"", "route = []", "route: 1 to 32 routes"),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"group:none\", quorum = [{ group = \"pki\", need = 1 }] }]",
            "route: group:none: there is no [[group]]",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"alice\", quorum = [{ group = \"pki\", need = 1 }] }]",
            "route: expected person:NAME",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"user:root\", quorum = [{ group = \"pki\", need = 1 }] }]",
            "route: root is nobody",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"group:pki\", quorum = [] }]",
            "route: an empty quorum agrees to everything: name a step",
        ),
        ("renewal_policy = \"rp-std\"", "route = [{ owner = \"group:pki\" }]", "route: missing field `quorum`"),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"group:pki\", quorum = [{ group = \"none\", need = 1 }] }]",
            "route: there is no [[group]] `none`",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"group:pki\", quorum = [{ group = \"pki\", need = 3 }] }]",
            "route: the route for group:pki requires approval: 3 different people have to agree, but only 2",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "route = [{ owner = \"user:erin\", quorum = [{ group = \"pki\", need = 1 }] }, { owner = \"user:erin\", quorum = [{ group = \"pki\", need = 2 }] }]",
            "route: a second route for user:erin: it would never be taken",
        ),
        ("renewal_policy = \"rp-std\"", "escalate = []", "escalate: 1 to 4 escalations"),
        (
            "renewal_policy = \"rp-std\"",
            "escalate = [{ after = \"4h\", groups = [] }]",
            "escalate: groups: 1 to 8, each once",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "escalate = [{ after = \"4h\", groups = [\"pki\", \"pki\"] }]",
            "escalate: groups: 1 to 8, each once",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "escalate = [{ after = \"4h\", groups = [\"none\"] }]",
            "escalate: there is no [[group]] `none`",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "escalate = [{ after = \"0s\", groups = [\"pki\"] }]",
            "escalate: 0s is not within 1s to 365d",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "escalate = [{ after = \"4h\", groups = [\"pki\"] }, { after = \"240m\", groups = [\"outer\"] }]",
            "escalate: 4h does not come after 4h",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "approval_timeout = \"4h\"\nescalate = [{ after = \"4h\", groups = [\"pki\"] }]",
            "line 33: [[profile]] p-web: escalate: 4h would never come",
        ),
        ("renewal_policy = \"rp-std\"", "escalation = 3", "escalation: the key is escalate"),
        ("need = 1", "need = 101", "quorum: need = 101; at most 100 are allowed"),
        ("need = 1", "need = 1 }, { group = \"pki\", need = 1", "quorum: a second step of group `pki`"),
        (
            "need = 1",
            "need = 2 }, { group = \"outer\", need = 1",
            "quorum: 3 different people have to agree, but only 2 could decide",
        ),
        (
            "need = 1",
            "need = 100 }, { group = \"outer\", need = 101",
            "quorum: 201 people in all; at most 200 are allowed",
        ),
        (
            "need = 1",
            "need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1 }, { group = \"outer\", need = 1",
            "quorum: 10 steps; at most 8 are allowed",
        ),
        ("need = 1", "need = 4294967295 }, { group = \"outer\", need = 4294967295", "quorum: 4294967295 people in all"),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = []\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "line 5: [[calendar]] office: days: at least one day",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\", \"mon\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "days: at least one day",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"monday\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "days: unknown variant `monday`",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"18:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "until: 18:00 does not come after 18:00",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"8:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "from: a time of day is written as 08:00",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"08:00\"\nuntil = \"24:01\"\ntimezone = \"Europe/Berlin\"\n",
            "until: a time of day",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"08:00\"\nuntil = \"17:60\"\ntimezone = \"Europe/Berlin\"\n",
            "until: a time of day",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Berlin\"\n",
            "timezone: a time zone is a name of the IANA database",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nholidays = [\"2026-12-32\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "holidays: a date is written as 2026-12-25",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nholidays = [\"2026-1-2\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "holidays: a date is written as 2026-12-25",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nholidays = [\"2026-12-25\", \"2026-12-25\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "holidays: each date once",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"Office\"\ndays = [\"mon\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "id: a name is 1 to 64",
        ),
        (
            "version = 1",
            "version = 1\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n[[calendar]]\nid = \"office\"\ndays = [\"mon\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\ntimezone = \"Europe/Berlin\"\n",
            "id: a second [[calendar]] of that id",
        ),
        (
            "version = 1",
            "version = 1\n[change_control]\nquorum = []",
            "line 4: [change_control]: quorum: an empty quorum",
        ),
        (
            "version = 1",
            "version = 1\n[change_control]\nquorum = [{ group = \"none\", need = 1 }]",
            "line 4: [change_control]: quorum: there is no [[group]] `none`",
        ),
        (
            "version = 1",
            "version = 1\n[change_control]\nquorum = [{ group = \"pki\", need = 3 }]",
            "line 4: [change_control]: quorum: 3 different people have to agree, but only 2 could decide",
        ),
        ("version = 1", "version = 1\n[change_control]\nreject_threshold = 0", "reject_threshold: 0 is not"),
        (
            "version = 1",
            "version = 1\n[change_control]\napproval_timeout = \"0s\"",
            "approval_timeout: 0s is not within 1s to 365d",
        ),
        ("version = 1", "version = 1\n[change_control]\ncolour = 3", "line 4: [change_control]: colour: unknown field"),
        ("version = 1", "version = 1\n[[change_control]]", "change_control is one table, written as [change_control]"),
        ("version = 1", "version = 1\n[[escalation]]", "escalation is a key of a profile"),
        (
            "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]",
            "quorum_order = \"ordered\"",
            "quorum_order: without requires_approval = true nobody is asked",
        ),
        (
            "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]",
            "reject_threshold = 2",
            "reject_threshold: without requires_approval = true nobody is asked",
        ),
        (
            "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]",
            "extra_for_scheduler = 1",
            "extra_for_scheduler: without requires_approval = true nobody is asked",
        ),
        (
            "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]",
            "carry_out_within = \"1h\"",
            "carry_out_within: without requires_approval = true nobody is asked",
        ),
        (
            "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]",
            "auto_approve_after = \"1h\"",
            "auto_approve_after: without requires_approval = true nobody is asked",
        ),
        (
            "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]",
            "allow_delegation = false",
            "allow_delegation: without requires_approval = true nobody is asked",
        ),
    ] {
        assert!(POLICY.contains(from), "{from}");
        let found = errors(&POLICY.replacen(from, to, 1));
        assert!(found.iter().any(|error| error.contains(expected)), "{to}: expected {expected:?}, found {found:#?}");
    }
}
