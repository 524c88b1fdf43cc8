//! A database that is not what the daemon left: it starts, says so, decides nothing, issues nothing, and still
//! shows what can be read.

use std::io::{Seek, SeekFrom, Write};

use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditList, AuditVerify, JobList, RequestApprove, RequestList, RequestReject, RequestSubmit,
};
use countersign_shared::protocol::{ListAuditParams, NoParams, Outcome, RequestSummary};

use crate::support::{ALICE, BOB, DAVE, Host, ask, can_be_people, on, policy};

/// A stopped host with one issued, one rejected and one pending request.
pub struct Scene {
    pub host: Host,
    pub pending: RequestSummary,
}

impl Scene {
    pub fn new() -> Self {
        let mut host = Host::serving(&policy());
        let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
        let issued = alice.request(&["web1.corp.example"]);
        bob.approve(&issued);
        assert_eq!(alice.wait(&issued.id).outcome, Outcome::Issued);
        let rejected = alice.request(&["web2.corp.example"]);
        bob.call::<RequestReject>(&on(&rejected));
        let pending = alice.request(&["web3.corp.example"]);
        host.stop();
        Self { host, pending }
    }

    /// After the damage: it starts all the same, by this rule it is read-only, and nothing gets through.
    pub fn is_read_only(&mut self, what: &str, rule: &str, readable: bool) {
        let issued = readable.then(|| self.versions());
        self.host.start();
        let status = self.host.oneself().status();
        let damage = status.damage.unwrap_or_else(|| panic!("{what}: no damage was found"));
        assert!(status.read_only, "{what}");
        assert_eq!(damage.rule, rule, "{what}: {damage:?}");
        assert!(self.host.log().contains("DAMAGE FOUND"), "{what}");
        self.decides_nothing(what);
        let mut dave = self.host.user(DAVE);
        if readable {
            let filter: ListAuditParams = serde_json::from_str("{}").unwrap();
            assert!(!dave.call::<AuditList>(&filter).events.is_empty(), "{what}");
            let bob = &mut self.host.user(BOB);
            assert!(!bob.call::<RequestList>(&serde_json::from_str("{}").unwrap()).requests.is_empty(), "{what}");
            assert!(!bob.call::<JobList>(&serde_json::from_str("{}").unwrap()).jobs.is_empty(), "{what}");
            let verified = dave.call::<AuditVerify>(&NoParams {});
            assert_eq!((verified.intact, verified.damage.map(|damage| damage.rule)), (false, Some(rule.to_owned())));
            assert_eq!(Some(self.versions()), issued, "{what}");
        } else {
            let refused = dave.attempt::<AuditVerify>(&NoParams {}).unwrap().map(|verified| verified.intact);
            assert_ne!(refused.ok(), Some(true), "{what}");
        }
        assert!(self.host.alive(), "{what}");
        self.host.stop();
    }

    pub fn versions(&self) -> i64 {
        self.host.value("SELECT count(*) FROM certificate_versions")
    }

    pub fn decides_nothing(&self, what: &str) {
        let (mut alice, mut bob) = (self.host.user(ALICE), self.host.user(BOB));
        for error in [
            bob.refused::<RequestApprove>(&on(&self.pending), ErrorKind::ReadOnly),
            bob.refused::<RequestReject>(&on(&self.pending), ErrorKind::ReadOnly),
            alice.refused::<RequestSubmit>(&ask(&["web9.corp.example"]), ErrorKind::ReadOnly),
            alice.refused::<RequestSubmit>(&ask(&["a.dev.test.example"]), ErrorKind::ReadOnly),
        ] {
            assert!(error.message.contains("read-only") && !error.data.hint.is_empty(), "{what}: {error:?}");
        }
    }
}

/// The id of the request in this state, as SQL.
fn request_in(state: &str) -> String {
    format!("(SELECT id FROM approval_requests WHERE state = '{state}')")
}

