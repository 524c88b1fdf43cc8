//! Somebody at the daemon's socket: this process itself, or a process of another user that passes lines on.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use countersign_shared::error::{ErrorKind, ErrorObject};
use countersign_shared::protocol::frame::{Call, CallId, Incoming};
use countersign_shared::protocol::method::{
    AuditList, DaemonMetrics, DaemonStatus, Method, RequestApprove, RequestSubmit, RequestWait,
};
use countersign_shared::protocol::{
    AuditEvent, Event, ListAuditParams, NoParams, Outcome, RequestSummary, StatusResult, SubmitResult, WaitParams,
    WaitResult,
};
use countersign_shared::time::Span;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{PATIENCE, on, people};

/// Names the socket to the process that passes lines on.
const SOCKET: &str = "COUNTERSIGN_TEST_SOCKET";

/// A connection, in the name of whoever made it.
pub struct Caller {
    relay: Option<Child>,
    writer: Box<dyn Write + Send>,
    reader: BufReader<Box<dyn Read + Send>>,
    calls: i64,
    events: Vec<Event>,
}

impl Caller {
    /// As this process.
    pub fn oneself(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader: Box<dyn Read + Send> = Box::new(stream.try_clone().unwrap());
        Some(Self { relay: None, writer: Box::new(stream), reader: BufReader::new(reader), calls: 0, events: vec![] })
    }

    /// As `uid`, in a session that `login` logged in to.
    ///
    /// # Errors
    /// As those of [`Caller::through`].
    pub fn user(socket: &Path, uid: u32, login: Option<u32>) -> Result<Self, String> {
        Self::through(socket, uid, login, "")
    }

    /// As `uid`, in a session that `login` logged in to, where the process may be started through another program
    /// (`unshare --user`). The caller has no login uid where none is given, whoever runs the tests.
    ///
    /// # Errors
    /// What the process said before it ended, where nobody answers.
    pub fn through(socket: &Path, uid: u32, login: Option<u32>, program_before: &str) -> Result<Self, String> {
        let login = login.unwrap_or(u32::MAX);
        let script = format!(
            "f=/proc/self/loginuid
             if [ -e $f ]; then read -r now < $f; [ \"$now\" = {login} ] || echo {login} > $f || exit; fi
             exec setpriv --reuid {uid} --regid 65533 --clear-groups -- {program_before} \"$0\" support::caller::relay --exact \
             --ignored --nocapture"
        );
        let mut relay = Command::new("sh")
            .args(["-c", &script])
            .arg(program())
            .env(SOCKET, socket)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let writer = Box::new(relay.stdin.take().unwrap());
        let reader: Box<dyn Read + Send> = Box::new(relay.stdout.take().unwrap());
        let mut caller =
            Self { relay: Some(relay), writer, reader: BufReader::new(reader), calls: 0, events: Vec::new() };
        while let Some(line) = caller.line() {
            if line == "connected\n" {
                return Ok(caller);
            }
        }
        let mut said = String::new();
        let mut stderr = caller.relay.as_mut().unwrap().stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        Err(said)
    }

    /// A call and its answer; `None` where the connection was lost before the answer came.
    pub fn attempt<M: Method>(&mut self, params: &M::Params) -> Option<Result<M::Result, ErrorObject>> {
        self.send::<M>(params)?;
        self.answer::<M>()
    }

    /// Writes a call and does not wait for its answer.
    pub fn send<M: Method>(&mut self, params: &M::Params) -> Option<()> {
        self.write(M::NAME, params)
    }

    /// Any method by its name, and what came of it.
    pub fn attempt_by_name(&mut self, method: &str, params: &Value) -> Option<Result<Value, ErrorObject>> {
        self.write(method, params)?;
        self.read(method)
    }

    fn write(&mut self, method: &str, params: &impl Serialize) -> Option<()> {
        self.calls += 1;
        let call = Call { jsonrpc: "2.0", id: CallId::Number(self.calls), method, params };
        let mut line = serde_json::to_vec(&call).unwrap();
        line.push(b'\n');
        self.writer.write_all(&line).and_then(|()| self.writer.flush()).ok()
    }

    /// Reads the next answer; events that come before it are kept.
    pub fn answer<M: Method>(&mut self) -> Option<Result<M::Result, ErrorObject>> {
        self.read(M::NAME)
    }

    fn read<T: DeserializeOwned>(&mut self, method: &str) -> Option<Result<T, ErrorObject>> {
        loop {
            let line = self.line()?;
            let incoming: Incoming<'_> = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            if incoming.method.is_some() {
                self.events.push(serde_json::from_str(incoming.params.unwrap().get()).unwrap());
                continue;
            }
            assert!(matches!(incoming.id, Some(CallId::Number(_))), "{line}");
            return Some(match (incoming.error, incoming.result) {
                (Some(error), _) => Err(error),
                (None, Some(result)) => {
                    Ok(serde_json::from_str(result.get()).unwrap_or_else(|e| panic!("{method}: {e}: {line}")))
                }
                (None, None) => panic!("neither result nor error: {line}"),
            });
        }
    }

