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
