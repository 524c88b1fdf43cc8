//! Why a command ends without having done its work: what people read, what scripts read, and the status.

use std::path::Path;

use countersign_shared::error::{ApiError, ErrorKind, ErrorObject};
use countersign_shared::text::Untrusted;

use crate::client::ClientError;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    object: ErrorObject,
    exit: u8,
}

impl Failure {
    /// Arguments that cannot be used as they are: status 2.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(ApiError::invalid(message), 2)
    }

    /// What was brought does not show what it is said to show: status 3.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(ApiError::invalid(message), 3)
    }

    /// Something else stands where it is to go: status 5.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ApiError::new(ErrorKind::Conflict, message), 5)
    }

    /// A thing that is not there: status 4.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ApiError::new(ErrorKind::NotFound, message), 4)
    }

    /// A fault on this side, or an answer without a part that it must have: status 1.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(ApiError::internal(message), 1)
    }

    /// The time set by the caller ran out: status 124.
    pub(super) fn timed_out(message: impl Into<String>) -> Self {
        Self::new(ApiError::new(ErrorKind::Unavailable, message), 124)
    }

    /// A file that cannot be read or written as asked: status 2, since another argument would help.
    pub(super) fn file(doing: &str, path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::usage(format!("cannot {doing} {}: {error}", shown(path)))
    }

    /// Says which of several things failed.
    #[must_use]
    pub(super) fn about(mut self, thing: &str) -> Self {
        self.object.message = format!("{thing}: {}", self.object.message);
        self
    }

    /// What to do next; takes the place of an earlier hint.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.object.data.hint = hint.into();
        self
    }

    /// What to do next besides what is said already.
    #[must_use]
    pub(super) fn and(mut self, hint: &str) -> Self {
        if !self.object.data.hint.is_empty() {
            self.object.data.hint.push_str("; ");
        }
        self.object.data.hint.push_str(hint);
        self
    }

    /// The exit status.
    pub fn exit_code(&self) -> u8 {
        self.exit
    }

    /// The error as the protocol writes errors.
    pub fn object(&self) -> &ErrorObject {
        &self.object
    }

    fn new(error: ApiError, exit: u8) -> Self {
        Self { object: error.into(), exit }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.object.message)
    }
}

impl std::error::Error for Failure {}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = error.exit_code();
        let message = error.to_string();
        match error {
            ClientError::Refused(object) => Self { object, exit },
            ClientError::Unreachable { source, .. } => {
                let hint = match source.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        "the socket is there, but not for you: ask to be put in the group that owns it"
                    }
                    _ => "is countersignd running there? --socket or COUNTERSIGN_SOCKET names another socket",
                };
                Self::new(ApiError::new(ErrorKind::Unavailable, message), exit).hint(hint)
            }
            ClientError::Lost { .. } | ClientError::TimedOut => {
                Self::new(ApiError::new(ErrorKind::Unavailable, message), exit)
                    .hint("whether the daemon acted is not known: look before trying again")
            }
            ClientError::Protocol(_) => Self::new(ApiError::internal(message), exit)
                .hint("is the socket that of a countersignd of the same version?"),
        }
    }
}

/// A path as text that may be shown.
pub(super) fn shown(path: &Path) -> String {
    Untrusted::new(path.to_string_lossy()).safe().to_string()
}