#[test]
fn an_edited_ledger() {
    if !can_be_people() {
        return;
    }
    for (what, rule, sql) in [
        (
            "a byte of a record",
            "columns",
            "UPDATE audit_events SET record = CAST(replace(CAST(record AS TEXT), '\"version\":1', '\"version\":2') AS BLOB)
             WHERE seq = 2"
                .to_owned(),
        ),
        ("a record that is not JSON", "edited", "UPDATE audit_events SET record = x'0000' WHERE seq = 3".into()),
        ("an actor", "columns", "UPDATE audit_events SET actor = 'uid:1' WHERE action = 'approval_approved'".into()),
        ("a time", "columns", "UPDATE audit_events SET created_at = '2020-01-01T00:00:00.000Z' WHERE seq = 4".into()),
        ("details", "columns", "UPDATE audit_events SET details = '{}' WHERE seq = 4".into()),
        (
            "record and column alike",
            "edited",
            "UPDATE audit_events SET actor = 'uid:62003', record = CAST(replace(CAST(record AS TEXT),
                 '\"actor\":\"' || actor || '\"', '\"actor\":\"uid:62003\"') AS BLOB)
             WHERE action = 'approval_approved'"
                .into(),
        ),
        ("a row taken out", "missing", "DELETE FROM audit_events WHERE seq = 3".into()),
        (
            "a row taken out and the rest moved up",
            "reordered",
            "DELETE FROM audit_events WHERE seq = 3;
             UPDATE audit_events SET seq = seq + 1000 WHERE seq > 3; UPDATE audit_events SET seq = seq - 1001 WHERE seq > 1000"
                .into(),
        ),
        ("the end cut off", "truncated", "DELETE FROM audit_events WHERE seq > 5".into()),
        ("everything deleted", "truncated", "DELETE FROM audit_events".into()),
        (
            "two rows swapped",
            "reordered",
            "UPDATE audit_events SET seq = 1000 WHERE seq = 3; UPDATE audit_events SET seq = 3 WHERE seq = 4;
             UPDATE audit_events SET seq = 4 WHERE seq = 1000"
                .into(),
        ),
        (
            "the end cut off with the tree's size",
            "frontier",
            "DELETE FROM audit_events WHERE seq > 5; UPDATE ledger_frontier SET size = 6".into(),
        ),
        ("the tree taken away", "inserted", "DELETE FROM ledger_frontier".into()),
    ] {
        let mut scene = Scene::new();
        scene.host.tamper(&sql);
        let readable = what != "everything deleted";
        scene.is_read_only(what, rule, readable);
    }
}

