use std::collections::BTreeMap;

use countersign_shared::protocol::ActorType;
use proptest::prelude::*;

use super::*;
use crate::ledger::{Draft, Tail};
use crate::store::migrations::{migrate, newest};

/// Who, what, which category, about what, and when (in milliseconds since 1970).
pub type Told = (&'static str, AuditAction, Category, &'static str, i64);

/// A ledger that tells this, in this order.
pub fn ledger(told: impl IntoIterator<Item = Told>) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, newest()).unwrap();
    let mut tail = Tail::default();
    connection.execute_batch("BEGIN").unwrap();
    for (actor, action, category, resource_id, at) in told {
        let draft = Draft {
            actor: actor.into(),
            actor_type: ActorType::User,
            action,
            category,
            resource_type: "request",
            resource_id: resource_id.into(),
            details: BTreeMap::new(),
        };
        let sealed = tail.seal(draft.number("tick", at), Timestamp::from_unix_millis(at).unwrap()).unwrap();
        connection
            .prepare_cached("INSERT INTO audit_events VALUES (?1, ?2, ?3, ?4, 'User', ?5, ?6, 'request', ?7, ?8, ?9)")
            .unwrap()
            .execute(params![
                sealed.seq,
                sealed.event_id.as_str(),
                sealed.created_at.to_string(),
                actor,
                action.as_str(),
                category.as_str(),
                resource_id,
                sealed.details.as_str(),
                sealed.record,
            ])
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    connection
}

const ACTORS: [&str; 3] = ["alice", "bob", "system-reaper"];
const ACTIONS: [AuditAction; 3] =
    [AuditAction::ApprovalRequested, AuditAction::ApprovalRefused, AuditAction::DaemonStarted];
const CATEGORIES: [Category; 3] = [Category::CertLifecycle, Category::Auth, Category::Config];
const OBJECTS: [&str; 3] = ["ar-1", "ar-2", "ce-1"];

fn told() -> impl Strategy<Value = Told> {
    // The clock is set back and forth.
    (0..3_usize, 0..3_usize, 0..3_usize, 0..3_usize, 0..40_i64)
        .prop_map(|(a, b, c, d, at)| (ACTORS[a], ACTIONS[b], CATEGORIES[c], OBJECTS[d], at * 1000))
}

fn filter() -> impl Strategy<Value = Filter> {
    let one_of = || prop::option::of(0..3_usize);
    let time = || prop::option::of((0..41_i64).prop_map(|at| Timestamp::from_unix_millis(at * 1000).unwrap()));
    (one_of(), one_of(), one_of(), one_of(), time(), time()).prop_map(|(actor, action, category, object, from, to)| {
        Filter {
            actor: actor.map(|at| ACTORS[at].to_owned()),
            action: action.map(|at| ACTIONS[at]),
            category: category.map(|at| CATEGORIES[at]),
            resource_id: object.map(|at| OBJECTS[at].to_owned()),
            from,
            to,
        }
    })
}

fn matches(filter: &Filter, told: &Told) -> bool {
    let at = Timestamp::from_unix_millis(told.4).unwrap();
    filter.actor.as_deref().is_none_or(|actor| actor == told.0)
        && filter.action.is_none_or(|action| action == told.1)
        && filter.category.is_none_or(|category| category == told.2)
        && filter.resource_id.as_deref().is_none_or(|id| id == told.3)
        && filter.from.is_none_or(|from| from <= at)
        && filter.to.is_none_or(|to| at < to)
}

/// All pages, one after the other.
fn all(connection: &Connection, filter: &Filter, text: Option<&str>, limit: u32) -> Vec<u64> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let window = Window::new(Some(limit), cursor.as_deref()).unwrap();
        let (events, next) = page(connection, filter, text, window).unwrap();
        found.extend(events.iter().map(|event| event.seq));
        cursor = match next {
            Some(next) => Some(next),
            None => return found,
        };
    }
}

proptest! {
    #[test]
    fn every_filter_finds_and_counts_exactly_what_matches(
        told in prop::collection::vec(told(), 0..40), filter in filter(), limit in 1..7_u32,
    ) {
        let connection = ledger(told.clone());
        let expected: Vec<u64> = (0..).zip(&told).filter(|(_, told)| matches(&filter, told)).map(|(seq, _)| seq).collect();
        prop_assert_eq!(count(&connection, &filter).unwrap(), expected.len() as u64);
        let newest_first: Vec<u64> = expected.into_iter().rev().collect();
        prop_assert_eq!(all(&connection, &filter, None, limit), newest_first);
    }
}

