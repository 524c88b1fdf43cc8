use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::EPOCH;

/// Everybody is a person of one account; `rest` has groups, grants and profiles.
fn policy(people: &str, rest: &str) -> Policy {
    let mut document = "version = 1\n[[issuer]]\nid = \"ca\"\ntype = \"local-ca\"\n".to_owned();
    for name in people.split_whitespace() {
        let _ = write!(document, "[[person]]\nname = \"{name}\"\naccounts = [\"{name}\"]\n");
    }
    document.push_str(rest);
    Policy::parse(&document).unwrap_or_else(|errors| panic!("{errors:#?}\n{document}")).0
}

fn group(name: &str, members: &str) -> String {
    let members: Vec<String> = members.split_whitespace().map(|member| format!("\"{}\"", named(member))).collect();
    format!("[[group]]\nname = \"{name}\"\nmembers = [{}]\n", members.join(","))
}

fn grants(role: &str, to: &str) -> String {
    let grant = |to| format!("[[grant]]\nrole = \"{role}\"\nto = \"{}\"\n", named(to));
    to.split_whitespace().map(grant).collect()
}

fn named(member: &str) -> String {
    if member.contains(':') { member.to_owned() } else { format!("person:{member}") }
}

fn profile(more: &str) -> String {
    format!(
        "[[profile]]\nid = \"p-web\"\nname = \"x\"\nenvironment = \"e\"\nnames = [\"*.x.example\"]\nissuer = \"ca\"\n\
         keys = [\"ed25519\"]\nmax_validity = \"1d\"\n{more}\n"
    )
}

/// Findings of one subject as lines.
fn lines(policy: &Policy, subject: &str) -> Vec<String> {
    let found = prove(policy, NOW).into_iter().filter(|finding| finding.subject == subject);
    found.map(|finding| format!("{} {}: {}", finding.level, finding.rule, finding.text)).collect()
}

const APPROVAL: &str = "requires_approval = true";