#[test]
fn state_that_no_record_explains() {
    if !can_be_people() {
        return;
    }
    let pending = request_in("pending");
    let approved = "(SELECT seq FROM audit_events WHERE action = 'approval_approved')";
    // One record frees one job in the schema too: whoever borrows it takes it from its owner first.
    let taken = "UPDATE jobs SET record_seq = 0 WHERE state = 'completed'";
    for (what, sql) in [
        (
            "a request approved by SQL",
            "UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'uid:62002'
             WHERE state = 'pending'"
                .to_owned(),
        ),
        (
            "a request approved by SQL under the approval of another",
            format!(
                "UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'uid:62002',
                     seq = {approved} WHERE state = 'pending'"
            ),
        ),
        ("a rejection turned into an approval", "UPDATE approval_requests SET state = 'approved' WHERE state = 'rejected'".into()),
        (
            "a rejected request brought back",
            "UPDATE approval_requests SET state = 'pending', decided_at = NULL, decided_by = NULL,
                 seq = (SELECT min(a.seq) FROM audit_events a WHERE a.resource_id = approval_requests.id),
                 deadline_tick = deadline_tick + 1000000000 WHERE state = 'rejected';
             UPDATE jobs SET state = 'awaiting_approval', finished_at = NULL, error = NULL WHERE state = 'cancelled'"
                .into(),
        ),
        (
            "an approved request brought back",
            "UPDATE approval_requests SET state = 'pending', decided_at = NULL, decided_by = NULL,
                 seq = (SELECT min(a.seq) FROM audit_events a WHERE a.resource_id = approval_requests.id)
                 WHERE state = 'approved'"
                .into(),
        ),
        (
            "a cancelled job that waits again",
            "UPDATE jobs SET state = 'awaiting_approval', finished_at = NULL, error = NULL WHERE state = 'cancelled'"
                .into(),
        ),
        (
            "a completed job that is to run again",
            "UPDATE jobs SET state = 'pending', finished_at = NULL, serial = NULL WHERE state = 'completed'".into(),
        ),
        ("a certificate taken out of the store", "DELETE FROM certificate_versions".into()),
        (
            "a job freed by SQL",
            "UPDATE jobs SET state = 'pending', record_seq = (SELECT a.seq FROM audit_events a
                 WHERE a.resource_id = jobs.request_id) WHERE state = 'awaiting_approval'"
                .into(),
        ),
        (
            "a job freed by SQL under the approval of another",
            format!("{taken}; UPDATE jobs SET state = 'pending', record_seq = {approved} WHERE state = 'awaiting_approval'"),
        ),
        (
            "a job that lost its request",
            format!("{taken}; UPDATE jobs SET state = 'pending', request_id = NULL, record_seq = {approved} WHERE request_id = {pending}"),
        ),
        (
            "a vote that nobody gave",
            format!(
                "INSERT INTO decisions SELECT 99, {pending}, version, digest, verdict, 'carol', 62003, 'uid:62003',
                     'carol', NULL, NULL, note, note_salt, decided_at, 2 FROM decisions WHERE verdict = 'approve'"
            ),
        ),
        ("a chain replaced", "UPDATE certificate_versions SET chain_pem = 'EVIL'".into()),
        ("another serial number", "UPDATE certificate_versions SET serial = '01'".into()),
        ("another digest", "UPDATE certificate_versions SET sha256 = hex(zeroblob(32))".into()),
        ("a version out of force", "UPDATE certificate_versions SET state = 'superseded'".into()),
        ("a version in quarantine", "UPDATE certificate_versions SET state = 'quarantined'".into()),
        ("a version moved to another certificate", "UPDATE certificate_versions SET certificate_id = (SELECT certificate_id FROM approval_requests WHERE state = 'pending')".into()),
    ] {
        let mut scene = Scene::new();
        scene.host.tamper(&sql);
        scene.is_read_only(what, "state", true);
    }
}

#[test]
fn a_schema_that_was_weakened_or_added_to() {
    if !can_be_people() {
        return;
    }
    for (what, sql) in [
        ("a dropped trigger", "DROP TRIGGER requests_terminal"),
        (
            "a trigger of the same name that lets everything through",
            "DROP TRIGGER audit_events_no_update;
             CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN SELECT 1; END",
        ),
        ("a dropped index that keeps requests apart", "DROP INDEX requests_one_pending_per_certificate"),
        (
            "a trigger of somebody else",
            "CREATE TRIGGER theirs AFTER INSERT ON decisions BEGIN DELETE FROM notification_events; END",
        ),
    ] {
        let mut scene = Scene::new();
        rusqlite::Connection::open(scene.host.database()).unwrap().execute_batch(sql).unwrap();
        scene.is_read_only(what, "schema", true);
    }
}

#[test]
fn a_file_that_is_no_database() {
    if !can_be_people() {
        return;
    }
    let mut scene = Scene::new();
    std::fs::write(scene.host.database(), vec![0x5a; 65_536]).unwrap();
    scene.is_read_only("garbage", "database", false);

    let mut scene = Scene::new();
    let length = std::fs::metadata(scene.host.database()).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(scene.host.database()).unwrap();
    file.set_len(length / 2 / 4096 * 4096).unwrap();
    scene.is_read_only("half of it is gone", "database", false);

    let mut scene = Scene::new();
    let mut file = std::fs::OpenOptions::new().write(true).open(scene.host.database()).unwrap();
    for page in (2..length / 4096).step_by(3) {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xff; 4096]).unwrap();
    }
    drop(file);
    scene.is_read_only("pages overwritten", "database", false);
}

