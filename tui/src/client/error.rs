//! How a call can fail, and what each failure says about whether the daemon acted.

use std::fmt;
use std::io;
use std::path::PathBuf;

use countersign_shared::error::{ErrorKind, ErrorObject};

/// Why there is no result.
#[derive(Debug)]
pub enum ClientError {
    /// No connection could be made: the daemon has seen nothing of the call.
    Unreachable {
        /// The socket that was tried.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection ended after the call may have been sent: whether the daemon acted is not known.
    Lost {
        /// The socket that was connected.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon refused or failed; its own words.
    Refused(ErrorObject),
    /// What came back is not the protocol; safe to show.
    Protocol(String),
    /// No answer within the time set: whether the daemon acted is not known.
    TimedOut,
}

impl ClientError {
    /// The exit status of the command line (design §6): 6 where no daemon answers, 124 for the time, 1 for
    /// a broken answer, else that of the error's kind.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => 6,
            Self::Refused(error) => error.data.kind.exit_code(),
            Self::Protocol(_) => 1,
            Self::TimedOut => 124,
        }
    }

    /// The kind of the daemon's refusal; `None` where the daemon did not refuse.
    pub fn refusal(&self) -> Option<ErrorKind> {
        match self {
            Self::Refused(error) => Some(error.data.kind),
            _ => None,
        }
    }

    /// True where the daemon certainly changed nothing: it was not reached, or it refused.
    ///
    /// A fault of the daemon's own (`internal`) is not such a refusal: it may have come after the commit.
    pub fn nothing_happened(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(error) => error.data.kind != ErrorKind::Internal,
            Self::Lost { .. } | Self::Protocol(_) | Self::TimedOut => false,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { path, source } => {
                write!(f, "cannot reach the daemon at {}: {source}", shown(path))
            }
            Self::Lost { path, source } => {
                write!(f, "the connection to the daemon at {} was lost: {source}", shown(path))
            }
            Self::Refused(error) => f.write_str(&error.message),
            Self::Protocol(what) => write!(f, "the daemon's answer is not the protocol: {what}"),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } | Self::Lost { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A path as text that may be shown: it can come from the environment.
fn shown(path: &std::path::Path) -> String {
    countersign_shared::text::Untrusted::new(path.to_string_lossy()).safe().to_string()
}
