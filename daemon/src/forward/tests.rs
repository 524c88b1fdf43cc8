use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

use super::*;

fn records(numbers: std::ops::Range<u64>) -> Vec<Forwarded> {
    numbers
        .map(|seq| {
            let line =
                serde_json::value::to_raw_value(&serde_json::json!({ "seq": seq, "pad": "x".repeat(1000) })).unwrap();
            Forwarded { seq, hash: Digest::of(&[&seq.to_be_bytes()]), line }
        })
        .collect()
}

/// The numbers in the file and in those before it, oldest first.
fn numbers(path: &Path) -> Vec<u64> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap().path();
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(rest) = name.strip_prefix("ledger") {
            let age: u32 = rest.strip_prefix('.').map_or(0, |age| age.parse().unwrap());
            files.insert(std::cmp::Reverse(age), std::fs::read_to_string(entry).unwrap());
        }
    }
    let lines = files.values().flat_map(|text| text.lines());
    lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_full_file_gets_a_number_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let mut file = LogFile::open(&path, 10_000, 2).unwrap();
    for begin in 0..10 {
        file.write(&records(begin * 4..begin * 4 + 4)).unwrap();
    }
    let kept = numbers(&path);
    assert_eq!(*kept.last().unwrap(), 39);
    assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept:?}");
    assert!((18..=27).contains(&kept.len()), "three files of nine lines: {kept:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    for name in ["ledger", "ledger.1", "ledger.2"] {
        let found = std::fs::metadata(dir.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o640);
        assert!(found.len() <= 10_000);
    }
}

#[test]
fn a_line_that_was_cut_off_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    LogFile::open(&path, 1 << 20, 2).unwrap().write(&records(0..3)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for (rest, kept) in [(0, 3), (1, 2), (whole.len() / 2, 1), (whole.len() - 1, 0), (whole.len(), 0)] {
        std::fs::write(&path, &whole[..whole.len() - rest]).unwrap();
        drop(LogFile::open(&path, 1 << 20, 2).unwrap());
        assert_eq!(numbers(&path).len(), kept, "{rest} octets are missing");
    }
    std::fs::write(&path, "x".repeat(300_000)).unwrap();
    LogFile::open(&path, 1 << 20, 2).unwrap().write(&records(0..1)).unwrap();
    assert_eq!(numbers(&path), [0]);
}

#[test]
fn links_pipes_and_directories_are_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("victim"), "precious").unwrap();
    std::os::unix::fs::symlink(path("victim"), path("link")).unwrap();
    nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for bad in ["link", "pipe", ".", "no/such"] {
        assert!(LogFile::open(&path(bad), 1 << 20, 2).is_err(), "{bad}");
    }
    assert_eq!(std::fs::read_to_string(path("victim")).unwrap(), "precious");
}

#[test]
fn a_position_is_read_as_it_was_kept_and_garbage_is_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    assert_eq!(Position::read(&path).unwrap(), Position::default());
    let position = Position { next: 7, last: Some(Digest::of(&[b"x"])) };
    position.keep(&path).unwrap();
    assert_eq!(Position::read(&path).unwrap(), position);
    for garbage in ["", "{", "{\"next\":-1}", "{\"next\":1,\"last\":\"zz\"}"] {
        std::fs::write(&path, garbage).unwrap();
        assert_eq!(Position::read(&path).unwrap(), Position::default(), "{garbage}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_journal_gets_an_entry_for_each_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = UnixDatagram::bind(&path).unwrap();
    let sent = records(5..7);
    Journal::connect(&path).unwrap().write(&sent).unwrap();
    for record in sent {
        let mut octets = vec![0; 65536];
        let length = journal.recv(&mut octets).unwrap();
        let text = String::from_utf8(octets[..length].to_vec()).unwrap();
        let fields: Vec<(&str, &str)> = text.lines().map(|line| line.split_once('=').unwrap()).collect();
        assert!(fields.contains(&("COUNTERSIGN_SEQ", &record.seq.to_string())), "{text}");
        assert!(fields.contains(&("COUNTERSIGN_SHA256", &record.hash.to_string())), "{text}");
        assert!(fields.contains(&("MESSAGE", record.line.get())), "{text}");
    }
    assert!(Journal::connect(&dir.path().join("nobody")).is_err());
}

/// The numbers of the lines in a file.
fn numbers_in(path: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_file_that_somebody_else_renamed_or_removed_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("ledger"), dir.path().join("moved"));
    let mut file = LogFile::open(&path, 1 << 20, 2).unwrap();
    assert_eq!(file.write(&records(0..3)).unwrap(), None);
    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(file.write(&records(3..5)).unwrap(), None);
    assert_eq!((numbers_in(&moved), numbers_in(&path)), (vec![0, 1, 2], vec![3, 4]));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(file.write(&records(5..6)).unwrap(), None);
    assert_eq!(numbers_in(&path), [5]);
    // Another file under its name, as logrotate's `create` leaves one.
    std::fs::rename(&path, &moved).unwrap();
    std::fs::write(&path, "").unwrap();
    assert_eq!(file.write(&records(6..7)).unwrap(), None);
    assert_eq!(numbers_in(&path), [6]);
}

#[test]
fn what_stood_in_a_file_that_was_cut_short_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let cut = |length: u64| std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
    let mut file = LogFile::open(&path, 1 << 20, 2).unwrap();
    assert_eq!(file.write(&records(0..3)).unwrap(), None);
    cut(0);
    assert_eq!(file.write(&records(3..5)).unwrap(), Some(0));
    assert_eq!(file.write(&records(0..5)).unwrap(), None);
    assert_eq!(numbers_in(&path), [0, 1, 2, 3, 4]);
    // Also where the file was opened by an earlier process, and where a part of a line is left.
    let mut file = LogFile::open(&path, 1 << 20, 2).unwrap();
    cut(1500);
    assert_eq!(file.write(&records(5..6)).unwrap(), Some(0));
    assert_eq!(numbers_in(&path), [0]);
    // Behind a rotation it begins with another record.
    let mut file = LogFile::open(&path, 2500, 2).unwrap();
    assert_eq!(file.write(&records(1..6)).unwrap(), None);
    let begun = numbers_in(&path)[0];
    cut(0);
    assert_eq!(file.write(&records(6..7)).unwrap(), Some(begun));
}