#[test]
fn a_database_that_was_emptied_or_taken_away_is_not_begun_anew() {
    if !can_be_people() {
        return;
    }
    for (what, act) in [
        ("emptied", (|host| drop(std::fs::File::create(host.database()).unwrap())) as fn(&Host)),
        ("taken away", |host| std::fs::remove_file(host.database()).unwrap()),
    ] {
        let mut scene = Scene::new();
        act(&scene.host);
        // The policy that lies there now would let everything through.
        let open = policy().replace("requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]", "");
        assert_ne!(open, policy());
        std::fs::write(scene.host.path("policy.toml"), open).unwrap();
        scene.is_read_only(what, "database", false);
        scene.is_read_only(what, "database", false);
    }
    // With a policy file that is of no use, the alarm is all that is left, and it is shown.
    let mut scene = Scene::new();
    std::fs::write(scene.host.database(), "garbage").unwrap();
    for document in ["not toml [", ""] {
        std::fs::write(scene.host.path("policy.toml"), document).unwrap();
        scene.host.start();
        assert_eq!(scene.host.oneself().status().damage.unwrap().rule, "database");
        scene.decides_nothing("a policy file of no use");
        scene.host.stop();
    }
    // The same for a log that was taken away before it was folded back.
    let mut host = Host::serving(&policy());
    host.user(ALICE).request(&["web1.corp.example"]);
    host.kill();
    for suffix in ["-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", host.database().display())).unwrap();
    }
    host.start();
    assert_eq!(host.oneself().status().damage.unwrap().rule, "database");
}

#[test]
fn a_policy_that_nobody_adopted() {
    if !can_be_people() {
        return;
    }
    let free = policy().replacen("requires_approval = true", "", 1);
    let free = free.replacen("quorum = [{ group = \"pki\", need = 1 }]", "", 1);
    let digest = Digest::of(&[free.as_bytes()]);
    let again = format!("INSERT INTO policies SELECT 2, '{digest}', '{free}', in_force_since");
    for (what, sql) in [
        ("a document", "UPDATE policies SET document = replace(document, 'requires_approval = true', '')".to_owned()),
        ("a document and its digest", format!("UPDATE policies SET document = '{free}', sha256 = '{digest}'")),
        ("a second policy", format!("{again}, 3 FROM policies")),
        ("a second policy under the record of the first", format!("{again}, seq FROM policies")),
        ("no policy", "DELETE FROM policies".to_owned()),
    ] {
        let mut scene = Scene::new();
        // The file agrees with the forgery: it has no force of its own.
        std::fs::write(scene.host.path("policy.toml"), &free).unwrap();
        scene.host.tamper(&sql);
        scene.is_read_only(what, "policy", true);
        let records = "SELECT count(*) FROM audit_events WHERE action = 'policy_loaded' AND details ->> '$.adopted'";
        assert_eq!(scene.host.value::<i64>(records), 1, "{what}");
    }
}

#[test]
fn a_demo_that_says_it_is_none_and_the_other_way_round() {
    if !can_be_people() {
        return;
    }
    let mut scene = Scene::new();
    scene.host.tamper("UPDATE meta SET value = 'yes' WHERE key = 'demo'");
    let flags = scene.host.flags.clone();
    let state = scene.host.state.to_str().unwrap().to_owned();
    scene.host.flags =
        ["--demo", "--state-dir", &state, "--socket", scene.host.socket.to_str().unwrap()].map(str::to_owned).to_vec();
    scene.host.start();
    assert_eq!(scene.host.oneself().status().damage.unwrap().rule, "demo");
    scene.host.stop();

    std::fs::remove_dir_all(&state).unwrap();
    scene.host.start();
    assert_eq!(scene.host.oneself().status().damage, None);
    scene.host.stop();
    scene.host.tamper("UPDATE meta SET value = 'no' WHERE key = 'demo'");
    scene.host.flags = flags;
    scene.host.start();
    assert_eq!(scene.host.oneself().status().damage.unwrap().rule, "demo");
}
