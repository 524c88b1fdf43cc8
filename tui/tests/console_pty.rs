//! The console as a person has it: the program in a terminal, a daemon at its socket.

#![allow(clippy::unwrap_used, reason = "a test whose daemon or terminal cannot be set up has failed")]

mod console_support;
#[path = "console_support/terminal.rs"]
mod terminal;

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use console_support::{FakeDaemon, ledger, samples};
use countersign_shared::lifecycle::RequestState;
use countersign_shared::revocation::RevocationReason;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use terminal::Terminal;

fn open() -> (TempDir, FakeDaemon, Terminal) {
    let directory = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(directory.path());
    let terminal = Terminal::open(&daemon.socket, &["--as", "bob"], 80, 24);
    terminal.until("> pending   www.corp.example");
    terminal.until("DEMO acting as bob");
    (directory, daemon, terminal)
}

/// The minute of the wall clock: ages change with it, and they are drawn.
fn minute() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60
}

#[test]
fn an_idle_console_draws_nothing_and_calls_nothing() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("4");
    terminal.until("[4 Certs]");
    terminal.send("5");
    terminal.until("[5 Alerts]");
    loop {
        thread::sleep(Duration::from_millis(500));
        let before = (minute(), terminal.drawn(), daemon.world.lock().unwrap().calls);
        thread::sleep(Duration::from_secs(3));
        let after = (minute(), terminal.drawn(), daemon.world.lock().unwrap().calls);
        if before.0 == after.0 {
            assert_eq!(before, after);
            break;
        }
    }
    leave(terminal);
}

fn leave(mut terminal: Terminal) {
    terminal.send("q");
    assert!(terminal.ended().success());
}

#[test]
fn approve_in_three_keys() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("a");
    terminal.until("[>Cancel<]  [ Approve ]");
    terminal.send("\t");
    terminal.until("[>Approve<]");
    terminal.send("\r");
    terminal.until("> approved  www.corp.example");
    {
        let world = daemon.world.lock().unwrap();
        let [(who, method, sent)] = &world.decisions[..] else { panic!("{:?}", world.decisions) };
        assert_eq!((who.as_str(), method.as_str()), ("bob", "request.approve"));
        assert_eq!(sent.digest, samples::summary(1, "www.corp.example", &[]).digest);
    }
    leave(terminal);
}

#[test]
fn reject_with_a_note() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("r");
    terminal.until("A rejection needs a note.");
    terminal.send("\t");
    terminal.send("not this host");
    terminal.until("not this host");
    terminal.send("\r");
    terminal.until("[>Reject<]");
    terminal.send("\r");
    terminal.until("> rejected  www.corp.example");
    let note = daemon.world.lock().unwrap().decisions[0].2.note.clone();
    assert_eq!(note.as_ref().map(|note| note.raw()), Some("not this host"));
    leave(terminal);
}

/// Open, approve, and the key that does it.
#[test]
fn the_key_that_does_it() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("\r");
    terminal.until("Policy checks");
    terminal.send("a");
    terminal.until("[ Approve ]  y approves");
    terminal.send("y");
    terminal.until("is approved (1 of 1 votes");
    assert_eq!(daemon.world.lock().unwrap().decisions.len(), 1);
    terminal.send("q");
    terminal.until("[1 Queue]");
    leave(terminal);
}

#[test]
fn approve_the_marked_ones_together() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("  ");
    terminal.until("pending: 6, 2 marked");
    terminal.send("a");
    terminal.until("Approve 2 marked requests");
    // A renewal in full and a plain request fit; what each says was on the screen.
    terminal.until("[>Cancel<]  [ Approve 2 ]  y approves");
    let second = samples::queue()[1].clone();
    daemon.world.lock().unwrap().contested.push(second.id.clone());
    terminal.send("y");
    terminal.until("1 of 2 decided, 1 refused");
    terminal.until("carol has rejected it look at it again");
    terminal.send("\r");
    terminal.until_gone("closes this");
    terminal.until("pending: 5, 1 marked");
    {
        let world = daemon.world.lock().unwrap();
        let sent: Vec<_> = world.decisions.iter().map(|(_, _, sent)| (sent.id.clone(), sent.digest)).collect();
        let first = samples::queue()[0].clone();
        assert_eq!(sent, [(first.id, first.digest), (second.id, second.digest)]);
    }
    leave(terminal);
}

