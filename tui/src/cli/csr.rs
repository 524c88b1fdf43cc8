//! Certificate signing requests (PKCS#10, RFC 2986): read from a file, or made together with a new key.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use clap::ValueEnum;
use countersign_shared::content::San;
use countersign_shared::protocol::MAX_CSR;
use data_encoding::BASE64;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

use super::failure::{Failure, shown};

/// The kinds of key that are made here. RSA keys come with a CSR of their own.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum NewKeyType {
    /// ECDSA on P-256
    EcdsaP256,
    /// ECDSA on P-384
    EcdsaP384,
    /// Ed25519
    Ed25519,
}

/// A key and the request that it signed, both as PEM.
pub(super) struct KeyAndCsr {
    /// PKCS#8; secret.
    pub(super) key: String,
    /// The CSR.
    pub(super) csr: String,
}

/// Makes a key and a CSR that asks for these names and nothing else.
pub(super) fn make(kind: NewKeyType, common_name: Option<&str>, sans: &[San]) -> Result<KeyAndCsr, Failure> {
    let failed = |error: rcgen::Error| Failure::internal(format!("cannot make a key and a CSR: {error}"));
    let key = match kind {
        NewKeyType::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        NewKeyType::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        NewKeyType::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519).and_then(without_public_key),
    }
    .map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = common_name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.subject_alt_names = sans.iter().map(general_name).collect::<Result<_, _>>().map_err(failed)?;
    let csr = params.serialize_request(&key).and_then(|csr| csr.pem()).map_err(failed)?;
    Ok(KeyAndCsr { key: key.serialize_pem(), csr })
}

/// What stands before the 32 octets of an Ed25519 key in PKCS#8 version 1 (RFC 8410 §7).
const ED25519_V1: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The same Ed25519 key as PKCS#8 version 1: OpenSSL up to 3.0 at least does not read version 2 (RFC 5958),
/// which is what comes from the generator.
fn without_public_key(key: KeyPair) -> Result<KeyPair, rcgen::Error> {
    let fields = ED25519_V1.get(5..).unwrap_or_default();
    let seed = key
        .serialized_der()
        .get(5..48)
        .filter(|from_algorithm| from_algorithm.starts_with(fields))
        .and_then(|octets| octets.get(fields.len()..))
        .filter(|seed| seed.len() == 32)
        .ok_or(rcgen::Error::CouldNotParseKeyPair)?;
    KeyPair::try_from([&ED25519_V1, seed].concat())
}

fn general_name(san: &San) -> Result<SanType, rcgen::Error> {
    Ok(match san {
        San::Dns(name) => SanType::DnsName(name.raw().try_into()?),
        San::Ip(address) => SanType::IpAddress(*address),
        San::Uri(uri) => SanType::URI(uri.raw().try_into()?),
        San::Email(mailbox) => SanType::Rfc822Name(mailbox.raw().try_into()?),
    })
}

/// Reads a CSR as the protocol takes it: PEM as it is, DER in base 64. A file with a private key in it is
/// refused: no key leaves its owner by mistake.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let octets = read_bounded(path, MAX_CSR)?;
    let csr = match String::from_utf8(octets) {
        Ok(text) if text.contains("-----BEGIN ") => text,
        Ok(text) => BASE64.encode(text.as_bytes()),
        Err(der) => BASE64.encode(der.as_bytes()),
    };
    if csr.contains("PRIVATE KEY-----") {
        return Err(Failure::usage(format!("{} holds a private key; nothing was sent", shown(path)))
            .hint("--csr takes the certificate signing request, made with `openssl req -new -key …`"));
    }
    if csr.is_empty() {
        return Err(Failure::usage(format!("{} is empty", shown(path))));
    }
    Ok(csr)
}

/// Reads a whole file, or standard input for `-`, that may hold at most `limit` octets.
pub(super) fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::file("read", path, &error);
    let mut octets = Vec::new();
    let within = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if path == Path::new("-") {
        io::stdin().lock().take(within).read_to_end(&mut octets).map_err(failed)?;
    } else {
        File::open(path).map_err(failed)?.take(within).read_to_end(&mut octets).map_err(failed)?;
    }
    if octets.len() > limit {
        return Err(Failure::usage(format!("{} is larger than {limit} octets", shown(path))));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn openssl(arguments: &[&str], input: &Path) -> Option<String> {
        let output = Command::new("openssl").args(arguments).arg("-in").arg(input).output();
        match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("SKIPPED: openssl is not installed, the CSR is not checked by a second program");
                None
            }
            output => {
                let output = output.unwrap();
                let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{arguments:?}: {text}");
                Some(text.into_owned())
            }
        }
    }

    #[test]
    fn openssl_reads_every_key_and_verifies_every_csr() {
        let home = tempfile::tempdir().unwrap();
        let sans: Vec<San> =
            ["www.corp.example", "*.corp.example", "192.0.2.7", "spiffe://corp.example/web", "a@corp.example"]
                .iter()
                .map(|raw| super::super::san::parse(raw).unwrap().san)
                .collect();
        for kind in [NewKeyType::EcdsaP256, NewKeyType::EcdsaP384, NewKeyType::Ed25519] {
            let made = make(kind, Some("www.corp.example"), &sans).unwrap();
            let (key, csr) = (home.path().join("key"), home.path().join("csr"));
            std::fs::write(&key, &made.key).unwrap();
            std::fs::write(&csr, &made.csr).unwrap();
            let Some(text) = openssl(&["req", "-verify", "-noout", "-text"], &csr) else { return };
            assert!(text.contains("verify OK"), "{text}");
            for name in [
                "CN = www.corp.example",
                "DNS:*.corp.example",
                "IP Address:192.0.2.7",
                "URI:spiffe://corp.example/web",
                "email:a@corp.example",
            ] {
                assert!(text.contains(name), "{name} in {text}");
            }
            let of_key = openssl(&["pkey", "-pubout"], &key).unwrap();
            let of_csr = openssl(&["req", "-pubkey", "-noout"], &csr).unwrap();
            assert_eq!(of_key, of_csr, "{kind:?}");
        }
    }

    #[test]
    fn pem_goes_as_it_is_der_in_base_64_and_no_key_goes_at_all() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("csr");
        let put = |octets: &[u8]| std::fs::write(&path, octets).unwrap();
        put(b"-----BEGIN CERTIFICATE REQUEST-----\n");
        assert_eq!(read(&path).unwrap(), "-----BEGIN CERTIFICATE REQUEST-----\n");
        put(&[0x30, 0x82, 0xff, 0x00]);
        assert_eq!(read(&path).unwrap(), "MIL/AA==");
        put(b"-----BEGIN EC PRIVATE KEY-----\n");
        assert!(read(&path).unwrap_err().object().message.contains("private key"));
        put(b"");
        assert_eq!(read(&path).unwrap_err().exit_code(), 2);
        put(&vec![b'a'; MAX_CSR + 1]);
        assert!(read(&path).unwrap_err().object().message.contains("larger than"));
        assert_eq!(read(&home.path().join("none")).unwrap_err().exit_code(), 2);
    }
}
