//! Damage that people acknowledge: nothing is rewritten, everything stays named, and what rests on it is issued by nobody.

use std::time::Duration;

use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::Log;
use countersign_proof::request::Continuation;
use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditAnchor, AuditCheckpoint, AuditEvidence, AuditProof, AuditRepair, AuditVerify, RequestApprove,
};
use countersign_shared::protocol::{
    Acknowledged, AnchorParams, AnchorVerdict, ArchiveManifest, ExportParams, NoParams, Outcome, ProofParams,
    RepairParams, RepairResult, RequestSummary,
};
use countersign_verify::offline::{self, Against, ArchiveFile, Report};

use crate::archive::{archive, until as sealed_until};
use crate::evidence::today;
use crate::export::{export, grow};
use crate::signed_decisions::{self, DEMANDED, Keys, signed};
use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, DAVE, Host, can_be_people, on, policy, policy_with, until};

/// Two of the group agree to what is done to the ledger.
fn two_of_the_group() -> String {
    policy_with(1, "", "[change_control]\nquorum = [{ group = \"pki\", need = 2 }]")
}

/// A stopped host with an issued request and a pending one.
fn scene() -> (Host, RequestSummary) {
    let mut host = Host::serving(&two_of_the_group());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let issued = alice.request(&["web1.corp.example"]);
    bob.approve(&issued);
    assert_eq!(alice.wait(&issued.id).outcome, Outcome::Issued);
    let pending = alice.request(&["web2.corp.example"]);
    host.stop();
    (host, pending)
}

fn seen(host: &Host) -> RepairResult {
    host.user(DAVE).call::<AuditRepair>(&RepairParams::default())
}

fn exactly(digest: Digest) -> RepairParams {
    RepairParams { damage_sha256: Some(digest), signature: None }
}

/// Bob and carol acknowledge what is there; the daemon ends by itself and is started anew.
fn acknowledged(host: &mut Host) -> u64 {
    let shown = seen(host);
    assert!(shown.blocked.is_none(), "{shown:?}");
    let before: i64 = host.value("SELECT count(*) FROM audit_events");
    let first = host.user(BOB).call::<AuditRepair>(&exactly(shown.damage_sha256));
    assert_eq!((first.voices.len(), first.needed, first.acknowledged_seq), (1, 2, None));
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events"), before);
    let second = host.user(CAROL).call::<AuditRepair>(&exactly(shown.damage_sha256));
    let seq = second.acknowledged_seq.unwrap();
    until("the daemon ends by itself", || !host.alive());
    host.kill();
    host.start();
    seq
}

