//! A policy beside the one in force: what it lets through, and what is proved of it.

use countersign_shared::protocol::{Effect, Finding, FindingLevel, PolicyChange, PolicyDifference, ProposeResult};

use super::fields::Fields;
use super::style::Tone;
use super::{View, text};

/// A proposal that was just made.
pub(in crate::cli) fn proposed(result: &ProposeResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields.add("request", format!("{} {}", result.request.id, result.request.state)).gap();
    change(&mut fields, &result.change);
    fields.add("next", format!("countersign wait {}", result.request.id));
    fields.finish()
}

/// What the proposal was based on, changes, and is known to do.
pub(super) fn change(fields: &mut Fields, change: &PolicyChange) {
    fields
        .title(Tone::Faint, "What will change in the policy")
        .add("based on", format!("version {}, {}", change.base_version, change.base_sha256))
        .add("becomes", change.sha256.to_string());
    if change.differences.is_empty() {
        fields.add("changes", "nothing");
    }
    differences(fields, &change.differences);
    findings(fields, &change.findings);
}

/// The differences: what lets more through comes first.
pub(super) fn differences(fields: &mut Fields, differences: &[PolicyDifference]) {
    for (effect, word, tone) in [
        (Effect::Laxer, "LAXER", Tone::Bad),
        (Effect::Stricter, "stricter", Tone::Good),
        (Effect::Neutral, "neutral", Tone::Plain),
    ] {
        for difference in differences.iter().filter(|difference| difference.effect == effect) {
            fields.toned(word, tone, line(difference));
        }
    }
}

fn line(difference: &PolicyDifference) -> String {
    let parts = [&difference.table, &difference.id, &difference.key];
    let place: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| text::safe(part)).collect();
    let place = place.join(" ");
    match (difference.before.as_deref().map(text::safe), difference.after.as_deref().map(text::safe)) {
        (Some(before), Some(after)) => format!("{place}: {before} becomes {after}"),
        (None, Some(after)) => format!("{place}: added {after}"),
        (Some(before), None) => format!("{place}: removed {before}"),
        (None, None) => format!("{place}: changed"),
    }
}

/// What is proved of a policy: what weighs most comes first.
pub(super) fn findings(fields: &mut Fields, findings: &[Finding]) {
    for (level, tone) in
        [(FindingLevel::Error, Tone::Bad), (FindingLevel::Warning, Tone::Open), (FindingLevel::Note, Tone::Plain)]
    {
        for finding in findings.iter().filter(|finding| finding.level == level) {
            let about = match finding.subject.as_str() {
                "" => text::safe(&finding.rule),
                subject => format!("{} of {}", text::safe(&finding.rule), text::safe(subject)),
            };
            fields.toned(level.as_str(), tone, format!("{about}: {}", text::safe(&finding.text)));
        }
    }
}
