//! Who signs: the key in use, the one before it while it is still given, and whose word from outside counts.

use std::path::Path;

use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::{KeyName, NoteError, Signer, VerifierKey};
use countersign_shared::digest::Digest;

use super::key;
use super::signed::LastSigned;
use crate::config::CheckpointSettings;

/// The keys of this ledger's checkpoints.
#[derive(Debug)]
pub struct Notary {
    signer: Signer,
    previous: Option<Signer>,
    log: Log,
    witnesses: Vec<VerifierKey>,
    last_signed: LastSigned,
}

impl Notary {
    /// Takes the keys up. `recorded` are the keys that the ledger tells of, the last one in use until now; `installation`
    /// names the ledger where nothing else does.
    ///
    /// # Errors
    /// A key that cannot be read; another origin than the ledger has; a previous key that it never had. One sentence.
    pub fn open(
        settings: &CheckpointSettings,
        state: &Path,
        recorded: &[VerifierKey],
        installation: &str,
    ) -> Result<Self, String> {
        let name = origin(settings, recorded, installation)?;
        let signer = match &settings.key {
            Some(source) => key::read(&name, source)?,
            None => key::of_state(&name, state, recorded.last())?,
        };
        let previous = settings.previous_key.as_ref().map(|source| key::read(&name, source)).transpose()?;
        if let Some(previous) = &previous {
            if previous.key() == signer.key() {
                return Err("previous_key is the key in use: it is the one that was in use before".to_owned());
            }
            if !recorded.contains(previous.key()) {
                return Err(format!("previous_key {} is no key that this ledger had", previous.key()));
            }
        }
        let log = Log::new(name.as_str(), recorded.iter().chain([signer.key()]).cloned());
        let last_signed = LastSigned::of(state);
        Ok(Self { signer, previous, log, witnesses: settings.witnesses.clone(), last_signed })
    }

    /// The public key in use.
    pub fn key(&self) -> &VerifierKey {
        self.signer.key()
    }

    /// The public key before it, while its private key is still given.
    pub fn previous_key(&self) -> Option<&VerifierKey> {
        self.previous.as_ref().map(Signer::key)
    }

    /// This ledger as readers of its checkpoints know it, with every key that it had.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The witnesses whose cosignatures are kept.
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// What was signed last.
    pub fn last_signed(&self) -> &LastSigned {
        &self.last_signed
    }

    /// Signs, with both keys while both are given.
    pub(super) fn sign(&self, size: u64, root: Digest) -> Result<SignedCheckpoint, NoteError> {
        let mut signed = SignedCheckpoint::sign(&self.signer, size, root)?;
        if let Some(previous) = &self.previous {
            signed.sign_also(previous)?;
        }
        Ok(signed)
    }
}

/// A ledger keeps the origin under which its first key was recorded: what was anchored elsewhere names it.
fn origin(settings: &CheckpointSettings, recorded: &[VerifierKey], installation: &str) -> Result<KeyName, String> {
    let Some(first) = recorded.first() else {
        return match &settings.origin {
            Some(origin) => Ok(origin.clone()),
            None => KeyName::new(installation).map_err(|error| error.to_string()),
        };
    };
    match &settings.origin {
        Some(origin) if origin != first.name() => Err(format!(
            "origin is {}, and the checkpoints of this ledger are those of {}: an origin never changes",
            origin.as_str(),
            first.name().as_str()
        )),
        _ => Ok(first.name().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::secret::SecretSource;

    fn settings(origin: Option<&str>) -> CheckpointSettings {
        CheckpointSettings { origin: origin.map(|name| KeyName::new(name).unwrap()), ..Default::default() }
    }

    #[test]
    fn the_origin_is_named_once() {
        let state = tempfile::tempdir().unwrap();
        let open = |origin, recorded: &[VerifierKey]| {
            Notary::open(&settings(origin), state.path(), recorded, "countersign/00")
        };
        assert_eq!(open(None, &[]).unwrap().log().origin(), "countersign/00");
        let named = open(Some("ca.example/ledger"), &[]).unwrap();
        let recorded = [named.key().clone()];
        assert_eq!(open(None, &recorded).unwrap().log().origin(), "ca.example/ledger");
        assert!(open(Some("ca.example/other"), &recorded).unwrap_err().contains("never changes"));
    }

    #[test]
    fn both_keys_sign_while_both_are_given() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = Notary::open(&settings(None), old.path(), &[], "countersign/00").unwrap();
        let recorded = [before.key().clone()];
        let previous_key = Some(SecretSource::File(old.path().join(super::super::KEY_FILE)));
        let both = CheckpointSettings { previous_key, ..settings(None) };
        let after = Notary::open(&both, new.path(), &recorded, "countersign/00").unwrap();
        let signed = after.sign(5, Digest::of(&[])).unwrap();
        assert_eq!(after.log().verify(&signed).unwrap().len(), 2);
        // Who knows the old key alone, and who knows the new one alone, both take it.
        for key in [before.key(), after.key()] {
            assert_eq!(Log::of_key(key.clone()).verify(&signed).unwrap().len(), 1);
        }
        let unknown = Notary::open(&both, new.path(), &[], "countersign/00").unwrap_err();
        assert!(unknown.contains("no key that this ledger had"), "{unknown}");
        let same = Notary::open(&both, old.path(), &recorded, "countersign/00").unwrap_err();
        assert!(same.contains("the key in use"), "{same}");
    }
}
