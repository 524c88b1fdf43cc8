//! A socket in a temporary directory, a thread a connection, and answers of the test's choice.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use countersign_shared::error::{ApiError, ErrorKind, ErrorObject};
use serde_json::Value;
use tempfile::TempDir;

/// What becomes of one call.
pub enum Answer {
    /// This text as the result.
    Result(String),
    /// A refusal.
    Error(ErrorObject),
    /// These octets in place of an answer.
    Raw(Vec<u8>),
    /// No answer.
    Silence,
    /// The connection ends.
    Close,
}

impl Answer {
    pub fn of(value: &impl serde::Serialize) -> Self {
        Self::Result(serde_json::to_string(value).unwrap())
    }

    pub fn refusal(kind: ErrorKind) -> Self {
        Self::Error(ApiError::new(kind, "the message").hint("the hint").into())
    }
}

type Handler = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// The daemon; it ends with the test's process.
pub struct FakeDaemon {
    pub home: TempDir,
    pub socket: PathBuf,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FakeDaemon {
    pub fn start(handler: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("cs.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let log = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
                thread::spawn(move || serve(stream.unwrap(), &*handler, &log));
            }
        });
        Self { home, socket, calls }
    }

    /// What was called so far.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }

    /// The names of what was called so far.
    pub fn methods(&self) -> Vec<String> {
        self.calls().into_iter().map(|(method, _)| method).collect()
    }

    /// The command line on this daemon, without a terminal.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env("COUNTERSIGN_SOCKET", &self.socket)
            .env_remove("COUNTERSIGN_AS")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, line: &str) -> Ran {
        Ran::from(self.command(line.split(' ')).output().unwrap())
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn serve(stream: UnixStream, handler: &Handler, log: &Mutex<Vec<(String, Value)>>) {
    let mut writer = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let call: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(call["jsonrpc"], "2.0");
        let (method, id) = (call["method"].as_str().unwrap(), &call["id"]);
        log.lock().unwrap().push((method.to_owned(), call["params"].clone()));
        let answer = match handler(method, &call["params"]) {
            Answer::Result(result) => {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n").into_bytes()
            }
            Answer::Error(error) => {
                let error = serde_json::to_string(&error).unwrap();
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}\n").into_bytes()
            }
            Answer::Raw(octets) => octets,
            Answer::Silence => continue,
            Answer::Close => return,
        };
        // A client that has gone reads no answer.
        let _ = writer.write_all(&answer);
    }
}