#[test]
fn damage_in_the_middle_is_acknowledged_and_gone_past_but_never_undone() {
    if !can_be_people() {
        return;
    }
    for (what, rule, sql) in [
        ("a column", "columns", "UPDATE audit_events SET actor = 'uid:1' WHERE action = 'approval_approved'"),
        (
            "record and column alike",
            "edited",
            "UPDATE audit_events SET actor = 'uid:62003', record = CAST(replace(CAST(record AS TEXT),
                 '\"actor\":\"' || actor || '\"', '\"actor\":\"uid:62003\"') AS BLOB) WHERE action = 'approval_approved'",
        ),
        ("a record that is not JSON", "edited", "UPDATE audit_events SET record = x'0000' WHERE action = 'approval_approved'"),
        (
            "columns that are no text",
            "columns",
            "UPDATE audit_events SET actor = CAST(x'ff00fe' AS TEXT), details = '{ ' || substr(details, 2) || ' '
                 WHERE action = 'approval_approved'",
        ),
        ("a row taken out", "missing", "DELETE FROM audit_events WHERE action = 'approval_approved'"),
    ] {
        let (mut host, _) = scene();
        let damaged: u64 = host.value("SELECT seq FROM audit_events WHERE action = 'approval_approved'");
        host.tamper(sql);
        host.start();
        assert!(host.oneself().status().read_only, "{what}");
        let shown = seen(&host);
        let first = &shown.damage[0];
        assert_eq!((first.seq, first.rule.as_str()), (Some(damaged), rule), "{what}: {shown:?}");
        let rows = "SELECT group_concat(hex(record)) FROM audit_events WHERE action <> 'damage_acknowledged'
            AND action NOT LIKE 'daemon%' AND action NOT LIKE 'policy%'";
        let before: String = host.value(rows);
        let by = acknowledged(&mut host);
        let status = host.oneself().status();
        assert!(!status.read_only, "{what}: {:?}", status.damage);
        assert!(status.acknowledged_damage >= 1, "{what}");
        assert!(host.user(DAVE).metrics().contains("countersign_audit_acknowledged_damage"), "{what}");
        let verified = host.user(DAVE).call::<AuditVerify>(&NoParams {});
        assert!(verified.intact, "{what}: {verified:?}");
        assert!(verified.acknowledged.iter().any(|one| one.seq == Some(damaged) && one.rule == rule && one.by_seq == by));
        assert_eq!(host.value::<String>(rows), before, "{what}: something was rewritten");
        // The chain goes on, and so does everybody.
        let asked = host.user(ALICE).request(&["web3.corp.example"]);
        host.user(BOB).approve(&asked);
        assert_eq!(host.user(ALICE).wait(&asked.id).outcome, Outcome::Issued, "{what}");
        let refused = host.user(DAVE).refused::<AuditProof>(
            &ProofParams { seq: Some(damaged), ..ProofParams::default() },
            ErrorKind::Conflict,
        );
        assert!(refused.message.contains("damaged"), "{what}: {refused:?}");
        host.user(DAVE).call::<AuditProof>(&ProofParams { from: Some(damaged), ..ProofParams::default() });
        // What is acknowledged stops nobody: whoever asks for evidence of it is told, and the daemon goes on.
        if rule != "missing" {
            let refused = host.user(DAVE).refused::<AuditEvidence>(&today(), ErrorKind::Conflict);
            assert!(refused.message.contains(&format!("record {damaged} is damaged")), "{what}: {refused:?}");
        }
        assert!(!host.oneself().status().read_only, "{what}");
        let files = Files::taken(&host);
        host.stop();
        let report = offline::verify(&host.database(), &Against::default(), &mut |_, _| ()).unwrap();
        assert!(report.intact && !report.acknowledged.is_empty(), "{what}: {report:?}");
        files.go_past_what_is_acknowledged_and_nothing_else(what, (damaged, by), &report.acknowledged);
        // Anything else in the same place is new damage.
        host.tamper(&format!(
            "UPDATE audit_events SET actor = 'uid:2' WHERE seq = {damaged};
             INSERT INTO audit_events SELECT {damaged}, 'ev-x', created_at, actor, actor_type, action, category, resource_type,
                 'x', details, record FROM audit_events WHERE seq = {by} AND NOT EXISTS
                 (SELECT 1 FROM audit_events WHERE seq = {damaged})"
        ));
        host.start();
        assert!(host.oneself().status().read_only, "{what}: other damage in the same place was gone past");
        assert!(seen(&host).damage.iter().any(|one| one.seq == Some(damaged)), "{what}");
        host.stop();
        let report = offline::verify(&host.database(), &Against::default(), &mut |_, _| ()).unwrap();
        assert!(!report.intact, "{what}");
    }
}

/// What leaves a host whose damage is acknowledged.
struct Files {
    place: tempfile::TempDir,
    lines: Vec<String>,
    against: Against,
    archive: ArchiveManifest,
}

