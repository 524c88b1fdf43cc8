//! Every query that the documents print is one that the database of this version takes.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

use countersignd::store::migrations::{migrate, newest};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection};

/// All Markdown files below `directory`.
fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// What stands between a line "```sql" and the next "```", both perhaps indented.
fn queries(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = document.lines();
    while lines.by_ref().any(|line| line.trim() == "```sql") {
        found.push(lines.by_ref().take_while(|line| line.trim() != "```").collect::<Vec<_>>().join("\n"));
    }
    found
}

#[test]
fn every_query_of_the_documents_is_taken_and_changes_nothing() {
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db, newest()).unwrap();
    let mut paths = Vec::new();
    documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"), &mut paths);
    let mut prepared = 0;
    for path in paths {
        for sql in queries(&std::fs::read_to_string(&path).unwrap()) {
            let mut batch = Batch::new(&db, &sql);
            loop {
                match batch.next() {
                    Ok(Some(statement)) => assert!(statement.readonly(), "{}: {sql}", path.display()),
                    Ok(None) => break,
                    Err(error) => panic!("{}: {error}\n{sql}", path.display()),
                }
                prepared += 1;
            }
        }
    }
    assert!(prepared > 30, "{prepared} queries were found");
}
