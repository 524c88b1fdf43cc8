//! Says that were handed over.

use countersign_shared::protocol::Delegation;

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, table};
use super::{View, text, when};

/// A page of delegations.
pub(in crate::cli) fn list(delegations: &[Delegation], view: View) -> String {
    if delegations.is_empty() {
        return "no delegations\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = delegations
        .iter()
        .map(|delegation| {
            let (tone, time) = match delegation.active {
                true => (Tone::Open, format!("ends {}", when::distance(delegation.until, view.now))),
                false => (Tone::Faint, format!("ended {}", when::distance(end(delegation), view.now))),
            };
            vec![
                Cell::new(delegation.id.as_str()),
                Cell::new(text::person(&delegation.by)),
                Cell::new(text::safe(&delegation.to)),
                Cell::new(profiles(delegation)),
                Cell::toned(time, tone),
            ]
        })
        .collect();
    table(&["ID", "BY…", "TO…", "PROFILES…", "TIME"], &rows, view.style)
}

fn end(delegation: &Delegation) -> countersign_shared::time::Timestamp {
    delegation.ended_at.unwrap_or(delegation.until)
}

fn profiles(delegation: &Delegation) -> String {
    match &delegation.profiles {
        Some(ids) => ids.iter().map(|id| text::safe(id)).collect::<Vec<_>>().join(", "),
        None => "all".to_owned(),
    }
}

/// One delegation.
pub(in crate::cli) fn one(delegation: &Delegation, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields
        .add("delegation", delegation.id.as_str())
        .add("say of", text::person(&delegation.by))
        .add("used by", text::safe(&delegation.to))
        .add("profiles", profiles(delegation));
    if !delegation.reason.is_blank() {
        fields.add("reason", delegation.reason.safe().to_string());
    }
    match delegation.active {
        true => {
            fields
                .toned("until", Tone::Open, when::with_distance(delegation.until, view.now))
                .add("take it back", format!("countersign undelegate {}", delegation.id));
        }
        false => {
            let by = delegation.ended_by.as_deref().map_or(String::new(), |who| format!(" by {}", text::safe(who)));
            let time = when::with_distance(end(delegation), view.now);
            fields.toned("ended", Tone::Faint, format!("{time}{by}"));
        }
    }
    fields.add("ledger", format!("granted by record {}", delegation.seq));
    fields.finish()
}
