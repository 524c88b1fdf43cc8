//! Refusals and failures as every surface sees them: a stable kind, a sentence, and what to do next.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lifecycle::closed_set;

closed_set! {
    /// The stable kinds of error; scripts decide on these, never on the message.
    ErrorKind {
        /// Malformed or out of limits: unknown field or value, wrong type, unreadable CSR.
        Invalid = "invalid",
        /// No such object, or none that the caller may see.
        NotFound = "not_found",
        /// The caller lacks the role, or the policy does not allow the thing asked for.
        Forbidden = "forbidden",
        /// The caller is, or may be, the same human as somebody who already has a say.
        TwoPersonIntegrity = "two_person_integrity",
        /// The request is no longer pending.
        AlreadyDecided = "already_decided",
        /// The decision names content other than what the request holds now.
        StaleContent = "stale_content",
        /// Another object stands in the way; the message names it.
        Conflict = "conflict",
        /// Too much, too fast; the hint says when to come back.
        RateLimited = "rate_limited",
        /// Damage was found: the daemon serves reads and decides nothing.
        ReadOnly = "read_only",
        /// A thing that is needed is not there now (disk full, shutting down, not built).
        Unavailable = "unavailable",
        /// A fault of the daemon itself.
        Internal = "internal",
    }
}

impl ErrorKind {
    /// The JSON-RPC 2.0 error code: the specification's own where it has one, else -32000 downwards.
    pub const fn code(self) -> i64 {
        match self {
            Self::Invalid => -32602,
            Self::Internal => -32603,
            Self::NotFound => -32001,
            Self::Forbidden => -32002,
            Self::TwoPersonIntegrity => -32003,
            Self::AlreadyDecided => -32004,
            Self::StaleContent => -32005,
            Self::Conflict => -32006,
            Self::RateLimited => -32007,
            Self::ReadOnly => -32008,
            Self::Unavailable => -32009,
        }
    }

    /// The exit status of the command line (design: 3 refused, 4 not found, 5 conflict, 1 internal, 2 usage).
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 2,
            Self::NotFound => 4,
            Self::Forbidden | Self::TwoPersonIntegrity | Self::RateLimited | Self::ReadOnly => 3,
            Self::AlreadyDecided | Self::StaleContent | Self::Conflict => 5,
            Self::Unavailable => 6,
            Self::Internal => 1,
        }
    }
}

/// One refusal or failure: what was refused, by which rule, and what to do next.
///
/// `message` and `hint` are already safe to show: whatever came from outside went through [`crate::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What a script decides on.
    pub kind: ErrorKind,
    /// What a person reads.
    pub message: String,
    /// What to do next; empty where there is nothing to do.
    pub hint: String,
    /// A JSON-RPC code other than the kind's own (parse error, unknown method).
    pub code: Option<i64>,
    /// The rule that stopped the attempt, as the ledger names it; `None` for what no rule judged.
    pub rule: Option<&'static str>,
}

impl ApiError {
    /// An error of `kind` with a sentence for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: String::new(), code: None, rule: None }
    }

    /// Malformed input; names the field or limit.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A fault of the program itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Names the rule that stopped the attempt; refusals with a rule become ledger rows.
    #[must_use]
    pub fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Sets a JSON-RPC code of the specification itself.
    #[must_use]
    pub fn code(mut self, code: i64) -> Self {
        self.code = Some(code);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// `data` of a JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorData {
    /// The stable kind.
    pub kind: ErrorKind,
    /// What to do next; may be empty.
    pub hint: String,
    /// The rule that refused, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A JSON-RPC 2.0 error object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorObject {
    /// See [`ErrorKind::code`].
    pub code: i64,
    /// For people.
    pub message: String,
    /// For scripts.
    pub data: ErrorData,
}

impl From<ApiError> for ErrorObject {
    fn from(error: ApiError) -> Self {
        Self {
            code: error.code.unwrap_or(error.kind.code()),
            message: error.message,
            data: ErrorData { kind: error.kind, hint: error.hint, rule: error.rule.map(str::to_owned) },
        }
    }
}
