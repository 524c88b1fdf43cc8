use std::collections::BTreeSet;

use countersign_shared::digest::Digest;
use countersign_shared::time::Timestamp;
use proptest::prelude::*;

use super::*;

fn seen(place: &str, id: &str, key: &str, names: &str, until: i64) -> Seen {
    Seen {
        place: place.parse().unwrap(),
        alias: None,
        role: Role::Leaf,
        sha256: Digest::of(&[id.as_bytes()]),
        spki_sha256: Digest::of(&[key.as_bytes()]),
        names: names.split_ascii_whitespace().map(str::to_owned).collect(),
        not_before: Timestamp::EPOCH,
        not_after: Timestamp::from_unix_millis(until * 86_400_000).unwrap(),
    }
}

fn at(places: &[&str]) -> BTreeSet<Place> {
    places.iter().map(|place| place.parse().unwrap()).collect()
}

fn changes(before: &[Seen], after: &[Seen], covered: &[&str], unseen: &[&str]) -> Changes {
    compare(before, Later { seen: after, covered: &at(covered), unseen: &at(unseen) })
}

const A: &str = "file:/etc/a.pem";

#[test]
fn what_makes_a_successor() {
    let old = seen(A, "old", "k1", "w m", 10);
    for (new, wanted) in [
        (seen(A, "new", "k1", "w m", 20), Some((Lineage::NamesAndKey, false))),
        (seen(A, "new", "k2", "m w", 20), Some((Lineage::Names, false))),
        (seen(A, "new", "k1", "other", 20), Some((Lineage::Key, false))),
        (seen(A, "new", "k2", "m x", 20), Some((Lineage::SomeNames, false))),
        (seen(A, "new", "k2", "w m", 5), Some((Lineage::Names, true))),
        (seen(A, "new", "k2", "other", 20), None),
        (seen(A, "new", "k2", "", 20), None),
        (seen("file:/etc/b.pem", "new", "k1", "w m", 20), None),
    ] {
        let changes = changes(std::slice::from_ref(&old), std::slice::from_ref(&new), &["file:/etc"], &[]);
        let found = changes.succeeded.first().map(|succession| (succession.by, succession.goes_back));
        assert_eq!(found, wanted, "{new:?}");
        if wanted.is_none() {
            assert_eq!((changes.gone, changes.appeared), (vec![old.clone()], vec![new]));
        } else {
            assert!(changes.gone.is_empty() && changes.appeared.is_empty() && changes.unknown.is_empty());
            assert_eq!((changes.succeeded[0].from, changes.succeeded[0].to), (old.sha256, new.sha256));
        }
    }
    let authority = Seen { role: Role::Authority, ..seen(A, "new", "k1", "w m", 20) };
    assert!(changes(&[old], &[authority], &["file:/etc"], &[]).succeeded.is_empty());
}

#[test]
fn under_another_alias_nothing_succeeds_itself() {
    let under = |alias: &str, id: &str| Seen { alias: Some(alias.into()), ..seen(A, id, "k", "w", 10) };
    let (early, late) = (under("early", "one"), under("late", "one"));
    let before = std::slice::from_ref(&early);
    let moved = changes(before, std::slice::from_ref(&late), &[A], &[]);
    assert_eq!(moved, Changes { appeared: vec![late.clone()], gone: vec![early.clone()], ..Changes::default() });
    // Its successor has the alias that it had.
    let renewed = under("early", "two");
    let found = changes(before, &[late.clone(), renewed.clone()], &[A], &[]);
    assert_eq!((found.succeeded[0].from, found.succeeded[0].to), (early.sha256, renewed.sha256));
    assert_eq!((found.appeared, found.gone), (vec![late], vec![]));
}

#[test]
fn a_listener_that_was_not_told() {
    let served = "tls:127.0.0.1:443";
    let before = [seen(A, "old", "k", "w", 10), seen(served, "old", "k", "w", 10)];
    let after = [seen(A, "new", "k", "w", 20), seen(served, "old", "k", "w", 10)];
    let changes = changes(&before, &after, &["file:/etc", served], &[]);
    assert_eq!(changes.succeeded.len(), 1);
    assert_eq!(changes.succeeded[0].still_at, [served.parse().unwrap()]);
    assert!(changes.gone.is_empty() && changes.appeared.is_empty());
}