impl Files {
    fn taken(host: &Host) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut dave = host.user(DAVE);
        let period = today();
        let (from, to) = (period.from.unwrap(), period.to.unwrap());
        let params = ExportParams { from, to, category: None, limit: None, cursor: None };
        let (manifest, lines, _) = export(&mut dave, params);
        let size = host.oneself().status().ledger_size;
        let (archive, text) = archive(&mut dave, &sealed_until(size));
        std::fs::write(place.path().join("archive"), text).unwrap();
        let checkpoint = dave.call::<AuditCheckpoint>(&NoParams {});
        let log = Log::of_key(checkpoint.verifier_key.parse().unwrap());
        // Of as many records as are in the file: what is gone past has to have the hashes that were recorded.
        let continuation = Continuation::parse(manifest.continuation.as_ref().unwrap().as_bytes()).unwrap();
        let anchor = Anchor::Note(continuation.signed);
        let anchors = vec![("kept".to_owned(), anchor)];
        let against = Against { log: Some(log), anchors, manifest: Some(manifest), ..Against::default() };
        Self { place, lines, against, archive }
    }

    fn verified(&self, lines: &[String]) -> Report {
        let file = self.place.path().join("export");
        std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        offline::verify(&file, &self.against, &mut |_, _| ()).unwrap()
    }

    fn go_past_what_is_acknowledged_and_nothing_else(
        &self,
        what: &str,
        (damaged, by): (u64, u64),
        acknowledged: &[Acknowledged],
    ) {
        let report = self.verified(&self.lines);
        assert!(report.intact && report.gaps == 0, "{what}: {report:#?}");
        assert_eq!(report.acknowledged, acknowledged, "{what}");
        assert_eq!(report.anchors[0].verdict, "equal", "{what}: {report:#?}");
        let path = self.place.path().join("archive");
        let manifest = Some(self.archive.clone());
        let archive = [ArchiveFile { path, manifest }];
        let against = Against { manifest: None, ..self.against_alone() };
        let report = offline::verify_archives(&archive, None, &against, &mut |_, _| ()).unwrap();
        assert!(report.intact && report.acknowledged == acknowledged, "{what}: {report:#?}");

        // Other damage in the same place, the same in another place, and without the record that acknowledges it.
        let starts = |seq: u64| format!("{{\"seq\":{seq},");
        let at = self.lines.iter().position(|line| line.starts_with(&starts(damaged)));
        if let Some(at) = at {
            let mut other = self.lines.clone();
            other[at] = other[at].replacen("\"resource_id\":\"", "\"resource_id\":\"x", 1);
            assert_ne!(other, self.lines);
            let found = self.verified(&other);
            assert!(!found.intact && found.acknowledged.is_empty(), "{what}: {found:#?}");
            other.remove(at);
            assert!(!self.verified(&other).intact, "{what}: the damaged record taken out");
        }
        let mut next = self.lines.clone();
        let behind = next.iter().position(|line| line.starts_with(&starts(damaged + 1))).unwrap();
        next[behind] = next[behind].replacen("\"actor\":\"", "\"actor\":\"x", 1);
        assert!(!self.verified(&next).intact, "{what}: the record behind it");
        let without: Vec<String> = self.lines.iter().filter(|line| !line.starts_with(&starts(by))).cloned().collect();
        let found = self.verified(&without);
        assert!(!found.intact && found.acknowledged.is_empty(), "{what}: {found:#?}");
    }

    fn against_alone(&self) -> Against {
        Against { log: self.against.log.clone(), anchors: self.against.anchors.clone(), ..Against::default() }
    }
}

#[test]
fn a_request_that_rests_on_a_damaged_record_is_agreed_to_and_issued_by_nobody() {
    if !can_be_people() {
        return;
    }
    let (mut host, pending) = scene();
    host.tamper(&format!(
        "UPDATE audit_events SET created_at = '2020-01-01T00:00:00.000Z' WHERE action = 'approval_requested'
         AND resource_id = '{}'",
        pending.id
    ));
    host.start();
    acknowledged(&mut host);
    let refused = host.user(BOB).refused::<RequestApprove>(&on(&pending), ErrorKind::Conflict);
    assert_eq!(refused.data.rule.as_deref(), Some("damaged_record"), "{refused:?}");
    let status = host.oneself().status();
    assert!(!status.read_only, "{:?}", status.damage);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 1);
}

