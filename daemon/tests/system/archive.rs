//! `audit.archive` through the socket: files that follow each other, are the same whenever they are read, and are shown to be
//! parts of the ledger.

use std::path::Path;

use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::Log;
use countersign_proof::request::Continuation;
use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::frame::MAX_FRAME;
use countersign_shared::protocol::method::{
    AuditArchive, AuditArchives, AuditCheckpoint, AuditProof, AuditVerify, DaemonWhoami,
};
use countersign_shared::protocol::{
    ArchiveLines, ArchiveManifest, ArchiveParams, ListArchivesParams, NoParams, ProofParams,
};
use countersign_verify::offline::{Against, ArchiveFile, Report, verify, verify_archives};

use crate::export::grow;
use crate::support::{BOB, CAROL, Caller, DAVE, Host, can_be_people, policy};

const UNGUARD: &str = "DROP TRIGGER ledger_archives_no_delete; DROP TRIGGER ledger_archives_no_update;";

fn host(rows: u64) -> Host {
    let mut host = Host::serving(&policy());
    host.stop();
    grow(&host, rows);
    host.start();
    host
}

pub fn until(seq: u64) -> ArchiveParams {
    ArchiveParams { until_seq: Some(seq), ..ArchiveParams::default() }
}

fn number(number: u64) -> ArchiveParams {
    ArchiveParams { number: Some(number), ..ArchiveParams::default() }
}

fn rest(caller: &mut Caller, manifest: &ArchiveManifest, mut page: ArchiveLines) -> String {
    let mut text = String::new();
    loop {
        let octets: usize = page.lines.iter().map(|line| line.get().len() + 1).sum();
        assert!(octets < MAX_FRAME - 4096, "{octets}");
        page.lines.iter().for_each(|line| text.extend([line.get(), "\n"]));
        let Some(cursor) = page.next_cursor else { return text };
        page = caller.call::<AuditArchive>(&ArchiveParams { cursor: Some(cursor), ..number(manifest.number) });
    }
}

/// The manifest and the file.
pub fn archive(caller: &mut Caller, params: &ArchiveParams) -> (ArchiveManifest, String) {
    let mut page = caller.call::<AuditArchive>(params);
    let manifest = page.manifest.take().unwrap();
    let text = rest(caller, &manifest, page);
    assert_eq!((manifest.octets, manifest.sha256), (text.len() as u64, Digest::of(&[text.as_bytes()])));
    assert_eq!(manifest.rows, text.lines().count() as u64);
    (manifest, text)
}

/// The checkpoint of now, as somebody keeps it elsewhere.
fn anchored(caller: &mut Caller) -> Against {
    let result = caller.call::<AuditCheckpoint>(&NoParams {});
    let anchor = Anchor::parse(result.note.as_bytes()).unwrap();
    Against {
        log: Some(Log::of_key(result.verifier_key.parse().unwrap())),
        anchors: vec![("anchor".to_owned(), anchor)],
        ..Against::default()
    }
}

fn file(host: &Host, name: &str, (manifest, text): &(ArchiveManifest, String), with: bool) -> ArchiveFile {
    let path = host.path(name);
    std::fs::write(&path, text).unwrap();
    ArchiveFile { path, manifest: with.then(|| manifest.clone()) }
}

fn look(files: &[ArchiveFile], against: &Against) -> Report {
    verify_archives(files, None, against, &mut |_, _| {}).unwrap()
}

