//! A database of the first schema: its requests, votes and approvals are decided, amended and carried out as any other.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{AuditVerify, RequestAmend, RequestApprove, RequestGet, RequestWithdraw};
use countersign_shared::protocol::{AmendParams, NoParams, Outcome, RequestIdParams, RequestSummary};
use countersignd::ledger::Tail;
use countersignd::store::migrations::migrate;
use countersignd::store::transaction::salted;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::support::ledger::{Columned, peaks, records, sealed};
use crate::support::{ALICE, BOB, CAROL, DAVE, Host, account, amending, can_be_people, csr, ending, on, policy_with};

/// Every table of the first schema besides the ledger, those first that others refer to.
const TABLES: [&str; 6] = ["meta", "policies", "certificates", "submissions", "approval_requests", "jobs"];

/// What the records of this version say and those of the first did not.
const SINCE: [&str; 4] = ["quorum", "ordered", "reject_threshold", "counts_for"];

/// One vote as the first version wrote it: record, row, and what it did to the request.
struct Vote<'a> {
    request: &'a RequestSummary,
    by: (u32, &'a str),
    given: u32,
    frees: bool,
}

/// The database of a stopped host as the first version would have left it, and written on by that version.
struct Old {
    db: Connection,
    tail: Tail,
}

impl Old {
    fn of(host: &Host) -> Self {
        let path = host.path("old.db");
        let mut db = Connection::open(&path).unwrap();
        migrate(&mut db, 1).unwrap();
        db.pragma_update(None, "foreign_keys", 0).unwrap();
        db.execute("ATTACH ?1 AS newer", [host.database().to_str().unwrap()]).unwrap();
        let mut old = Self { db, tail: Tail::default() };
        old.ledger();
        for table in TABLES {
            old.db.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM newer.{table}")).unwrap();
        }
        old.db.execute_batch("DETACH newer").unwrap();
        old
    }

    fn ledger(&mut self) {
        for mut row in records(&self.db, "newer") {
            let mut details: serde_json::Map<String, Value> = serde_json::from_str(&row[8]).unwrap();
            for key in SINCE {
                details.remove(key);
            }
            row[8] = Value::Object(details).to_string();
            self.append(&row);
        }
    }

    fn append(&mut self, row: &Columned) -> u64 {
        let seq = self.tail.size();
        let record = sealed(&mut self.tail, row);
        self.db
            .execute(
                "INSERT INTO audit_events (seq, event_id, created_at, actor, actor_type, action, category,
                     resource_type, resource_id, details, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                params![seq, row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], record],
            )
            .unwrap();
        seq
    }

    fn vote(&mut self, vote: &Vote<'_>) {
        let (request, (uid, person)) = (vote.request, vote.by);
        let sql =
            "SELECT max(created_at), max(details ->> '$.tick') + 1, max(details ->> '$.boot_ms') FROM audit_events";
        let (at, tick, boot): (String, i64, i64) =
            self.db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let millis = at.parse::<countersign_shared::time::Timestamp>().unwrap().unix_millis();
        let event = countersign_shared::id::EventId::of_record(millis.try_into().unwrap(), self.tail.size());
        let (policy, salt) = (self.one("SELECT sha256 FROM policies"), [7u8; 16]);
        let state = if vote.frees { "approved" } else { "pending" };
        let details = json!({
            "uid": uid, "pid": 4711, "person": person, "version": 1, "digest": request.digest.to_string(),
            "policy_sha256": policy, "profile": request.profile_id,
            "certificate": request.certificate_id.as_ref().unwrap().as_str(),
            "job": request.job_id.as_ref().unwrap().as_str(),
            "note_sha256": salted(&salt, "fine").to_string(), "votes_given": vote.given, "votes_needed": 2,
            "state": state, "tick": tick, "boot_ms": boot,
        });
        let row = [
            event.as_str(),
            &at,
            &account(uid),
            "User",
            "approval_approved",
            "cert_lifecycle",
            "request",
            request.id.as_str(),
            &details.to_string(),
        ];
        let seq = self.append(&row.map(str::to_owned));
        self.db
            .execute(
                "INSERT INTO decisions (request_id, version, digest, verdict, voter, uid, account, person, login_uid,
                     session, note, note_salt, decided_at, seq)
                 VALUES (?1, 1, ?2, 'approve', ?3, ?4, ?5, ?3, NULL, NULL, 'fine', ?6, ?7, ?8)",
                params![request.id.as_str(), request.digest.to_string(), person, uid, account(uid), salt, at, seq],
            )
            .unwrap();
        if vote.frees {
            let end = "UPDATE approval_requests SET state = 'approved', decided_at = ?2, decided_by = ?3, seq = ?4
                       WHERE id = ?1";
            self.db.execute(end, params![request.id.as_str(), at, account(uid), seq]).unwrap();
            let free = "UPDATE jobs SET state = 'pending', record_seq = ?2 WHERE request_id = ?1";
            self.db.execute(free, params![request.id.as_str(), seq]).unwrap();
        } else {
            let touch = "UPDATE approval_requests SET seq = ?2 WHERE id = ?1";
            self.db.execute(touch, params![request.id.as_str(), seq]).unwrap();
        }
    }

    fn one(&self, sql: &str) -> String {
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Takes the place of the host's database.
    fn put_in_place(self, host: &Host) {
        let frontier = "INSERT INTO ledger_frontier (id, size, peaks) VALUES (1, ?1, ?2)";
        self.db.execute(frontier, params![self.tail.size(), peaks(&self.tail)]).unwrap();
        assert_eq!(
            self.one("SELECT name FROM pragma_table_list WHERE name = 'request_terms' UNION SELECT 'none'"),
            "none"
        );
        self.db.close().unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", host.database().display()));
        }
        std::fs::rename(host.path("old.db"), host.database()).unwrap();
    }
}

