//! The policy and its profiles.

use countersign_shared::protocol::{PolicyCheckResult, PolicyResult, Profile};

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, table};
use super::{View, text};

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

/// The policy in force: the document as it stands, with its digest as a TOML comment before it.
pub(in crate::cli) fn document(policy: &PolicyResult, _: View) -> String {
    let head = format!(
        "# version {}, in force since {}\n# sha256 {}\n",
        policy.version, policy.in_force_since, policy.sha256
    );
    head + &text::document(&policy.document)
}

/// What a check found.
pub(in crate::cli) fn check(result: &PolicyCheckResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    match result.valid {
        true => fields.toned("policy", Tone::Good, "valid"),
        false => fields.toned("policy", Tone::Bad, "not valid"),
    };
    for error in &result.errors {
        fields.toned("error", Tone::Bad, text::safe(error));
    }
    for warning in &result.warnings {
        fields.toned("warning", Tone::Open, text::safe(warning));
    }
    fields.finish()
}

fn safe_list(values: &[String]) -> String {
    values.iter().map(|value| text::safe(value)).collect::<Vec<_>>().join(", ")
}
