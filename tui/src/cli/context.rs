//! What a command works with: the daemon to speak to, the acting person, and where its words go.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_shared::protocol::method::Method;
use countersign_shared::time::Timestamp;

use super::args::{DEFAULT_SOCKET, Global};
use super::failure::Failure;
use super::moment::Moment;
use super::output::Output;
use super::render::View;
use crate::client::{Client, ClientError};

/// How long a daemon may take for an ordinary call before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// The surroundings of one command.
#[derive(Debug)]
pub(super) struct Context {
    socket: PathBuf,
    act_as: Option<String>,
    out: Output,
}

impl Context {
    pub(super) fn new(global: &Global) -> Self {
        // An empty variable is an unset one, as shells have it.
        let socket = if global.socket.as_os_str().is_empty() { Path::new(DEFAULT_SOCKET) } else { &global.socket };
        Self {
            socket: socket.to_owned(),
            act_as: global.act_as.clone().filter(|name| !name.is_empty()),
            out: Output::new(global.json),
        }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn act_as(&self) -> Option<&str> {
        self.act_as.as_deref()
    }

    pub(super) fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    /// Where results are printed as they came.
    pub(super) fn json(&self) -> bool {
        self.out.json()
    }

    /// True where somebody sits in front of this command and can be asked.
    pub(super) fn interactive(&self) -> bool {
        !self.json() && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// A connection on which the acting person is chosen.
    pub(super) fn connect(&self) -> Result<Client, ClientError> {
        let mut client = Client::connect(&self.socket)?;
        client.set_timeout(Some(PATIENCE));
        if let Some(person) = &self.act_as {
            client.act_as(person)?;
        }
        Ok(client)
    }

    /// How things are shown now.
    pub(super) fn view(&self) -> Result<View, Failure> {
        Ok(View { style: self.out.style(), now: now()? })
    }

    /// A moment that was written, counted from now where it is a distance.
    pub(super) fn moment(&self, moment: Option<Moment>) -> Result<Option<Timestamp>, Failure> {
        let Some(moment) = moment else { return Ok(None) };
        let time = moment.from(now()?).ok_or_else(|| Failure::usage("that moment is too far away to be written"))?;
        Ok(Some(time))
    }

    /// One call whose result is the whole answer of a command.
    pub(super) fn answer<M: Method>(
        &mut self,
        params: &M::Params,
        render: impl FnOnce(&M::Result, View) -> String,
    ) -> Result<M::Result, Failure> {
        let mut client = self.connect()?;
        self.answer_on::<M>(&mut client, params, render)
    }

    /// The same on a connection that is there already.
    pub(super) fn answer_on<M: Method>(
        &mut self,
        client: &mut Client,
        params: &M::Params,
        render: impl FnOnce(&M::Result, View) -> String,
    ) -> Result<M::Result, Failure> {
        let raw = client.call_raw(M::NAME, params)?;
        if self.json() {
            self.out.raw(&raw)?;
        }
        let result: M::Result = serde_json::from_str(raw.get()).map_err(|error| {
            Failure::from(ClientError::Protocol(format!("the result of {} has another shape: {error}", M::NAME)))
        })?;
        if !self.json() {
            let text = render(&result, self.view()?);
            self.out.text(&text)?;
        }
        Ok(result)
    }
}

/// The wall clock; the daemon stands on the same host and reads the same one.
fn now() -> Result<Timestamp, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis());
    since
        .ok()
        .and_then(|millis| i64::try_from(millis).ok())
        .and_then(Timestamp::from_unix_millis)
        .ok_or_else(|| Failure::internal("this host's clock is set to a time that cannot be written"))
}
