//! Signing in the console as a person does it: the program in a terminal, `ssh-keygen` on the same terminal, a real daemon of a
//! demo at the socket, and stock `ssh-keygen` as the judge of what came of it.

#![allow(clippy::unwrap_used, reason = "a test whose daemon or terminal cannot be set up has failed")]

#[path = "console_support/terminal.rs"]
mod terminal;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign::client::Client;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{PolicyGet, PolicyPropose, RequestApprove, RequestGet, RequestList};
use countersign_shared::protocol::{
    DecideParams, ListRequestsParams, NoParams, ProposeParams, RequestDetail, RequestIdParams, RequestSummary,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use terminal::Terminal;

const PASSPHRASE: &str = "open sesame";
/// Of `ssh-keygen`.
const QUESTION: &str = "Enter passphrase";
const NAME: &str = "mail.corp.example";

/// A daemon of a demo whose policy demands that decisions on web servers are signed.
struct Demo {
    daemon: Child,
    directory: tempfile::TempDir,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Demo {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_countersign")).with_file_name("countersignd");
        let here = directory.path();
        let daemon = Command::new(&program)
            .args(["--demo", "--state-dir"])
            .arg(here.join("state"))
            .arg("--socket")
            .arg(here.join("socket"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: cargo build -p countersignd", program.display()));
        let demo = Self { daemon, directory };
        demo.keygen(&["-q", "-t", "ed25519", "-N", PASSPHRASE, "-C", "", "-f", "bob"]);
        demo.keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "stranger"]);
        demo.waits_for("the last request of the story", |demo| demo.pending(NAME).is_some());
        demo.demand();
        demo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn keygen(&self, arguments: &[&str]) {
        let done = Command::new("ssh-keygen").current_dir(self.directory.path()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn client(&self, person: &str) -> Option<Client> {
        let mut client = Client::connect(&self.path("socket")).ok()?;
        client.act_as(person).ok()?;
        Some(client)
    }

    fn waits_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(120);
        while !holds(self) {
            assert!(Instant::now() < until, "waited for {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn pending(&self, name: &str) -> Option<RequestSummary> {
        let wanted = ListRequestsParams { state: Some(RequestState::Pending), ..Default::default() };
        let page = self.client("bob")?.call::<RequestList>(&wanted).ok()?;
        page.requests.into_iter().find(|one| one.primary_name.raw() == name)
    }

    /// Carol proposes that bob has a key and that decisions are signed; bob agrees.
    fn demand(&self) {
        let mut carol = self.client("carol").unwrap();
        let key = std::fs::read_to_string(self.path("bob.pub")).unwrap();
        let before = carol.call::<PolicyGet>(&NoParams {}).unwrap().document;
        let accounts = "accounts = [\"bob\"]\n";
        let web = "name = \"Web servers\"\n";
        assert!(before.contains(accounts) && before.contains(web));
        let document = before
            .replace(accounts, &format!("{accounts}keys = [\"{}\"]\n", key.trim()))
            .replace(web, &format!("{web}decision_signature = \"ssh\"\n"));
        let params = ProposeParams { document, reason: "keys".into(), base_sha256: None };
        let request = carol.call::<PolicyPropose>(&params).unwrap().request;
        let agree = DecideParams { id: request.id, digest: request.digest, note: None, signature: None };
        self.client("bob").unwrap().call::<RequestApprove>(&agree).unwrap();
    }

    fn detail(&self, id: &RequestId) -> RequestDetail {
        self.client("bob").unwrap().call::<RequestGet>(&RequestIdParams { id: id.clone() }).unwrap()
    }

    /// The console at the text that bob would sign for the request.
    fn at_the_text(&self, key: &str, size: (u16, u16)) -> Terminal {
        let key = self.path(key);
        let environment = [("COUNTERSIGN_SIGN_KEY", key.to_str().unwrap()), ("SSH_AUTH_SOCK", "")];
        let mut terminal = Terminal::open_in(&environment, &self.path("socket"), &["--as", "bob"], size);
        terminal.until("DEMO acting as bob");
        terminal.send("/");
        terminal.until("Filter:");
        terminal.send(NAME);
        terminal.until_that("the one request", |screen| {
            screen.lines().any(|line| line.starts_with('>') && line.contains(NAME))
        });
        terminal.send("\r");
        terminal.until_gone("Filter:");
        terminal.send("a");
        show_text(&mut terminal);
        terminal
    }

    /// What stock `ssh-keygen` says of what is kept of the decision.
    fn judge(&self, id: &RequestId) {
        let signed = self.detail(id).decisions.remove(0).signed.unwrap();
        let key = std::fs::read_to_string(self.path("bob.pub")).unwrap();
        std::fs::write(self.path("allowed"), format!("bob namespaces=\"countersign-decision\" {key}")).unwrap();
        std::fs::write(self.path("kept.sig"), &signed.sshsig).unwrap();
        let mut judge = Command::new("ssh-keygen")
            .current_dir(self.directory.path())
            .args(["-Y", "verify", "-f", "allowed", "-I", "bob", "-n", "countersign-decision", "-s", "kept.sig"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        judge.stdin.take().unwrap().write_all(signed.text.unwrap().as_bytes()).unwrap();
        assert!(judge.wait().unwrap().success());
    }

    fn undecided(&self, id: &RequestId) {
        assert!(self.detail(id).decisions.is_empty());
    }
}

/// From the review to the end of the text.
fn show_text(terminal: &mut Terminal) {
    terminal.until("[>Cancel<]");
    to_the_end(terminal, "y shows what has to be signed");
    terminal.send("y");
    terminal.until("countersign decision 1");
    to_the_end(terminal, "y signs and approves");
    terminal.until("ledger-root: ");
}

/// Scrolls until the end was drawn, which a button then says; no page key is sent before the one before was drawn.
fn to_the_end(terminal: &mut Terminal, said: &str) {
    loop {
        let mut before = String::new();
        terminal.until_that("a page or its end", |screen| {
            before = screen.to_owned();
            screen.contains(said) || screen.contains("Read to the end first")
        });
        if before.contains(said) {
            return;
        }
        terminal.send("\x1b[6~");
        terminal.until_that("the next page", |screen| screen != before);
    }
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal_and_what_is_signed_is_what_was_shown() {
    for size in [(80, 24), (200, 60)] {
        let demo = Demo::new();
        let id = demo.pending(NAME).unwrap().id;
        let mut terminal = demo.at_the_text("bob", size);
        terminal.send("y");
        terminal.asks(QUESTION);
        // What is typed behind a wrong passphrase is typed at nothing.
        terminal.send("wrong\ryyyy\r\r");
        terminal.until("NOT SENT");
        terminal.until("ssh-keygen did not sign");
        demo.undecided(&id);
        show_text(&mut terminal);
        terminal.send("y");
        terminal.asks(QUESTION);
        // Ctrl-C ends ssh-keygen, and not the console, which it can reach before ssh-keygen is in the foreground.
        let console = Pid::from_raw(i32::try_from(terminal.process()).unwrap());
        kill(console, Signal::SIGINT).unwrap();
        terminal.send("\x03");
        terminal.until("NOT SENT");
        terminal.until("was ended before it signed");
        demo.undecided(&id);
        show_text(&mut terminal);
        terminal.send("y");
        terminal.asks(QUESTION);
        terminal.resize(size.0 + 20, size.1 + 4);
        terminal.send(&format!("{PASSPHRASE}\r"));
        terminal.until("is approved (1 of 1 votes");
        demo.judge(&id);
        terminal.send("q");
        assert!(terminal.ended().success());
    }
}

#[test]
fn a_key_that_is_not_the_persons_decides_nothing() {
    let demo = Demo::new();
    let id = demo.pending(NAME).unwrap().id;
    for (key, why) in [("stranger", "is no key of yours"), ("none", "ssh-keygen did not sign")] {
        let mut terminal = demo.at_the_text(key, (120, 40));
        terminal.send("y");
        terminal.until("NOT SENT");
        terminal.until(why);
        demo.undecided(&id);
        terminal.send("\x1b");
        terminal.until("Closed without a decision.");
        terminal.send("\x03");
        assert!(terminal.ended().success());
    }
}

#[test]
fn what_changes_while_it_is_signed_is_not_decided() {
    let demo = Demo::new();
    let request = demo.pending(NAME).unwrap();
    let mut terminal = demo.at_the_text("bob", (120, 40));
    terminal.send("y");
    terminal.asks(QUESTION);
    let mut alice = demo.client("alice").unwrap();
    let withdrawn = countersign_shared::protocol::EndParams { id: request.id.clone(), reason: None };
    alice.call::<countersign_shared::protocol::method::RequestWithdraw>(&withdrawn).unwrap();
    terminal.send(&format!("{PASSPHRASE}\r"));
    // The event and the passphrase race: the console knows of the change, or the daemon does.
    terminal.until_that("nothing was decided", |screen| screen.contains("NOT SENT") || screen.contains("Refused"));
    demo.undecided(&request.id);
    terminal.send("\x03");
    assert!(terminal.ended().success());
}

#[test]
fn a_console_that_is_ended_while_the_terminal_is_away_leaves_it_as_it_was() {
    let demo = Demo::new();
    let id = demo.pending(NAME).unwrap().id;
    let mut terminal = demo.at_the_text("bob", (80, 24));
    terminal.send("y");
    terminal.asks(QUESTION);
    let console = Pid::from_raw(i32::try_from(terminal.process()).unwrap());
    kill(console, Signal::SIGTERM).unwrap();
    assert!(terminal.ended_echoing());
    demo.undecided(&id);
}