#[test]
fn one_that_changes_stops_the_marked_ones() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("  a");
    terminal.until("[>Cancel<]  [ Approve 2 ]");
    let second = samples::queue()[1].clone();
    daemon.world.lock().unwrap().change(&second.id, |one| one.request.version = 2);
    terminal.until("Version 1 became version 2.");
    terminal.until("( Approve 2 )");
    terminal.send("y\t\t\r");
    terminal.until_gone("Cancel");
    assert!(daemon.world.lock().unwrap().decisions.is_empty());
    leave(terminal);
}

#[test]
fn void_with_a_reason() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("x");
    terminal.until("Voiding needs a reason.");
    terminal.send("\x1b[Z");
    terminal.send("asked for twice");
    terminal.until("asked for twice");
    terminal.send("\r");
    terminal.until("[>Void<]");
    terminal.send("\r");
    terminal.until("> voided    www.corp.example");
    let reason = daemon.world.lock().unwrap().requests[0].remarks[0].text.clone();
    assert_eq!(reason.raw(), "asked for twice");
    leave(terminal);
}

#[test]
fn a_remark_stands_in_the_detail() {
    let (_directory, _daemon, mut terminal) = open();
    terminal.resize(120, 50);
    terminal.send("\r");
    terminal.until("Policy checks");
    terminal.send("c");
    terminal.until("There is no text yet.");
    terminal.send("\x1b[Z");
    terminal.send("who owns it?\r");
    terminal.until("[>Comment<]");
    terminal.send("\r");
    terminal.until("Remarks (1)");
    terminal.until("who owns it?");
    terminal.send("q");
    terminal.until("[1 Queue]");
    leave(terminal);
}

#[test]
fn what_is_typed_ahead_decides_nothing() {
    for ahead in ["a\r\r\r", "a\t\r", "a\t\t\r\r", "ra\tno\r\r\r", "ay", "  ayy", "xyno\r\r"] {
        let (_directory, daemon, mut terminal) = open();
        terminal.send(ahead);
        terminal.until("[>Cancel<]");
        terminal.send("\x1b");
        terminal.until(" Closed");
        assert!(daemon.world.lock().unwrap().decisions.is_empty(), "{ahead:?}");
        leave(terminal);
    }
}

#[test]
fn a_paste_is_no_key() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("\x1b[200~a\t\rq\x1b[201~s");
    terminal.until("all requests");
    terminal.until_gone("Cancel");
    assert!(daemon.world.lock().unwrap().decisions.is_empty());
    leave(terminal);
}

#[test]
fn escape_never_leaves() {
    let (_directory, _daemon, mut terminal) = open();
    terminal.send("\r");
    terminal.until("Policy checks");
    terminal.send("\x1b\x1b\x1b\x1b");
    terminal.until("STATUS");
    terminal.send("?");
    terminal.until("Keys");
    terminal.send("\x1b");
    terminal.until_gone("Keys");
    terminal.send("s");
    terminal.until("all requests");
    leave(terminal);
}

#[test]
fn a_request_made_elsewhere_appears_by_itself() {
    let (_directory, daemon, terminal) = open();
    // Events are followed once the first page is there; before that the page itself would show the request.
    let mut request = samples::summary(0, "fresh.corp.example", &[]);
    request.created_at = samples::at(0);
    daemon.world.lock().unwrap().submit(request);
    terminal.until("fresh.corp.example");
    terminal.until("> pending   www.corp.example");
    leave(terminal);
}

#[test]
fn a_change_under_the_review_stops_it() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("a");
    terminal.until("[>Cancel<]  [ Approve ]");
    terminal.send("\t");
    terminal.until("[>Approve<]");
    let id = samples::summary(1, "www.corp.example", &[]).id;
    daemon.world.lock().unwrap().change(&id, |one| {
        one.request = samples::ended(one.request.clone(), RequestState::Rejected, "carol (DEMO)");
    });
    terminal.until("It is rejected now, by carol (DEMO).");
    terminal.send("\r");
    terminal.until_gone("Cancel");
    assert!(daemon.world.lock().unwrap().decisions.is_empty());
    leave(terminal);
}