#[test]
fn only_different_people_in_their_own_sessions_acknowledge_exactly_what_was_shown() {
    if !can_be_people() {
        return;
    }
    let (mut host, _) = scene();
    host.tamper("UPDATE audit_events SET actor = 'uid:1' WHERE action = 'approval_approved'");
    host.start();
    let shown = seen(&host);
    let exact = exactly(shown.damage_sha256);
    let stale = exactly(Digest::of(&[b"something else"]));
    host.user(BOB).refused::<AuditRepair>(&stale, ErrorKind::StaleContent);
    host.user(DAVE).refused::<AuditRepair>(&exact, ErrorKind::Forbidden);
    host.user_by(ALICE, BOB).refused::<AuditRepair>(&exact, ErrorKind::TwoPersonIntegrity);
    assert_eq!(host.user(ALICE).call::<AuditRepair>(&exact).voices.len(), 1);
    for again in [ALICE, ALICE_ADM] {
        host.user(again).refused::<AuditRepair>(&exact, ErrorKind::AlreadyDecided);
    }
    assert_eq!(seen(&host).voices.len(), 1);
    // Other damage than was looked at has no voices.
    host.tamper("UPDATE audit_events SET actor = 'uid:2' WHERE action = 'approval_requested'");
    host.user(BOB).refused::<AuditRepair>(&exact, ErrorKind::StaleContent);
    let shown = seen(&host);
    assert!(shown.voices.is_empty());
    // Voices end with the process, and nothing was written for them.
    let exact = exactly(shown.damage_sha256);
    host.user(BOB).call::<AuditRepair>(&exact);
    host.kill();
    host.start();
    assert!(seen(&host).voices.is_empty());
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'damage_acknowledged'"), 0);
    assert!(host.oneself().status().read_only);
}

#[test]
fn what_cannot_be_acknowledged_says_so() {
    if !can_be_people() {
        return;
    }
    for (what, sql) in [
        ("the end cut off", "DELETE FROM audit_events WHERE seq > 5"),
        ("the record of the policy", "UPDATE audit_events SET actor = 'uid:1' WHERE action = 'policy_loaded'"),
        ("two in a row", "DELETE FROM audit_events WHERE seq IN (3, 4)"),
        ("a node of the tree", "DELETE FROM ledger_frontier"),
        ("state", "UPDATE approval_requests SET requester_account = 'x' WHERE state = 'pending'"),
    ] {
        let (mut host, _) = scene();
        host.tamper(sql);
        host.start();
        let shown = seen(&host);
        assert!(shown.blocked.is_some(), "{what}: {shown:?}");
        let refused = host.user(BOB).refused::<AuditRepair>(&exactly(shown.damage_sha256), ErrorKind::Conflict);
        assert!(refused.data.hint.contains("backup"), "{what}: {refused:?}");
        assert!(host.oneself().status().read_only, "{what}");
    }
    // Where nothing is wrong, there is nothing to acknowledge.
    let host = Host::serving(&policy());
    let shown = seen(&host);
    assert!(shown.damage.is_empty() && shown.blocked.is_none());
    host.user(CAROL).refused::<AuditRepair>(&exactly(shown.damage_sha256), ErrorKind::Conflict);
}

#[test]
fn an_anchor_that_disagrees_stays_named_and_is_gone_past_once_it_is_acknowledged() {
    if !can_be_people() {
        return;
    }
    let (mut host, _) = scene();
    let (database, last_week) = (host.database(), host.path("last-week"));
    std::fs::copy(&database, &last_week).unwrap();
    host.start();
    host.user(ALICE).request(&["web3.corp.example"]);
    let note = host.user(DAVE).call::<AuditCheckpoint>(&NoParams {}).note;
    host.stop();
    std::fs::copy(&last_week, &database).unwrap();
    // Whoever sets the database back takes away what was signed last: what is kept elsewhere shows it alone.
    std::fs::remove_file(database.with_file_name("checkpoint.signed")).unwrap();
    host.start();
    let anchor = AnchorParams { octets: note };
    assert_ne!(host.user(DAVE).call::<AuditAnchor>(&anchor).verdict, AnchorVerdict::Equal);
    assert!(host.oneself().status().read_only);
    let by = acknowledged(&mut host);
    let in_order = |host: &Host| {
        let verified = host.user(DAVE).call::<AuditVerify>(&NoParams {});
        assert!(verified.intact, "{verified:?}");
        assert!(verified.acknowledged.iter().any(|one| one.rule == "anchor" && one.by_seq == by), "{verified:?}");
    };
    in_order(&host);
    // Behind it the ledger outgrows the anchor, which then disagrees in another way.
    for name in ["web4.corp.example", "web5.corp.example", "web6.corp.example"] {
        host.user(ALICE).request(&[name]);
    }
    host.user(DAVE).call::<AuditAnchor>(&anchor);
    in_order(&host);
    host.stop();
    host.start();
    assert!(!host.oneself().status().read_only);
    in_order(&host);
    host.stop();
    let report = offline::verify(&host.database(), &Against::default(), &mut |_, _| ()).unwrap();
    assert!(report.intact && report.acknowledged.iter().any(|one| one.rule == "anchor"), "{report:?}");
}

