use countersign_shared::time::Span;

use super::super::history::History;
use super::super::pending::{self, Counts};
use super::*;
use crate::gate::Cast;

const NOW: Timestamp = Timestamp::EPOCH;

fn policy(profile: &str, more: &str) -> Policy {
    let mut document = format!(
        "version = 1\n[[issuer]]\nid = \"ca\"\ntype = \"local-ca\"\n\
         [[group]]\nname = \"pki\"\nmembers = [\"person:bob\", \"person:carol\"]\n\
         [[group]]\nname = \"sec\"\nmembers = [\"person:carol\", \"person:dave\"]\n\
         [[grant]]\nrole = \"requester\"\nto = \"person:alice\"\n\
         [[grant]]\nrole = \"operator\"\nto = \"group:pki\"\n[[grant]]\nrole = \"operator\"\nto = \"group:sec\"\n\
         [[profile]]\nid = \"p-web\"\nname = \"x\"\nenvironment = \"e\"\nissuer = \"ca\"\nkeys = [\"ed25519\"]\n\
         max_validity = \"1d\"\n{profile}\n{more}\n"
    );
    for name in ["alice", "bob", "carol", "dave"] {
        document.push_str(&format!("[[person]]\nname = \"{name}\"\naccounts = [\"{name}\"]\n"));
    }
    Policy::parse(&document).unwrap_or_else(|errors| panic!("{errors:#?}")).0
}

const NAMES: &str = "names = [\"*.corp.example\"]\n";

fn asking(quorum: &str) -> Policy {
    policy(&format!("{NAMES}requires_approval = true\nquorum = [{quorum}]"), "")
}

fn party(name: &str, uid: u32) -> Party {
    Party {
        account: name.into(),
        uid,
        login_uid: None,
        login_account: None,
        person: Some(name.into()),
        login_person: None,
    }
}

fn past(voters: &[(&str, u32)], name: &str) -> Past {
    let base = asking("{ group = \"pki\", need = 1 }");
    let profile = base.profile("p-web").unwrap().clone();
    let owner = account_of("alice", 1);
    let cast = |(name, uid): &(&str, u32)| Cast {
        by: party(name, *uid),
        giver: None,
        verdict: Verdict::Approve,
        counts_for: vec!["pki".into()],
        seq: 1,
    };
    Past {
        made_under: base.terms(&profile, &owner, false),
        profile,
        sans: vec![San::Dns(name.into())],
        requester: party("alice", 1),
        owner,
        approvals: voters.iter().map(cast).collect(),
        rejections: 0,
    }
}

#[test]
fn a_request_is_judged_by_the_votes_that_it_had() {
    let web = "www.corp.example";
    let (bob, carol, dave) = (("bob", 2), ("carol", 3), ("dave", 4));
    let pki = "{ group = \"pki\", need = 1 }";
    let both = "{ group = \"pki\", need = 1 }, { group = \"sec\", need = 1 }";
    let short = |people, group: &str| Some(Otherwise::Short(people, group.into()));
    let table = [
        (asking(pki), past(&[bob], web), None),
        (asking(pki), past(&[dave], web), short(1, "pki")),
        (asking("{ group = \"pki\", need = 2 }"), past(&[bob], web), short(1, "pki")),
        (asking("{ group = \"pki\", need = 2 }"), past(&[bob, carol], web), None),
        // Carol is in both groups and fills one place.
        (asking(both), past(&[carol], web), short(1, "sec")),
        (asking(both), past(&[bob, carol], web), None),
        (asking(both), past(&[carol, bob], web), None),
        (asking(pki), past(&[bob], "www.example.org"), Some(Otherwise::NameOutside)),
        (asking(pki), past(&[bob], "*.corp.example"), Some(Otherwise::NameOutside)),
        (policy(NAMES, ""), past(&[bob], web), Some(Otherwise::Unattended)),
        // The requester's own vote, by an account that was folded into her person since.
        (asking(pki), past(&[("alice", 1)], web), short(1, "pki")),
        (
            policy(&format!("{NAMES}requires_approval = true"), "[[grant]]\nrole = \"admin\"\nto = \"user:eve\"\n"),
            past(&[("eve", 9)], web),
            None,
        ),
        (policy(&format!("{NAMES}requires_approval = true"), ""), past(&[("eve", 9)], web), short(1, "*")),
    ];
    for (at, (policy, past, expected)) in table.into_iter().enumerate() {
        assert_eq!(judge(&policy, &past, NOW), expected, "{at}");
    }
    let gone = Policy::parse("version = 1").unwrap().0;
    assert_eq!(judge(&gone, &past(&[bob], web), NOW), Some(Otherwise::ProfileGone));
    let mut by_dave = past(&[bob], web);
    by_dave.requester = party("dave", 4);
    assert_eq!(judge(&asking(pki), &by_dave, NOW), Some(Otherwise::MayNotAsk));
    let mut scheduled = past(&[bob], web);
    scheduled.requester = Party::system("system-scheduler");
    assert_eq!(judge(&asking(pki), &scheduled, NOW), None);
}

#[test]
fn what_was_approved_is_counted_by_reason() {
    let web = "www.corp.example";
    let approved = vec![past(&[("bob", 2)], web), past(&[("dave", 4)], web), past(&[("dave", 4)], "x.example.org")];
    let history = History { approved, ..History::default() };
    let stricter = asking("{ group = \"pki\", need = 2 }");
    let text = |policy: &Policy| findings(policy, &history, NOW).into_iter().map(|f| f.text).collect::<Vec<_>>();
    assert_eq!(BACK, Span::from_secs(90 * 86_400));
    assert_eq!(
        text(&stricter),
        [
            "of 3 requests that people approved in the last 90d, 3 would not have been: 1 has a name outside, 1 needs 1 more \
         of group pki, 1 needs 2 more of group pki",
        ]
    );
    assert_eq!(
        text(&policy("names = [\".example\", \".example.org\"]", "")),
        [
            "of 3 requests that people approved in the last 90d each would have been approved by the votes that it had",
            "of 3 requests that people approved in the last 90d, 3 would have needed nobody",
        ]
    );
    assert!(findings(&stricter, &History::default(), NOW).is_empty());
}

#[test]
fn what_waits_is_counted_once_for_each_thing_that_happens_to_it() {
    let waiting = [past(&[], "a.corp.example"), past(&[("dave", 4)], "b.corp.example")];
    let count = |policy: &Policy| pending::count(policy, &waiting, NOW);
    assert_eq!(count(&asking("{ group = \"pki\", need = 1 }")), Counts::default());
    let gone = Policy::parse("version = 1").unwrap().0;
    assert_eq!(count(&gone), Counts { gone: 2, ..Counts::default() });
    assert_eq!(count(&asking("{ group = \"pki\", need = 2 }")), Counts { stricter: 2, ..Counts::default() });
    // What they were made under stands where less is asked for now; and nobody of that group may decide any more.
    let bob_alone = policy(&format!("{NAMES}requires_approval = true"), "");
    assert_eq!(count(&bob_alone), Counts::default());
    let nobody =
        Policy::parse(&bob_alone.document().replace("[\"person:bob\", \"person:carol\"]", "[\"person:alice\"]"));
    assert_eq!(count(&nobody.unwrap().0), Counts { stuck: 1, ..Counts::default() });
    let history = History { pending: waiting.to_vec(), ..History::default() };
    let found = pending::findings(&gone, &history, NOW);
    assert_eq!(found[0].text, "of 2 requests that wait, 2 could not be issued: their profile is gone");
}
