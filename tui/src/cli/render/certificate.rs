//! Certificates that were issued, and lists of these and of those that were found.

use countersign_shared::protocol::{
    Certificate, CertificateDetail, CertificatePage, CertificateVersion, RetireResult, VersionState,
};

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, noted, table};
use super::{View, inventory, text, when};

/// From so many columns on, key and place have columns of their own.
const WIDE: usize = 120;

/// A page of certificates: those that were issued, then those that were found. Where the line is short, key and place stand
/// whole under each.
pub(in crate::cli) fn list(page: &CertificatePage, view: View) -> String {
    if page.certificates.is_empty() && page.found.is_empty() {
        return "no certificates\n".to_owned();
    }
    let mut rows: Vec<Vec<Cell>> =
        page.certificates.iter().map(row).chain(page.found.iter().map(inventory::row)).collect();
    if view.style.width() >= WIDE {
        return table(&["ID", "NAME…", "ISSUER…", "OWNER…", "DAYS", "KEY…", "WHERE…"], &rows, view.style);
    }
    let notes: Vec<String> = rows
        .iter_mut()
        .map(|row| {
            let under = row.split_off(row.len().saturating_sub(2));
            let said: Vec<&str> = under.iter().map(Cell::words).filter(|words| !words.is_empty()).collect();
            said.join(", ")
        })
        .collect();
    noted(&["ID", "NAME…", "ISSUER…", "OWNER…", "DAYS"], &rows, &notes, view.style)
}

fn row(certificate: &Certificate) -> Vec<Cell> {
    let current = certificate.current.as_ref();
    vec![
        Cell::new(certificate.id.as_str()),
        Cell::new(text::name(&certificate.primary_name)),
        Cell::new(text::safe(&certificate.profile_id)),
        Cell::new(text::person(&certificate.owner)),
        certificate.days_left.map_or_else(|| Cell::new(""), inventory::days),
        Cell::new(current.map_or_else(String::new, |version| version.key.to_string())),
        match (current, &certificate.revoked) {
            (Some(_), _) => Cell::new(inventory::places(&certificate.places, certificate.places_total)),
            (None, Some(_)) => Cell::toned("revoked", Tone::Bad),
            (None, None) => Cell::toned("not issued", Tone::Faint),
        },
    ]
}

/// A certificate that is looked after no more.
pub(in crate::cli) fn retired(result: &RetireResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields
        .add("retired", format!("{} version {}", result.certificate_id, result.version))
        .add("expired", when::with_distance(result.not_after, view.now))
        .add("record", format!("{} {}", result.seq, result.record_sha256));
    fields.finish()
}

/// One certificate with its versions or places, and its chain.
pub(in crate::cli) fn detail(detail: &CertificateDetail, view: View) -> String {
    let mut fields = match (&detail.certificate, &detail.found) {
        (Some(certificate), _) => managed(certificate, view),
        (None, Some(found)) => inventory::detail(found, view),
        (None, None) => Fields::new(view.style),
    };
    for found in &detail.versions {
        version(&mut fields, found, view);
    }
    if let Some(chain) = &detail.chain_pem {
        fields.gap();
        return fields.finish() + &text::document(chain);
    }
    fields.finish()
}

fn managed(certificate: &Certificate, view: View) -> Fields {
    let mut fields = Fields::new(view.style);
    fields
        .add("certificate", certificate.id.as_str())
        .add("name", text::name(&certificate.primary_name))
        .add("profile", text::safe(&certificate.profile_id))
        .add("environment", text::safe(&certificate.environment))
        .add("owner", text::person(&certificate.owner))
        .add("asked for", when::with_distance(certificate.created_at, view.now));
    if let Some(days) = certificate.days_left {
        fields.add("days left", days.to_string());
    }
    if let Some(revoked) = &certificate.revoked {
        let at = when::with_distance(revoked.at, view.now);
        fields.toned("in force", Tone::Bad, format!("no version: revoked {at}, {}", revoked.reason));
    }
    fields.list("places", certificate.places.iter().map(|found| inventory::one_place(found, view)));
    let more = certificate.places_total.saturating_sub(certificate.places.len() as u64);
    if more > 0 {
        fields.add("", format!("and {more} more"));
    }
    fields
}

fn version(fields: &mut Fields, version: &CertificateVersion, view: View) {
    let tone = match version.state {
        VersionState::Active => Tone::Good,
        VersionState::Superseded => Tone::Faint,
        VersionState::Quarantined | VersionState::Revoked => Tone::Bad,
    };
    fields
        .gap()
        .toned(&format!("version {}", version.version), tone, version.state.as_str())
        .add("serial", text::safe(&version.serial))
        .add("valid from", when::with_distance(version.not_before, view.now))
        .add("valid until", when::with_distance(version.not_after, view.now))
        .add("key", version.key.to_string())
        .list("names", version.sans.iter().map(text::san))
        .list("public key", version.spki_sha256.spoken())
        .list("fingerprint", version.sha256.spoken())
        .add("job", version.job_id.as_str());
    if let Some(revoked) = &version.revoked {
        let at = when::with_distance(revoked.at, view.now);
        fields.toned("revoked", Tone::Bad, format!("{at}, {}", revoked.reason));
    }
}
