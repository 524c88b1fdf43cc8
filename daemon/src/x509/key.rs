//! Which public keys are accepted at all (RFC 3279 §2.3, RFC 5480, RFC 8410), told by name.

use countersign_shared::content::KeyAlgorithm;
use countersign_shared::error::ApiError;
use x509_parser::asn1_rs::{FromDer, Tag};
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::dotted;

const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";

/// The largest RSA exponent: 33 bits, as the verifier takes it.
const MAX_EXPONENT: u64 = (1 << 33) - 1;

/// Key types that are known by name and refused.
const REFUSED: [(&str, &str); 6] = [
    ("1.2.840.113549.1.1.10", "RSASSA-PSS (write the key as plain RSA)"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.101.113", "Ed448"),
    ("1.3.101.110", "X25519 (it cannot sign)"),
    ("1.3.101.111", "X448 (it cannot sign)"),
    ("1.2.840.10046.2.1", "Diffie-Hellman (it cannot sign)"),
];

/// Curves that are known by name and refused.
const REFUSED_CURVES: [(&str, &str); 5] = [
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.33", "P-224"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
];

const HINT: &str = "make a key of one of these kinds: RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, Ed25519";

/// The kind and size of a key, without any arithmetic on it.
pub(super) fn classify(spki: &SubjectPublicKeyInfo<'_>) -> Result<KeyAlgorithm, ApiError> {
    if spki.subject_public_key.unused_bits != 0 {
        return Err(refused("the public key is not a whole number of octets"));
    }
    let octets: &[u8] = &spki.subject_public_key.data;
    let parameters = spki.algorithm.parameters();
    match dotted(&spki.algorithm.algorithm).as_str() {
        RSA_ENCRYPTION => {
            if parameters.is_none_or(|parameters| parameters.tag() != Tag::Null) {
                return Err(refused("the RSA key's parameters are not NULL (RFC 3279)"));
            }
            rsa(octets)
        }
        EC_PUBLIC_KEY => {
            let curve = parameters.filter(|parameters| parameters.tag() == Tag::Oid).and_then(|oid| oid.as_oid().ok());
            ec(curve.map(|curve| dotted(&curve)).as_deref(), octets)
        }
        ED25519 if parameters.is_some() => Err(refused("the Ed25519 key has parameters (RFC 8410)")),
        ED25519 if octets.len() != 32 => Err(refused("the Ed25519 key is not 32 octets long")),
        ED25519 => Ok(KeyAlgorithm::Ed25519),
        other => {
            let name = REFUSED.iter().find(|(oid, _)| *oid == other).map_or(other, |(_, name)| name);
            Err(refused(format!("a public key of type {name} is not accepted")))
        }
    }
}

fn rsa(octets: &[u8]) -> Result<KeyAlgorithm, ApiError> {
    let (rest, key) = RSAPublicKey::from_der(octets).map_err(|_| refused("the RSA key is not readable"))?;
    if !rest.is_empty() {
        return Err(refused("octets follow the RSA key"));
    }
    let modulus = magnitude(key.modulus).ok_or_else(|| refused("the RSA modulus is not positive"))?;
    let bits = bits(modulus);
    if bits < 2048 {
        return Err(refused(format!("the RSA key is weak: {bits} bits, at least 2048 are wanted")).rule("weak_key"));
    }
    if bits > 8192 {
        return Err(refused(format!("the RSA key is too large: {bits} bits, at most 8192 are accepted")));
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(refused("the RSA modulus is even"));
    }
    let exponent = magnitude(key.exponent).filter(|octets| octets.len() <= 8);
    let exponent = exponent.map(|octets| octets.iter().fold(0, |value: u64, octet| value << 8 | u64::from(*octet)));
    match exponent {
        Some(exponent) if exponent % 2 == 1 && (65_537..=MAX_EXPONENT).contains(&exponent) => {
            Ok(KeyAlgorithm::Rsa(bits))
        }
        Some(exponent) => {
            Err(refused(format!("the RSA exponent is {exponent}; an odd one from 65537 to {MAX_EXPONENT} is wanted")))
        }
        None => Err(refused("the RSA exponent is not a positive number of at most 64 bits")),
    }
}

/// The octets of a positive INTEGER without leading zeros.
fn magnitude(integer: &[u8]) -> Option<&[u8]> {
    if integer.first()? & 0x80 != 0 {
        return None;
    }
    let start = integer.iter().position(|octet| *octet != 0)?;
    integer.get(start..)
}

fn bits(magnitude: &[u8]) -> u32 {
    let whole = u32::try_from(magnitude.len()).unwrap_or(u32::MAX).saturating_mul(8);
    whole.saturating_sub(magnitude.first().map_or(0, |first| first.leading_zeros()))
}

fn ec(curve: Option<&str>, point: &[u8]) -> Result<KeyAlgorithm, ApiError> {
    let (algorithm, width) = match curve {
        Some("1.2.840.10045.3.1.7") => (KeyAlgorithm::EcdsaP256, 32),
        Some("1.3.132.0.34") => (KeyAlgorithm::EcdsaP384, 48),
        Some(other) => {
            let name = REFUSED_CURVES.iter().find(|(oid, _)| *oid == other).map_or(other, |(_, name)| name);
            return Err(refused(format!("an ECDSA key on the curve {name} is not accepted")));
        }
        None => {
            return Err(refused("the ECDSA key does not name its curve (RFC 5480 forbids explicit parameters)"));
        }
    };
    match point.first() {
        Some(4) if point.len() == 1 + 2 * width => Ok(algorithm),
        Some(2 | 3) => Err(refused("the ECDSA key is a compressed point; the uncompressed form is wanted")),
        _ => Err(refused("the ECDSA key is not a point of its curve")),
    }
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::invalid(message).hint(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_in_bits() {
        assert_eq!(bits(&[0x80, 0]), 16);
        assert_eq!(bits(&[0x01, 0]), 9);
        assert_eq!(magnitude(&[0, 0x80]), Some(&[0x80][..]));
        for bad in [&[][..], &[0], &[0x80]] {
            assert_eq!(magnitude(bad), None);
        }
    }
}
