//! What is done to the ledger, and what each way says to it: the one source of the tests and of the table in
//! `docs/tampering.md`.

use rusqlite::{Connection, params};

use super::root::{forget_requests, rehash, sign_again, sql, unguarded};
use super::stage::Stage;
use crate::support::Host;
use crate::support::ledger::{Columned, records, sealed};

/// One thing that somebody does.
pub struct Case {
    /// The heading.
    pub name: &'static str,
    /// What was done, in a sentence.
    pub what: &'static str,
    /// What it amounts to.
    pub says: &'static str,
    pub done: Done,
    /// In the order of `WAYS`: the rules and records that are named without an anchor, and with it.
    pub expected: [[&'static str; 2]; 4],
}

/// How it is done.
pub enum Done {
    /// To the database file, of a stopped daemon as well as under one that runs.
    InPlace(fn(&Connection, &Host)),
    /// Another database is put in its place.
    Replaced(fn(&Stage) -> Host),
    /// The daemon itself went on in this way; nothing of its state was touched.
    Lived(fn(&Stage) -> Host),
}

/// The rows of the record with this number as they are.
fn row(db: &Connection, seq: usize) -> Columned {
    records(db, "main").swap_remove(seq)
}

/// The octets of a record with these columns in this place of the chain.
fn forged(db: &Connection, seq: usize, columns: &Columned) -> Vec<u8> {
    let mut tail = countersignd::ledger::Tail::default();
    records(db, "main").iter().take(seq).for_each(|before| drop(sealed(&mut tail, before)));
    sealed(&mut tail, columns)
}

fn put(db: &Connection, verb: &str, seq: usize, columns: &Columned, record: &[u8]) {
    let [id, at, actor, actor_type, action, category, kind, resource, details] = columns;
    db.execute(
        &format!("{verb} INTO audit_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"),
        params![seq, id, at, actor, actor_type, action, category, kind, resource, details, record],
    )
    .unwrap();
}

/// Makes room at `seq` for a row.
const MOVE_DOWN: &str = "UPDATE audit_events SET seq = seq + 1001 WHERE seq >= 20;
    UPDATE audit_events SET seq = seq - 1000 WHERE seq > 1000";

/// The vote of bob becomes one of carol, in the record and in every table that tells of it.
fn vote_of_another(db: &Connection) {
    rehash(db, u64::MAX >> 1, |_, columns| {
        if columns[4] == "approval_approved" {
            columns[2] = "uid:62003".to_owned();
            columns[8] = columns[8].replace("\"person\":\"bob\"", "\"person\":\"carol\"").replace("62002", "62003");
        }
    });
    db.execute_batch(
        "UPDATE decisions SET account = 'uid:62003', uid = 62003, person = 'carol', voter = replace(voter, 'bob', 'carol')
             WHERE verdict = 'approve';
         UPDATE approval_requests SET decided_by = 'uid:62003' WHERE state = 'approved'",
    )
    .unwrap();
}

/// All that was done; the anchor is of the first 32 of 37 records.
pub const CASES: &[Case] = &[
    Case {
        name: "An octet of a record edited",
        what: "One octet in the column `record` of record 20.",
        says: "",
        done: Done::InPlace(|db, _| {
            sql(
                db,
                "UPDATE audit_events SET record = CAST(substr(record, 1, 40) || x'58' || substr(record, 42) AS BLOB) WHERE seq = 20",
            )
        }),
        expected: [
            ["columns 20", "columns 20"],
            ["columns 20", "columns 20"],
            ["columns 20", "columns 20, anchor different"],
            ["columns 20", "columns 20, anchor unreached"],
        ],
    },
    Case {
        name: "A column edited",
        what: "The column `actor` of record 6, which is a vote: bob's becomes carol's.",
        says: "The record itself, which is what was anchored, still says who it was: a copied database shows both.",
        done: Done::InPlace(|db, _| sql(db, "UPDATE audit_events SET actor = 'uid:62003' WHERE seq = 6")),
        expected: [
            ["columns 6", "columns 6"],
            ["columns 6", "columns 6"],
            ["columns 6", "columns 6, anchor equal"],
            ["columns 6", "columns 6, anchor unreached"],
        ],
    },
    Case {
        name: "A record and its columns edited alike",
        what: "The same, with the octets of record 6 made to fit.",
        says: "What is named is the record behind it, which holds the hash of what stood there.",
        done: Done::InPlace(|db, _| {
            let mut columns = row(db, 6);
            assert_eq!(columns[4], "approval_approved");
            columns[2] = "uid:62003".to_owned();
            let record = forged(db, 6, &columns);
            unguarded(db, |db| {
                let values = params![columns[2], record];
                db.execute("UPDATE audit_events SET actor = ?1, record = ?2 WHERE seq = 6", values).unwrap();
            });
        }),
        expected: [
            ["edited 7", "edited 7"],
            ["edited 7", "edited 7"],
            ["edited 7", "edited 7, anchor different"],
            ["edited 7", "edited 7, anchor unreached"],
        ],
    },
    Case {
        name: "A row deleted",
        what: "Record 20 is taken out.",
        says: "An export shows a gap, and cannot know whether the record was not asked for.",
        done: Done::InPlace(|db, _| sql(db, "DELETE FROM audit_events WHERE seq = 20")),
        expected: [
            ["missing 20", "missing 20"],
            ["missing 20", "missing 20"],
            ["missing 20", "missing 20, anchor different"],
            ["gaps 1", "gaps 1, anchor unreached"],
        ],
    },
    Case {
        name: "A row deleted, and those behind it moved up",
        what: "Record 20 is taken out, and every later one gets the number before its own.",
        says: "",
        done: Done::InPlace(|db, _| {
            sql(
                db,
                "DELETE FROM audit_events WHERE seq = 20;
                 UPDATE audit_events SET seq = seq + 1000 WHERE seq > 20;
                 UPDATE audit_events SET seq = seq - 1001 WHERE seq > 1000",
            );
        }),
        expected: [
            ["reordered 20", "reordered 20"],
            ["reordered 20", "reordered 20"],
            ["reordered 20", "reordered 20, anchor different"],
            ["refused", "refused"],
        ],
    },
    Case {
        name: "The end deleted",
        what: "Records 30 to 36 are taken out, and nothing else.",
        says: "The number of records and the edge of their tree are kept in the transaction that adds one.",
        done: Done::InPlace(|db, _| sql(db, "DELETE FROM audit_events WHERE seq >= 30")),
        expected: [
            ["truncated 30", "truncated 30"],
            ["truncated 30", "truncated 30"],
            ["truncated 30, checkpoint 31", "truncated 30, checkpoint 31, anchor ahead"],
            ["refused", "refused"],
        ],
    },
    Case {
        name: "The end deleted, with everything that tells of it",
        what: "Records 30 to 36, their requests, jobs and certificates, the tree, the nodes; the kept checkpoints are signed \
               again with the real key.",
        says: "Without an anchor it is the ledger of a quieter week. A daemon that ran meanwhile remembers that there was more.",
        done: Done::InPlace(|db, host| {
            unguarded(db, |db| {
                rehash(db, 30, |_, _| {});
                forget_requests(db);
                sign_again(db, &host.state);
            });
        }),
        expected: [
            ["nothing", "anchor different"],
            ["truncated 30", "truncated 30"],
            ["nothing", "anchor ahead"],
            ["nothing", "anchor different"],
        ],
    },
    Case {
        name: "A row inserted",
        what: "A record of the right form between records 19 and 20; those behind it get the next number.",
        says: "",
        done: Done::InPlace(|db, _| {
            let mut columns = row(db, 19);
            columns[0].replace_range(3..4, "9");
            let record = forged(db, 20, &columns);
            unguarded(db, |db| {
                db.execute_batch(MOVE_DOWN).unwrap();
                put(db, "INSERT", 20, &columns, &record);
            });
        }),
        expected: [
            ["reordered 21", "reordered 21"],
            ["reordered 21", "reordered 21"],
            ["reordered 21", "reordered 21, anchor different"],
            ["refused", "refused"],
        ],
    },
    Case {
        name: "A row added at the end",
        what: "A record of the right form and with the right hash behind the last one.",
        says: "Whoever changes the tree with it has written a record as the daemon does: that is the last line of this table.",
        done: Done::InPlace(|db, _| {
            let end = records(db, "main").len();
            let mut columns = row(db, 20);
            columns[0].replace_range(3..4, "9");
            let record = forged(db, end, &columns);
            unguarded(db, |db| put(db, "INSERT", end, &columns, &record));
        }),
        expected: [
            ["inserted 37", "inserted 37"],
            ["inserted 39", "inserted 39"],
            ["inserted 37", "inserted 37, anchor equal"],
            ["refused", "refused"],
        ],
    },
    Case {
        name: "Two rows swapped",
        what: "Records 20 and 21 change their numbers.",
        says: "",
        done: Done::InPlace(|db, _| {
            sql(
                db,
                "UPDATE audit_events SET seq = 1000 WHERE seq = 20; UPDATE audit_events SET seq = 20 WHERE seq = 21;
                 UPDATE audit_events SET seq = 21 WHERE seq = 1000",
            );
        }),
        expected: [
            ["reordered 20", "reordered 20"],
            ["reordered 20", "reordered 20"],
            ["reordered 20", "reordered 20, anchor different"],
            ["reordered 20", "reordered 20, anchor unreached"],
        ],
    },
    Case {
        name: "`INSERT OR REPLACE`",
        what: "A record of the right form takes the place of record 20, without an `UPDATE` and without a `DELETE`.",
        says: "The trigger that keeps the order refuses it. The one that refuses a `DELETE` does not run for a row that is \
               replaced, unless the connection asks for it, as the daemon's does; so the first is dropped before, and put back.",
        done: Done::InPlace(|db, _| {
            let mut columns = row(db, 20);
            columns[2] = "uid:62003".to_owned();
            let record = forged(db, 20, &columns);
            let [id, ..] = &columns;
            let refused = db.execute(
                "INSERT OR REPLACE INTO audit_events SELECT seq, ?1, created_at, actor, actor_type, action, category,
                     resource_type, resource_id, details, record FROM audit_events WHERE seq = 20",
                params![id],
            );
            assert!(refused.unwrap_err().to_string().contains("no gaps"));
            let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'audit_events_in_order'";
            let trigger: String = db.query_row(trigger, [], |row| row.get(0)).unwrap();
            db.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; DROP TRIGGER audit_events_in_order").unwrap();
            put(db, "INSERT OR REPLACE", 20, &columns, &record);
            db.execute_batch(&format!("{trigger}; COMMIT")).unwrap();
        }),
        expected: [
            ["edited 21", "edited 21"],
            ["edited 21", "edited 21"],
            ["edited 21", "edited 21, anchor different"],
            ["edited 21", "edited 21, anchor unreached"],
        ],
    },
    Case {
        name: "Triggers dropped",
        what: "The triggers that refuse `UPDATE` and `DELETE` on the ledger; no record is touched.",
        says: "An export has no triggers: its records are those that there were.",
        done: Done::InPlace(|db, _| {
            db.execute_batch("DROP TRIGGER audit_events_no_update; DROP TRIGGER audit_events_no_delete").unwrap();
        }),
        expected: [
            ["schema", "schema"],
            ["schema", "schema"],
            ["schema, schema", "schema, schema, anchor equal"],
            ["nothing", "anchor equal"],
        ],
    },
    Case {
        name: "The database restored from last week",
        what: "The file of ten records that was right a week ago, with the checkpoints of then.",
        says: "Nothing in it is wrong. It was a ledger once; only who knows of more can tell.",
        done: Done::Replaced(|stage| stage.host_at("last-week")),
        expected: [
            ["nothing", "anchor ahead"],
            ["truncated 10", "truncated 10"],
            ["nothing", "anchor ahead"],
            ["nothing", "anchor unreached"],
        ],
    },
    Case {
        name: "The chain rehashed by root",
        what: "Bob's vote becomes carol's in the record and in every table; then every later hash, the hashes that records \
               repeat, the tree and its nodes are computed with the right algorithm. The kept checkpoints are left.",
        says: "The checkpoints that the host kept give it away to the daemon, which wrote them.",
        done: Done::InPlace(|db, _| unguarded(db, vote_of_another)),
        expected: [
            ["checkpoint 31", "checkpoint 31"],
            ["checkpoint 31", "checkpoint 31"],
            ["checkpoint 31", "checkpoint 31, anchor different"],
            ["refused", "refused"],
        ],
    },
    Case {
        name: "The chain rehashed by root, and signed again",
        what: "The same, and every kept checkpoint is made anew with the real key. Nothing on the host tells of it any more.",
        says: "This is what an anchor is for.",
        done: Done::InPlace(|db, host| {
            unguarded(db, |db| {
                vote_of_another(db);
                sign_again(db, &host.state);
            });
        }),
        expected: [
            ["nothing", "anchor different"],
            ["rewritten", "rewritten"],
            ["nothing", "anchor different"],
            ["nothing", "anchor different"],
        ],
    },
    Case {
        name: "A forked copy",
        what: "Last week's state, keys included, goes on elsewhere with other requests, and comes back in place of the real one.",
        says: "Both are right by themselves, and both are signed by the real key. Two checkpoints of one origin that no proof \
               connects are the evidence; a witness refuses the second.",
        done: Done::Replaced(Stage::forked),
        expected: [
            ["nothing", "anchor different"],
            ["rewritten", "rewritten"],
            ["nothing", "anchor different"],
            ["nothing", "anchor different"],
        ],
    },
    Case {
        name: "The clock set back a year",
        what: "The host's wall clock while two requests are made; then it is set right again.",
        says: "The order is the sequence, and deadlines stand on the daemon's own time line: nothing is wrong with the records, \
               but two of them bear a wrong date. An export by date leaves them out, and shows the gap.",
        done: Done::Lived(|stage| stage.with_clock_set(-1)),
        expected: [
            ["nothing", "anchor equal"],
            ["nothing", "anchor equal"],
            ["nothing", "anchor equal"],
            ["gaps 1", "gaps 1, anchor equal"],
        ],
    },
    Case {
        name: "The clock set forward a year",
        what: "In the same way.",
        says: "As before.",
        done: Done::Lived(|stage| stage.with_clock_set(1)),
        expected: [
            ["nothing", "anchor equal"],
            ["nothing", "anchor equal"],
            ["nothing", "anchor equal"],
            ["gaps 1", "gaps 1, anchor equal"],
        ],
    },
    Case {
        name: "What is not anchored yet, rewritten by root",
        what: "The last request before the stop never was: record 35 is replaced with that of the stop, and everything is \
               computed and signed again.",
        says: "An anchor shows the first 32 records, and says so. For those behind it there is only the word of the host.",
        done: Done::InPlace(|db, host| {
            unguarded(db, |db| {
                rehash(db, 35, |_, _| {});
                forget_requests(db);
                sign_again(db, &host.state);
            });
        }),
        expected: [
            ["nothing", "anchor equal"],
            ["truncated 35", "truncated 35"],
            ["nothing", "anchor equal"],
            ["nothing", "anchor equal"],
        ],
    },
];