/// Whoever owns the host can append a record that acknowledges anything, and the tree over the records before it stays as it was.
#[test]
fn an_acknowledgement_that_no_anchor_covers_excuses_nothing_that_one_covers() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&two_of_the_group());
    let asked = host.user(ALICE).request(&["web1.corp.example"]);
    host.user(BOB).approve(&asked);
    let before = host.user(DAVE).call::<AuditCheckpoint>(&NoParams {});
    host.stop();
    let damaged: u64 = host.value("SELECT seq FROM audit_events WHERE action = 'approval_approved'");
    host.tamper("UPDATE audit_events SET record = x'0000' WHERE action = 'approval_approved'");
    host.start();
    let by = acknowledged(&mut host);
    let after = host.user(DAVE).call::<AuditCheckpoint>(&NoParams {});
    host.stop();
    let log = Log::of_key(before.verifier_key.parse().unwrap());
    let looked_at = |notes: &[&str]| {
        let anchors = notes.iter().map(|note| ("kept".to_owned(), Anchor::parse(note.as_bytes()).unwrap())).collect();
        let against = Against { log: Some(log.clone()), anchors, ..Against::default() };
        offline::verify(&host.database(), &against, &mut |_, _| ()).unwrap()
    };
    let report = looked_at(&[&before.note]);
    assert!(!report.intact && report.anchors[0].verdict == "equal", "{report:#?}");
    let found = &report.findings[0];
    assert_eq!(found.seq, Some(damaged));
    assert!(found.text.contains(&format!("record {by}, which no anchor covers")), "{found:?}");
    for notes in [&[][..], &[&*after.note], &[&*before.note, &*after.note]] {
        let report = looked_at(notes);
        assert!(report.intact && !report.acknowledged.is_empty(), "{report:#?}");
    }
}

#[test]
fn a_damaged_record_of_a_signed_decision_is_acknowledged_with_its_signature() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    for sql in [
        "UPDATE audit_events SET record = x'0000' WHERE action = 'approval_approved'",
        "UPDATE audit_events SET record = CAST(replace(CAST(record AS TEXT), 'req-', 'xxx-') AS BLOB), resource_id = 'xxx'
         WHERE action = 'approval_approved'",
        "DELETE FROM audit_events WHERE action = 'approval_approved'",
    ] {
        let mut host = Host::serving(&signed_decisions::policy(&keys, 1, DEMANDED));
        let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
        let request = alice.request(&["web.corp.example"]);
        let params = signed(&keys, &mut bob, "bob", &request);
        bob.call::<RequestApprove>(&params);
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
        drop((alice, bob));
        host.stop();
        host.tamper(sql);
        host.start();
        acknowledged(&mut host);
        let status = host.oneself().status();
        assert!(!status.read_only, "{sql}: {:?}", status.damage);
        assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact, "{sql}");
        host.stop();
        let report = offline::verify(&host.database(), &Against::default(), &mut |_, _| ()).unwrap();
        assert!(report.intact, "{sql}: {report:?}");
    }
}

#[test]
fn looks_at_the_damage_are_one_at_a_time_also_where_their_callers_have_gone() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&two_of_the_group());
    host.stop();
    grow(&host, 20_000);
    host.start();
    seen(&host);
    let (before, mut most) = (host.database_files(), 0);
    for _ in 0..12 {
        let mut bob = host.user(BOB);
        bob.send::<AuditRepair>(&RepairParams::default()).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        drop(bob);
        most = most.max(host.database_files());
    }
    // One for the look, and what reads meanwhile.
    assert!(most <= before + 4, "{before} {most}");
}
