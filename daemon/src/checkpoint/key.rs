//! Where the private keys of checkpoints come from.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use countersign_proof::note::{KeyName, Signer, VerifierKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::KEY_FILE;
use crate::notify::secret::SecretSource;
use crate::x509::pem;

/// What stands before the 32 octets of the seed in PKCS #8 (RFC 8410 §7, without the public key, as OpenSSL writes it).
const PKCS8_HEADER: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// How OpenSSL begins a key that a passphrase closes.
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// The key in `source`, under `name`. The sentence of an error names the place, and nothing of the key.
pub(super) fn read(name: &KeyName, source: &SecretSource) -> Result<Signer, String> {
    let octets = source.read_octets()?;
    if octets.trim_ascii_start().starts_with(ENCRYPTED) {
        return Err(format!(
            "{source}: the key is encrypted, and a daemon has nobody to ask for the passphrase: decrypt it (openssl pkey), and \
             close it by its mode or as a credential (systemd-creds encrypt)"
        ));
    }
    Signer::from_private_key(name.clone(), &octets).map_err(|error| format!("{source}: {error}"))
}

/// The key of the state directory; made where it is missing and `last` says that there was none yet.
pub(super) fn of_state(name: &KeyName, state: &Path, last: Option<&VerifierKey>) -> Result<Signer, String> {
    let path = state.join(KEY_FILE);
    match (std::fs::symlink_metadata(&path), last) {
        (Err(error), None) if error.kind() == std::io::ErrorKind::NotFound => {
            make(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        (Err(error), Some(last)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!(
                "{} is missing, and the checkpoints of this ledger are signed by {last}: restore it from a backup, or name \
                 the key (`key`); where it is lost, make another by hand (openssl genpkey -algorithm ed25519, mode 0600), \
                 which the ledger records as one that nobody vouches for",
                path.display()
            ));
        }
        _ => {}
    }
    read(name, &SecretSource::File(path))
}

/// Whole or not at all: a start that is killed here leaves no half of a key under the name.
fn make(path: &Path) -> std::io::Result<()> {
    let mut key = Zeroizing::new([0; 48]);
    key[..16].copy_from_slice(&PKCS8_HEADER);
    SystemRandom::new().fill(&mut key[16..]).map_err(|_| std::io::Error::other("the system has no random numbers"))?;
    let text = Zeroizing::new(pem::encode("PRIVATE KEY", &*key));
    let beside = path.with_extension("key.new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn name() -> KeyName {
        KeyName::new("ca.example/ledger").unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_closed_to_others() {
        let state = tempfile::tempdir().unwrap();
        let first = of_state(&name(), state.path(), None).unwrap();
        assert_eq!(of_state(&name(), state.path(), None).unwrap().key(), first.key());
        let path = state.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(of_state(&name(), other.path(), None).unwrap().key(), first.key());
        // What a start left that was killed is no key.
        std::fs::write(other.path().join("checkpoint.key.new"), "half").unwrap();
        std::fs::remove_file(other.path().join(KEY_FILE)).unwrap();
        of_state(&name(), other.path(), None).unwrap();

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let refused = of_state(&name(), state.path(), None).unwrap_err();
        assert!(refused.contains("checkpoint.key") && refused.contains("0640"), "{refused}");
    }

    #[test]
    fn octets_that_are_no_key_are_refused_and_not_repeated() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("k");
        std::fs::write(&path, "hunter2").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let refused = read(&name(), &SecretSource::File(path)).unwrap_err();
        assert!(refused.contains("Ed25519") && !refused.contains("hunter2"), "{refused}");
        assert!(of_state(&name(), Path::new("/nonexistent"), None).is_err());
    }

    #[test]
    fn a_key_that_is_gone_is_not_made_anew() {
        let state = tempfile::tempdir().unwrap();
        let first = of_state(&name(), state.path(), None).unwrap();
        let path = state.path().join(KEY_FILE);
        std::fs::remove_file(&path).unwrap();
        let refused = of_state(&name(), state.path(), Some(first.key())).unwrap_err();
        assert!(refused.contains("is missing") && refused.contains(&first.key().to_string()), "{refused}");
        assert!(!path.exists());
        // One that points nowhere is there, and is none.
        std::os::unix::fs::symlink("/nonexistent", &path).unwrap();
        for last in [None, Some(first.key())] {
            assert!(of_state(&name(), state.path(), last).unwrap_err().contains("symlinks"));
        }
    }

    #[test]
    fn a_key_behind_a_passphrase_is_named_as_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("k");
        let made = std::process::Command::new("openssl")
            .args(["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:hunter2", "-out"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let refused = read(&name(), &SecretSource::File(path)).unwrap_err();
        assert!(refused.contains("encrypted") && refused.contains("passphrase"), "{refused}");
    }

    #[test]
    fn openssl_reads_the_key() {
        let state = tempfile::tempdir().unwrap();
        let signer = of_state(&name(), state.path(), None).unwrap();
        let command = std::process::Command::new("openssl")
            .args(["pkey", "-pubout", "-outform", "DER", "-in"])
            .arg(state.path().join(KEY_FILE))
            .output()
            .unwrap();
        assert!(command.stdout.ends_with(signer.key().public()), "{}", String::from_utf8_lossy(&command.stderr));
    }
}