#[test]
fn archives_follow_each_other_and_are_shown_to_be_parts_of_the_ledger() {
    if !can_be_people() {
        return;
    }
    let mut host = host(3000);
    let mut dave = host.user(DAVE);
    let first = archive(&mut dave, &until(1000));
    assert_eq!((first.0.number, first.0.from_seq, first.0.to_seq), (1, 0, 1000));
    let early = anchored(&mut dave);
    let second =
        archive(&mut dave, &ArchiveParams { until: "2026-02-01T10:00:01.500Z".parse().ok(), ..Default::default() });
    assert_eq!((second.0.number, second.0.from_seq), (2, 1000));
    assert!((1500..1600).contains(&second.0.to_seq), "{:?}", second.0);
    assert_eq!((second.0.prev_sha256, &second.0.peaks_before), (first.0.last_sha256, &first.0.peaks_after));

    // What was sealed stays as it was sealed, for others too, over a restart.
    host.stop();
    host.start();
    assert_eq!(archive(&mut host.user(CAROL), &number(1)).1, first.1);
    let mut dave = host.user(DAVE);
    let again = archive(&mut dave, &number(2));
    assert_eq!((&again.1, again.0.sealed_seq), (&second.1, second.0.sealed_seq));
    let taken: u64 =
        host.value("SELECT count(*) FROM audit_events WHERE action = 'audit.export' AND details ->> '$.archive' > 0");
    assert_eq!(taken, 2);
    let dave_is = dave.call::<DaemonWhoami>(&NoParams {}).account;
    let listed = dave.call::<AuditArchives>(&ListArchivesParams::default());
    assert_eq!(listed.archives.iter().map(|row| row.number).collect::<Vec<u64>>(), [2, 1]);
    assert_eq!(listed.unsealed, host.value::<u64>("SELECT count(*) FROM audit_events") - second.0.to_seq);
    assert_eq!((listed.archives[1].sha256, &listed.archives[1].sealed_by), (first.0.sha256, &dave_is));
    assert!(host.user(CAROL).call::<AuditVerify>(&NoParams {}).intact);

    // From the first record on, with nothing but the files.
    let [one, two] = [file(&host, "1", &first, false), file(&host, "2", &second, false)];
    let report = look(&[one, two], &Against::default());
    assert!(report.intact && report.gaps == 0, "{report:?}");
    assert_eq!((report.records, report.root_sha256), (second.0.to_seq, Some(second.0.root_sha256)));
    // With the manifests, beside the checkpoint that was taken when they were made: all of it is covered.
    let [one, two] = [file(&host, "1", &first, true), file(&host, "2", &again, true)];
    let now = anchored(&mut dave);
    let report = look(&[one, two], &Against { continuations: vec![], ..early_of(&again.0, &now) });
    assert!(report.intact, "{report:?}");
    assert_eq!(report.covered, Some(second.0.to_seq));
    // The second alone: its peaks stand for what is before it.
    let report = look(&[file(&host, "2", &again, true)], &early_of(&again.0, &now));
    assert!(report.intact, "{report:?}");
    assert_eq!((report.first_seq, report.covered), (Some(1000), Some(second.0.to_seq)));
    assert_eq!(report.root_sha256, Some(second.0.root_sha256));
    // An older anchor, to which the first manifest leads: from its end, and so through the second archive.
    let report = look(&[file(&host, "1", &first, true), file(&host, "2", &second, true)], &early);
    assert!(report.intact && early.anchors[0].1.size() > second.0.to_seq, "{report:?}");

    // A later checkpoint of the running ledger: a proof leads to it.
    grow_by_records(&mut dave);
    let later = anchored(&mut dave);
    let report = look(&[file(&host, "1", &first, true)], &later);
    assert_eq!(report.anchors[0].verdict, "unreached");
    let proof = dave.call::<AuditProof>(&ProofParams { from: Some(1000), ..ProofParams::default() });
    let proof = Continuation::parse(proof.continuation.unwrap().as_bytes()).unwrap();
    let later = Against { continuations: vec![("proof".to_owned(), proof)], ..later };
    let report = look(&[file(&host, "1", &first, true)], &later);
    assert!(report.intact, "{report:?}");
    assert_eq!(report.covered, Some(1000));

    // Beside the database, each record is the one that stands there.
    host.stop();
    let beside = |files: &[ArchiveFile]| {
        verify_archives(files, Some(&host.database()), &Against::default(), &mut |_, _| {}).unwrap()
    };
    assert!(beside(&[file(&host, "1", &first, true), file(&host, "2", &second, true)]).intact);
    host.tamper("UPDATE audit_events SET record = CAST(replace(record, 'alice', 'mallo') AS BLOB) WHERE seq = 1234");
    let report = beside(&[file(&host, "2", &second, true)]);
    assert_eq!((&*report.findings[0].rule, report.findings[0].seq), ("archive", Some(1234)), "{report:?}");
}