#[test]
fn a_text_is_looked_for_a_stretch_at_a_time_and_found_at_the_far_end() {
    let many = 2 * TEXT_STRETCH + 10;
    let said = (0..many).map(|at| {
        let object = if at == 3 { "ar-needle" } else { "ar-1" };
        ("alice", AuditAction::ApprovalRequested, Category::CertLifecycle, object, at)
    });
    let connection = ledger(said);
    let first = page(&connection, &Filter::default(), Some("NEEDLE"), Window::new(None, None).unwrap()).unwrap();
    assert!(first.0.is_empty() && first.1.is_some(), "a page costs a bounded stretch");
    assert_eq!(all(&connection, &Filter::default(), Some("NEEDLE"), 100), [3]);
    assert_eq!(all(&connection, &Filter::default(), Some("%"), 100), [0_u64; 0]);
}

#[test]
fn each_question_is_answered_along_an_index() {
    let connection = ledger([]);
    let plan = |sql: &str, conditions: &Conditions| -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(conditions.values().as_slice(), |row| row.get::<_, String>("detail")).unwrap();
        rows.map(Result::unwrap).collect::<Vec<String>>().join("; ")
    };
    let text = |text: &str| Some(text.to_owned());
    let time = Some(Timestamp::EPOCH);
    for (filter, index) in [
        (Filter { actor: text("a"), ..Filter::default() }, "audit_by_actor (actor=?"),
        (Filter { action: Some(ACTIONS[0]), ..Filter::default() }, "audit_by_action (action=?"),
        (Filter { category: Some(CATEGORIES[0]), ..Filter::default() }, "audit_by_category (category=?"),
        (Filter { resource_id: text("r"), from: time, ..Filter::default() }, "audit_by_resource (resource_id=?"),
        (
            Filter {
                resource_id: text("r"),
                actor: text("a"),
                action: Some(ACTIONS[0]),
                to: time,
                ..Filter::default()
            },
            "audit_by_resource (resource_id=?",
        ),
        (Filter { actor: text("a"), category: Some(CATEGORIES[1]), ..Filter::default() }, "audit_by_actor (actor=?"),
        (Filter { from: time, to: time, ..Filter::default() }, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ] {
        let mut conditions = filter.conditions(filter.by_time().then_some((0, 9)));
        conditions.and("a.seq < ?", 7);
        let list = plan(&format!("{COLUMNS}{} ORDER BY a.seq DESC LIMIT 2", conditions.sql()), &conditions);
        assert!(list.contains(index) && !list.contains("SCAN") && !list.contains("TEMP B-TREE"), "{filter:?}: {list}");
        let tally = plan(&format!("SELECT count(*) FROM audit_events a{}", conditions.sql()), &conditions);
        assert!(tally.contains(index) && !tally.contains("SCAN"), "{filter:?}: {tally}");
    }
    let mut by_time = Conditions::default();
    by_time.and("created_at >= ?", "0");
    by_time.and("created_at < ?", ":");
    for select in ["min(seq), max(seq)", "count(*)"] {
        let sql = format!("SELECT {select} FROM audit_events INDEXED BY audit_by_time{}", by_time.sql());
        let plan = plan(&sql, &by_time);
        assert!(plan.contains("COVERING INDEX audit_by_time (created_at>? AND created_at<?)"), "{plan}");
    }
}

#[test]
fn a_record_is_found_by_its_number_and_by_its_id() {
    let connection = ledger([("alice", ACTIONS[0], CATEGORIES[0], "ar-1", 5)]);
    let by_number = at(&connection, 0).unwrap().unwrap();
    assert_eq!(get(&connection, &by_number.event.event_id).unwrap(), Some(by_number.clone()));
    assert_eq!(get(&connection, &EventId::of_record(6, 0)).unwrap(), None, "another id with the same number");
    for beyond in [1, i64::MAX as u64, u64::MAX] {
        assert_eq!(at(&connection, beyond).unwrap(), None);
    }
}
