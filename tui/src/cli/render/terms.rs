//! Under which terms a request is decided: who fills which step, and what time does.

use countersign_shared::protocol::{Escalation, Step, Terms};

use super::fields::Fields;
use super::style::Tone;
use super::{View, text, when};

/// The steps of the quorum.
pub(super) fn steps(fields: &mut Fields, terms: &Terms) {
    if terms.steps.len() > 1 {
        let order = match terms.ordered {
            true => "one after another: a step is asked when those before it are filled",
            false => "all at once: every step is asked now",
        };
        fields.add("steps", order);
    }
    for (number, step) in (1..).zip(&terms.steps) {
        let (tone, line) = one(step);
        fields.toned(&format!("step {number}"), tone, line);
    }
    if terms.tightened {
        fields.toned("stricter", Tone::Open, "the policy in force asks for more than the one it was made under");
    }
}

fn one(step: &Step) -> (Tone, String) {
    let missing = usize::try_from(step.need).unwrap_or(usize::MAX).saturating_sub(step.filled_by.len());
    let (tone, state) = match (missing, step.open) {
        (0, _) => (Tone::Good, "filled"),
        (_, true) => (Tone::Open, "open"),
        (_, false) => (Tone::Faint, "not asked yet"),
    };
    let filled = step.filled_by.iter().map(|who| text::safe(who)).collect::<Vec<_>>().join(", ");
    let by = match (filled.as_str(), missing) {
        ("", _) => "nobody yet".to_owned(),
        (filled, 0) => filled.to_owned(),
        (filled, missing) => format!("{filled}, {missing} more to come"),
    };
    (tone, format!("{state}: {} of {}; {by}", step.need, group(&step.group)))
}

/// A group of the quorum; `*` stands for everybody who may decide at all.
pub(super) fn group(name: &str) -> String {
    if name == "*" { "all who may decide".to_owned() } else { format!("group {}", text::safe(name)) }
}

/// How many rejections end the request, where that is not one.
pub(super) fn rejections(fields: &mut Fields, terms: &Terms) {
    if terms.reject_threshold > 1 {
        let line = format!("{} of {} that end it", terms.rejections, terms.reject_threshold);
        fields.add("rejections", line);
    }
}

/// What time brings: further groups, an approval that nobody stands against, a lapse of what is not `carried_out`.
pub(super) fn time(fields: &mut Fields, terms: &Terms, carried_out: bool, view: View) {
    fields.list("escalates", terms.escalations.iter().map(|escalation| escalates(escalation, view)));
    if let Some(time) = terms.auto_approve_at {
        let line = format!("{}, where nobody rejects it before", when::with_distance(time, view.now));
        fields.toned("auto-approve", Tone::Open, line);
    }
    if let Some(span) = terms.carry_out_within.filter(|_| !carried_out) {
        fields.add("lapses", format!("where it is not carried out within {span} of its approval"));
    }
}

fn escalates(escalation: &Escalation, view: View) -> String {
    let groups: Vec<String> = escalation.groups.iter().map(|name| group(name)).collect();
    let verb = if escalation.done { "asked since" } else { "asked from" };
    format!("{} too, {verb} {}", groups.join(", "), when::with_distance(escalation.at, view.now))
}
