//! Lines as they come from the daemon, page by page: to standard output, or into a file that is there whole or not at all.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign_shared::protocol::method::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::out_file::{NewFile, Target};
use super::super::output::one_line;
use crate::client::{Client, ClientError};

/// How long a daemon that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const EACH: Duration = Duration::from_millis(250);
/// How often the connection may be lost over one page: a daemon that falls at it would fall again.
const LOSSES: u32 = 3;

/// Reads the next page. A daemon that was restarted goes on where it was: a page is named by its cursor alone.
pub(super) fn next_page<M: Method>(
    client: &mut Client,
    params: &M::Params,
    context: &mut Context,
) -> Result<M::Result, Failure> {
    let (begun, mut losses) = (Instant::now(), 0);
    loop {
        let error = match client.call::<M>(params) {
            Ok(page) => return Ok(page),
            Err(error @ (ClientError::Lost { .. } | ClientError::Unreachable { .. })) => error,
            Err(error) => return Err(error.into()),
        };
        losses += 1;
        if losses == LOSSES {
            return Err(error.into());
        }
        context.out().note("the daemon went away; it is waited for");
        *client = loop {
            sleep(EACH);
            match context.connect() {
                Ok(client) => break client,
                Err(ClientError::Unreachable { .. }) if begun.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
        };
    }
}

/// Where the lines go.
pub(super) enum Sink {
    /// Standard output; a terminal gets lines that it does not obey.
    Stdout {
        out: BufWriter<io::Stdout>,
        terminal: bool,
    },
    File {
        file: BufWriter<NewFile>,
        path: PathBuf,
    },
}

impl Sink {
    pub(super) fn open(out: Option<&Path>) -> Result<Self, Failure> {
        match out.map(Target::parse) {
            None | Some(Target::Stdout) => {
                let out = io::stdout();
                Ok(Self::Stdout { terminal: out.is_terminal(), out: BufWriter::new(out) })
            }
            Some(Target::File(path)) => {
                let file = NewFile::beside(&path).map_err(|error| Failure::file("write", &path, &error))?;
                Ok(Self::File { file: BufWriter::new(file), path })
            }
        }
    }

    /// Writes a line; false where nobody reads standard output any more.
    pub(super) fn line(&mut self, line: &str) -> Result<bool, Failure> {
        let written = match self {
            Self::Stdout { out, terminal: true } => writeln!(out, "{}", one_line(line)),
            Self::Stdout { out, terminal: false } => writeln!(out, "{line}"),
            Self::File { file, .. } => writeln!(file, "{line}"),
        };
        match (written, &self) {
            (Ok(()), _) => Ok(true),
            (Err(error), Self::Stdout { .. }) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            (Err(error), _) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match self {
            Self::Stdout { .. } => Failure::internal(format!("cannot write to standard output: {error}")),
            Self::File { path, .. } => Failure::file("write", path, error),
        }
    }

    /// Makes what was written durable, and gives a file its name.
    pub(super) fn end(self) -> Result<(), Failure> {
        match self {
            Self::Stdout { mut out, .. } => match out.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(Failure::internal(format!("cannot write to standard output: {error}")))
                }
                Ok(()) | Err(_) => Ok(()),
            },
            Self::File { file, path } => file
                .into_inner()
                .map_err(io::IntoInnerError::into_error)
                .and_then(|file| file.keep(&path))
                .map_err(|error| Failure::file("write", &path, &error)),
        }
    }
}

/// A line of the daemon's has no line feed; one that had would be two lines of the file.
pub(super) fn checked(line: &RawValue) -> Result<&str, Failure> {
    let text = line.get();
    match text.contains(['\n', '\r']) {
        false => Ok(text),
        true => Err(Failure::internal("a row of the export is written on several lines")),
    }
}

/// Writes what the lines are into a file of its own: one JSON object.
pub(super) fn keep_manifest(manifest: &impl Serialize, path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file("write", path, &error);
    let mut file = NewFile::beside(path).map_err(failed)?;
    let text = serde_json::to_string(manifest).map_err(|error| Failure::internal(error.to_string()))?;
    writeln!(file, "{text}").map_err(failed)?;
    file.keep(path).map_err(failed)
}
