//! Which signatures are believed. Everything else is refused by name, before any arithmetic.

use countersign_shared::error::ApiError;
use x509_parser::oid_registry::{
    OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_RSASSAPSS,
};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

use super::dotted;

const ACCEPTED: [(&str, &str); 6] = [
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.3.101.112", "Ed25519"),
];

const REFUSED: [(&str, &str); 9] = [
    ("1.2.840.113549.1.1.4", "MD5 with RSA, which is broken"),
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA, which is broken"),
    ("1.3.14.3.2.29", "SHA-1 with RSA, which is broken"),
    ("1.2.840.10045.4.1", "SHA-1 with ECDSA, which is broken"),
    ("1.2.840.10040.4.3", "SHA-1 with DSA, which is broken"),
    ("2.16.840.1.101.3.4.3.2", "SHA-256 with DSA"),
    ("1.2.840.113549.1.1.14", "SHA-224 with RSA"),
    ("1.2.840.10045.4.3.4", "SHA-512 with ECDSA"),
    ("1.3.101.113", "Ed448"),
];

const HINT: &str = "sign with SHA-256 or SHA-384 (RSA also with SHA-512), or with Ed25519";

/// The name of an accepted signature algorithm.
pub(super) fn accepted(algorithm: &AlgorithmIdentifier<'_>) -> Result<&'static str, ApiError> {
    if algorithm.algorithm == OID_PKCS1_RSASSAPSS {
        return pss(algorithm);
    }
    let oid = dotted(&algorithm.algorithm);
    if let Some((_, name)) = ACCEPTED.iter().find(|(known, _)| *known == oid) {
        return Ok(name);
    }
    let name = REFUSED.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, name)| name);
    Err(ApiError::invalid(format!("a signature by {name} is not accepted")).hint(HINT))
}

/// RSASSA-PSS as RFC 4055 recommends it and the verifier checks it: one hash for message and mask, a salt of
/// its length.
fn pss(algorithm: &AlgorithmIdentifier<'_>) -> Result<&'static str, ApiError> {
    let refused = || {
        ApiError::invalid("an RSASSA-PSS signature with these parameters is not accepted")
            .hint("use SHA-256, SHA-384 or SHA-512 for message and mask, and a salt as long as the hash")
    };
    let parameters = algorithm.parameters().ok_or_else(refused)?;
    let parameters = RsaSsaPssParams::try_from(parameters).map_err(|_| refused())?;
    let mask = parameters.mask_gen_algorithm().map_err(|_| refused())?;
    let hash = parameters.hash_algorithm_oid();
    if mask.hash != *hash || mask.mgf.to_id_string() != "1.2.840.113549.1.1.8" || parameters.trailer_field() != 1 {
        return Err(refused());
    }
    match parameters.salt_length() {
        32 if *hash == OID_NIST_HASH_SHA256 => Ok("RSASSA-PSS with SHA-256"),
        48 if *hash == OID_NIST_HASH_SHA384 => Ok("RSASSA-PSS with SHA-384"),
        64 if *hash == OID_NIST_HASH_SHA512 => Ok("RSASSA-PSS with SHA-512"),
        _ => Err(refused()),
    }
}
