//! Ledgers that somebody changed who can write everything on the host: what every way of verification says, with nothing
//! from outside and with a checkpoint that was kept elsewhere.

mod cases;
mod clock;
mod kept;
mod page;
pub mod root;
mod running;
mod stage;
mod ways;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::CASES;
use stage::Stage;
use ways::{Outcome, WAYS};

use crate::support::can_be_people;

/// Cases that are tried at the same time.
const ABREAST: usize = 4;

#[test]
fn a_clock_that_was_set_shows_beside_the_daemons_own_time_line() {
    if !can_be_people() {
        return;
    }
    let page = include_str!("../../../../docs/tampering.md");
    let (_, rest) = page.split_once("<!-- example: clock -->\n```sql\n").unwrap();
    let query = rest.split("\n```\n").next().unwrap();
    let stage = Stage::new();
    for (years, days) in [(-1, vec![-365, 365]), (0, vec![]), (1, vec![365, -365])] {
        let host = stage.with_clock_set(years);
        let db = host.db();
        let mut statement = db.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, i64>(2)?))).unwrap();
        let (places, found): (Vec<u64>, Vec<i64>) = rows.map(Result::unwrap).unzip();
        assert_eq!(found, days, "{years}");
        // Two requests were made meanwhile.
        assert!(places.is_empty() || places[1] - places[0] == 2, "{places:?}");
    }
}

#[test]
fn what_each_way_of_verification_says_to_each_way_of_tampering() {
    if !can_be_people() {
        return;
    }
    let stage = Stage::new();
    assert_eq!((stage.kept.size, stage.host().value::<u64>("SELECT count(*) FROM audit_events")), (32, 37));
    let outcomes: Vec<Mutex<Option<Outcome>>> = (0..CASES.len() * WAYS.len()).map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(outcome) = outcomes.get(at) else { return };
                    let (case, (_, way)) = (&CASES[at / WAYS.len()], WAYS[at % WAYS.len()]);
                    // All are tried, whatever one of them comes to.
                    *outcome.lock().unwrap() = catch_unwind(AssertUnwindSafe(|| way(&stage, case))).ok();
                }
            });
        }
    });
    let outcomes: Vec<Option<Outcome>> = outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap()).collect();
    let mut wrong = String::new();
    for (case, outcomes) in CASES.iter().zip(outcomes.chunks(WAYS.len())) {
        for (((way, _), outcome), expected) in WAYS.iter().zip(outcomes).zip(&case.expected) {
            let Some(outcome) = outcome else {
                wrong.push_str(&format!("{}, {way}: no outcome\n", case.name));
                continue;
            };
            let found = [&outcome.without, &outcome.with].map(|found| page::named(found));
            if found != *expected {
                wrong.push_str(&format!("{}, {way}: {expected:?} expected, {found:?}: {outcome:#?}\n", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    page::compare(&outcomes.chunks(WAYS.len()).collect::<Vec<_>>());
}
