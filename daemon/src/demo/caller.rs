//! One connection of the story, acting as one person.

use std::path::Path;

use countersign_shared::error::{ErrorKind, ErrorObject};
use countersign_shared::protocol::ActAsParams;
use countersign_shared::protocol::frame::{Call, CallId, Incoming};
use countersign_shared::protocol::method::{DemoActAs, Method};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{DemoError, Told};

pub(super) struct Caller {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Caller {
    pub(super) async fn acting_as(socket: &Path, person: &str) -> Result<Self, DemoError> {
        let stream = UnixStream::connect(socket).await.map_err(|error| Told("connecting", error))?;
        let (reader, writer) = stream.into_split();
        let mut caller = Self { reader: BufReader::new(reader), writer };
        caller.call::<DemoActAs>(&ActAsParams { person: person.to_owned() }).await?;
        Ok(caller)
    }

    /// A call that has to succeed.
    pub(super) async fn call<M: Method>(&mut self, params: &M::Params) -> Result<M::Result, DemoError> {
        let answer = self.attempt::<M>(params).await?;
        answer.map_err(|error| DemoError(format!("{}: {}", M::NAME, error.message)))
    }

    /// A call that has to be refused in this way.
    pub(super) async fn refused<M: Method>(&mut self, params: &M::Params, kind: ErrorKind) -> Result<(), DemoError> {
        match self.attempt::<M>(params).await? {
            Err(error) if error.data.kind == kind => Ok(()),
            Err(error) => Err(DemoError(format!("{}: refused as {:?}: {}", M::NAME, error.data.kind, error.message))),
            Ok(_) => Err(DemoError(format!("{} was accepted", M::NAME))),
        }
    }

    async fn attempt<M: Method>(&mut self, params: &M::Params) -> Result<Result<M::Result, ErrorObject>, DemoError> {
        let call = Call { jsonrpc: "2.0", id: CallId::Number(1), method: M::NAME, params };
        let mut line = serde_json::to_vec(&call).map_err(|error| Told("writing a call", error))?;
        line.push(b'\n');
        self.writer.write_all(&line).await.map_err(|error| Told("calling", error))?;
        let mut answer = String::new();
        self.reader.read_line(&mut answer).await.map_err(|error| Told("reading an answer", error))?;
        let incoming: Incoming<'_> = serde_json::from_str(&answer).map_err(|error| Told("reading an answer", error))?;
        if let Some(error) = incoming.error {
            return Ok(Err(error));
        }
        let result = incoming.result.map_or("null", |result| result.get());
        serde_json::from_str(result).map(Ok).map_err(|error| Told("reading a result", error).into())
    }
}
