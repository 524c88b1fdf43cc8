//! From a queued notification to what is said, and to whom.
//!
//! A message is composed anew at each attempt, from what the database and the policy say at that moment: who decided
//! meanwhile is not asked again, and what has ended is not asked about. The notification keeps its id, by which the
//! other side recognises a repeat. Nothing here writes.

pub mod certificate;
mod deciders;
pub mod expiry;
mod people;
mod recipients;
pub mod requests;
mod routes;
pub mod switchboard;
mod words;

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;
use serde_json::Value;

use crate::identity::directory::Directory;
use crate::notify::{Audience, Kind, Message, Token};
use crate::policy::{Channel, Policy, Severity};
pub use recipients::{Recipients, recipients};
pub use routes::routes;
pub use switchboard::Switchboard;

/// A notification that is to be sent, as its tables have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its id.
    pub id: i64,
    /// The action of the record that causes it, or one of [`expiry`]'s kinds.
    pub kind: String,
    /// The object.
    pub resource_id: String,
    /// On what it goes out.
    pub channel: Channel,
    /// How urgent it is.
    pub severity: Severity,
    /// When it was caused.
    pub created_at: Timestamp,
    /// The record that causes it.
    pub seq: u64,
    /// What its kind needs besides.
    pub params: Value,
}

/// What a message is composed from. The look-ups of `directory` may block.
#[derive(Clone, Copy)]
pub struct House<'a> {
    /// To read.
    pub connection: &'a Connection,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Accounts and groups.
    pub directory: &'a dyn Directory,
    /// The installation: ids of messages begin with it.
    pub origin: &'a str,
    /// This host, by name.
    pub host: &'a Untrusted,
    /// The moment.
    pub now: Timestamp,
    /// The same on the time line.
    pub tick: i64,
}

impl House<'_> {
    /// The id of a notification's message: another one on each installation, and the same at each attempt.
    ///
    /// # Errors
    /// None that a row can cause.
    pub fn message_id(&self, notice: &Notice) -> Result<Token, ApiError> {
        let origin = Digest::of(&[self.origin.as_bytes()]).to_string();
        let token = format!("cs-{}-{}", origin.get(..12).unwrap_or(&origin), notice.id).parse();
        token.map_err(|why: &str| ApiError::internal(format!("notification {} has no id: {why}", notice.id)))
    }

    /// A message that says no more than what happened to what.
    ///
    /// # Errors
    /// The object's id is one that no medium carries.
    pub fn message(&self, notice: &Notice, kind: Kind, names: Vec<Untrusted>) -> Result<Message, ApiError> {
        let about = notice.resource_id.parse();
        Ok(Message {
            id: self.message_id(notice)?,
            about: about.map_err(|why: &str| ApiError::internal(format!("notification {}: {why}", notice.id)))?,
            kind,
            severity: notice.severity,
            at: notice.created_at,
            host: self.host.clone(),
            names,
            not_after: None,
            deadline: None,
            risk: Vec::new(),
            requester: None,
            reason: None,
            command: None,
            test: false,
        })
    }
}

/// The database failed while a message was composed.
fn database(error: &rusqlite::Error) -> ApiError {
    ApiError::internal(format!("the message cannot be composed: {error}"))
}

/// A message and who gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// What is said.
    pub message: Message,
    /// To whom.
    pub audience: Audience,
    /// The team whose channels carry it; the host's own where there is none.
    pub team: Option<String>,
}

/// What comes of a notification at this moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Composed {
    /// It goes out.
    Send(Box<Letter>),
    /// It has nothing to say any more, or nobody to say it to: why, safe to show.
    Moot(String),
}

/// Composes it.
///
/// # Errors
/// The database, and a kind that this program does not know.
pub fn compose(house: House<'_>, notice: &Notice) -> Result<Composed, ApiError> {
    match notice.kind.as_str() {
        expiry::ALERT | expiry::TEST | expiry::RENEWED | expiry::DEALT_WITH => expiry::compose(house, notice),
        _ => requests::compose(house, notice),
    }
}
