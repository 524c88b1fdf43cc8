//! One record: what goes in, the bytes that come out, and the end of the chain that they are tied to.

use std::collections::BTreeMap;

use countersign_shared::canonical::{CanonicalBytes, CanonicalError, MAX_BYTES, Object, is_nfc};
use countersign_shared::digest::Digest;
use countersign_shared::id::EventId;
use countersign_shared::protocol::{ActorType, AuditAction, Category};
use countersign_shared::time::Timestamp;
pub use countersign_verify::chain::{Chain, Node};
pub use countersign_verify::columns::{Columns, FORMAT, GENESIS};

use super::{Frontier, leaf_hash};

/// A record before it has its place: who did what to which object.
#[derive(Clone, Debug)]
pub struct Draft {
    /// An account, `uid:N` or a system actor.
    pub actor: String,
    /// Human or daemon.
    pub actor_type: ActorType,
    /// What happened.
    pub action: AuditAction,
    /// What it is about, in the coarse.
    pub category: Category,
    /// `request`, `job`, `certificate`, `policy`, `daemon`, `ledger`.
    pub resource_type: &'static str,
    /// The object's id.
    pub resource_id: String,
    /// All else, sorted by key.
    pub details: BTreeMap<&'static str, Detail>,
}

/// A value in a record's details. There are no free texts among them: those are held by salted digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A string of the program's own or a checked shape.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Strings of the program's own or a checked shape.
    List(Vec<String>),
}

impl Draft {
    /// Adds a string.
    #[must_use]
    pub fn text(mut self, key: &'static str, value: impl ToString) -> Self {
        self.details.insert(key, Detail::Text(value.to_string()));
        self
    }

    /// Adds a string where there is one.
    #[must_use]
    pub fn text_if(self, key: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, key: &'static str, value: impl Into<i64>) -> Self {
        self.details.insert(key, Detail::Number(value.into()));
        self
    }

    /// Adds a number where there is one.
    #[must_use]
    pub fn number_if(self, key: &'static str, value: Option<impl Into<i64>>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// Adds a list of strings.
    #[must_use]
    pub fn list(mut self, key: &'static str, values: impl IntoIterator<Item = impl ToString>) -> Self {
        self.details.insert(key, Detail::List(values.into_iter().map(|value| value.to_string()).collect()));
        self
    }

    /// Adds a flag.
    #[must_use]
    pub fn flag(mut self, key: &'static str, value: bool) -> Self {
        self.details.insert(key, Detail::Flag(value));
        self
    }
}

/// A record with its place, ready to be stored.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its sequence number.
    pub seq: u64,
    /// Its id.
    pub event_id: EventId,
    /// Its time.
    pub created_at: Timestamp,
    /// What it says.
    pub draft: Draft,
    /// Canonical JSON of the details.
    pub details: CanonicalBytes,
    /// The bytes that are hashed: canonical JSON.
    pub record: Vec<u8>,
    /// Their leaf hash.
    pub hash: Digest,
    /// The nodes of the tree that it completes, of those that are stored: one for every 16th record, seldom more.
    pub nodes: Vec<Node>,
}

/// The end of the chain: what the next record is tied to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(Chain);

impl From<Chain> for Tail {
    fn from(chain: Chain) -> Self {
        Self(chain)
    }
}

impl From<Tail> for Chain {
    fn from(tail: Tail) -> Self {
        tail.0
    }
}

impl Tail {
    /// A tail as it was kept: the last record's hash and the tree's right edge.
    pub fn from_parts(prev: Digest, frontier: Frontier) -> Self {
        Self(Chain::from_parts(prev, frontier))
    }

    /// The last record's hash.
    pub fn prev(&self) -> Digest {
        self.0.prev()
    }

    /// The tree's right edge.
    pub fn frontier(&self) -> &Frontier {
        self.0.frontier()
    }

