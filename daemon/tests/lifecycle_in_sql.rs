//! The lifecycle stands twice: as a function, and as constraints and triggers of the database. Both are asked
//! about every pair of states, and have to give the same answer.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use countersign_shared::lifecycle::{
    JobEvent, JobState, RequestEvent, RequestState, job_transition, request_transition,
};
use countersignd::store::migrations::{migrate, newest};
use rusqlite::Connection;

/// One certificate with a submission and two records; no request and no job yet.
fn fresh() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db, newest()).unwrap();
    db.execute_batch(
        "INSERT INTO certificates VALUES (1, 'mc-1', 'p', 'e', 'n', 1, 'a', NULL, 't');
         INSERT INTO submissions VALUES (1, hex(zeroblob(32)), '{}', x'00', '', '{}', hex(zeroblob(32)), '[]', '[]', '', x'00', NULL, NULL);
         INSERT INTO audit_events VALUES (0, 'ev-0', 't', 'a', 'User', 'x', 'auth', 'r', 'ar-1', '{}', x'7b7d');
         INSERT INTO audit_events VALUES (1, 'ev-1', 't', 'a', 'User', 'x', 'auth', 'r', 'ar-1', '{}', x'7b7d');",
    )
    .unwrap();
    db
}

/// A new job; with a request it is bound to `ar-1`.
fn insert_job(db: &Connection, state: &str, with_request: bool) -> rusqlite::Result<()> {
    let request = if with_request { "'ar-1'" } else { "NULL" };
    let record = if state == "awaiting_approval" { "NULL" } else { "1" };
    let done = if matches!(state, "completed" | "failed" | "cancelled") { "'t'" } else { "NULL" };
    db.execute_batch(&format!(
        "INSERT INTO jobs (id, kind, state, certificate_id, profile_id, request_id, submission_id, record_seq, serial,
             requester_uid, requester_account, error, created_at, finished_at)
         VALUES ('job-1', 'issue', '{state}', 'mc-1', 'p', {request}, 1, {record}, '01', 1, 'a', 'e', 't', {done})"
    ))
}

/// A new request in `state`.
fn insert_request(db: &Connection, state: &str) -> rusqlite::Result<()> {
    let ended = if state == "pending" { "NULL" } else { "'t'" };
    db.execute_batch(&format!(
        "INSERT INTO approval_requests (id, kind, state, certificate_id, job_id, submission_id, version, digest,
             profile_id, environment, requester_uid, requester_account, primary_name, names, names_total, risks,
             votes_needed, created_at, expires_at, created_tick, deadline_tick, decided_at, decided_by, requested_seq, seq)
         VALUES ('ar-1', 'cert_issuance', '{state}', 'mc-1', 'job-1', 1, 1, hex(zeroblob(32)), 'p', 'e', 1, 'a', 'n',
             '[]', 1, '[]', 1, 't', 't', 0, 0, {ended}, {ended}, 0, 0)"
    ))
}

/// A request that is pending, with its job.
fn pending() -> Connection {
    let db = fresh();
    db.execute_batch("BEGIN").unwrap();
    insert_job(&db, "awaiting_approval", true).unwrap();
    insert_request(&db, "pending").unwrap();
    db.execute_batch("COMMIT").unwrap();
    db
}

/// Moves the request with all that goes with its next state.
fn move_request(db: &Connection, to: RequestState) -> rusqlite::Result<()> {
    let ended = if to == RequestState::Pending { "NULL" } else { "'t'" };
    db.execute_batch(&format!(
        "UPDATE approval_requests SET state = '{to}', decided_at = {ended}, decided_by = {ended}, seq = 1 WHERE id = 'ar-1'"
    ))
}

/// Moves the job with all that goes with its next state.
fn move_job(db: &Connection, to: JobState) -> rusqlite::Result<()> {
    let with = match to {
        JobState::AwaitingApproval => ", record_seq = NULL, finished_at = NULL, error = NULL",
        JobState::Pending => ", record_seq = 1, finished_at = NULL, error = NULL",
        JobState::Running => ", record_seq = 1, serial = '01', finished_at = NULL, error = NULL",
        JobState::Completed => ", record_seq = 1, serial = '01', finished_at = 't', error = NULL",
        JobState::Failed => ", record_seq = 1, serial = '01', finished_at = 't', error = 'e'",
        JobState::Cancelled => ", finished_at = 't', error = 'e'",
    };
    db.execute_batch(&format!("UPDATE jobs SET state = '{to}'{with} WHERE id = 'job-1'"))
}

/// The states on the way to `state`, each allowed by the lifecycle.
fn way_to(state: JobState) -> &'static [JobState] {
    match state {
        JobState::AwaitingApproval => &[],
        JobState::Pending => &[JobState::Pending],
        JobState::Running => &[JobState::Pending, JobState::Running],
        JobState::Completed => &[JobState::Pending, JobState::Running, JobState::Completed],
        JobState::Failed => &[JobState::Pending, JobState::Running, JobState::Failed],
        JobState::Cancelled => &[JobState::Cancelled],
    }
}

