//! What happened to a request so far: votes, remarks, and the versions before this one.

use countersign_shared::protocol::{Amendment, Decision, Remark};

use super::fields::Fields;
use super::style::Tone;
use super::{View, change, terms, text, when};

/// One vote: whose, for which place, and with which note.
pub(super) fn decision(decision: &Decision, view: View) -> String {
    let mut line = text::person(&decision.by);
    if let Some(who) = &decision.delegated_by {
        line.push_str(&format!(" with the say of {}", text::safe(who)));
    }
    if !decision.counts_for.is_empty() {
        let groups: Vec<String> = decision.counts_for.iter().map(|name| terms::group(name)).collect();
        line.push_str(&format!(" for {}", groups.join(", ")));
    }
    line.push_str(&format!(" at {}", when::with_distance(decision.at, view.now)));
    if let Some(signed) = &decision.signed {
        line.push_str(&format!(", signed with {} over {} records", text::safe(&signed.key_fingerprint), signed.size));
    }
    if !decision.note.is_blank() {
        line.push_str(&format!(": {}", decision.note.safe()));
    }
    line
}

/// What people left with it.
pub(super) fn remarks(fields: &mut Fields, remarks: &[Remark], view: View) {
    if remarks.is_empty() {
        return;
    }
    fields.gap().title(Tone::Faint, "What was said");
    for remark in remarks {
        let time = when::with_distance(remark.at, view.now);
        let who = text::person(&remark.by);
        let line = format!("{who} on version {} at {time}: {}", remark.version, remark.text.safe());
        fields.add(remark.kind.as_str(), line);
    }
}

/// The versions that were replaced, each with what the next one says otherwise.
pub(super) fn amendments(fields: &mut Fields, amendments: &[Amendment], view: View) {
    if amendments.is_empty() {
        return;
    }
    fields.gap().title(Tone::Faint, "What was amended");
    for amendment in amendments {
        let time = when::with_distance(amendment.at, view.now);
        fields
            .add(&format!("version {}", amendment.version), format!("replaced at {time} (record {})", amendment.seq))
            .list("changed", amendment.differences.iter().map(change::between));
        for void in &amendment.decisions {
            fields.toned("void", Tone::Faint, format!("{} by {}", void.verdict, decision(void, view)));
        }
    }
}
