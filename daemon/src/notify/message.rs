//! What people are told. A [`Message`] is data: the renderings of [`super::render`] make text of it for each medium.

use std::fmt;
use std::str::FromStr;

use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policy::Severity;

/// The longest [`Token`], in octets. PagerDuty's `dedup_key` has 255 and takes a prefix of ours.
pub const MAX_TOKEN: usize = 128;
/// The most messages that a digest names; the others are counted.
pub const MAX_ITEMS: usize = 20;

/// An identifier that every medium can carry as it stands: 1 to 128 of `A`–`Z`, `a`–`z`, `0`–`9`, `.`, `_`, `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Token {
    type Error = &'static str;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-');
        if (1..=MAX_TOKEN).contains(&raw.len()) && raw.bytes().all(plain) {
            Ok(Self(raw))
        } else {
            Err("an identifier has 1 to 128 letters, digits, `.`, `_` and `-`")
        }
    }
}

impl FromStr for Token {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        raw.to_owned().try_into()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0
    }
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// A certificate nears its end or is beyond it.
    ExpirationAlert {
        /// Whole days until the end: 0 on the last day, −1 within the first day after it.
        days_left: i32,
        /// The threshold that was crossed, in days; 0 after the end as well.
        threshold_days: u16,
    },
    /// The certificate of earlier alerts was replaced: what they opened elsewhere is closed.
    Renewed,
    /// Nobody has to look after the certificate of earlier alerts any more, though nothing took its place: what they opened
    /// elsewhere is closed.
    DealtWith {
        /// Why.
        how: Ending,
    },
    /// Somebody is asked to decide.
    ApprovalRequest,
    /// Somebody is asked to decide on another policy.
    PolicyProposal,
    /// A request was changed: what was decided on it counts no more, and somebody is asked anew.
    Amended,
    /// A request ended.
    Outcome {
        /// How.
        state: RequestState,
        /// Who ended it: an account, or the daemon.
        by: Option<Untrusted>,
    },
    /// A request was approved by nobody, on a host where the approval bypass is on.
    Bypassed,
    /// A certificate was issued.
    Issued,
    /// A certificate ended before its time.
    Revoked,
    /// Nobody looks after an expired certificate any more.
    Retired,
    /// A job ended without a result.
    JobFailed,
    /// Another policy took force.
    PolicyChanged,
    /// Somebody remarked on a request.
    Remark {
        /// Who.
        by: Untrusted,
    },
    /// A request still waits.
    Escalation,
    /// One human was refused by rules again and again.
    RepeatedAttempts {
        /// How many refusals were counted.
        attempts: u32,
        /// Who.
        by: Untrusted,
    },
    /// A checkpoint of the ledger, for whoever keeps it.
    Checkpoint {
        /// How many records it is of.
        size: u64,
        /// Their root.
        root: Digest,
        /// Its short form.
        short: Option<String>,
        /// The signed note.
        note: Untrusted,
    },
    /// More of the ledger is anchored nowhere else than the policy allows.
    LedgerUnanchored {
        /// How many records.
        records: u64,
    },
    /// That is over.
    LedgerAnchored,
    /// Several messages to the same people in one.
    Digest {
        /// The first of them, at most [`MAX_ITEMS`].
        items: Vec<Item>,
        /// How many there are besides.
        more: u32,
    },
}

/// Why nobody looks after a certificate any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was revoked.
    Revoked,
    /// It had ended, and somebody said that it is not needed.
    Retired,
    /// It was found once, and stands nowhere any more.
    Gone,
}

impl Ending {
    /// The word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::Gone => "gone",
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::Gone => "found no more",
        }
    }
}

/// One message of a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its title.
    pub title: Untrusted,
    /// Its object.
    pub about: Token,
    /// Its command.
    pub command: Option<Untrusted>,
}

