//! A socket served by a service that does as it is told, and a blocking client.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_shared::error::ApiError;
use countersign_shared::json;
use countersignd::identity::directory::SystemDirectory;
use countersignd::ipc::{self, Connection, Limits, Listener, Reply, Service};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};

/// Patience of the client; far above anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub struct Dummy {
    /// Calls aside under way; each counts itself out when it ends or is dropped.
    pub waiting: Arc<AtomicUsize>,
    /// Slow calls that ran to their end.
    pub finished: AtomicUsize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    n: u64,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pending,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    state: Option<State>,
    limit: Option<u32>,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn line(value: &impl Serialize) -> Result<Reply, ApiError> {
    json::to_line(value).map(Reply::Result).map_err(|error| ApiError::internal(error.to_string()))
}

impl Service for Dummy {
    async fn call(&self, connection: &Connection, method: &str, raw: &RawValue) -> Result<Reply, ApiError> {
        match method {
            "echo" => Ok(Reply::Result(raw.get().to_owned())),
            "filter" => line(&ipc::params::<Filter>(raw)?),
            "whoami" => line(&connection.attest(&SystemDirectory, false)?.uid),
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(ipc::params::<Amount>(raw)?.n)).await;
                self.finished.fetch_add(1, Ordering::SeqCst);
                line(&"slept")
            }
            "large" => line(&"x".repeat(usize::try_from(ipc::params::<Amount>(raw)?.n).unwrap())),
            "wait" => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let _counted = Counted(Arc::clone(&self.waiting));
                tokio::time::sleep(Duration::from_millis(ipc::params::<Amount>(raw)?.n)).await;
                line(&"waited")
            }
            "stream" => {
                let count = ipc::params::<Amount>(raw)?.n;
                let (sender, events) = mpsc::channel(16);
                tokio::spawn(async move {
                    for seq in 0..count {
                        if sender.send(format!("{{\"seq\":{seq}}}")).await.is_err() {
                            return;
                        }
                    }
                    sender.closed().await;
                });
                Ok(Reply::Stream { result: "{}".to_owned(), events })
            }
            "panic" => panic!("as asked"),
            other => Err(ipc::unknown_method(other)),
        }
    }

    fn runs_aside(&self, method: &str) -> bool {
        method == "wait"
    }
}

pub struct Host {
    runtime: tokio::runtime::Runtime,
    server: Option<tokio::task::JoinHandle<()>>,
    pub service: Arc<Dummy>,
    pub path: PathBuf,
    stop: watch::Sender<bool>,
    _dir: tempfile::TempDir,
}

impl Host {
    pub fn new(limits: Limits) -> Self {
        ipc::raise_open_files().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let service = Arc::new(Dummy::default());
        let listener = runtime.block_on(async { Listener::bind(&path, 0o666, None) }).unwrap();
        let server = runtime.spawn(ipc::serve(listener, Arc::clone(&service), limits, stopped));
        Self { runtime, server: Some(server), service, path, stop, _dir: dir }
    }

    pub fn connect(&self) -> Client {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { reader: BufReader::new(stream) }
    }

    /// Sends octets, ends the input, reads to the end: what a script does.
    pub fn exchange(&self, octets: &[u8]) -> Vec<Value> {
        let mut client = self.connect();
        client.send(octets);
        client.end_input();
        client.rest()
    }

    pub fn assert_serves(&self, after: &str) {
        let answers = self.exchange(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}\n");
        assert!(answers[0]["result"].is_u64(), "after {after}: {answers:?}");
    }

    /// Asks the server to stop without waiting for it.
    pub fn begin_stop(&self) {
        self.stop.send(true).unwrap();
    }

    /// Stops the server and waits for it; how long that took.
    pub fn stop(&mut self) -> Duration {
        let begin = Instant::now();
        self.begin_stop();
        self.runtime.block_on(self.server.take().unwrap()).unwrap();
        begin.elapsed()
    }

    pub fn wait_until(&self, what: &str, holds: impl Fn(&Dummy) -> bool) {
        let begin = Instant::now();
        while !holds(&self.service) {
            assert!(begin.elapsed() < PATIENCE, "{what} did not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).unwrap();
    }

    pub fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(octets)
    }

    pub fn stream(&mut self) -> &mut UnixStream {
        self.reader.get_mut()
    }

    pub fn call(&mut self, id: u64, method: &str, params: &str) {
        let call = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n");
        self.send(call.as_bytes());
    }

    pub fn end_input(&mut self) {
        // The server may have closed already; what matters is what can still be read.
        let _ = self.reader.get_mut().shutdown(Shutdown::Write);
    }

    /// The next line; `None` at the end, also where the server closed with input unread.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line came: {error}"),
        }
    }

    pub fn rest(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
