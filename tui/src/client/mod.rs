//! The one way in which console and command line speak to the daemon: a blocking JSON-RPC client over its
//! local socket.

mod error;
mod frames;

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_shared::error::ApiError;
use countersign_shared::protocol::frame::{Call, CallId, Incoming, MAX_FRAME};
use countersign_shared::protocol::method::{DemoActAs, EventsSubscribe, Method};
use countersign_shared::protocol::{ActAsParams, Event, SubscribeParams, SubscribeResult, WhoamiResult};
use interprocess::local_socket::{ConnectOptions, GenericFilePath, Stream, ToFsName};
use serde::Serialize;
use serde_json::value::RawValue;

pub use error::ClientError;
pub use frames::MAX_ANSWER;
use frames::{FrameError, Frames};

/// One connection to the daemon. Calls are made one after another; events that arrive between them are kept.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    frames: Frames,
    last_id: i64,
    timeout: Option<Duration>,
    events: VecDeque<Event>,
}

/// Ends a [`Client`]'s connection from another thread: its wait ends with [`ClientError::Lost`].
#[derive(Debug)]
pub struct Stopper(UnixStream);

impl Stopper {
    /// Shuts both directions. A connection that has ended already stays ended.
    pub fn stop(&self) -> io::Result<()> {
        match self.0.shutdown(Shutdown::Both) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            outcome => outcome,
        }
    }
}

impl Client {
    /// Connects to the daemon's socket in the file system.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = socket
            .to_fs_name::<GenericFilePath>()
            .and_then(|name| ConnectOptions::new().name(name).connect_sync())
            .map_err(|source| ClientError::Unreachable { path: socket.to_owned(), source })?;
        Ok(Self {
            path: socket.to_owned(),
            frames: Frames::new(stream),
            last_id: 0,
            timeout: None,
            events: VecDeque::new(),
        })
    }

    /// How long a call may take, from its first octet out to its last in; without limit at first.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Calls a method of the protocol.
    pub fn call<M: Method>(&mut self, params: &M::Params) -> Result<M::Result, ClientError> {
        let result = self.call_raw(M::NAME, params)?;
        serde_json::from_str(result.get()).map_err(|error| {
            ClientError::Protocol(format!("the result of {} has another shape: {error}", M::NAME))
        })
    }

    /// Calls a method by name and returns the text of its result as it came.
    pub fn call_raw(&mut self, method: &str, params: &impl Serialize) -> Result<Box<RawValue>, ClientError> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        self.last_id += 1;
        let id = CallId::Number(self.last_id);
        let call = Call { jsonrpc: "2.0", id: id.clone(), method, params };
        let mut frame = serde_json::to_vec(&call).map_err(|error| {
            ClientError::Protocol(format!("the call of {method} cannot be written: {error}"))
        })?;
        frame.push(b'\n');
        if frame.len() > MAX_FRAME {
            let error = ApiError::invalid(format!(
                "the call of {method} is {} octets long; a frame holds at most {MAX_FRAME}",
                frame.len()
            ));
            return Err(ClientError::Refused(error.into()));
        }
        match self.frames.send(&frame, deadline) {
            // A daemon that turns a connection away says why before it closes: the reason is there to read.
            Ok(()) => {}
            Err(FrameError::Io(error)) if ended(&error) => {}
            Err(error) => return Err(self.failure(error)),
        }
        loop {
            let line = self.receive(deadline)?;
            if let Some(result) = self.take(&line, &id)? {
                return Ok(result);
            }
        }
    }

    /// Chooses the acting person of this connection; refused by every daemon but a demo's.
    pub fn act_as(&mut self, person: &str) -> Result<WhoamiResult, ClientError> {
        self.call::<DemoActAs>(&ActAsParams { person: person.to_owned() })
    }

    /// Asks for ledger records as they commit, from this sequence number on, or from the ledger's end.
    pub fn subscribe(&mut self, from_seq: Option<u64>) -> Result<SubscribeResult, ClientError> {
        self.call::<EventsSubscribe>(&SubscribeParams { from_seq })
    }

    /// The next event; waits for it however long it takes. [`Client::stopper`] ends the wait.
    pub fn next_event(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let line = self.receive(None)?;
            self.take(&line, &CallId::Number(0))?;
        }
    }

    /// A handle that ends this connection from another thread.
    pub fn stopper(&self) -> io::Result<Stopper> {
        let Stream::UdSocket(socket) = self.frames.stream();
        socket.inner().try_clone().map(Stopper)
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<Vec<u8>, ClientError> {
        self.frames.receive(deadline).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: FrameError) -> ClientError {
        match error {
            FrameError::TimedOut => ClientError::TimedOut,
            FrameError::TooLarge => {
                ClientError::Protocol(format!("an answer is larger than {MAX_ANSWER} octets"))
            }
            FrameError::Io(source) => ClientError::Lost { path: self.path.clone(), source },
        }
    }

    /// Sorts one frame: the result for `wanted`, or nothing where the frame was an event or the answer to a
    /// call that was given up.
    fn take(&mut self, line: &[u8], wanted: &CallId) -> Result<Option<Box<RawValue>>, ClientError> {
        let broken = |error: serde_json::Error| ClientError::Protocol(error.to_string());
        let incoming: Incoming<'_> = serde_json::from_slice(line).map_err(broken)?;
        if let Some(method) = incoming.method {
            let params = incoming
                .params
                .filter(|_| method == "event")
                .ok_or_else(|| ClientError::Protocol("a notification that is no event".to_owned()))?;
            self.events.push_back(serde_json::from_str(params.get()).map_err(broken)?);
            return Ok(None);
        }
        match (incoming.id, incoming.result, incoming.error) {
            // Without an id: the daemon could not read a frame, or turns the connection away.
            (None, _, Some(error)) => Err(ClientError::Refused(error)),
            (Some(id), ..) if id != *wanted => match id {
                CallId::Number(number) if number <= self.last_id => Ok(None),
                _ => Err(ClientError::Protocol("an answer to a call that was never made".to_owned())),
            },
            (Some(_), _, Some(error)) => Err(ClientError::Refused(error)),
            (Some(_), Some(result), None) => Ok(Some(result.to_owned())),
            _ => Err(ClientError::Protocol("an answer without result and without error".to_owned())),
        }
    }
}

/// True where the other side has closed: what it wrote before can still be read.
fn ended(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