#[test]
fn what_is_said_of_profiles() {
    let two = "requires_approval = true\nquorum = [{ group = \"pki\", need = 2 }]";
    let table: &[(&str, String, &[&str])] = &[
        (
            "nobody is asked",
            grants("requester", "alice") + &profile(""),
            &["note collusion: 1 human alone gets a certificate: nobody else is asked"],
        ),
        (
            "fine",
            grants("requester", "alice") + &grants("operator", "alice bob carol") + &profile(APPROVAL),
            &["note collusion: 2 humans together (such as alice, bob) get a certificate"],
        ),
        (
            "one operator",
            grants("requester", "alice") + &grants("operator", "bob") + &profile(APPROVAL),
            &[
                "warning single_point_of_failure: without bob nothing could be approved",
                "note collusion: 2 humans together (such as alice, bob) get a certificate",
            ],
        ),
        (
            "only herself",
            grants("requester", "alice") + &grants("operator", "alice") + &profile(APPROVAL),
            &["error satisfiable: nothing could be approved: a request by alice could be approved by nobody"],
        ),
        (
            "both ask",
            grants("requester", "alice bob") + &grants("operator", "alice bob") + &profile(APPROVAL),
            &[
                "warning single_point_of_failure: without alice or without bob nothing could be approved",
                "note collusion: 2 humans together (such as alice, bob) get a certificate",
            ],
        ),
        (
            "one of them is stuck",
            grants("requester", "alice dave") + &grants("operator", "alice") + &profile(APPROVAL),
            &[
                "warning satisfiable: what is submitted by alice could be approved by nobody",
                "warning single_point_of_failure: without alice nothing could be approved",
                "note collusion: 2 humans together (such as dave, alice) get a certificate",
            ],
        ),
        (
            "the one who succeeds decides for nobody else",
            group("g0", "bob carol")
                + &group("g1", "alice dave")
                + &grants("requester", "carol dave")
                + &grants("operator", "alice bob carol dave")
                + &profile(
                    "requires_approval = true\nquorum = [{ group = \"g0\", need = 1 }, { group = \"g1\", need = 2 }]",
                ),
            &[
                "warning satisfiable: what is submitted by dave could be approved by nobody",
                "warning single_point_of_failure: without alice or without bob or without dave nothing could be approved",
                "note collusion: 4 humans together (such as carol, alice, bob, dave) get a certificate",
            ],
        ),
        (
            "an admin is in every group",
            group("pki", "bob")
                + &grants("requester", "alice")
                + &grants("operator", "bob")
                + &grants("admin", "carol")
                + &profile(two),
            &[
                "warning single_point_of_failure: without bob or without carol nothing could be approved",
                "note collusion: 3 humans together (such as alice, bob, carol) get a certificate",
            ],
        ),
        (
            "unix groups are not guessed",
            group("pki", "bob unixgroup:ops")
                + &grants("requester", "alice")
                + &grants("operator", "group:pki")
                + &profile(two),
            &[
                "warning unix_groups: whether anybody could approve requests by alice depends on unix groups, whose \
                 members are not known here",
                "note collusion: 3 humans together get a certificate",
            ],
        ),
        (
            "an escalation helps, late",
            group("pki", "bob")
                + &group("sec", "carol")
                + &grants("requester", "bob")
                + &grants("operator", "bob carol")
                + &profile(
                    "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]\n\
                     escalate = [{ after = \"4h\", groups = [\"sec\"] }]",
                ),
            &[
                "warning satisfiable: what is submitted by bob could be approved only when it is escalated, after 4h",
                "warning single_point_of_failure: without carol nothing could be approved",
                "note collusion: 2 humans together (such as bob, carol) get a certificate",
            ],
        ),
        (
            "a route of its own",
            group("pki", "bob")
                + &group("sec", "carol dave")
                + &grants("requester", "alice carol")
                + &grants("operator", "bob carol dave")
                + &profile(
                    "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]\n\
                     route = [{ owner = \"person:carol\", quorum = [{ group = \"sec\", need = 2 }] }]",
                ),
            &[
                "warning single_point_of_failure: without bob nothing could be approved",
                "warning satisfiable: for certificates of person:carol: what is submitted by carol could be approved by nobody",
                "warning single_point_of_failure: for certificates of person:carol: without carol or without dave \
                 nothing could be approved",
                "note collusion: 2 humans together (such as alice, bob) get a certificate",
                "note collusion: for certificates of person:carol: 3 humans together (such as alice, carol, dave) get a \
                 certificate",
            ],
        ),
        (
            "more rejections than people",
            grants("requester", "alice")
                + &grants("operator", "bob carol")
                + &profile("requires_approval = true\nreject_threshold = 3"),
            &[
                "warning reject_threshold: 3 people have to reject, and only 2 could",
                "note collusion: 2 humans together (such as alice, bob) get a certificate",
            ],
        ),
        (
            "time alone",
            grants("requester", "alice")
                + &grants("operator", "bob carol")
                + &profile("requires_approval = true\nauto_approve_after = \"2d\""),
            &[
                "note collusion: 1 human alone renews with the same names, 2d later, where nobody objects",
                "note collusion: 2 humans together (such as alice, bob) get a certificate",
            ],
        ),
    ];
    for (what, rest, expected) in table {
        assert_eq!(lines(&policy("alice bob carol dave", rest), "p-web"), *expected, "{what}");
    }
}

#[test]
fn what_is_said_of_changes_of_the_policy() {
    let quorum = |quorum: &str| format!("[change_control]\nquorum = [{quorum}]\n");
    let table: &[(&str, String, &[&str])] = &[
        (
            "nobody proposes",
            String::new(),
            &["error satisfiable: nobody could propose another policy: this one would hold for ever"],
        ),
        (
            "one admin",
            grants("admin", "carol"),
            &[
                "error satisfiable: nobody besides the proposer could agree to another policy; a request by carol could be \
             approved by nobody",
            ],
        ),
        (
            "two admins",
            grants("admin", "carol dave"),
            &[
                "warning single_point_of_failure: without carol or without dave no other policy could be approved",
                "note collusion: 2 humans together (such as carol, dave) can change every rule",
            ],
        ),
        (
            "a group agrees, without a role",
            group("pki", "alice bob") + &grants("admin", "carol") + &quorum("{ group = \"pki\", need = 1 }"),
            &["note collusion: 2 humans together (such as carol, alice) can change every rule"],
        ),
        (
            "admins of a unix group",
            grants("admin", "carol unixgroup:wheel"),
            &[
                "warning unix_groups: whether anybody could approve requests by carol depends on unix groups, whose members \
             are not known here",
                "note collusion: 2 humans together can change every rule",
            ],
        ),
    ];
    for (what, rest, expected) in table {
        assert_eq!(lines(&policy("alice bob carol dave", rest), "change_control"), *expected, "{what}");
    }
}

fn role(name: &str, permissions: &str) -> String {
    let permissions: Vec<String> = permissions.split_whitespace().map(|one| format!("\"{one}\"")).collect();
    format!("[[role]]\nname = \"{name}\"\npermissions = [{}]\n", permissions.join(","))
}

