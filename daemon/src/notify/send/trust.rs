//! Whose certificates are believed when the daemon calls a server.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use countersign_shared::text::Untrusted;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The largest CA file, in octets: 4 MiB.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// TLS 1.2 and 1.3 with ring. With `ca_file` the authorities in it (PEM) are trusted and no others; without one, those
/// of the system.
///
/// # Errors
/// The file cannot be read or has no usable certificate; the system trusts none.
pub(in crate::notify) fn trust(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let (certificates, place) = match ca_file {
        Some(path) => (read(path)?, Untrusted::new(path.to_string_lossy()).safe().to_string()),
        None => (rustls_native_certs::load_native_certs().certs, "the system's trust store".to_owned()),
    };
    let mut roots = RootCertStore::empty();
    let (added, refused) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("{place} has no usable certificate ({refused} cannot be read); name a CA by `ca_file`"));
    }
    if ca_file.is_some() && refused > 0 {
        return Err(format!("{place} has {refused} certificates that cannot be read as an authority's"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = || Untrusted::new(path.to_string_lossy()).safe().to_string();
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", shown()))?;
    file.take(MAX_FILE + 1).read_to_end(&mut pem).map_err(|error| format!("{}: {error}", shown()))?;
    if pem.len() as u64 > MAX_FILE {
        return Err(format!("{}: larger than {MAX_FILE} octets", shown()));
    }
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: not PEM certificates: {error}", shown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_authority_is_no_trust() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("ca.pem");
        let pem = crate::notify::send::test_ca();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, refused) in [
            (pem.clone(), None),
            (format!("# the house's\n{pem}{pem}"), None),
            (String::new(), Some("no usable certificate")),
            ("garbage".to_owned(), Some("no usable certificate")),
            (broken.to_owned(), Some("no usable certificate")),
            (format!("{pem}{broken}"), Some("1 certificates that cannot be read")),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned(), Some("not PEM")),
        ] {
            std::fs::write(&place, &text).unwrap();
            match (trust(Some(&place)), refused) {
                (Ok(_), None) => {}
                (Err(why), Some(words)) => assert!(why.contains(words), "{text}: {why}"),
                (other, _) => panic!("{text}: {:?}", other.map(drop)),
            }
        }
    }
}
