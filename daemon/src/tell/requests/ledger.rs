//! The ledger itself: a checkpoint that leaves the host as a message, and how much of it is anchored nowhere else.

use countersign_proof::short::ShortForm;
use countersign_shared::protocol::AuditAction;
use countersign_shared::text::Untrusted;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::subject::{details, missing};
use crate::notify::{Audience, Kind, Message};
use crate::store::rows::checkpoints;
use crate::store::rows::notifications::{CHECKPOINT, LEDGER_ANCHORED};
use crate::store::transaction::Failure;
use crate::tell::{Composed, House, Letter, Notice, Recipients, deciders};

/// The parameters of a [`CHECKPOINT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// How many records it is of.
    pub size: u64,
    /// Whom `Email` goes to; the addresses of the configuration where there is none.
    pub to: Vec<Untrusted>,
}

/// A checkpoint: the note as it stands, to whoever keeps it.
pub(super) fn checkpoint(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let Carried { size, to } = serde_json::from_value(notice.params.clone())
        .map_err(|_| missing(&format!("what notification {} carries", notice.id)))?;
    // A later one covers what this one does.
    if is_followed(house, notice, CHECKPOINT)? {
        return Ok(Composed::Moot("a newer checkpoint took its place".to_owned()));
    }
    let kept = checkpoints::of_size(house.connection, size)?.ok_or_else(|| missing("the checkpoint"))?;
    let keys = checkpoints::keys(house.connection)?;
    let short = keys.iter().rev().find_map(|key| ShortForm::of(&kept.signed, key).ok());
    let kind = Kind::Checkpoint {
        size,
        root: kept.root,
        short: short.map(|short| short.to_string()),
        note: Untrusted::new(kept.signed.to_string()),
    };
    let message = Message {
        command: Some("countersign audit anchor add FILE".into()),
        ..house.message(notice, kind, Vec::new())?
    };
    let audience = Audience { and_default: to.is_empty(), mail: to, ..Audience::default() };
    Ok(Composed::Send(Box::new(Letter { message, audience, team: None })))
}

/// A limit of the policy is passed: whoever is told of alarms looks.
pub(super) fn unanchored(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    if is_followed(house, notice, LEDGER_ANCHORED)? {
        return Ok(Composed::Moot("the ledger was anchored meanwhile".to_owned()));
    }
    let details = details(house, notice)?;
    let text = |key| details.get(key).and_then(Value::as_str);
    let number = |key| details.get(key).and_then(Value::as_u64);
    let mut risk = vec![Untrusted::from("root on this host could rewrite them, and nothing outside would show it")];
    risk.extend(text("since").map(|since| Untrusted::new(format!("the oldest is of {since}"))));
    risk.extend(text("max_unanchored").map(|age| Untrusted::new(format!("the policy allows {age}"))));
    risk.extend(
        number("max_unanchored_records").map(|most| Untrusted::new(format!("the policy allows {most} records"))),
    );
    let message = Message {
        risk,
        command: Some("countersign audit checkpoint --out FILE, and back: countersign audit anchor add FILE".into()),
        ..house.message(notice, Kind::LedgerUnanchored { records: number("unanchored").unwrap_or(0) }, Vec::new())?
    };
    Ok(deciders::alarmed(house).letter(notice, message, Vec::new(), Recipients::default()))
}

/// The alarm is over.
pub(super) fn anchored(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    if is_followed(house, notice, AuditAction::LedgerUnanchored.as_str())? {
        return Ok(Composed::Moot("another alarm was raised meanwhile".to_owned()));
    }
    let message = Message {
        command: Some("countersign audit anchor ls".into()),
        ..house.message(notice, Kind::LedgerAnchored, Vec::new())?
    };
    Ok(deciders::alarmed(house).letter(notice, message, Vec::new(), Recipients::default()))
}

/// Whether a message of `kind` about the same ledger was queued on the channel after this one.
fn is_followed(house: House<'_>, notice: &Notice, kind: &str) -> Result<bool, Failure> {
    let followed = house
        .connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM notification_events
                 WHERE resource_id = ?1 AND id > ?2 AND kind = ?3 AND channel = ?4)",
        )?
        .query_row(params![notice.resource_id, notice.id, kind, notice.channel.as_str()], |row| row.get(0))?;
    Ok(followed)
}
