//! `kill -9` at random moments, under callers who submit and decide as fast as they can. What was acknowledged is
//! there after the restart, once, with its ledger row and its job.
//!
//! `COUNTERSIGN_KILL_ROUNDS` sets the number of rounds, `COUNTERSIGN_KILL_SEED` repeats the moments of a run.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::{AuditVerify, RequestApprove, RequestList, RequestReject, RequestSubmit};
use countersign_shared::protocol::{DecideResult, ListRequestsParams, NoParams, RequestSummary};
use rusqlite::params;

use crate::support::{ALICE, BOB, CAROL, Caller, Host, ask, can_be_people, on, policy, until};

/// Marsaglia's xorshift64: the moments of a run can be repeated.
struct Moments(u64);

impl Moments {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// What callers were told.
#[derive(Default)]
struct Told {
    submitted: Mutex<Vec<RequestSummary>>,
    decided: Mutex<Vec<(u32, Verdict, DecideResult)>>,
    waiting: Mutex<VecDeque<RequestSummary>>,
    names: AtomicUsize,
}

impl Told {
    fn submit(&self, mut caller: Caller) {
        loop {
            let name = format!("web{}.corp.example", self.names.fetch_add(1, Ordering::Relaxed));
            let Some(answer) = caller.attempt::<RequestSubmit>(&ask(&[&name])) else { return };
            let Ok(submitted) = answer else { return };
            let request = submitted.request.unwrap();
            self.waiting.lock().unwrap().push_back(request.clone());
            self.submitted.lock().unwrap().push(request);
        }
    }

