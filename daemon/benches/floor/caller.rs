//! One connection that asks and reads the answer.

use std::path::Path;

use countersign_shared::protocol::ActAsParams;
use countersign_shared::protocol::frame::{Call, CallId};
use countersign_shared::protocol::method::{DemoActAs, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::Result;

/// See the module.
pub struct Caller {
    stream: UnixStream,
    answer: Vec<u8>,
}

impl Caller {
    /// Connects.
    pub async fn connect(socket: &Path) -> Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket).await?, answer: Vec::with_capacity(1 << 20) })
    }

    /// Connects to a demo daemon as one of its people.
    pub async fn acting_as(socket: &Path, person: &str) -> Result<Self> {
        let mut caller = Self::connect(socket).await?;
        caller.ask(&frame::<DemoActAs>(&ActAsParams { person: person.to_owned() })?).await?;
        Ok(caller)
    }

    /// One frame and its answer, which has to be a result.
    pub async fn ask(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(frame).await?;
        self.answer.clear();
        while self.answer.last() != Some(&b'\n') {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the daemon closed the connection".into());
            }
        }
        // The envelope's members come in this order.
        if !self.answer.starts_with(br#"{"jsonrpc":"2.0","id":1,"result":"#) {
            return Err(String::from_utf8_lossy(&self.answer).into());
        }
        Ok(&self.answer)
    }
}

/// A call, ready to be sent.
pub fn frame<M: Method>(params: &M::Params) -> Result<Vec<u8>> {
    let call = Call { jsonrpc: "2.0", id: CallId::Number(1), method: M::NAME, params };
    let mut line = serde_json::to_vec(&call)?;
    line.push(b'\n');
    Ok(line)
}
