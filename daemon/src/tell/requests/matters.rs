//! What those who run the host have to know: attempts that rules stopped again and again, and another policy.

use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::text::Untrusted;
use serde_json::Value;

use super::subject::{Subject, details, message};
use crate::notify::{Kind, Message};
use crate::store::transaction::Failure;
use crate::tell::{Composed, House, Notice, Recipients, deciders};

/// One human was stopped again and again: whoever is told of alarms looks.
pub(super) fn attempts(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let details = details(house, notice)?;
    let text = |key| details.get(key).and_then(Value::as_str).unwrap_or_default();
    let count = details.get("count").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
    let kind =
        Kind::RepeatedAttempts { attempts: count.unwrap_or(0), by: Untrusted::from(notice.resource_id.as_str()) };
    // Accounts have characters that no incident's key takes; one human stays one incident.
    let human = Digest::of(&[text("human").as_bytes()]).to_string();
    let about = format!("attempts-{}", human.get(..12).unwrap_or_default());
    let message = Message {
        risk: vec![format!("the rule that stopped the last of them: {}", text("rule")).into()],
        command: Some("countersign audit ls --action approval_refused".into()),
        ..message(house, notice, &about, kind)?
    };
    Ok(deciders::alarmed(house).letter(notice, message, Vec::new(), Recipients::default()))
}

/// Another policy took force: whoever proposed it is told, and whoever is told of alarms.
pub(super) fn policy(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let details = details(house, notice)?;
    let request = details.get("request").and_then(Value::as_str).and_then(|id| id.parse::<RequestId>().ok());
    let mut people = deciders::alarmed(house);
    let message = match request {
        Some(id) => {
            let subject = Subject::read(house.connection, &id)?;
            people.add(house.policy, &subject.row.requester);
            let reason = Some(subject.summary.reason.clone());
            Message { reason, ..subject.message(house, notice, Kind::PolicyChanged)? }
        }
        None => {
            let short = notice.resource_id.get(..12).unwrap_or_default();
            let command = Some("countersign policy show".into());
            Message { command, ..message(house, notice, &format!("policy-{short}"), Kind::PolicyChanged)? }
        }
    };
    Ok(people.letter(notice, message, Vec::new(), Recipients::default()))
}