/// Open the certificate, choose a reason, type the name, and the button.
#[test]
fn revoke_by_typing_the_name() {
    let (_directory, daemon, mut terminal) = open();
    terminal.send("4");
    terminal.until("> mail.corp.example");
    terminal.until("5 d left");
    terminal.send("\r");
    terminal.until("state       active, version 2");
    // What is typed ahead of the review counts for nothing.
    terminal.send("xy\r");
    terminal.until("[>Cancel<]  ( Revoke )  Choose a reason");
    terminal.send("\t\x1b[C\x1b[C");
    terminal.until("< key compromise >");
    terminal.send("\rmail.corp.example");
    terminal.until("type it       mail.corp.example");
    assert!(daemon.world.lock().unwrap().ends.revocations.is_empty());
    terminal.send("\r");
    terminal.until("[>Revoke<]");
    terminal.send("\r");
    terminal.until("asks for the end of version 2 of mc-01k8z3v5d20024");
    {
        let world = daemon.world.lock().unwrap();
        let [sent] = &world.ends.revocations[..] else { panic!("{:?}", world.ends.revocations) };
        assert_eq!((sent.serial.as_deref(), sent.reason), (Some("4f0a"), RevocationReason::KeyCompromise));
        assert_eq!(sent.certificate_id.as_ref(), Some(&world.ends.certificate.id));
    }
    terminal.send("q");
    terminal.until("[4 Certs]");
    leave(terminal);
}

#[test]
fn a_dead_message_is_loud_and_sent_again() {
    let (_directory, _daemon, mut terminal) = open();
    terminal.until(" 1 dead ");
    terminal.send("5");
    terminal.until("> DEAD    expiry alert");
    terminal.send("\r");
    terminal.until("connection refused");
    terminal.send("u");
    terminal.until("[>Cancel<]  [ Send again ]  y sends it again");
    terminal.send("y");
    terminal.until("It waits for another attempt (record 12).");
    terminal.until_gone(" 1 dead ");
    terminal.until("queued");
    terminal.send("q");
    terminal.until("> queued  expiry alert");
    leave(terminal);
}

#[test]
fn a_refusal_is_read_in_the_daemons_words() {
    let (_directory, _daemon, mut terminal) = open();
    terminal.send("A");
    terminal.until("Act as alice");
    terminal.send("alice\r");
    terminal.until("DEMO acting as alice");
    terminal.until("> pending   www.corp.example");
    terminal.send("a");
    terminal.until("[ Approve ]");
    terminal.send("\t");
    terminal.until("[>Approve<]");
    terminal.send("\r");
    terminal.until("Refused");
    terminal.until("two-person integrity: alice asked for this and cannot decide it");
    terminal.until("bob or carol can decide it");
    terminal.send("\r");
    terminal.until_gone("Enter or Esc closes");
    terminal.until("two-person integrity: alice asked");
    leave(terminal);
}

#[test]
fn an_auditor_is_told_and_reads_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(directory.path());
    let mut terminal = Terminal::open(&daemon.socket, &["--as", "dave"], 80, 24);
    terminal.until("You may not list requests");
    terminal.until("approval requested");
    terminal.send("v");
    terminal.until("INTACT");
    terminal.send("\x1b");
    terminal.until_gone("closes this");
    terminal.send("1");
    terminal.until("You may not list requests: dave may not list requests.");
    leave(terminal);
}

#[test]
fn offline_keeps_the_queue_and_comes_back() {
    let (_directory, daemon, mut terminal) = open();
    daemon.vanish();
    terminal.until("OFFLINE");
    terminal.until("> pending   www.corp.example");
    terminal.send("a");
    terminal.until("OFFLINE: decisions need the daemon.");
    daemon.listen();
    terminal.until("online");
    terminal.send("a");
    terminal.until("[>Cancel<]");
    terminal.send("\x1b");
    terminal.until_gone("[>Cancel<]");
    leave(terminal);
}

#[test]
fn a_frame_comes_before_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let terminal = Terminal::open(&directory.path().join("nobody.sock"), &[], 80, 24);
    terminal.until("countersign");
    terminal.until("cannot reach the daemon");
    leave(terminal);
}