#[test]
fn duties_that_one_role_of_the_policy_joins_are_named() {
    let apart = |permissions: &str| {
        let rest = grants("admin", "carol dave") + &role("night", permissions) + &grants("night", "alice");
        lines(&policy("alice bob carol dave", &rest), "role night")
    };
    for fine in [
        "request.read request.approve request.void certificate.revoke ledger.read",
        "request.submit request.read_own ledger.read",
        "ledger.read ledger.export policy.read profile.read alarm.receive",
        "request.read_own policy.read policy.propose",
        "request.read request.approve policy.approve",
    ] {
        assert_eq!(apart(fine), [""; 0], "{fine}");
    }
    for (joined, expected) in [
        ("request.submit request.read request.approve", "it gives request.submit and request.approve: two who have it"),
        (
            "request.read request.approve policy.read policy.propose",
            "request.approve and policy.propose: whoever decides",
        ),
        (
            "request.read_own policy.read policy.propose policy.approve",
            "policy.propose and policy.approve: two who have it change every rule",
        ),
        (
            "ledger.read ledger.export request.read request.void",
            "ledger.export and request.void: whoever takes the ledger",
        ),
    ] {
        let found = apart(joined);
        let said = |line: &String| line.starts_with("warning separation_of_duties: ") && line.contains(expected);
        assert!(found.len() == 1 && found.iter().all(said), "{joined}: {found:#?}");
    }
    // Nobody has it now: there is nothing to say.
    let rest = role("night", "request.submit request.read request.approve")
        + "[[grant]]\nrole = \"night\"\nto = \"person:alice\"\nuntil = 1969-01-01T00:00:00Z\n";
    assert_eq!(lines(&policy("alice", &rest), "role night"), [""; 0]);
}

#[test]
fn a_role_of_the_policy_counts_by_its_permissions() {
    let rest = |night: &str| {
        role("night", night)
            + &grants("requester", "alice")
            + &grants("night", "bob")
            + &grants("admin", "carol")
            + &profile(APPROVAL)
    };
    let said = |night: &str, subject: &str| lines(&policy("alice bob carol", &rest(night)), subject);
    let note = "note collusion: 2 humans together (such as alice, bob) get a certificate";
    assert_eq!(said("request.read request.approve", "p-web"), [note]);
    let only_carol = said("request.read", "p-web");
    assert!(only_carol[0].contains("single_point_of_failure: without carol nothing"), "{only_carol:#?}");
    // Without the permission to agree nobody agrees to what carol proposes, whatever certificates they approve.
    let stuck = said("request.read request.approve", "change_control");
    assert!(stuck[0].starts_with("error satisfiable: nobody besides the proposer"), "{stuck:#?}");
    let agreeing = said("request.read policy.approve", "change_control");
    assert!(agreeing.iter().any(|line| line.contains("2 humans together (such as carol, bob) can change every rule")));
    let proposing = said("request.read_own policy.read policy.propose", "change_control");
    assert!(proposing.iter().any(|line| line.contains("(such as bob, carol) can change every rule")), "{proposing:#?}");
}

#[test]
fn who_changes_the_policy_gets_past_what_asks_for_more() {
    let rest = group("pki", "alice bob")
        + &grants("requester", "alice")
        + &grants("operator", "group:pki")
        + &grants("admin", "carol dave")
        + &profile("requires_approval = true\nquorum = [{ group = \"pki\", need = 3 }]");
    let found = lines(&policy("alice bob carol dave", &rest), "change_control");
    let text =
        "2 humans together (such as carol, alice) can change every rule, and by that get past p-web (which takes 4)";
    assert!(found.contains(&format!("warning collusion: {text}")), "{found:#?}");
}

