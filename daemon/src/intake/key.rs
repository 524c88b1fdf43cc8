//! Kinds and sizes of keys.

use countersign_shared::content::KeyAlgorithm;
use countersign_shared::error::ApiError;

use super::{Notes, forbidden};
use crate::policy::Profile;

/// Refuses a key that the profile does not allow.
pub(super) fn check(key: KeyAlgorithm, profile: &Profile, notes: &mut Notes) -> Result<(), ApiError> {
    let id = profile.id();
    let allowed = &profile.rules().keys;
    if allowed.iter().any(|least| suffices(key, *least)) {
        notes.passed("key", format!("{key} is allowed by {id}"));
        return Ok(());
    }
    let words = allowed.iter().map(|least| match least {
        KeyAlgorithm::Rsa(bits) => format!("rsa of {bits} bits or more"),
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 => least.to_string(),
    });
    let words: Vec<String> = words.collect();
    Err(forbidden("profile.key", format!("profile {id} does not allow a key of {key}"))
        .hint(format!("make a key of {}", words.join(", "))))
}

/// Each elliptic curve is a kind of its own; RSA is one kind with sizes.
const fn suffices(key: KeyAlgorithm, least: KeyAlgorithm) -> bool {
    match (key, least) {
        (KeyAlgorithm::Rsa(bits), KeyAlgorithm::Rsa(least)) => bits >= least,
        (KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP256)
        | (KeyAlgorithm::EcdsaP384, KeyAlgorithm::EcdsaP384)
        | (KeyAlgorithm::Ed25519, KeyAlgorithm::Ed25519) => true,
        (KeyAlgorithm::Rsa(_) | KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519, _) => false,
    }
}