#[test]
fn requests_of_the_first_schema_are_decided_amended_and_issued() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(2, "", ""));
    let mut alice = host.user(ALICE);
    let [fresh, voted, approved, amended, withdrawn] =
        [1, 2, 3, 4, 5].map(|at| alice.request(&[&format!("web{at}.corp.example")]));
    drop(alice);
    host.stop();
    let mut old = Old::of(&host);
    // The rules of a profile are kept as the first version kept them.
    let keys = old.one(
        "SELECT group_concat(k.key, ' ') FROM (SELECT DISTINCT e.key FROM submissions s, json_each(s.profile) e ORDER BY 1) k",
    );
    assert_eq!(
        keys,
        "allow_ca allow_ip allow_wildcards approval_timeout deliver environment extended_key_usage id issuer \
         justification keys max_validity name names quorum renewal_policy require_login_session requires_approval \
         subject ticket_pattern"
    );
    let (bob, carol) = ((BOB, "bob"), (CAROL, "carol"));
    for request in [&voted, &approved, &amended] {
        old.vote(&Vote { request, by: bob, given: 1, frees: false });
    }
    old.vote(&Vote { request: &approved, by: carol, given: 2, frees: true });
    old.put_in_place(&host);

    host.start();
    assert_eq!(host.oneself().status().damage, None);
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    // What was approved before is carried out.
    assert_eq!(alice.wait(&approved.id).outcome, Outcome::Issued);
    // A vote from before counts.
    let detail = carol.call::<RequestGet>(&RequestIdParams { id: voted.id.clone() });
    assert_eq!((detail.votes.given, detail.votes.needed), (1, 2));
    assert_eq!(carol.call::<RequestApprove>(&on(&voted)).state, RequestState::Approved);
    assert_eq!(alice.wait(&voted.id).outcome, Outcome::Issued);
    bob.approve(&fresh);
    carol.approve(&fresh);
    assert_eq!(alice.wait(&fresh.id).outcome, Outcome::Issued);
    // An amendment clears it, and the first version is still shown.
    let params = AmendParams { csr: Some(csr(&["web4.corp.example", "new.corp.example"])), ..amending(&amended) };
    let result = alice.call::<RequestAmend>(&params);
    assert_eq!((result.votes_cleared, result.request.version), (1, 2));
    let detail = bob.call::<RequestGet>(&RequestIdParams { id: amended.id.clone() });
    let [before] = &detail.amendments[..] else { panic!("{:?}", detail.amendments) };
    assert_eq!((before.version, before.digest, before.decisions.len()), (1, amended.digest, 1));
    assert_eq!(before.differences, result.differences);
    assert_eq!(detail.votes.given, 0);
    bob.approve(&result.request);
    carol.approve(&result.request);
    let waited = alice.wait(&amended.id);
    assert_eq!((waited.outcome, waited.request.unwrap().names_total), (Outcome::Issued, 2));
    alice.call::<RequestWithdraw>(&ending(&withdrawn, None));
    assert_eq!(alice.wait(&withdrawn.id).outcome, Outcome::Withdrawn);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 4);
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
    drop((alice, bob, carol));
    host.stop();
    host.start();
    assert_eq!(host.oneself().status().damage, None);
}
