//! How one thing differs from another, in a line.

use countersign_shared::protocol::{Change, Difference};

use super::text;

/// What the profile did to what the CSR asks.
pub(super) fn from_csr(change: &Change) -> String {
    format!(
        "{} {}: {} ({})",
        change.action,
        text::safe(&change.field),
        text::name(&change.value),
        text::safe(&change.why)
    )
}

/// What one content says otherwise than another.
pub(super) fn between(difference: &Difference) -> String {
    let shown = |value: &Option<_>| value.as_ref().map_or("nothing".to_owned(), text::name);
    format!("{}: {} becomes {}", text::safe(&difference.field), shown(&difference.before), shown(&difference.after))
}
