//! Attestation of real processes under other users. Needs root, and says so where it has not got it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests fail by panicking and say why they skip"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use countersign_shared::error::ErrorKind;
use countersignd::identity::directory::FixedDirectory;
use countersignd::identity::peer::{Peer, pin_kind};
use nix::unistd::{Uid, geteuid, seteuid, setuid};

const ALICE: u32 = 61_001;
const BOB: u32 = 61_002;
const SOCKET: &str = "ATTEST_SOCKET";
const BECOME: &str = "ATTEST_BECOME";

/// A socket that every user reaches, and a copy of this program that every user may run.
struct Host {
    listener: UnixListener,
    program: PathBuf,
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let program = dir.path().join("caller");
        // By a process of its own: a copy made here would be open for writing in children that other tests start
        // at the same time, and could not be executed until those are done (ETXTBSY).
        let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status();
        assert!(copied.unwrap().success());
        for (path, mode) in [(dir.path(), 0o755), (&dir.path().join("s"), 0o666), (&program, 0o755)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        Some(Self { listener, program, dir })
    }

    /// A process that runs `prelude` in a shell as root, turns into this test's `caller`, and connects.
    fn caller(&self, prelude: &str, change: &str) -> (Peer, Caller) {
        let script = format!("{prelude} \"$0\" --exact caller --ignored --nocapture");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(&self.program)
            .env(SOCKET, self.dir.path().join("s"))
            .env(BECOME, change)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("connected") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the caller ended before it connected");
        }
        let (stream, _) = self.listener.accept().unwrap();
        (Peer::of(Arc::new(stream)).unwrap(), Caller(child))
    }
}

struct Caller(Child);

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn as_user(uid: u32) -> String {
    format!("exec setpriv --reuid {uid} --regid 65534 --clear-groups --")
}

/// Who a root process of this test is logged in as, if anybody.
fn own_login() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

#[test]
#[ignore = "the other side of the tests in this file; they start it"]
fn caller() {
    let Some(path) = std::env::var_os(SOCKET) else {
        return;
    };
    let change = std::env::var(BECOME).unwrap();
    if change == "effective before" {
        seteuid(Uid::from_raw(ALICE)).unwrap();
    }
    let _stream = UnixStream::connect(path).unwrap();
    if change == "all after" {
        setuid(Uid::from_raw(ALICE)).unwrap();
    }
    println!("\nconnected");
    std::io::stdout().flush().unwrap();
    // Stays until it is killed or the test goes away.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn another_user_is_who_the_kernel_says() {
    let Some(host) = Host::new() else { return };
    let (peer, child) = host.caller(&as_user(ALICE), "");
    let caller = peer.attest(&FixedDirectory::default(), true).unwrap();
    assert_eq!((caller.uid, caller.gid, caller.pid), (ALICE, 65534, child.0.id()));
    assert_eq!((caller.login_uid, caller.attestation), (own_login(), pin_kind()));
    assert_eq!(caller.account.name, None);
}

#[test]
fn the_login_uid_is_seen_through_a_change_of_user() {
    let Some(host) = Host::new() else { return };
    if !std::path::Path::new("/proc/self/loginuid").exists() {
        eprintln!("SKIPPED: this kernel keeps no login uid");
        return;
    }
    let (peer, _child) = host.caller(&format!("echo {BOB} > /proc/self/loginuid && {}", as_user(ALICE)), "");
    let caller = peer.attest(&FixedDirectory::default(), false).unwrap();
    assert_eq!((caller.uid, caller.login_uid), (ALICE, Some(BOB)));
    assert!(caller.session.is_some());
    assert_eq!(caller.login_account.map(|account| account.uid), Some(BOB));
    let (peer, _child) = host.caller(&format!("echo {ALICE} > /proc/self/loginuid && {}", as_user(ALICE)), "");
    let caller = peer.attest(&FixedDirectory::default(), false).unwrap();
    assert_eq!((caller.login_uid, caller.login_account), (Some(ALICE), None));
}

#[test]
fn a_peer_that_died_is_refused_whether_reaped_or_not() {
    let Some(host) = Host::new() else { return };
    let (peer, mut child) = host.caller(&as_user(ALICE), "");
    assert!(peer.attest(&FixedDirectory::default(), false).is_ok());
    child.0.kill().unwrap();
    // The pidfd turns readable when the process has ended, before it is reaped.
    let begin = std::time::Instant::now();
    let refused = loop {
        match peer.attest(&FixedDirectory::default(), false) {
            Ok(_) => assert!(begin.elapsed().as_secs() < 10, "a killed process is still attested"),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.kind, refused.rule), (ErrorKind::Forbidden, Some("peer_gone")), "{refused}");
    child.0.wait().unwrap();
    let refused = peer.attest(&FixedDirectory::default(), false).unwrap_err();
    assert_eq!((refused.kind, refused.rule), (ErrorKind::Forbidden, Some("peer_gone")), "{refused}");
}

#[test]
fn a_process_of_two_users_speaks_for_neither() {
    let Some(host) = Host::new() else { return };
    for change in ["effective before", "all after"] {
        let (peer, _child) = host.caller("exec", change);
        let refused = peer.attest(&FixedDirectory::default(), false).unwrap_err();
        assert_eq!(refused.rule, Some("peer_changed_user"), "{change}: {refused}");
    }
}

#[test]
fn the_overflow_user_is_nobody() {
    let Some(host) = Host::new() else { return };
    let (peer, _child) = host.caller(&as_user(65_534), "");
    let refused = peer.attest(&FixedDirectory::default(), false).unwrap_err();
    assert_eq!(refused.rule, Some("peer_unmapped"), "{refused}");
}