#[test]
fn what_has_ended_is_not_given_and_accounts_of_nobody_are_named() {
    let rest = "[[grant]]\nrole = \"operator\"\nto = \"person:bob\"\nuntil = 2027-01-01T00:00:00Z\n".to_owned()
        + &grants("requester", "alice")
        + &grants("operator", "user:ops")
        + &profile(APPROVAL);
    let policy = policy("alice bob", &rest);
    let without_ops = |now| {
        let found = prove(&policy, now);
        found.iter().any(|finding| finding.text.starts_with("without ops nothing"))
    };
    assert!(!without_ops(NOW));
    assert!(without_ops("2027-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(
        lines(&policy, ""),
        [
            "warning identity: ops may decide and belong to no [[person]]: each counts as a human of its own, whoever uses it"
        ]
    );
}

#[test]
fn a_waiting_request_is_looked_at_with_the_votes_that_it_has() {
    let rest = group("pki", "bob carol")
        + &grants("requester", "alice")
        + &grants("operator", "group:pki")
        + &profile("requires_approval = true\nquorum = [{ group = \"pki\", need = 2 }]");
    let policy = policy("alice bob carol erin", &rest);
    let account = |name: &str| Account { uid: 9, name: Some(name.to_owned()), unix_groups: Vec::new() };
    let prover = Prover::of(&policy, NOW);
    let terms = |steps: &str| Terms {
        steps: steps.split(' ').map(|step| step.parse().unwrap()).collect(),
        ordered: false,
        reject_threshold: 1,
    };
    let profile = policy.profile("p-web").unwrap();
    let ask = |steps: &str, requester: &str, approved: &[&str]| {
        let approved: Vec<_> = approved.iter().map(|name| (account(name), vec!["pki".to_owned()])).collect();
        let (terms, requester) = (terms(steps), account(requester));
        prover.could_be_approved(&Waiting { profile, terms: &terms, requester: &requester, approved: &approved })
    };
    assert_eq!(ask("pki:2", "alice", &[]), Possible::Yes);
    assert_eq!(ask("pki:2", "bob", &[]), Possible::No);
    assert_eq!(ask("pki:3", "alice", &[]), Possible::No);
    // Erin has no vote any more; the one that she gave stands.
    assert_eq!(ask("pki:3", "alice", &["erin"]), Possible::Yes);
    // Bob's counts once.
    assert_eq!(ask("pki:3", "alice", &["bob"]), Possible::No);
    assert_eq!(ask("pki:2 *:1", "alice", &["erin"]), Possible::Yes);
}

/// Every human by what they may: ask, decide, and in which of three groups they are.
type Cast = (bool, bool, u8);

/// Whether the others, each at one place, fill all of them; by trying every order.
fn filled(places: &[usize], people: &[Cast]) -> bool {
    let Some((place, rest)) = places.split_first() else { return true };
    (0..people.len()).filter(|at| people[*at].1 && people[*at].2 >> place & 1 == 1).any(|at| {
        let mut others = people.to_vec();
        others.remove(at);
        filled(rest, &others)
    })
}

#[test]
fn the_only_one_whose_requests_could_be_approved_is_no_single_point_of_failure() {
    let mut document = "version = 1\n[[issuer]]\nid = \"ca\"\ntype = \"local-ca\"\n".to_owned();
    for name in ["ann", "ben", "cid"] {
        let _ = write!(document, "[[person]]\nname = \"{name}\"\naccounts = [\"{name}\"]\n");
    }
    document += &(group("one", "ben") + &group("two", "ann cid") + &grants("requester", "ben cid"));
    document += &grants("operator", "ann ben cid");
    document +=
        &profile("requires_approval = true\nquorum = [{ group = \"one\", need = 1 }, { group = \"two\", need = 1 }]");
    let policy = Policy::parse(&document).unwrap().0;
    // What ben asks for nobody could approve: only cid's requests are left to need somebody.
    let expected = "warning single_point_of_failure: without ann or without ben nothing could be approved";
    let lines = lines(&policy, "p-web");
    assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_prover_says_what_trying_every_set_of_humans_says(
        people in prop::collection::vec((any::<bool>(), any::<bool>(), 0u8..8), 1..6),
        needs in prop::collection::vec(1u32..3, 1..4),
    ) {
        let names: Vec<String> = (0..people.len()).map(|at| format!("h{at}")).collect();
        let mut rest = String::new();
        let of = |which: &dyn Fn(&Cast) -> bool| -> String {
            let chosen = names.iter().zip(&people).filter(|(_, cast)| which(cast));
            chosen.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
        };
        for step in 0..3 {
            rest += &group(&format!("g{step}"), &of(&|cast: &Cast| cast.2 >> step & 1 == 1));
        }
        rest += &grants("requester", &of(&|cast: &Cast| cast.0));
        rest += &grants("operator", &of(&|cast: &Cast| cast.1));
        let steps: Vec<String> =
            needs.iter().enumerate().map(|(at, need)| format!("{{ group = \"g{at}\", need = {need} }}")).collect();
        rest += &profile(&format!("requires_approval = true\nquorum = [{}]", steps.join(",")));
        let mut document = "version = 1\n[[issuer]]\nid = \"ca\"\ntype = \"local-ca\"\n".to_owned();
        for name in &names {
            let _ = write!(document, "[[person]]\nname = \"{name}\"\naccounts = [\"{name}\"]\n");
        }
        document += &rest;
        let places: Vec<usize> =
            needs.iter().enumerate().flat_map(|(at, need)| std::iter::repeat_n(at, *need as usize)).collect();
        let Ok((policy, _)) = Policy::parse(&document) else {
            // Refused at once: not even everybody together fills the places.
            prop_assert!(!filled(&places, &people));
            return Ok(());
        };
        let without = |gone: &[usize]| -> Vec<Cast> {
            let stay = people.iter().enumerate().filter(|(at, _)| !gone.contains(at));
            stay.map(|(_, cast)| *cast).collect()
        };
        let asking: Vec<usize> = (0..people.len()).filter(|at| people[*at].0).collect();
        let stuck: BTreeSet<&str> =
            asking.iter().filter(|at| !filled(&places, &without(&[**at]))).map(|at| names[*at].as_str()).collect();
        let found = prove(&policy, NOW);
        let of_rule = |rule: &str| found.iter().filter(|f| f.subject == "p-web" && f.rule == rule).collect::<Vec<_>>();
        let satisfiable = of_rule("satisfiable");
        let all_stuck = !asking.is_empty() && stuck.len() == asking.len();
        prop_assert_eq!(satisfiable.iter().any(|f| f.level == FindingLevel::Error), all_stuck);
        prop_assert_eq!(satisfiable.is_empty(), stuck.is_empty(), "{:?} {:?}", satisfiable, stuck);
        for name in &stuck {
            prop_assert!(satisfiable[0].text.contains(name));
        }
        // The smallest set of humans, by trying all of them.
        let smallest = (0u32..1 << people.len())
            .filter(|set| {
                let inside = |at: &usize| set >> at & 1 == 1;
                asking.iter().filter(|at| inside(at)).any(|asks| {
                    let gone: Vec<usize> = (0..people.len()).filter(|at| !inside(at) || at == asks).collect();
                    filled(&places, &without(&gone))
                })
            })
            .map(u32::count_ones)
            .min();
        let collusion = of_rule("collusion");
        prop_assert_eq!(collusion.len(), usize::from(smallest.is_some()));
        if let Some(number) = smallest {
            prop_assert!(collusion[0].text.starts_with(&format!("{number} humans together (such as")), "{}", collusion[0].text);
        }
        // Whoever is named cannot be spared, and somebody is named where somebody cannot.
        let going: Vec<usize> = asking.iter().copied().filter(|at| !stuck.contains(names[*at].as_str())).collect();
        let needed = |gone: usize| going.iter().any(|asks| *asks != gone && !filled(&places, &without(&[gone, *asks])));
        let single = of_rule("single_point_of_failure");
        prop_assert_eq!(!single.is_empty(), (0..people.len()).any(needed));
        if let Some(finding) = single.first() {
            for (at, name) in names.iter().enumerate() {
                let (before, _) = finding.text.split_once(" nothing").unwrap();
                if before.split([' ', ',']).any(|word| word == name) {
                    prop_assert!(needed(at), "{} {}", name, finding.text);
                }
            }
        }
    }
}

#[test]
fn the_policies_that_come_with_the_program_can_be_lived_with() {
    for document in [crate::demo::POLICY, include_str!("../../../../packaging/policy.example.toml")] {
        let (policy, _) = Policy::parse(document).unwrap();
        let found = prove(&policy, "2026-06-01T00:00:00Z".parse().unwrap());
        let errors: Vec<&Finding> = found.iter().filter(|finding| finding.level == FindingLevel::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn large_policies_cost_little() {
    let mut rest = String::new();
    for at in 0..4 {
        let members: Vec<String> = (0..1024).map(|n| format!("uid:{}", 1 + at * 1000 + n)).collect();
        rest += &group(&format!("g{at}"), &members.join(" "));
    }
    for at in 0..4 {
        rest += &grants("operator", &format!("group:g{at}"));
        rest += &grants("requester", &format!("group:g{at}"));
    }
    rest += &grants("admin", "uid:1 uid:2");
    for at in 0..256 {
        rest += &profile(
            "requires_approval = true\nquorum = [{ group = \"g0\", need = 5 }, { group = \"g1\", need = 5 }, \
             { group = \"g2\", need = 5 }, { group = \"g3\", need = 5 }]",
        )
        .replace("p-web", &format!("p-{at}"));
    }
    let policy = policy("", &rest);
    // Processor time of the thread, without optimisation.
    let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let began = used();
    let found = prove(&policy, NOW);
    assert!(used() - began < Duration::from_secs(10), "{:?}", used() - began);
    assert!(found.len() <= 3 * (MAX_OF_A_LEVEL + 1));
    assert!(found.iter().any(|finding| finding.rule == "more"));
}
