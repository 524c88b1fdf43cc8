//! Whom messages go to: every check, with its place, and what a stored document may say.

use super::super::tests::{POLICY, errors};
use crate::policy::{Channel, Effect, Policy, differences};

fn with(more: &str) -> String {
    format!("{POLICY}\n{more}\n")
}

fn parsed(more: &str) -> Policy {
    Policy::parse(&with(more)).unwrap_or_else(|errors| panic!("{errors:?}")).0
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (more, expected) in [
        ("[messages]\nasked = [\"Pager\"]", "[messages]: asked: unknown variant `Pager`: a channel is one of Email"),
        ("[messages]\nsaid = []", "[messages]: said: unknown field"),
        ("[messages]\ntold = \"Email\"", "[messages]: told: invalid type"),
        ("[[messages]]\nasked = []", "messages is one table, written as [messages]"),
        ("[[recipients]]\nteam = \"web\"", "[[recipients]] number 1: says of no owner and no profile"),
        ("[[recipients]]\nprofiles = [\"p-web\"]", "[[recipients]] number 1: names nobody"),
        ("[[recipients]]\nprofiles = []\nteam = \"x\"", "profiles: an empty list matches nothing"),
        ("[[recipients]]\nprofiles = [\"p-x\"]\nteam = \"x\"", "profiles: there is no [[profile]] `p-x`"),
        ("[[recipients]]\nowner = \"group:none\"\nteam = \"x\"", "owner: group:none: there is no [[group]]"),
        ("[[recipients]]\nowner = \"unixgroup:pki\"\nteam = \"x\"", "owner: `unixgroup:pki`: nobody is an owner by"),
        ("[[recipients]]\nowner = \"alice\"\nteam = \"x\"", "owner: `alice`: "),
        ("[[recipients]]\nowner = \"user:a\"\nteam = \"A B\"", "team: "),
        ("[[recipients]]\nowner = \"user:a\"\nmail = [\"a@b, c@d\"]", "mail: `a@b, c@d`: expected one address"),
        ("[[recipients]]\nowner = \"user:a\"\nmail = [\"\u{e9}@b.example\"]", "mail: `"),
        ("[[recipients]]\nowner = \"user:a\"\nmail = [\"a@b\\r\\nBcc: c@d\"]", "mail: `"),
        (
            "[[recipients]]\nowner = \"user:a\"\nteam = \"x\"\n[[recipients]]\nowner = \"user:a\"\nteam = \"y\"",
            "[[recipients]] number 2: a second table for the same certificates",
        ),
    ] {
        let found = errors(&with(more));
        assert!(found.len() == 1 && found[0].contains(expected), "{more}: {found:?}");
        assert!(!found[0].contains('\r'), "{found:?}");
    }
    let many = (0..33).map(|number| format!("\"a{number}@b.example\"")).collect::<Vec<_>>().join(", ");
    let found = errors(&with(&format!("[[recipients]]\nowner = \"user:a\"\nmail = [{many}]")));
    assert!(found.len() == 1 && found[0].contains("33 addresses; at most 32"), "{found:?}");
}

#[test]
fn a_stored_document_may_come_from_a_program_that_knew_more_channels() {
    let document = with("[messages]\nasked = [\"Pigeon\", \"Slack\"]");
    let (policy, warnings) = Policy::parse_stored(&document).unwrap();
    assert_eq!(policy.messages().asked.as_deref(), Some(&[Channel::Slack][..]));
    assert!(warnings.iter().any(|warning| warning.contains("`Pigeon` is no channel")), "{warnings:?}");
    assert!(Policy::parse(&document).is_err());
}

#[test]
fn nobody_asked_is_warned_of() {
    let warnings = Policy::parse(&with("[messages]\nasked = []")).unwrap().1;
    assert!(warnings.iter().any(|warning| warning.contains("[messages]: asked: nobody is told")), "{warnings:?}");
}

#[test]
fn whom_a_policy_tells_shows_in_its_difference_and_weighs_nothing() {
    let old = parsed("[messages]\nasked = [\"Slack\"]\n[[recipients]]\nowner = \"user:a\"\nteam = \"web\"");
    let new = parsed(
        "[messages]\nasked = []\ntold = [\"Wall\"]\n[[recipients]]\nowner = \"user:a\"\nmail = [\"a@b.example\"]",
    );
    let found: Vec<_> = differences(&old, &new)
        .into_iter()
        .map(|one| {
            assert_eq!(one.effect, Effect::Neutral);
            (one.table, one.id, one.key, one.before, one.after)
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    let line = |table: &str, id: &str, key: &str, before, after| (table.into(), id.into(), key.into(), before, after);
    let expected = [
        line("messages", "", "asked", text("Slack"), text("nobody")),
        line("messages", "", "told", None, text("Wall")),
        line("recipients", "user:a", "team", text("web"), None),
        line("recipients", "user:a", "mail", None, text("a@b.example")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_order_of_recipients_is_a_difference() {
    let (one, two) = (
        "[[recipients]]\nowner = \"user:a\"\nteam = \"x\"\n",
        "[[recipients]]\nprofiles = [\"p-web\"]\nteam = \"y\"\n",
    );
    let found = differences(&parsed(&format!("{one}{two}")), &parsed(&format!("{two}{one}")));
    assert_eq!((found.len(), found[0].key.as_str()), (1, "order"), "{found:?}");
}
