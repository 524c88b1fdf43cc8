use countersign_shared::protocol::AuditAction;
use proptest::prelude::*;

use super::super::audit::tests::{Told, ledger};
use super::*;

fn told(at: i64, category: Category) -> Told {
    ("alice", AuditAction::ApprovalRequested, category, "ar-1", at)
}

fn time(at: i64) -> Timestamp {
    Timestamp::from_unix_millis(at).unwrap()
}

fn range(from: i64, to: i64, category: Option<Category>) -> Range {
    Range { from: time(from), to: time(to), category, after: None }
}

/// Every row of an export, page after page, and how many pages.
fn lines(connection: &Connection, range: &Range, counted: Counted) -> (Vec<ExportLine>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    let Some((mut begin, last)) = counted.ends else { return (found, pages) };
    loop {
        let page = page(connection, range, begin, last).unwrap();
        pages += 1;
        found.extend(page.lines.iter().map(|line| serde_json::from_str::<ExportLine>(line.get()).unwrap()));
        match page.next {
            Some(next) => begin = next,
            None => return (found, pages),
        }
    }
}

proptest! {
    #[test]
    fn an_export_has_exactly_the_rows_that_it_counted(
        times in prop::collection::vec((0..30_i64, any::<bool>()), 0..40), limit in 1..50_usize, from in 0..30_i64, length in 1..30_i64,
        of_category in any::<bool>(),
    ) {
        let category = |auth: bool| if auth { Category::Auth } else { Category::CertLifecycle };
        let connection = ledger(times.iter().map(|(at, auth)| told(*at, category(*auth))));
        let wanted = of_category.then_some(Category::Auth);
        let mut range = range(from, from + length, wanted);
        let matching: Vec<u64> = (0..).zip(&times).filter(|(_, (at, auth))| {
            (from..from + length).contains(at) && wanted.is_none_or(|wanted| wanted == category(*auth))
        }).map(|(seq, _)| seq).collect();
        // One export after the other, each behind the last row of the one before.
        let mut taken = Vec::new();
        loop {
            let counted = count(&connection, &range, limit).unwrap();
            prop_assert_eq!(counted.matching, (matching.len() - taken.len()) as u64);
            let (rows, _) = lines(&connection, &range, counted);
            prop_assert_eq!(rows.len() as u64, counted.rows);
            prop_assert!(rows.len() <= limit);
            taken.extend(rows.iter().map(|row| row.seq));
            if counted.matching == counted.rows {
                break;
            }
            range.after = counted.ends.map(|(_, last)| last);
        }
        prop_assert_eq!(taken, matching);
    }
}

#[test]
fn a_line_holds_the_octets_and_their_hash() {
    let connection = ledger([told(1, Category::Auth), told(2, Category::Auth)]);
    let range = range(0, 10, None);
    let (rows, _) = lines(&connection, &range, count(&connection, &range, 10).unwrap());
    for row in rows {
        let stored: Vec<u8> = connection
            .query_row("SELECT record FROM audit_events WHERE seq = ?1", [row.seq], |row| row.get(0))
            .unwrap();
        assert_eq!(row.record.as_deref().map(str::as_bytes), Some(stored.as_slice()));
        assert_eq!(row.record_sha256, leaf_hash(&stored));
        assert_eq!(row.record_base64, None);
    }
}

#[test]
fn a_page_ends_by_its_octets_and_by_what_it_looks_at() {
    let connection = ledger((0..3000).map(|at| told(at, Category::Auth)));
    let whole = range(0, 3000, None);
    let (rows, pages) = lines(&connection, &whole, count(&connection, &whole, 5000).unwrap());
    assert_eq!(rows.len(), 3000);
    assert!(pages > 1, "{pages}");
    let first = page(&connection, &whole, 0, 2999).unwrap();
    let octets: usize = first.lines.iter().map(|line| line.get().len() + 1).sum();
    assert!((PAGE_OCTETS..PAGE_OCTETS + 64 * 1024).contains(&octets), "{octets}");

    // Two rows of the range, and between them more rows of another time than a page looks at.
    let far = i64::from(PAGE_ROWS) * 2;
    let connection =
        ledger((0..far).map(|seq| told(if seq == 0 || seq == far - 1 { 1 } else { 1000 }, Category::Auth)));
    let narrow = range(0, 10, None);
    let counted = count(&connection, &narrow, 10).unwrap();
    assert_eq!((counted.rows, counted.ends), (2, Some((0, far as u64 - 1))));
    let (rows, pages) = lines(&connection, &narrow, counted);
    assert_eq!((rows.len(), pages), (2, 2));
}

#[test]
fn what_a_damaged_ledger_holds_is_a_line_all_the_same() {
    let connection = ledger([told(1, Category::Auth)]);
    connection.execute_batch("DROP TRIGGER audit_events_no_update").unwrap();
    for (details, expected) in [
        ("{\"a\":1}", "{\"a\":1}"),
        ("{\"a\":\n1}", "\"{\\\"a\\\":\\n1}\""),
        ("{\"a\"", "\"{\\\"a\\\"\""),
        ("", "\"\""),
    ] {
        connection
            .execute("UPDATE audit_events SET details = ?1, record = X'ff00', actor = CAST(X'1bff' AS TEXT)", [details])
            .unwrap();
        let lines = from(&connection, 0, 1).unwrap();
        assert!(!lines[0].2.get().contains('\n'));
        let line: ExportLine = serde_json::from_str(lines[0].2.get()).unwrap();
        assert_eq!((line.record, line.record_base64.as_deref()), (None, Some("/wA=")));
        assert_eq!(line.details.get(), expected);
    }
}

#[test]
fn an_export_is_counted_and_read_along_indexes() {
    let connection = ledger([]);
    let plan = |sql: &str| -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(params!["0", ":", 9, "auth"], |row| row.get::<_, String>("detail")).unwrap();
        rows.map(Result::unwrap).collect::<Vec<String>>().join("; ")
    };
    let counted = plan(
        "SELECT seq FROM audit_events INDEXED BY audit_by_time
         WHERE created_at >= ?1 AND created_at < ?2 AND (?4 IS NULL OR category = ?4) AND seq > ?3",
    );
    assert!(counted.contains("COVERING INDEX audit_by_time"), "{counted}");
    let all = plan(&format!("{COLUMNS} WHERE ?4 IS NULL AND seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"));
    assert!(all.contains("INTEGER PRIMARY KEY (rowid>? AND rowid<?)") && !all.contains("TEMP"), "{all}");
    let some = plan(&format!("{COLUMNS} WHERE category = ?4 AND seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"));
    assert!(some.contains("audit_by_category (category=? AND seq>? AND seq<?)") && !some.contains("TEMP"), "{some}");
}
