//! Ledgers that somebody rewrote who can write everything on the host: what a verification says without anything from
//! outside, with the checkpoints that the host itself kept, and with one that was kept elsewhere.

use countersign_shared::protocol::method::AuditVerify;
use countersign_shared::protocol::{AnchorVerdict, CheckpointResult, NoParams};
use countersignd::ledger::Tail;
use rusqlite::{Connection, params};

use crate::checkpoints::{anchor, checkpoint};
use crate::support::ledger::{peaks, records};
use crate::support::{ALICE, DAVE, Host, can_be_people, policy};

/// A stopped host with some 40 records, and a checkpoint over most of them that was taken away.
struct Anchored {
    host: Host,
    kept: CheckpointResult,
}

impl Anchored {
    fn new(brought_back: bool) -> Self {
        let mut host = Host::serving(&policy());
        let mut alice = host.user(ALICE);
        (0..40).for_each(|number| drop(alice.request(&[&format!("web{number}.corp.example")])));
        let kept = checkpoint(&host);
        if brought_back {
            assert_eq!(anchor(&host, &kept.note).verdict, AnchorVerdict::Equal);
        }
        host.stop();
        Self { host, kept }
    }

    /// Takes away what the host itself keeps of its checkpoints, as whoever hides something would.
    fn forget(&self) {
        self.host.tamper(FORGET);
        std::fs::remove_file(self.host.state.join("checkpoint.signed")).unwrap();
    }

    /// What the next start finds: the rule, or nothing.
    fn found(&mut self) -> Option<String> {
        self.host.start();
        let verified = self.host.user(DAVE).call::<AuditVerify>(&NoParams {});
        let status = self.host.oneself().status();
        assert_eq!((verified.intact, status.read_only), (status.damage.is_none(), status.damage.is_some()));
        status.damage.map(|damage| damage.rule)
    }

    /// What the checkpoint from outside says, and that it is not forgotten.
    fn shown_by_the_anchor(&mut self, verdict: AnchorVerdict) {
        let taken = anchor(&self.host, &self.kept.note);
        assert_eq!(taken.verdict, verdict, "{}", taken.text);
        assert_eq!(self.host.oneself().status().damage.unwrap().rule, "anchor");
        self.host.stop();
        assert_eq!(self.found().as_deref(), Some("anchor"));
        self.host.stop();
    }
}

/// Makes the ledger anew as the daemon would have written it, `change` applied to the columns of each record by number: the
/// right algorithm, all hashes, the tree and its nodes.
fn rehash(host: &Host, size: u64, change: impl Fn(u64, &mut [String; 9])) {
    let db = Connection::open(host.database()).unwrap();
    let mut rows = records(&db, "main");
    rows.truncate(usize::try_from(size).unwrap());
    let triggers: Vec<(String, String)> = db
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE").unwrap();
    triggers.iter().for_each(|(name, _)| db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    db.execute_batch("DELETE FROM ledger_nodes").unwrap();
    db.execute("DELETE FROM audit_events WHERE seq >= ?1", [size]).unwrap();
    let mut tail = Tail::default();
    for (seq, row) in rows.iter_mut().enumerate() {
        change(seq as u64, row);
        let mut nodes = Vec::new();
        let record = crate::support::ledger::sealed_with(&mut tail, row, |node| nodes.push(node));
        db.execute(
            "UPDATE audit_events SET details = ?2, actor = ?3, created_at = ?4, record = ?5 WHERE seq = ?1",
            params![seq, row[8], row[2], row[1], record],
        )
        .unwrap();
        for node in nodes {
            let values = params![node.level, node.index, node.hash.as_bytes()];
            db.execute("INSERT INTO ledger_nodes VALUES (?1, ?2, ?3)", values).unwrap();
        }
    }
    db.execute("UPDATE ledger_frontier SET size = ?1, peaks = ?2", params![tail.size(), peaks(&tail)]).unwrap();
    triggers.iter().for_each(|(_, sql)| db.execute_batch(sql).unwrap());
    db.execute_batch("COMMIT").unwrap();
}

/// Another program version than the one that was started, which no state depends on.
fn another_version(seq: u64, row: &mut [String; 9]) {
    if seq == 1 {
        assert_eq!(row[4], "daemon_started");
        let mut details: serde_json::Value = serde_json::from_str(&row[8]).unwrap();
        details["version"] = "9.9.9".into();
        row[8] = details.to_string();
    }
}

const FORGET: &str = "DELETE FROM checkpoint_signatures; DELETE FROM checkpoints";

#[test]
fn a_ledger_that_was_rehashed_with_the_right_algorithm() {
    if !can_be_people() {
        return;
    }
    // The checkpoints that the host kept give it away, as long as they are left.
    let mut scene = Anchored::new(false);
    rehash(&scene.host, u64::MAX >> 1, another_version);
    assert_eq!(scene.found().as_deref(), Some("checkpoint"));
    scene.host.stop();

    // Without them nothing on the host does: only what was kept elsewhere.
    let mut scene = Anchored::new(false);
    rehash(&scene.host, u64::MAX >> 1, another_version);
    scene.forget();
    assert_eq!(scene.found(), None);
    scene.shown_by_the_anchor(AnchorVerdict::Different);

    // An anchor that was brought back stands on the host as well.
    let mut scene = Anchored::new(true);
    rehash(&scene.host, u64::MAX >> 1, another_version);
    scene.forget();
    assert_eq!(scene.found().as_deref(), Some("anchor"));
    scene.host.stop();
    // It cannot be taken away alone: its record tells of it.
    let mut scene = Anchored::new(true);
    scene.host.tamper("DELETE FROM anchors");
    assert_eq!(scene.found().as_deref(), Some("state"));
}

#[test]
fn a_ledger_that_was_restored_from_before() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    host.user(ALICE).request(&["web1.corp.example"]);
    host.stop();
    let week_old = host.path("backup");
    std::fs::copy(host.database(), &week_old).unwrap();
    host.start();
    let mut alice = host.user(ALICE);
    (2..30).for_each(|number| drop(alice.request(&[&format!("web{number}.corp.example")])));
    let kept = checkpoint(&host);
    assert_eq!(anchor(&host, &kept.note).verdict, AnchorVerdict::Equal);
    drop(alice);
    host.stop();
    std::fs::copy(&week_old, host.database()).unwrap();
    let mut scene = Anchored { host, kept };
    // What was signed last stands beside the database, and says that it was set back: with both sizes and roots.
    assert_eq!(scene.found().as_deref(), Some("checkpoint"));
    let text = scene.host.oneself().status().damage.unwrap().text;
    let status = scene.host.oneself().status();
    let there = format!("{} with the root {}", status.ledger_size, status.ledger_root);
    assert!(text.contains(&there) && !text.contains("another history"), "{text}");
    scene.host.stop();
    // Whoever takes that away as well is seen from outside alone: it is a ledger as it once was, and nothing in it is wrong.
    std::fs::remove_file(scene.host.state.join("checkpoint.signed")).unwrap();
    assert_eq!(scene.found(), None);
    scene.shown_by_the_anchor(AnchorVerdict::Ahead);
}