    fn decide(&self, uid: u32, mut caller: Caller) {
        loop {
            let Some(request) = self.waiting.lock().unwrap().pop_front() else {
                // Nothing waits at this instant: a question keeps the connection, and tells when it is lost.
                if caller.attempt::<countersign_shared::protocol::method::DaemonStatus>(&NoParams {}).is_none() {
                    return;
                }
                continue;
            };
            let verdict = if request.digest.as_bytes()[0] % 4 == 0 { Verdict::Reject } else { Verdict::Approve };
            let answer = match verdict {
                Verdict::Approve => caller.attempt::<RequestApprove>(&on(&request)),
                Verdict::Reject => caller.attempt::<RequestReject>(&on(&request)),
            };
            match answer {
                Some(Ok(result)) => self.decided.lock().unwrap().push((uid, verdict, result)),
                Some(Err(error)) => panic!("{error:?}"),
                None => return,
            }
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost() {
    if !can_be_people() {
        return;
    }
    let rounds = setting("COUNTERSIGN_KILL_ROUNDS").unwrap_or(20);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = setting("COUNTERSIGN_KILL_SEED").unwrap_or(now | 1);
    eprintln!("COUNTERSIGN_KILL_SEED={seed} COUNTERSIGN_KILL_ROUNDS={rounds}");
    let mut moments = Moments(seed);
    let mut host = Host::prepared(&policy());
    let told = Told::default();
    for round in 0..rounds {
        // Now and then the kill comes while the daemon starts.
        if moments.below(4) == 0 {
            host.launch();
            std::thread::sleep(Duration::from_micros(moments.below(60_000)));
            host.kill();
        }
        host.start();
        left_over(&host, &told);
        std::thread::scope(|scope| {
            let callers = [ALICE, ALICE, BOB, CAROL, BOB].map(|uid| (uid, host.user(uid)));
            let told = &told;
            for (uid, caller) in callers {
                scope.spawn(move || if uid == ALICE { told.submit(caller) } else { told.decide(uid, caller) });
            }
            std::thread::sleep(Duration::from_micros(2_000 + moments.below(150_000)));
            host.kill();
        });
        host.start();
        agrees(&host, &told, round);
        host.kill();
    }
    let decided = told.decided.lock().unwrap().len();
    assert!(decided > 0, "nothing was acknowledged in {rounds} rounds");
    eprintln!("{} submissions and {decided} decisions were acknowledged", told.submitted.lock().unwrap().len());
}

/// What still waits may have been decided without an answer: the daemon says what it is.
fn left_over(host: &Host, told: &Told) {
    let mut bob = host.user(BOB);
    let mut params: ListRequestsParams = serde_json::from_str("{\"state\": \"pending\", \"limit\": 500}").unwrap();
    let mut waiting = VecDeque::new();
    loop {
        let page = bob.call::<RequestList>(&params);
        waiting.extend(page.requests);
        params.cursor = page.next_cursor;
        if params.cursor.is_none() {
            break;
        }
    }
    *told.waiting.lock().unwrap() = waiting;
}

/// Holds everything that callers were told, in all rounds, against the database of the daemon that runs.
fn agrees(host: &Host, told: &Told, round: u64) {
    let mut carol = host.user(CAROL);
    let verified = carol.call::<AuditVerify>(&NoParams {});
    assert!(verified.intact, "round {round}: {:?}", verified.damage);
    assert!(!carol.status().read_only, "round {round}");
    let unfinished = "SELECT count(*) FROM jobs WHERE state IN ('pending', 'running')";
    until("every approved job is done", || host.value::<i64>(unfinished) == 0);

    let db = host.db();
    let mut request = db.prepare("SELECT state, digest FROM approval_requests WHERE id = ?1").unwrap();
    for submitted in told.submitted.lock().unwrap().iter() {
        let (state, digest): (String, String) =
            request.query_row([submitted.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(digest, submitted.digest.to_string(), "round {round}: {} is {state}", submitted.id);
    }
    let mut votes =
        db.prepare("SELECT count(*), max(seq), max(uid), max(verdict) FROM decisions WHERE request_id = ?1").unwrap();
    let mut record = db.prepare("SELECT record, action, resource_id FROM audit_events WHERE seq = ?1").unwrap();
    let mut job = db.prepare("SELECT state, record_seq FROM jobs WHERE request_id = ?1").unwrap();
    for (uid, verdict, decided) in told.decided.lock().unwrap().iter() {
        let id = decided.id.as_str();
        let vote: (i64, u64, u32, String) =
            votes.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        assert_eq!(vote, (1, decided.seq, *uid, verdict.to_string()), "round {round}: {id}");
        let (bytes, action, resource): (Vec<u8>, String, String) =
            record.query_row([decided.seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        assert_eq!(Digest::of(&[&[0], &bytes]), decided.record_sha256, "round {round}: {id}");
        let (state, said, end) = match verdict {
            Verdict::Approve => {
                (RequestState::Approved, "approval_approved", ("completed".to_owned(), Some(decided.seq)))
            }
            Verdict::Reject => (RequestState::Rejected, "approval_rejected", ("cancelled".to_owned(), None)),
        };
        assert_eq!((action.as_str(), resource.as_str()), (said, id), "round {round}");
        let now: String = request.query_row(params![id], |row| row.get(0)).unwrap();
        assert_eq!((now.as_str(), decided.state), (state.as_str(), state), "round {round}: {id}");
        let jobs: Vec<(String, Option<u64>)> =
            job.query_map([id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        assert_eq!(jobs, [end], "round {round}: {id}");
    }
    // The plus keeps SQLite from looking through all records of an action for each one.
    for (what, sql) in [
        (
            "each request has one record of its making",
            "SELECT count(*) FROM approval_requests r WHERE 1 <> (SELECT count(*) FROM audit_events a
             WHERE a.resource_id = r.id AND +a.action = 'approval_requested')",
        ),
        (
            "each completed job has one certificate and one record of it",
            "SELECT count(*) FROM jobs j WHERE j.state = 'completed' AND (
                1 <> (SELECT count(*) FROM certificate_versions v WHERE v.job_id = j.id)
                OR 1 <> (SELECT count(*) FROM audit_events a WHERE a.resource_id = j.certificate_id
                         AND +a.action = 'certificate_issued'))",
        ),
        ("no job failed", "SELECT count(*) FROM jobs WHERE state = 'failed'"),
        (
            "each end has one notification",
            "SELECT count(*) FROM (SELECT a.seq FROM audit_events a LEFT JOIN notification_events n ON n.seq = a.seq
             WHERE a.action IN ('approval_approved', 'approval_rejected', 'approval_requested', 'certificate_issued')
             GROUP BY a.seq HAVING count(n.id) <> 1)",
        ),
    ] {
        assert_eq!(db.query_row::<i64, _, _>(sql, [], |row| row.get(0)).unwrap(), 0, "round {round}: {what}");
    }
}
