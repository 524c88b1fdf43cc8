//! What the database itself keeps as it was made: every column of every row, but for the few steps that exist.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use countersignd::store::migrations::{migrate, newest};
use rusqlite::Connection;

/// One row in each table that is looked at.
fn filled() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db, newest()).unwrap();
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = ON;
         INSERT INTO meta VALUES ('origin', 'countersign/1'), ('demo', 'no'), ('clock_offset', '1');
         INSERT INTO policies VALUES (1, hex(zeroblob(32)), 'version = 1', 't', 0);
         INSERT INTO certificates VALUES (1, 'mc-1', 'p', 'e', 'n', 1, 'a', NULL, 't');
         INSERT INTO submissions VALUES (1, hex(zeroblob(32)), '{}', x'00', 's', '{}', hex(zeroblob(32)), '[]', '[]',
             'because', x'0102', hex(zeroblob(32)), NULL);
         INSERT INTO certificate_versions VALUES ('mc-1', 1, 'active', 'i', '01', hex(zeroblob(32)),
             hex(zeroblob(32)), '{}', '2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z', 'PEM', 'job-1', 0);",
    )
    .unwrap();
    db
}

fn columns(db: &Connection, table: &str) -> Vec<String> {
    let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
    statement.query_map([table], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Another value of the same type that the column's own constraints take.
fn another(column: &str) -> &'static str {
    match column {
        "id" | "row" | "version" | "seq" | "owner_uid" => "'7'",
        "csr" | "reason_salt" => "x'77'",
        "sha256" | "spki_sha256" | "digest" | "policy_sha256" | "reason_sha256" => "hex(x'01' || zeroblob(31))",
        "state" => "'quarantined'",
        _ => "'other'",
    }
}

#[test]
fn no_column_changes_and_no_row_goes() {
    let db = filled();
    for table in ["policies", "certificates", "submissions", "certificate_versions"] {
        for column in columns(&db, table) {
            let value = if (table, column.as_str()) == ("certificates", "id") { "'mc-7'" } else { another(&column) };
            let changed = db.execute_batch(&format!("UPDATE {table} SET {column} = {value}"));
            let refused = changed.expect_err(&format!("{table}.{column}")).to_string();
            assert!(
                ["stands as", "keeps what", "a text is erased"].iter().any(|said| refused.contains(said)),
                "{column}: {refused}"
            );
        }
        let replaced = db.execute_batch(&format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"));
        assert!(replaced.is_err(), "{table}");
        assert!(db.execute_batch(&format!("DELETE FROM {table}")).is_err(), "{table}");
    }
}

#[test]
fn a_version_is_superseded_once_and_revoked_with_its_entry_alone() {
    let db = filled();
    for state in ["active", "quarantined"] {
        assert!(db.execute_batch(&format!("UPDATE certificate_versions SET state = '{state}'")).is_err(), "{state}");
    }
    assert!(db.execute_batch("UPDATE certificate_versions SET state = 'superseded', chain_pem = 'EVIL'").is_err());
    db.execute_batch("UPDATE certificate_versions SET state = 'superseded'").unwrap();
    for state in ["active", "superseded", "quarantined", "revoked"] {
        assert!(db.execute_batch(&format!("UPDATE certificate_versions SET state = '{state}'")).is_err(), "{state}");
    }
}

#[test]
fn free_text_is_erased_and_never_replaced() {
    let db = filled();
    let erase = "UPDATE submissions SET reason = '', reason_salt = x''";
    assert!(db.execute_batch(erase).is_err(), "nobody agreed to it");
    db.execute_batch("INSERT INTO erasures SELECT 0, 'reason', reason_sha256, 1 FROM submissions").unwrap();
    for half in ["reason = ''", "reason_salt = x''"] {
        assert!(db.execute_batch(&format!("UPDATE submissions SET {half}")).is_err(), "{half}");
    }
    db.execute_batch(erase).unwrap();
    for back in ["reason = 'because'", "reason_salt = x'0102'", "reason_sha256 = NULL"] {
        assert!(db.execute_batch(&format!("UPDATE submissions SET {back}")).is_err(), "{back}");
    }
}

#[test]
fn an_installation_stays_what_it_is() {
    let db = filled();
    for key in ["origin", "demo"] {
        for sql in [
            format!("UPDATE meta SET value = 'other' WHERE key = '{key}'"),
            format!("UPDATE meta SET key = 'other' WHERE key = '{key}'"),
            format!("DELETE FROM meta WHERE key = '{key}'"),
            format!("INSERT OR REPLACE INTO meta VALUES ('{key}', 'other')"),
        ] {
            assert!(db.execute_batch(&sql).is_err(), "{sql}");
        }
    }
    db.execute_batch("UPDATE meta SET value = '2' WHERE key = 'clock_offset'").unwrap();
}