#[test]
fn an_end_that_was_cut_off_with_everything_that_tells_of_it() {
    if !can_be_people() {
        return;
    }
    for (forget, without) in [(false, Some("checkpoint")), (true, None)] {
        let mut scene = Anchored::new(false);
        // What was asked for after the first request is gone as well.
        let cut: u64 = scene.host.value("SELECT seq + 1 FROM audit_events WHERE action = 'approval_requested' LIMIT 1");
        let gone = "(SELECT id FROM approval_requests WHERE requested_seq >= (SELECT size FROM ledger_frontier))";
        rehash(&scene.host, cut, |_, _| {});
        scene.host.tamper(&format!(
            "CREATE TEMP TABLE gone AS SELECT id, certificate_id, job_id, submission_id FROM approval_requests WHERE id IN {gone};
             DELETE FROM request_terms WHERE request_id IN (SELECT id FROM gone);
             DELETE FROM request_timers WHERE request_id IN (SELECT id FROM gone);
             DELETE FROM notification_events WHERE resource_id IN (SELECT id FROM gone);
             DELETE FROM approval_requests WHERE id IN (SELECT id FROM gone);
             DELETE FROM jobs WHERE id IN (SELECT job_id FROM gone);
             DELETE FROM submissions WHERE id IN (SELECT submission_id FROM gone);
             DELETE FROM certificates WHERE id IN (SELECT certificate_id FROM gone)"
        ));
        if forget {
            scene.forget();
        }
        assert_eq!(scene.found().as_deref(), without, "{forget}");
        if forget {
            scene.shown_by_the_anchor(AnchorVerdict::Ahead);
        }
    }
}

#[test]
fn nodes_checkpoints_and_keys_that_were_changed() {
    if !can_be_people() {
        return;
    }
    for (what, rule, sql) in [
        ("a node", "nodes", "UPDATE ledger_nodes SET hash = zeroblob(32) WHERE idx = 1"),
        ("a missing node", "nodes", "DELETE FROM ledger_nodes WHERE idx = 0"),
        ("all nodes", "nodes", "DELETE FROM ledger_nodes"),
        ("a node too many", "nodes", "INSERT INTO ledger_nodes VALUES (8, 0, zeroblob(32))"),
        ("a checkpoint's root", "checkpoint", "UPDATE checkpoints SET root = zeroblob(32)"),
        (
            "a checkpoint of nothing",
            "checkpoint",
            "INSERT INTO checkpoints SELECT 100000, root, note, made_at FROM checkpoints LIMIT 1",
        ),
        ("a note", "checkpoint", "UPDATE checkpoints SET note = replace(note, 'countersign/', 'another/x')||'x'"),
        ("another key", "state", "UPDATE checkpoint_keys SET vkey = 'x' || vkey"),
        ("a key that is none", "state", "UPDATE checkpoint_keys SET vkey = 'x+00000000+AAAA'"),
        ("an anchor's size", "state", "UPDATE anchors SET size = size - 1"),
        ("an anchor's note", "state", "UPDATE anchors SET note = replace(note, 'countersign/', 'another/x')"),
        ("an anchor that is none", "state", "UPDATE anchors SET note = 'x'"),
        (
            "an anchor that nobody brought",
            "state",
            "INSERT INTO anchors SELECT 2, substr(sha256, 2) || 'a', size, root, note, verdict, added_at, 0 FROM anchors",
        ),
    ] {
        let mut scene = Anchored::new(true);
        scene.host.tamper(sql);
        assert_eq!(scene.found().as_deref(), Some(rule), "{what}");
    }
}
