//! Damage beside its acknowledgement, and what becomes of a text that is to be erased.

use countersign_shared::protocol::{DamageFound, EraseResult, PersonRef, RepairResult};

use super::fields::Fields;
use super::style::Tone;
use super::{View, audit, text};

/// What is damaged, who has acknowledged it, and what comes next.
pub(in crate::cli) fn repair(result: &RepairResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    for damage in &result.damage {
        found(&mut fields, damage);
    }
    if let Some(blocked) = &result.blocked {
        fields.toned("DAMAGE", Tone::Bad, audit::damage(blocked));
        fields.add("", "no acknowledgement is taken for this: restore a backup from before it (docs/operations.md)");
        return fields.finish();
    }
    if result.damage.is_empty() {
        fields.toned("damage", Tone::Good, "none that is not acknowledged");
        return fields.finish();
    }
    fields.gap().add("digest of all", result.damage_sha256.to_string());
    voices(&mut fields, &result.voices, result.needed);
    match result.acknowledged_seq {
        Some(seq) => {
            fields.toned("acknowledged", Tone::Good, format!("by record {seq}; the daemon ends, to be started anew"));
        }
        None => {
            let next = format!("countersign audit repair --acknowledge {}", result.damage_sha256);
            fields.add("to acknowledge", next);
        }
    }
    fields.finish()
}

fn found(fields: &mut Fields, damage: &DamageFound) {
    let place = damage.seq.map(|seq| format!(" at record {seq}")).unwrap_or_default();
    fields.toned("DAMAGE", Tone::Bad, format!("{}{place}: {}", text::safe(&damage.rule), text::safe(&damage.text)));
    if let Some(expected) = damage.expected_sha256 {
        fields.add("  recorded", expected.to_string());
    }
    match damage.found_sha256 {
        Some(found) => fields.add("  stands there", found.to_string()),
        None => fields.add("  stands there", "nothing"),
    };
}

fn voices(fields: &mut Fields, voices: &[PersonRef], needed: u32) {
    let named: Vec<String> = voices.iter().map(|person| text::safe(&person.account)).collect();
    let who = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    fields.add("voices", format!("{} of {needed}{who}", named.len()));
}

/// What was asked for, who agreed, and whether it is erased.
pub(in crate::cli) fn erasure(result: &EraseResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields.add("text", format!("the {} of record {}", result.what, result.seq));
    fields.add("its digest", result.text_sha256.to_string());
    voices(&mut fields, &result.voices, result.needed);
    match result.erased_seq {
        Some(seq) => fields.toned("erased", Tone::Good, format!("by record {seq}")),
        None => {
            let next = format!("somebody else agrees: countersign audit erase {} --what {}", result.seq, result.what);
            fields.add("next", next)
        }
    };
    fields.finish()
}