#[test]
fn what_could_not_be_read_is_not_gone() {
    let old = [seen(A, "old", "k", "w", 10)];
    for (covered, unseen, gone) in [
        (&["file:/etc"][..], &[][..], true),
        (&["file:/etc"], &["file:/etc/a.pem"], false),
        (&["file:/etc"], &["file:/etc"], false),
        (&["file:/etc"], &["file:/etc/b.pem", "file:/etc/a.pe"], true),
        (&["file:/srv"], &[], false),
        (&[], &[], false),
    ] {
        let changes = changes(&old, &[], covered, unseen);
        assert_eq!((changes.gone.len(), changes.unknown.len()), (usize::from(gone), usize::from(!gone)), "{covered:?}");
    }
    let new = [seen(A, "new", "k", "w", 20)];
    assert_eq!(changes(&old, &new, &["file:/etc"], &[A]).succeeded.len(), 1);
}

#[test]
fn in_a_bundle_each_finds_its_own() {
    let named = |mut seen: Seen, alias: &str| {
        seen.alias = Some(alias.into());
        seen
    };
    let before = [
        named(seen(A, "o1", "k1", "w", 10), "one"),
        named(seen(A, "o2", "k2", "w", 12), "two"),
        seen(A, "o3", "k3", "mail", 10),
    ];
    let after = [
        named(seen(A, "n2", "k5", "w", 20), "two"),
        named(seen(A, "n1", "k4", "w", 22), "one"),
        seen(A, "n3", "k3", "mail imap", 20),
        seen(A, "n4", "k6", "mail", 21),
    ];
    let changes = changes(&before, &after, &["file:/etc"], &[]);
    let pair = |from: &str, to: &str| (Digest::of(&[from.as_bytes()]), Digest::of(&[to.as_bytes()]));
    let found: BTreeSet<_> = changes.succeeded.iter().map(|succession| (succession.from, succession.to)).collect();
    assert_eq!(found, BTreeSet::from([pair("o1", "n1"), pair("o2", "n2"), pair("o3", "n4")]));
    assert_eq!(changes.appeared, [after[2].clone()]);
}

#[test]
fn the_same_in_several_places() {
    let b = "file:/srv/b.pem";
    let all = [
        seen(A, "x", "k", "w", 10),
        seen(b, "x", "k", "w", 10),
        seen(b, "y", "k", "w", 10),
        seen(b, "x", "k", "w", 10),
    ];
    let found = duplicates(&all);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].sha256, found[0].places.clone()),
        (all[0].sha256, vec![all[0].place.clone(), all[1].place.clone()])
    );
}

fn any_seen() -> impl Strategy<Value = Seen> {
    (0..3_u8, 0..6_u8, 0..3_u8, 0..4_u8, 0..5_i64).prop_map(|(place, id, key, names, until)| {
        let names = ["", "w", "m", "w m"][usize::from(names)];
        seen(&format!("file:/d{place}/x"), &id.to_string(), &key.to_string(), names, until)
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_or_counted_twice(
        mut before in proptest::collection::vec(any_seen(), 0..12),
        mut after in proptest::collection::vec(any_seen(), 0..12),
        covered in proptest::sample::subsequence(vec!["file:/d0", "file:/d1", "file:/d2"], 0..=3),
        unseen in proptest::sample::subsequence(vec!["file:/d0/x", "file:/d1"], 0..=2),
    ) {
        for list in [&mut before, &mut after] {
            list.sort_by_key(|seen| (seen.place.clone(), seen.sha256));
            list.dedup_by_key(|seen| (seen.place.clone(), seen.sha256));
        }
        let found = changes(&before, &after, &covered, &unseen);
        let both = after.iter().filter(|new| before.iter().any(|old| old.place == new.place && old.sha256 == new.sha256)).count();
        prop_assert_eq!(found.succeeded.len() + found.appeared.len() + both, after.len());
        prop_assert_eq!(found.succeeded.len() + found.gone.len() + found.unknown.len() + both, before.len());
        let again = changes(&after, &after, &covered, &unseen);
        prop_assert_eq!(again, Changes::default());
        for gone in &found.gone {
            prop_assert!(at(&covered).iter().any(|area| gone.place.within(area)));
            prop_assert!(!at(&unseen).iter().any(|area| gone.place.within(area)));
        }
    }
}