    /// A call that has to succeed.
    pub fn call<M: Method>(&mut self, params: &M::Params) -> M::Result {
        let answer = self.attempt::<M>(params).unwrap_or_else(|| panic!("{}: the connection was lost", M::NAME));
        answer.unwrap_or_else(|error| panic!("{}: {error:?}", M::NAME))
    }

    /// A call that has to be refused in this way.
    pub fn refused<M: Method>(&mut self, params: &M::Params, kind: ErrorKind) -> ErrorObject {
        let answer = self.attempt::<M>(params).unwrap_or_else(|| panic!("{}: the connection was lost", M::NAME));
        let error = answer.err().unwrap_or_else(|| panic!("{} was accepted", M::NAME));
        assert_eq!(error.data.kind, kind, "{}: {error:?}", M::NAME);
        error
    }

    /// Submits a request for these names.
    pub fn submit(&mut self, names: &[&str]) -> SubmitResult {
        self.call::<RequestSubmit>(&people::ask(names))
    }

    /// Submits a request for these names; it has to wait for people.
    pub fn request(&mut self, names: &[&str]) -> RequestSummary {
        self.submit(names).request.expect("the profile asks for approval")
    }

    /// Approves what is pending.
    pub fn approve(&mut self, request: &RequestSummary) {
        self.call::<RequestApprove>(&on(request));
    }

    /// Waits until a request or job has ended.
    pub fn wait(&mut self, id: &impl ToString) -> WaitResult {
        let params = WaitParams { id: id.to_string(), timeout: Some(Span::from_secs(PATIENCE.as_secs() / 2)) };
        let result = self.call::<RequestWait>(&params);
        assert_ne!(result.outcome, Outcome::Waiting, "{result:?}");
        result
    }

    /// The daemon's state.
    pub fn status(&mut self) -> StatusResult {
        self.call::<DaemonStatus>(&NoParams {})
    }

    /// The metrics as text.
    pub fn metrics(&mut self) -> String {
        self.call::<DaemonMetrics>(&NoParams {}).text
    }

    /// Ledger records about one thing, oldest first.
    pub fn records(&mut self, resource: &impl ToString) -> Vec<AuditEvent> {
        let params =
            ListAuditParams { resource_id: Some(resource.to_string()), limit: Some(500), ..ListAuditParams::default() };
        let mut events = self.call::<AuditList>(&params).events;
        events.reverse();
        events
    }

    /// The next event.
    pub fn event(&mut self) -> Event {
        if self.events.is_empty() {
            let line = self.line().expect("the connection was lost");
            let incoming: Incoming<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(incoming.method.as_deref(), Some("event"), "{line}");
            return serde_json::from_str(incoming.params.unwrap().get()).unwrap();
        }
        self.events.remove(0)
    }

    /// The pid as the daemon sees it.
    pub fn pid(&self) -> u32 {
        self.relay.as_ref().map_or_else(std::process::id, Child::id)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(count) if count > 0 && line.ends_with('\n') => Some(line),
            _ => None,
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(mut relay) = self.relay.take() {
            let _ = relay.kill();
            let _ = relay.wait();
        }
    }
}

/// A copy of this program that every user may run.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<(PathBuf, tempfile::TempDir)> = OnceLock::new();
    let (program, _) = PROGRAM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("caller");
        // By a process of its own: a copy made here would be open for writing in children that other tests start
        // at the same time, and could not be executed until those are done (ETXTBSY).
        let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status();
        assert!(copied.unwrap().success());
        for path in [dir.path(), &program] {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        (program, dir)
    });
    program
}

#[test]
#[ignore = "the other side of the callers; they start it"]
fn relay() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut out = std::io::stdout().lock();
    out.write_all(b"\nconnected\n").unwrap();
    out.flush().unwrap();
    let mut calls = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut calls);
        std::process::exit(0);
    });
    let mut answers = stream;
    let mut bytes = [0; 65536];
    while let Ok(count) = answers.read(&mut bytes)
        && count > 0
        && out.write_all(&bytes[..count]).and_then(|()| out.flush()).is_ok()
    {}
    std::process::exit(0);
}
