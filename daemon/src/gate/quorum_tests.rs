use proptest::prelude::*;

use super::*;

fn terms(steps: &str, ordered: bool) -> Terms {
    Terms { steps: steps.split(' ').map(|step| step.parse().unwrap()).collect(), ordered, reject_threshold: 1 }
}

fn approval(voter: &str, counts_for: &str) -> Ballot {
    Ballot {
        voter: voter.into(),
        giver: None,
        verdict: Verdict::Approve,
        counts_for: counts_for.split(' ').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
    }
}

#[test]
fn people_fill_places_and_each_fills_one() {
    /// Steps, votes with the groups that they count for, places filled, complete.
    type Row = (&'static str, &'static [(&'static str, &'static str)], u32, bool);
    let table: &[Row] = &[
        ("*:1", &[], 0, false),
        ("*:1", &[("bob", "*")], 1, true),
        ("pki:2", &[("bob", "pki"), ("bob", "pki")], 1, false),
        ("pki:2", &[("bob", "pki"), ("carol", "pki")], 2, true),
        // In both groups, and still one person.
        ("pki:1 sec:1", &[("bob", "pki sec")], 1, false),
        ("pki:1 sec:1", &[("bob", "pki sec"), ("carol", "pki")], 2, true),
        ("pki:1 sec:1", &[("carol", "pki"), ("bob", "pki sec")], 2, true),
        ("pki:1 sec:1", &[("bob", "pki"), ("carol", "pki")], 1, false),
        // Three have to move for the last one.
        ("a:1 b:1 c:1", &[("x", "a b"), ("y", "b c"), ("z", "a")], 3, true),
        ("a:2 b:1", &[("x", "a b"), ("y", "a b"), ("z", "b")], 3, true),
        ("a:2 b:1", &[("x", "b"), ("y", "b"), ("z", "a")], 2, false),
        ("a:1", &[("x", "")], 0, false),
    ];
    for (steps, ballots, given, complete) in table {
        let ballots: Vec<Ballot> = ballots.iter().map(|(voter, groups)| approval(voter, groups)).collect();
        let tally = Tally::of(&terms(steps, false), &ballots);
        assert_eq!((tally.given(), tally.is_complete()), (*given, *complete), "{steps} {ballots:?}");
    }
}

#[test]
fn a_say_is_used_once_by_its_owner_or_by_whom_it_was_handed_to() {
    let by_erin = |giver: &str| Ballot { giver: Some(giver.into()), ..approval("erin", "pki") };
    let given = |ballots: &[Ballot]| Tally::of(&terms("pki:3", false), ballots).given();
    assert_eq!(given(&[by_erin("bob"), approval("bob", "pki")]), 1);
    assert_eq!(given(&[approval("bob", "pki"), by_erin("bob")]), 1);
    assert_eq!(given(&[by_erin("bob"), by_erin("carol")]), 1, "one human, one place");
    assert_eq!(given(&[by_erin("bob"), approval("carol", "pki")]), 2);
    // Erin handed hers on as well: nobody counts twice through her.
    let by_frank = Ballot { giver: Some("erin".into()), ..approval("frank", "pki") };
    assert_eq!(given(&[by_erin("bob"), by_frank]), 1);
}

#[test]
fn rejections_are_counted_by_person_and_fill_no_place() {
    let no = |voter: &str| Ballot { verdict: Verdict::Reject, ..approval(voter, "pki") };
    let tally = Tally::of(&terms("pki:2", false), &[no("bob"), no("bob"), no("carol"), approval("dave", "pki")]);
    assert_eq!((tally.rejections, tally.given()), (2, 1));
}

#[test]
fn an_ordered_quorum_asks_one_step_at_a_time() {
    let ordered = terms("a:1 b:2 c:1", true);
    let ballots = [approval("x", "a"), approval("y", "b"), approval("z", "b"), approval("w", "c")];
    let open = |n: usize| Tally::of(&ordered, &ballots[..n]).open(&ordered);
    assert_eq!(open(0), [true, false, false]);
    assert_eq!(open(1), [false, true, false]);
    assert_eq!(open(2), [false, true, false]);
    assert_eq!(open(3), [false, false, true]);
    assert_eq!(open(4), [false, false, false]);
    let parallel = terms("a:1 b:2 c:1", false);
    assert_eq!(Tally::of(&parallel, &ballots[..1]).open(&parallel), [false, true, true]);
}

/// Every way to give places to ballots, one after the other: slow, and nothing to get wrong.
fn most(places: &[String], ballots: &[Ballot]) -> usize {
    let Some((ballot, rest)) = ballots.split_first() else { return 0 };
    let mut best = most(places, rest);
    for (at, place) in places.iter().enumerate() {
        if ballot.counts_for.contains(place) {
            let mut left = places.to_vec();
            left.remove(at);
            best = best.max(1 + most(&left, rest));
        }
    }
    best
}

proptest! {
    #[test]
    fn no_assignment_fills_more_places_and_no_order_of_votes_changes_the_number(
        needs in prop::collection::vec((0usize..4, 1u32..3), 1..4),
        says in prop::collection::vec(prop::collection::vec(0usize..4, 0..4), 0..5),
    ) {
        let group = |at: usize| ["a", "b", "c", "d"][at].to_owned();
        let steps: Vec<String> = needs.iter().map(|(at, need)| format!("{}:{need}", group(*at))).collect();
        let terms = terms(&steps.join(" "), false);
        let mut ballots: Vec<Ballot> = says
            .iter()
            .enumerate()
            .map(|(voter, groups)| Ballot {
                counts_for: groups.iter().map(|at| group(*at)).collect(),
                ..approval(&format!("p{voter}"), "")
            })
            .collect();
        let places: Vec<String> =
            needs.iter().flat_map(|(at, need)| std::iter::repeat_n(group(*at), *need as usize)).collect();
        let tally = Tally::of(&terms, &ballots);
        prop_assert_eq!(tally.given() as usize, most(&places, &ballots));
        prop_assert_eq!(tally.is_complete(), tally.given() == terms.places());
        ballots.reverse();
        prop_assert_eq!(Tally::of(&terms, &ballots).given(), tally.given());
        for (step, filled) in terms.steps.iter().zip(&tally.filled) {
            prop_assert!(filled.len() <= step.need as usize);
            for voter in filled {
                prop_assert!(ballots.iter().any(|b| b.voter == *voter && b.counts_for.contains(&step.group)));
            }
        }
        let all: Vec<&String> = tally.filled.iter().flatten().collect();
        let distinct: BTreeSet<&&String> = all.iter().collect();
        prop_assert_eq!(all.len(), distinct.len());
    }
}
