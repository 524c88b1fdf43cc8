//! Managed certificates.

use countersign_shared::protocol::{Certificate, CertificateDetail, CertificateVersion, RetireResult, VersionState};

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, table};
use super::{View, text, when};

/// A page of certificates.
pub(in crate::cli) fn list(certificates: &[Certificate], view: View) -> String {
    if certificates.is_empty() {
        return "no certificates\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = certificates
        .iter()
        .map(|certificate| {
            vec![
                Cell::new(certificate.id.as_str()),
                Cell::new(text::name(&certificate.primary_name)),
                Cell::new(text::safe(&certificate.profile_id)),
                Cell::new(text::person(&certificate.owner)),
                match &certificate.current {
                    Some(version) => Cell::new(when::distance(version.not_after, view.now)),
                    None => Cell::toned("not issued", Tone::Faint),
                },
            ]
        })
        .collect();
    table(&["ID", "NAME…", "PROFILE…", "OWNER…", "EXPIRES"], &rows, view.style)
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

/// One certificate with its versions, and the chain in force.
pub(in crate::cli) fn detail(detail: &CertificateDetail, view: View) -> String {
    let certificate = &detail.certificate;
    let mut fields = Fields::new(view.style);
    fields
        .add("certificate", certificate.id.as_str())
        .add("name", text::name(&certificate.primary_name))
        .add("profile", text::safe(&certificate.profile_id))
        .add("environment", text::safe(&certificate.environment))
        .add("owner", text::person(&certificate.owner))
        .add("asked for", when::with_distance(certificate.created_at, view.now));
    for found in &detail.versions {
        version(&mut fields, found, view);
    }
    if let Some(chain) = &detail.chain_pem {
        fields.gap();
        return fields.finish() + &text::document(chain);
    }
    fields.finish()
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