#[test]
fn the_size_is_followed() {
    let (_directory, _daemon, terminal) = open();
    terminal.resize(50, 10);
    terminal.until("This terminal has 50 columns and 10 rows.");
    terminal.resize(120, 40);
    terminal.until("ENVIRONMENT");
    leave(terminal);
}

#[test]
fn signals_and_ctrl_c_give_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let (_directory, _daemon, mut terminal) = open();
        terminal.send("a");
        terminal.until("[>Cancel<]");
        kill(Pid::from_raw(i32::try_from(terminal.process()).unwrap()), signal).unwrap();
        assert!(terminal.ended().success());
    }
    let (_directory, _daemon, mut terminal) = open();
    terminal.send("a");
    terminal.until("[>Cancel<]");
    terminal.send("\x03");
    assert!(terminal.ended().success());
}

/// What a camera sees of the terminal: light blocks on its dark ground.
fn scan(screen: &str) -> Option<String> {
    const SCALE: usize = 4;
    let rows: Vec<Vec<char>> = screen.lines().map(|line| line.chars().collect()).collect();
    let columns = rows.iter().map(Vec::len).max()?;
    let light = |x: usize, y: usize| {
        let block = if y.is_multiple_of(2) { ['\u{2588}', '\u{2580}'] } else { ['\u{2588}', '\u{2584}'] };
        rows[y / 2].get(x).is_some_and(|cell| block.contains(cell))
    };
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(columns * SCALE, rows.len() * 2 * SCALE, |x, y| {
        if light(x / SCALE, y / SCALE) { 255 } else { 0 }
    });
    picture.detect_grids().iter().find_map(|grid| grid.decode().ok()).map(|(_, text)| text)
}

#[test]
fn a_phone_reads_a_checkpoint_from_the_terminal() {
    let (_directory, daemon, mut terminal) = open();
    let checkpoint = ledger::checkpoint(&daemon.world.lock().unwrap().ledger);
    terminal.send("3");
    terminal.until("[3 Audit]");
    terminal.send("c");
    terminal.until_that("the short form as a code", |screen| scan(screen) == checkpoint.short);
    terminal.resize(200, 60);
    terminal.until_that("the whole note as a code", |screen| scan(screen).as_ref() == Some(&checkpoint.note));
    terminal.send("\t");
    terminal.until("The signed note");
    terminal.send("q");
    terminal.until("[3 Audit]");
    leave(terminal);
}

#[test]
fn a_checkpoint_comes_back_by_paste_and_a_proof_goes_to_a_file() {
    let (directory, daemon, mut terminal) = open();
    let (note, wanted) = {
        let world = daemon.world.lock().unwrap();
        let Ok(proof) = ledger::proof(&world.ledger, world.ledger.len() as u64 - 1);
        (ledger::checkpoint(&world.ledger).note, proof.records[0].proof.clone())
    };
    terminal.send("3");
    terminal.until("[3 Audit]");
    terminal.send("t");
    terminal.until("Paste the signed note");
    // What is typed right behind the paste was typed before the review could be read.
    terminal.send(&format!("\x1b[200~{note}\x1b[201~y"));
    terminal.until("[>Cancel<]  [ Compare ]  y compares");
    assert!(daemon.world.lock().unwrap().anchored.is_empty());
    terminal.send("y");
    terminal.until("EQUAL: the ledger is what was anchored");
    assert_eq!(daemon.world.lock().unwrap().anchored, [note]);
    terminal.send("\r");
    terminal.until_gone("closes this");
    terminal.send("p");
    terminal.until("HOLDS: ");
    let file = directory.path().join("kept");
    terminal.send("s");
    terminal.until("Enter writes it");
    terminal.send(&format!("\x15{}\r", file.display()));
    terminal.until("The proof is in ");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), wanted);
    std::fs::write(&file, "precious").unwrap();
    terminal.send("s");
    terminal.until("Enter writes it");
    terminal.send(&format!("\x15{}\r", file.display()));
    terminal.until("THERE IS such a file");
    terminal.send("\x1b");
    terminal.until("Enter writes it");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    terminal.send("\x1b");
    terminal.until("s saves it to a file");
    terminal.send("q");
    terminal.until_gone("s saves it to a file");
    leave(terminal);
}