/// Against the checkpoint to which the manifest itself leads, as if that had been kept elsewhere.
fn early_of(manifest: &ArchiveManifest, key: &Against) -> Against {
    let continuation = Continuation::parse(manifest.continuation.as_bytes()).unwrap();
    let anchor = Anchor::parse(continuation.signed.to_string().as_bytes()).unwrap();
    Against { log: key.log.clone(), anchors: vec![("of the manifest".to_owned(), anchor)], ..Against::default() }
}

/// Makes the ledger longer.
fn grow_by_records(caller: &mut Caller) {
    archive(caller, &number(1));
}

/// Something done to a manifest and its file.
type Change<'a> = dyn Fn(&mut ArchiveManifest, &mut String) + 'a;

#[test]
fn what_was_done_to_an_archive_or_its_manifest_is_named() {
    if !can_be_people() {
        return;
    }
    let host = host(600);
    let mut dave = host.user(DAVE);
    let first = archive(&mut dave, &until(200));
    let second = archive(&mut dave, &until(500));
    let key = anchored(&mut dave);
    let of = |change: &Change<'_>| {
        let (mut manifest, mut text) = second.clone();
        change(&mut manifest, &mut text);
        look(&[file(&host, "x", &(manifest, text), true)], &early_of(&second.0, &key))
    };
    assert!(of(&|_, _| {}).intact);
    let whole = |report: &Report| report.findings.first().map(|found| found.rule.clone());
    // What is wrong in the lines.
    let cut = of(&|_, text| text.truncate(text.len() - 10));
    assert_eq!(whole(&cut).as_deref(), Some("truncated"));
    let shorter = of(&|_, text| {
        let end = text.trim_end().rfind('\n').unwrap() + 1;
        text.truncate(end);
    });
    assert_eq!(whole(&shorter).as_deref(), Some("manifest"), "{shorter:?}");
    // Spaces that mean nothing to the records are another file.
    let spaced = of(&|_, text| *text = text.replacen("{\"seq\"", "{ \"seq\"", 1));
    assert!(!spaced.intact && spaced.findings[0].text.contains("octets"), "{spaced:?}");
    // What is wrong in the manifest: each part of it.
    let changes: [&Change<'_>; 8] = [
        &|manifest, _| manifest.peaks_before[0] = Digest::of(&[b"x"]),
        &|manifest, _| manifest.peaks_before.clear(),
        &|manifest, _| manifest.prev_sha256 = Digest::of(&[b"x"]),
        &|manifest, _| manifest.root_sha256 = Digest::of(&[b"x"]),
        &|manifest, _| manifest.number = 1,
        &|manifest, _| manifest.sealed = first.0.sealed.clone(),
        &|manifest, _| manifest.continuation = first.0.continuation.clone(),
        &|manifest, _| manifest.format = "x".repeat(1000),
    ];
    for (at, change) in changes.iter().enumerate() {
        let report = of(change);
        assert!(!report.intact, "{at}: {report:?}");
    }
    // Files in another order, one twice, one that is not of this ledger, one left out.
    let (one, two) = (|| file(&host, "1", &first, true), || file(&host, "2", &second, true));
    for files in [vec![two(), one()], vec![one(), one()], vec![one(), two(), two()]] {
        assert_eq!(whole(&look(&files, &Against::default())).as_deref(), Some("reordered"));
    }
    // Another history that is right in itself, sealed by nobody.
    let mut other = self::host(700);
    let foreign = archive(&mut other.user(DAVE), &until(200));
    other.stop();
    let mixed = look(&[file(&host, "1", &foreign, false), file(&host, "2", &second, false)], &Against::default());
    assert_eq!(whole(&mixed).as_deref(), Some("edited"), "{mixed:?}");
}

