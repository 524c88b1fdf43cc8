//! Certificates that were found, and what came of an import.

use countersign_shared::protocol::{
    AssignResult, FoundCertificate, FoundPlace, ImportResult, InventoryStatus, PlaceState,
};
use countersign_shared::text::Untrusted;

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, table};
use super::{View, text, when};

/// A found certificate in a list of certificates.
pub(super) fn row(found: &FoundCertificate) -> Vec<Cell> {
    vec![
        Cell::new(found.id.as_str()),
        Cell::new(text::name(&found.primary_name)),
        Cell::new(common_name(&found.issuer)),
        Cell::new(found.owner.as_ref().map_or_else(|| "nobody known".to_owned(), text::person)),
        days(found.days_left),
        Cell::new(text::safe(&found.key)),
        Cell::new(places(&found.places, found.places_total)),
    ]
}

/// Days until the end.
pub(super) fn days(left: i64) -> Cell {
    let tone = match left {
        ..=7 => Tone::Bad,
        8..=30 => Tone::Open,
        _ => Tone::Plain,
    };
    Cell::toned(left.to_string(), tone)
}

/// The first place, and how many others there are.
pub(super) fn places(places: &[FoundPlace], total: u64) -> String {
    let Some(first) = places.first() else { return "not seen".to_owned() };
    let first = place(&first.place);
    match total {
        0 | 1 => first,
        more => format!("{first} (+{})", more - 1),
    }
}

/// A path or an address without the word before it.
fn place(place: &Untrusted) -> String {
    let shown = place.safe().to_string();
    shown.strip_prefix("file:").unwrap_or(&shown).to_owned()
}

/// The common name of a distinguished name, or all of it.
fn common_name(name: &Untrusted) -> String {
    let shown = name.safe().to_string();
    let part = shown.split(',').find_map(|part| part.trim_start().strip_prefix("CN="));
    part.map(str::to_owned).unwrap_or(shown)
}

/// A found certificate that was given to somebody.
pub(in crate::cli) fn assigned(result: &AssignResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields
        .add("certificate", result.certificate_id.as_str())
        .add("owner", text::person(&result.owner))
        .add("before", result.before.as_ref().map_or_else(|| "nobody known".to_owned(), text::person))
        .add("record", format!("{} {}", result.seq, result.record_sha256));
    fields.finish()
}

/// Everything that is known of a found certificate.
pub(super) fn detail(found: &FoundCertificate, view: View) -> Fields {
    let mut fields = Fields::new(view.style);
    let standing = match (found.there, found.watched) {
        (true, true) => (Tone::Good, "found, and watched"),
        (true, false) => (Tone::Faint, "found, and not watched: another is in use in its place, or it was retired"),
        (false, _) => (Tone::Faint, "found, and there no longer"),
    };
    fields
        .add("certificate", found.id.as_str())
        .toned("state", standing.0, standing.1)
        .add("name", text::name(&found.primary_name))
        .list("names", found.names.iter().map(text::name));
    let more = found.names_total.saturating_sub(found.names.len() as u64);
    if more > 0 {
        fields.add("", format!("and {more} more"));
    }
    fields
        .add("subject", found.subject.safe().to_string())
        .add("issuer", found.issuer.safe().to_string())
        .add("serial", text::safe(&found.serial))
        .add("key", text::safe(&found.key))
        .add("valid from", when::with_distance(found.not_before, view.now))
        .add("valid until", when::with_distance(found.not_after, view.now));
    if found.usable_until != found.not_after {
        let until = when::with_distance(found.usable_until, view.now);
        fields.toned("usable until", Tone::Open, format!("{until}: what stands with it ends first"));
    }
    fields
        .add("days left", found.days_left.to_string())
        .add("owner", found.owner.as_ref().map_or_else(|| "nobody known".to_owned(), text::person))
        .add("known since", format!("{}, by {}", when::with_distance(found.created_at, view.now), found.source))
        .list("public key", found.spki_sha256.spoken())
        .list("fingerprint", found.sha256.spoken());
    if let Some(id) = &found.issued_as {
        fields.toned("issued as", Tone::Open, format!("a version of {id} that was replaced or revoked"));
    }
    if let Some(successor) = &found.successor {
        let which = successor.id.as_ref().map_or_else(|| successor.sha256.to_string(), ToString::to_string);
        let at = when::with_distance(successor.at, view.now);
        fields.add("successor", format!("{which}, seen {at} (by {})", successor.lineage));
    }
    fields.gap().list("places", found.places.iter().map(|found| one_place(found, view)));
    let more = found.places_total.saturating_sub(found.places.len() as u64);
    if more > 0 {
        fields.add("", format!("and {more} more"));
    }
    fields
}

/// A place with what is known of it there.
pub(super) fn one_place(found: &FoundPlace, view: View) -> String {
    let alias = found.alias.as_ref().map_or_else(String::new, |alias| format!(", alias {}", alias.safe()));
    let seen = when::distance(found.last_seen, view.now);
    let state = match found.state {
        PlaceState::Present => String::new(),
        PlaceState::Unknown => ", could not be looked at since".to_owned(),
        state => format!(", {state}"),
    };
    format!("{}{alias}, seen {seen}{state}", place(&found.place))
}

/// What came of each file.
pub(in crate::cli) fn imported(result: &ImportResult, gone: bool, view: View) -> String {
    let mut rows = Vec::new();
    for item in &result.items {
        let path = || Cell::new(item.path.safe().to_string());
        for certificate in &item.certificates {
            let (known, tone) = match (certificate.new, certificate.issued) {
                (true, _) => ("new", Tone::Good),
                (false, true) => ("issued here", Tone::Plain),
                (false, false) if certificate.id.is_some() => ("known", Tone::Plain),
                (false, false) => ("authority", Tone::Faint),
            };
            rows.push(vec![
                certificate.id.as_ref().map_or_else(|| Cell::new(""), |id| Cell::new(id.as_str())),
                Cell::toned(known, tone),
                Cell::new(text::name(&certificate.primary_name)),
                path(),
                Cell::new(when::distance(certificate.usable_until, view.now)),
            ]);
        }
        for problem in &item.problems {
            let problem = Cell::toned(problem.safe().to_string(), Tone::Bad);
            rows.push(vec![Cell::new(""), Cell::toned("problem", Tone::Bad), problem, path(), Cell::new("")]);
        }
        if item.ended > 0 {
            let ended = Cell::new(format!("{} looked after there no longer", item.ended));
            rows.push(vec![Cell::new(""), Cell::new("ended"), ended, path(), Cell::new("")]);
        }
    }
    if rows.is_empty() {
        return if gone { "nothing was known there\n" } else { "no certificates\n" }.to_owned();
    }
    table(&["ID", "", "NAME…", "FILE…", "ENDS"], &rows, view.style)
}

/// The line of `status`.
pub(super) fn status(status: &InventoryStatus, now: countersign_shared::time::Timestamp) -> String {
    let scan = match (status.started_at, status.ended_at) {
        (Some(_), Some(ended)) => format!("looked at {}", when::distance(ended, now)),
        (Some(started), None) => format!("looking since {}", when::distance(started, now)),
        (None, _) => "never looked at".to_owned(),
    };
    let problems = match status.problems {
        0 => String::new(),
        1 => ", 1 problem".to_owned(),
        many => format!(", {many} problems"),
    };
    format!("{} found, {} watched, {scan}{problems}", status.found, status.watched)
}