impl Kind {
    /// The word for machines.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ExpirationAlert { .. } => "expiration_alert",
            Self::Renewed => "renewed",
            Self::DealtWith { .. } => "dealt_with",
            Self::ApprovalRequest => "approval_request",
            Self::PolicyProposal => "policy_proposal",
            Self::Amended => "amended",
            Self::Outcome { .. } => "outcome",
            Self::Bypassed => "bypassed",
            Self::Issued => "issued",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::JobFailed => "job_failed",
            Self::PolicyChanged => "policy_changed",
            Self::Remark { .. } => "remark",
            Self::Checkpoint { .. } => "checkpoint",
            Self::LedgerUnanchored { .. } => "ledger_unanchored",
            Self::LedgerAnchored => "ledger_anchored",
            Self::Digest { .. } => "digest",
            Self::Escalation => "escalation",
            Self::RepeatedAttempts { .. } => "repeated_attempts",
        }
    }

    /// True where the incident that earlier messages opened is over.
    pub fn closes(&self) -> bool {
        matches!(
            self,
            Self::Renewed
                | Self::DealtWith { .. }
                | Self::Outcome { .. }
                | Self::Bypassed
                | Self::PolicyChanged
                | Self::LedgerAnchored
        )
    }
}

/// One message, as the outbox keeps it (JSON). It is rendered anew at each attempt, to the same text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The same at each attempt: the other side recognises a repeat by it.
    pub id: Token,
    /// The object: `mc-…`, `ar-…`, or `ledger-…` for the ledger. Messages about one object are one incident elsewhere.
    pub about: Token,
    /// What happened.
    pub kind: Kind,
    /// How urgent it is.
    pub severity: Severity,
    /// When it was caused.
    pub at: Timestamp,
    /// The host that tells.
    pub host: Untrusted,
    /// The names of the certificate, primary first.
    pub names: Vec<Untrusted>,
    /// The end of the certificate.
    pub not_after: Option<Timestamp>,
    /// Until when somebody has to act.
    pub deadline: Option<Timestamp>,
    /// What is at stake, one sentence each.
    pub risk: Vec<Untrusted>,
    /// Who asked.
    pub requester: Option<Untrusted>,
    /// The requester's reason, or the note of whoever decided.
    pub reason: Option<Untrusted>,
    /// The command to type.
    pub command: Option<Untrusted>,
    /// Sent to try the channel: every rendering says TEST, and it opens and closes incidents of its own.
    pub test: bool,
}

impl Message {
    /// The key by which an incident system folds messages: `countersign:mc-…`; at most 255 octets.
    pub fn incident(&self) -> String {
        format!("countersign{}:{}", if self.test { "-test" } else { "" }, self.about)
    }
}

/// Whom a message is for. Channels that address nobody (Slack, PagerDuty, …) do not look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Addresses for `Email`; where there are none, those of `[notify.email] to`.
    pub mail: Vec<Untrusted>,
    /// Account names for `Wall`.
    pub accounts: Vec<Untrusted>,
    /// True where the addresses of `[notify.email] to` get it besides those of `mail`.
    #[serde(default)]
    pub and_default: bool,
    /// Addresses that it does not go to by way of `[notify.email] to`: people who are not asked.
    #[serde(default)]
    pub never: Vec<Untrusted>,
}

#[cfg(test)]
mod tests {
    use super::super::testing::alert;
    use super::*;

    #[test]
    fn a_token_carries_nothing_that_a_medium_obeys() {
        for good in ["ne-01J9", "mc-a.b_c-D9", &"x".repeat(128)] {
            assert_eq!(good.parse::<Token>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "a b", "a\r\nBcc: x", "a/b", "é", "<a>", "a@b", &"x".repeat(129)] {
            assert!(bad.parse::<Token>().is_err(), "{bad:?}");
            assert!(serde_json::from_value::<Token>(serde_json::json!(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_outbox_gives_back_what_it_took() {
        let message = alert(7);
        let stored = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&stored).unwrap(), message);
        let forged = stored.replacen('{', "{\"bcc\":\"x\",", 1);
        assert!(serde_json::from_str::<Message>(&forged).is_err());
    }

    #[test]
    fn a_test_never_touches_a_real_incident() {
        let real = alert(7);
        assert_eq!(real.incident(), "countersign:mc-01");
        assert_eq!(Message { test: true, ..real }.incident(), "countersign-test:mc-01");
    }
}