#[test]
fn requests_move_in_the_database_as_the_function_says() {
    for &from in RequestState::ALL {
        for &to in RequestState::ALL {
            let allowed = RequestEvent::ALL
                .into_iter()
                .any(|event| request_transition(from, event).is_some_and(|next| next.request == to));
            let db = pending();
            if from != RequestState::Pending {
                move_request(&db, from).unwrap();
            }
            assert_eq!(move_request(&db, to).is_ok(), allowed, "{from} to {to}");
            let found: String = db.query_row("SELECT state FROM approval_requests", [], |row| row.get(0)).unwrap();
            assert_eq!(found, if allowed { to } else { from }.as_str());
            assert!(db.execute_batch("DELETE FROM approval_requests").is_err());
        }
    }
}

#[test]
fn jobs_leave_awaiting_approval_only_as_their_request_says() {
    for &request in RequestState::ALL {
        for &to in JobState::ALL {
            let allowed = RequestEvent::ALL.into_iter().any(|event| {
                request_transition(RequestState::Pending, event)
                    .is_some_and(|next| (next.request, next.job) == (request, to))
            });
            // A row that is written as it was is no step; it has to be possible while the request is pending.
            if to == JobState::AwaitingApproval && request != RequestState::Pending {
                continue;
            }
            let db = pending();
            if request != RequestState::Pending {
                move_request(&db, request).unwrap();
            }
            let moved = move_job(&db, to);
            assert_eq!(moved.is_ok(), allowed, "the request is {request}, the job goes to {to}: {moved:?}");
        }
    }
}

#[test]
fn jobs_that_are_free_move_in_the_database_as_the_function_says() {
    for with_request in [true, false] {
        for &from in JobState::ALL.iter().filter(|state| **state != JobState::AwaitingApproval) {
            if from == JobState::Cancelled && !with_request {
                continue;
            }
            for &to in JobState::ALL {
                let terminal = matches!(from, JobState::Completed | JobState::Failed | JobState::Cancelled);
                if from == to && !terminal {
                    continue;
                }
                let allowed = [JobEvent::Claim, JobEvent::Complete, JobEvent::Fail]
                    .into_iter()
                    .any(|event| job_transition(from, event) == Some(to));
                let db = if with_request {
                    let db = pending();
                    let end = if from == JobState::Cancelled { RequestState::Rejected } else { RequestState::Approved };
                    move_request(&db, end).unwrap();
                    way_to(from).iter().for_each(|state| move_job(&db, *state).unwrap());
                    db
                } else {
                    let db = fresh();
                    insert_job(&db, "pending", false).unwrap();
                    way_to(from).iter().skip(1).for_each(|state| move_job(&db, *state).unwrap());
                    db
                };
                let moved = move_job(&db, to);
                assert_eq!(moved.is_ok(), allowed, "{from} to {to}, request: {with_request}: {moved:?}");
                assert!(db.execute_batch("DELETE FROM jobs").is_err());
            }
        }
    }
}

#[test]
fn requests_and_jobs_begin_where_they_may() {
    for &state in RequestState::ALL {
        let db = fresh();
        db.execute_batch("BEGIN").unwrap();
        insert_job(&db, "awaiting_approval", true).unwrap();
        assert_eq!(insert_request(&db, state.as_str()).is_ok(), state == RequestState::Pending, "{state}");
    }
    for &state in JobState::ALL {
        let begins = insert_job(&fresh(), state.as_str(), false).is_ok();
        assert_eq!(begins, state == JobState::Pending, "{state}, unattended");
        // Bound to a request that does not exist, or that is pending, a job begins blocked.
        let db = fresh();
        db.execute_batch("BEGIN").unwrap();
        let begins = insert_job(&db, state.as_str(), true).is_ok();
        assert_eq!(begins, state == JobState::AwaitingApproval, "{state}, with a request");
    }
    let db = fresh();
    insert_job(&db, "awaiting_approval", true).expect_err("its request has to be there at the commit");
}

#[test]
fn a_vote_is_bound_to_the_pending_content() {
    let vote = |version: u32, digest: &str| {
        format!(
            "INSERT INTO decisions VALUES (NULL, 'ar-1', {version}, {digest}, 'approve', 'bob', 2, 'b', 'bob', NULL,
                 NULL, '', x'00', 't', 1)"
        )
    };
    let current = "hex(zeroblob(32))";
    for &state in RequestState::ALL {
        let db = pending();
        if state != RequestState::Pending {
            move_request(&db, state).unwrap();
        }
        let counts = db.execute_batch(&vote(1, current)).is_ok();
        assert_eq!(counts, state == RequestState::Pending, "{state}");
    }
    let db = pending();
    assert!(db.execute_batch(&vote(2, current)).is_err());
    assert!(db.execute_batch(&vote(1, "hex(x'01' || zeroblob(31))")).is_err());
    db.execute_batch(&vote(1, current)).unwrap();
    assert!(db.execute_batch("UPDATE decisions SET verdict = 'reject'").is_err());
    assert!(db.execute_batch("DELETE FROM decisions").is_err());
    // The note is free text, which can be erased.
    db.execute_batch("UPDATE decisions SET note = ''").unwrap();
}