#[test]
fn who_may_not_seal_is_on_record_and_what_cannot_be_sealed_is_said() {
    if !can_be_people() {
        return;
    }
    let mut host = host(300);
    let size = |host: &Host| host.value::<u64>("SELECT count(*) FROM audit_events");
    for params in [until(10), number(1)] {
        let error = host.user(BOB).refused::<AuditArchive>(&params, ErrorKind::Forbidden);
        assert!(error.message.contains("no role"), "{error:?}");
    }
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
                   AND details ->> '$.verb' = 'audit.archive' AND details ->> '$.rule' = 'no_role'";
    assert_eq!(host.value::<u64>(refused), 2);
    let mut dave = host.user(DAVE);
    dave.refused::<AuditArchive>(&number(1), ErrorKind::NotFound);
    dave.refused::<AuditArchive>(&until(0), ErrorKind::Conflict);
    dave.refused::<AuditArchive>(&until(size(&host) + 5), ErrorKind::Invalid);
    dave.refused::<AuditArchive>(&until(u64::MAX), ErrorKind::Invalid);
    let before = size(&host);
    let (manifest, _) = archive(&mut dave, &until(before));
    assert_eq!((manifest.to_seq, manifest.sealed_seq), (before, before));
    for again in [until(before), until(1)] {
        let error = dave.refused::<AuditArchive>(&again, ErrorKind::Conflict);
        assert!(error.data.hint.contains("--number"));
    }
    // A page belongs to whoever it was begun for, and to its archive.
    let (second, _) =
        archive(&mut dave, &ArchiveParams { until: "2999-01-01T00:00:00Z".parse().ok(), ..Default::default() });
    let page = |under: u64, begin: u64| ArchiveParams { cursor: Some(format!("p-{under}-{begin}")), ..number(1) };
    dave.call::<AuditArchive>(&page(manifest.sealed_seq, 5));
    for foreign in [page(manifest.sealed_seq, before), page(second.sealed_seq, 5), page(0, 5), page(9999, 0)] {
        dave.refused::<AuditArchive>(&foreign, ErrorKind::Invalid);
    }
    host.user(CAROL).refused::<AuditArchive>(&page(manifest.sealed_seq, 5), ErrorKind::Invalid);
    host.user(BOB).refused::<AuditArchive>(&page(manifest.sealed_seq, 5), ErrorKind::Forbidden);

    // One that is taken away, or says something else, is damage, here and in a copy.
    host.stop();
    let of_copy = |copy: &Path| {
        let report = verify(copy, &Against::default(), &mut |_, _| {}).unwrap();
        report.findings.into_iter().map(|found| found.rule).collect::<Vec<_>>()
    };
    assert_eq!(of_copy(&host.database()), [""; 0]);
    for (sql, rule) in [
        ("DELETE FROM ledger_archives WHERE number = 2", "state"),
        ("UPDATE ledger_archives SET octets = octets + 1", "state"),
        ("UPDATE ledger_archives SET root = randomblob(32) WHERE number = 1", "archive"),
    ] {
        let copy = host.path("copy.db");
        std::fs::copy(host.database(), &copy).unwrap();
        let connection = rusqlite::Connection::open(&copy).unwrap();
        connection.execute_batch(&format!("{UNGUARD}{sql};")).unwrap();
        let schema = include_str!("../../../migrations/0010_archives.up.sql");
        connection.execute_batch(schema).unwrap();
        let found = countersignd::store::integrity::check(&connection, Default::default(), &mut |_, _| {}).unwrap();
        assert_eq!(found.damage.as_ref().map(|damage| &*damage.rule), Some(rule), "{sql}: {:?}", found.damage);
        drop(connection);
        assert_eq!(of_copy(&copy), [rule], "{sql}");
    }
    // A copy that says that it is from before there were archives.
    let copy = host.path("copy.db");
    std::fs::copy(host.database(), &copy).unwrap();
    let connection = rusqlite::Connection::open(&copy).unwrap();
    connection.execute_batch("DROP TABLE ledger_archives; PRAGMA user_version = 9").unwrap();
    drop(connection);
    assert_eq!(of_copy(&copy), ["state"]);
}

#[test]
fn an_archive_goes_on_where_the_daemon_was_killed() {
    if !can_be_people() {
        return;
    }
    let mut host = host(4000);
    let mut page = host.user(DAVE).call::<AuditArchive>(&until(4000));
    let manifest = page.manifest.take().unwrap();
    assert!(page.next_cursor.is_some());
    host.kill();
    host.start();
    let text = rest(&mut host.user(DAVE), &manifest, page);
    assert_eq!(Digest::of(&[text.as_bytes()]), manifest.sha256);
    assert_eq!(host.user(DAVE).call::<AuditArchives>(&ListArchivesParams::default()).archives.len(), 1);
}
