//! A message for programs: the body of `Webhook`, the input of `Command`, the details of PagerDuty.

use serde_json::{Map, Value, json};

use super::super::message::{Kind, MAX_ITEMS, Message};
use super::{plain, severity};

/// One JSON object. Fields may be added; their meaning does not change within `version`. Texts are made visible as on
/// every surface; they are data, and a shell must quote them.
pub fn object(message: &Message) -> Value {
    let texts = |foreign: &[countersign_shared::text::Untrusted]| foreign.iter().map(plain::text).collect::<Vec<_>>();
    let mut out = Map::new();
    out.insert("version".into(), json!(1));
    out.insert("id".into(), json!(message.id.as_str()));
    out.insert("kind".into(), json!(message.kind.as_str()));
    out.insert("test".into(), json!(message.test));
    out.insert("severity".into(), json!(severity(message.severity)));
    out.insert("object".into(), json!(message.about.as_str()));
    out.insert("incident".into(), json!(message.incident()));
    out.insert("closes".into(), json!(message.kind.closes()));
    out.insert("at".into(), json!(message.at.to_string()));
    out.insert("host".into(), json!(plain::text(&message.host)));
    out.insert("title".into(), json!(plain::title(message)));
    out.insert("names".into(), json!(message.names.iter().take(plain::MAX_NAMES).map(plain::text).collect::<Vec<_>>()));
    out.insert("names_total".into(), json!(message.names.len()));
    out.insert("risk".into(), json!(texts(message.risk.get(..plain::MAX_RISKS).unwrap_or(&message.risk))));
    match &message.kind {
        Kind::ExpirationAlert { days_left, threshold_days } => {
            out.insert("days_left".into(), json!(days_left));
            out.insert("threshold_days".into(), json!(threshold_days));
        }
        Kind::Outcome { state, by } => {
            out.insert("state".into(), json!(state.as_str()));
            if let Some(by) = by {
                out.insert("by".into(), json!(plain::text(by)));
            }
        }
        Kind::Remark { by } => {
            out.insert("by".into(), json!(plain::text(by)));
        }
        Kind::Digest { items, more } => {
            let each = items.iter().take(MAX_ITEMS).map(|item| {
                let command = item.command.as_ref().map(plain::text);
                json!({ "title": plain::text(&item.title), "object": item.about.as_str(), "command": command })
            });
            out.insert("items".into(), each.collect());
            out.insert(
                "items_total".into(),
                json!(items.len().saturating_add(usize::try_from(*more).unwrap_or(usize::MAX))),
            );
        }
        Kind::Checkpoint { size, root, short, note } => {
            out.insert("size".into(), json!(size));
            out.insert("root_sha256".into(), json!(root.to_string()));
            out.insert("short".into(), json!(short));
            out.insert("note".into(), json!(plain::note(note)));
        }
        Kind::LedgerUnanchored { records } => {
            out.insert("records".into(), json!(records));
        }
        Kind::RepeatedAttempts { attempts, by } => {
            out.insert("attempts".into(), json!(attempts));
            out.insert("by".into(), json!(plain::text(by)));
        }
        Kind::DealtWith { how } => {
            out.insert("how".into(), json!(how.as_str()));
        }
        Kind::Renewed
        | Kind::ApprovalRequest
        | Kind::PolicyProposal
        | Kind::Amended
        | Kind::Bypassed
        | Kind::Issued
        | Kind::Revoked
        | Kind::Retired
        | Kind::JobFailed
        | Kind::PolicyChanged
        | Kind::LedgerAnchored
        | Kind::Escalation => {}
    }
    for (field, time) in [("not_after", message.not_after), ("deadline", message.deadline)] {
        if let Some(time) = time {
            out.insert(field.into(), json!(time.to_string()));
        }
    }
    for (field, foreign) in
        [("requester", &message.requester), ("reason", &message.reason), ("command", &message.command)]
    {
        if let Some(foreign) = foreign {
            out.insert(field.into(), json!(plain::text(foreign)));
        }
    }
    Value::Object(out)
}
