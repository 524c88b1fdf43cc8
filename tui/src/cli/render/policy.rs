//! The policy and its profiles.

use countersign_shared::protocol::{PolicyCheckResult, PolicyResult, Profile};

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, table};
use super::{View, policy_change, text};

/// The profiles of the policy.
pub(in crate::cli) fn profiles(profiles: &[Profile], view: View) -> String {
    if profiles.is_empty() {
        return "no profiles\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = profiles
        .iter()
        .map(|profile| {
            vec![
                Cell::new(text::safe(&profile.id)),
                Cell::new(text::safe(&profile.name)),
                Cell::new(text::safe(&profile.environment)),
                Cell::new(if profile.requires_approval { "approval" } else { "unattended" }),
                Cell::new(profile.max_validity.to_string()),
                Cell::new(safe_list(&profile.names)),
            ]
        })
        .collect();
    table(&["ID…", "NAME…", "ENVIRONMENT…", "PEOPLE", "VALID", "NAMES…"], &rows, view.style)
}

/// One profile with every rule.
pub(in crate::cli) fn profile(profile: &Profile, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields
        .add("profile", format!("{} ({})", text::safe(&profile.id), text::safe(&profile.name)))
        .add("environment", text::safe(&profile.environment))
        .list("names", profile.names.iter().map(|name| text::name(&name.as_str().into())))
        .add("approval", if profile.requires_approval { "required" } else { "not required" })
        .list("quorum", profile.quorum.iter().map(|step| text::safe(step)))
        .add("issuer", text::safe(&profile.issuer))
        .list("keys", profile.keys.iter().map(ToString::to_string))
        .list("extended", profile.extended_key_usage.iter().map(ToString::to_string))
        .add("valid at most", profile.max_validity.to_string())
        .add("reason", if profile.justification_required { "required" } else { "optional" })
        .add("ticket", profile.ticket_pattern.as_deref().map_or("optional".to_owned(), text::safe))
        .add("waits", profile.approval_timeout.to_string());
    fields.finish()
}

/// The policy in force: the document as it stands and nothing before it, so that what is taken from here, changed and proposed
/// gathers no headings.
pub(in crate::cli) fn document(policy: &PolicyResult, _: View) -> String {
    text::document(&policy.document)
}

/// Which policy that is.
pub(in crate::cli) fn which(policy: &PolicyResult) -> String {
    format!("version {}, in force since {}, sha256 {}", policy.version, policy.in_force_since, policy.sha256)
}

/// What a check found.
pub(in crate::cli) fn check(result: &PolicyCheckResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    validity(&mut fields, result);
    for warning in &result.warnings {
        fields.toned("warning", Tone::Open, text::safe(warning));
    }
    differences(&mut fields, result);
    policy_change::findings(&mut fields, &result.findings);
    fields.finish()
}

/// What the document would change; why it is not valid where it is not.
pub(in crate::cli) fn diff(result: &PolicyCheckResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    match result.valid {
        true => differences(&mut fields, result),
        false => validity(&mut fields, result),
    }
    fields.finish()
}

fn differences(fields: &mut Fields, result: &PolicyCheckResult) {
    if result.valid && result.differences.is_empty() {
        fields.add("changes", "none, or none that you may see");
    }
    policy_change::differences(fields, &result.differences);
}

fn validity(fields: &mut Fields, result: &PolicyCheckResult) {
    match result.valid {
        true => fields.toned("policy", Tone::Good, "valid"),
        false => fields.toned("policy", Tone::Bad, "not valid"),
    };
    for error in &result.errors {
        fields.toned("error", Tone::Bad, text::safe(error));
    }
}

fn safe_list(values: &[String]) -> String {
    values.iter().map(|value| text::safe(value)).collect::<Vec<_>>().join(", ")
}