    /// How many records there are: the next one's sequence number.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Gives a draft its place. The tail moves on; a caller that rolls back keeps the tail from before.
    pub fn seal(&mut self, draft: Draft, at: Timestamp) -> Result<Sealed, CanonicalError> {
        let seq = self.size();
        let event_id = EventId::of_record(u64::try_from(at.unix_millis()).unwrap_or(0), seq);
        let details = details(&draft.details)?;
        let mut record = Vec::with_capacity(768);
        Columns {
            seq,
            event_id: event_id.as_str().as_bytes(),
            created_at: at.to_string().as_bytes(),
            actor: draft.actor.as_bytes(),
            actor_type: draft.actor_type.as_str().as_bytes(),
            action: draft.action.as_str().as_bytes(),
            category: draft.category.as_str().as_bytes(),
            resource_type: draft.resource_type.as_bytes(),
            resource_id: draft.resource_id.as_bytes(),
            details: details.as_bytes(),
        }
        .write_record(&self.prev(), &mut record);
        if record.len() > MAX_BYTES {
            return Err(CanonicalError::TooLarge(record.len()));
        }
        if let Some(text) = [&draft.actor, &draft.resource_id].into_iter().find(|text| !is_nfc(text)) {
            return Err(CanonicalError::NotNfc(text.clone()));
        }
        let hash = leaf_hash(&record);
        let mut nodes = Vec::new();
        self.advance(hash, |node| nodes.push(node));
        Ok(Sealed { seq, event_id, created_at: at, draft, details, record, hash, nodes })
    }

    /// Moves past a record with this hash; `complete` gets the nodes that are stored from here on, lowest first.
    pub fn advance(&mut self, hash: Digest, complete: impl FnMut(Node)) {
        self.0.advance(hash, complete);
    }
}

fn details(values: &BTreeMap<&'static str, Detail>) -> Result<CanonicalBytes, CanonicalError> {
    let mut object = Object::new();
    for (key, value) in values {
        match value {
            Detail::Text(text) => object.string(key, text),
            Detail::Number(number) => object.integer(key, *number),
            Detail::Flag(flag) => object.boolean(key, *flag),
            Detail::List(values) => object.strings(key, values),
        };
    }
    object.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            actor: "csbob".into(),
            actor_type: ActorType::User,
            action: AuditAction::ApprovalApproved,
            category: Category::CertLifecycle,
            resource_type: "request",
            resource_id: "ar-1".into(),
            details: BTreeMap::new(),
        }
        .number("uid", 61002)
        .text("digest", "00")
    }

    #[test]
    fn a_record_is_canonical_json_tied_to_the_one_before_it() {
        let at = Timestamp::from_unix_millis(1_790_000_000_000).unwrap();
        let mut tail = Tail::default();
        let first = tail.seal(draft(), at).unwrap();
        let canonical = |sealed: &Sealed, prev: &str| {
            Object::new()
                .string("action", "approval_approved")
                .string("actor", "csbob")
                .string("actor_type", "User")
                .string("at", "2026-09-21T14:13:20.000Z")
                .string("category", "cert_lifecycle")
                .object("details", &Object::new().string("digest", "00").integer("uid", 61002).finish().unwrap())
                .string("event_id", sealed.event_id.as_str())
                .string("prev", prev)
                .string("resource_id", "ar-1")
                .string("resource_type", "request")
                .integer("seq", i64::try_from(sealed.seq).unwrap())
                .integer("v", i64::try_from(FORMAT).unwrap())
                .finish()
                .unwrap()
                .into_vec()
        };
        assert_eq!(first.record, canonical(&first, &"0".repeat(64)));
        let second = tail.seal(draft(), at).unwrap();
        assert_eq!(second.record, canonical(&second, &first.hash.to_string()));
        assert_eq!(tail.size(), 2);
        assert_eq!(tail.frontier().root(), countersign_proof::tree::node_hash(&first.hash, &second.hash));
    }
}
