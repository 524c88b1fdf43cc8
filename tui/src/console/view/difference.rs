//! How the certificate differs from the one in force, and from what the CSR asks.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Change, Difference};
use countersign_shared::text::Untrusted;

use super::cells::shown;
use super::words;

/// What a difference is about, in a word that fits a label.
pub fn differing(difference: &Difference) -> String {
    match difference.field.as_str() {
        "san" => "name".into(),
        "spki_sha256" => "key SHA-256".into(),
        other => words::spaced(other),
    }
}

/// One difference to the certificate in force.
pub fn differs(difference: &Difference) -> String {
    match (&difference.before, &difference.after) {
        (Some(before), Some(after)) => format!("{} becomes {}", valued(before), valued(after)),
        (None, Some(after)) => format!("added: {}", valued(after)),
        (Some(before), None) => format!("removed: {}", valued(before)),
        (None, None) => "changed".into(),
    }
}

/// A value that differs: a digest by its first groups, a tagged name with its Unicode form.
fn valued(value: &Untrusted) -> String {
    if let Ok(digest) = value.raw().parse::<Digest>() {
        return format!("{} …", digest.spoken()[0]);
    }
    match value.raw().split_once(':') {
        Some((kind @ ("dns" | "uri" | "email" | "ip"), rest)) => format!("{kind} {}", words::name(&rest.into())),
        _ => words::name(value),
    }
}

/// One difference to the CSR.
pub fn changed(change: &Change) -> String {
    format!("{} {} ({})", words::spaced(&change.field), shown(change.value.raw()), shown(&change.why))
}
