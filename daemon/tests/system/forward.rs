//! Records that are forwarded to a file as they commit: every one, over restarts and crashes.

use std::collections::BTreeMap;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::AuditArchive;
use countersign_shared::protocol::{ArchiveParams, ExportLine};
use countersign_verify::offline::{Against, verify};

use crate::support::{Host, policy, until};

fn host() -> Host {
    let host = Host::prepared(&policy());
    let settings = format!("[forward]\nto = \"file\"\npath = {:?}\n", host.path("forwarded"));
    std::fs::write(host.path("countersign.toml"), settings).unwrap();
    host
}

fn lines(host: &Host) -> Vec<ExportLine> {
    let text = std::fs::read_to_string(host.path("forwarded")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn size(host: &Host) -> u64 {
    host.value("SELECT count(*) FROM audit_events")
}

/// Waits until as much is forwarded as there is now.
fn caught_up(host: &Host) {
    let end = size(host);
    until("all is forwarded", || lines(host).last().is_some_and(|line| line.seq + 1 >= end));
}

#[test]
fn a_file_has_every_record_in_order_and_verifies() {
    let mut host = host();
    host.start();
    caught_up(&host);
    host.stop();
    // What was committed at the end of one life is forwarded in the next.
    host.start();
    caught_up(&host);
    let forwarded: Vec<u64> = lines(&host).iter().map(|line| line.seq).collect();
    assert_eq!(forwarded, (0..forwarded.len() as u64).collect::<Vec<u64>>());
    let report = verify(&host.path("forwarded"), &Against::default(), &mut |_, _| {}).unwrap();
    assert!(report.intact && report.gaps == 0, "{report:?}");
}

#[test]
fn after_crashes_nothing_is_missing_and_what_is_there_twice_is_the_same() {
    let mut host = host();
    host.start();
    for round in 0..4 {
        caught_up(&host);
        host.kill();
        if round == 1 {
            // The crash cut a line off.
            let path = host.path("forwarded");
            let mut octets = std::fs::read(&path).unwrap();
            octets.extend_from_slice(b"{\"seq\":99999,\"event");
            std::fs::write(&path, octets).unwrap();
        }
        if round == 2 {
            // As if the crash had come between the lines and the word on how far they go.
            let removed = std::fs::remove_file(host.state.join("forward.position"));
            assert!(removed.is_ok() || removed.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound));
        }
        host.start();
    }
    caught_up(&host);
    let mut seen = BTreeMap::new();
    for line in lines(&host) {
        let hash = *seen.entry(line.seq).or_insert(line.record_sha256);
        assert_eq!(hash, line.record_sha256);
    }
    assert_eq!(seen.into_keys().collect::<Vec<u64>>(), (0..size(&host)).collect::<Vec<u64>>());
}

#[test]
fn where_nothing_can_be_written_the_daemon_serves_and_nothing_is_lost() {
    let mut host = Host::prepared(&policy());
    let path = host.path("later/forwarded");
    std::fs::write(host.path("countersign.toml"), format!("[forward]\nto = \"file\"\npath = {path:?}\n")).unwrap();
    host.start();
    until("it is said", || host.log().contains("records are not forwarded"));
    assert!(host.oneself().status().damage.is_none());
    std::fs::create_dir(host.path("later")).unwrap();
    let end = size(&host);
    until("it is made up for", || std::fs::read_to_string(&path).is_ok_and(|text| text.lines().count() as u64 >= end));
}

#[test]
fn what_somebody_else_does_to_the_file_loses_nothing_and_is_shown() {
    let mut host = host();
    host.start();
    caught_up(&host);
    let path = host.path("forwarded");
    let status = |host: &Host| host.oneself().status().forward.unwrap();
    // As logrotate with `copytruncate`: what came between the copy and the cut would be lost.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    refuse(&host);
    until("it is made up for", || numbers(&path) == (0..size(&host)).collect::<Vec<u64>>());
    until("it is shown", || (status(&host).shortened, status(&host).behind) == (1, 0));
    // As logrotate without it.
    let moved = host.path("moved");
    std::fs::rename(&path, &moved).unwrap();
    refuse(&host);
    until("it goes on", || {
        path.exists() && [numbers(&moved), numbers(&path)].concat() == (0..size(&host)).collect::<Vec<u64>>()
    });
    // A directory in its place: nothing can be written.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refuse(&host);
    until("it is an alarm", || status(&host).failing_since.is_some());
    let standing = status(&host);
    assert!(standing.behind > 0 && standing.error.unwrap().contains("forwarded"));
    std::fs::remove_dir(&path).unwrap();
    until("it is over", || status(&host).failing_since.is_none() && status(&host).behind == 0);
}

/// Makes a record: a refusal.
fn refuse(host: &Host) {
    host.oneself()
        .refused::<AuditArchive>(&ArchiveParams { number: Some(1), ..ArchiveParams::default() }, ErrorKind::Forbidden);
}

fn numbers(path: &std::path::Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str::<ExportLine>(line).ok()).map(|line| line.seq).collect()
}
