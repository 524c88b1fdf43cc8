//! Where made keys are until they are delivered: a directory of the daemon's own, one file for each key, mode 0600. No
//! key is in the database, in the ledger or in the log.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::issuer::Serial;

/// The longest file that is read: far above a key on an elliptic curve.
const MAX_FILE: u64 = 4096;
const ENDING: &str = ".key";
const UNFINISHED: &str = ".new-";

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    /// Keys whose request is being made: no row names them yet.
    asked: Mutex<BTreeSet<(CertificateId, Digest)>>,
    /// False where there is none for certain.
    any: AtomicBool,
    /// Told when a key may have become one that nobody needs.
    look: Arc<Notify>,
}

/// A key whose request is being made. When this goes, the database says whether the key is still needed.
pub struct Asked {
    keys: Keys,
    of: (CertificateId, Digest),
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.keys.being_asked(|asked| asked.remove(&self.of));
        self.keys.0.look.notify_one();
    }
}

impl Keys {
    /// Opens the directory, which is made at the first start. `look` is told when [`Keys::list`] is worth a look.
    ///
    /// # Errors
    /// It cannot be made or read, belongs to another user, or is open to others.
    pub fn open(directory: PathBuf, look: Arc<Notify>) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(&directory)?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
            return Err(io::Error::other("not a directory of the daemon's user that is closed to others (mode 0700)"));
        }
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // A crash in the middle of writing left it: nobody was asked for a certificate for it.
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self::at(directory, look))
    }

    /// The same without a look at the directory: for an installation on which nothing is issued.
    pub fn at(directory: PathBuf, look: Arc<Notify>) -> Self {
        Self(Arc::new(Inner { directory, asked: Mutex::default(), any: AtomicBool::new(true), look }))
    }

    /// Keeps a key, before anything names it. Blocks for the time of two `fsync`.
    pub fn keep(&self, certificate: &CertificateId, spki: Digest, pem: &str) -> Result<Asked, ApiError> {
        let failed = |what: &str| ApiError::new(ErrorKind::Unavailable, format!("the new key cannot be kept: {what}"));
        let random = Serial::random().map_err(|_| failed("the system has no random numbers"))?;
        let beside = self.0.directory.join(format!("{UNFINISHED}{random}"));
        let asked = Asked { keys: self.clone(), of: (certificate.clone(), spki) };
        self.being_asked(|names| names.insert(asked.of.clone()));
        self.0.any.store(true, Ordering::Release);
        let write = || {
            let flags = OFlag::O_NOFOLLOW.bits();
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(&beside)?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, self.path(certificate, spki))?;
            sync(&self.0.directory)
        };
        if let Err(error) = write() {
            // The error that led here is the one to tell; the next start removes what is left.
            let _ = fs::remove_file(&beside);
            return Err(failed(&error.to_string()));
        }
        Ok(asked)
    }

    /// Whether the key is here.
    pub fn holds(&self, certificate: &CertificateId, spki: Digest) -> bool {
        self.path(certificate, spki).is_file()
    }

    /// Reads a key; none where it is not here.
    pub fn read(&self, certificate: &CertificateId, spki: Digest) -> io::Result<Option<Zeroizing<String>>> {
        let path = self.path(certificate, spki);
        let file = match OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let found = file.metadata()?;
        if !found.is_file() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 || found.len() > MAX_FILE
        {
            return Err(io::Error::other("the file of the key is not closed to others (mode 0600)"));
        }
        let mut pem = Zeroizing::new(String::with_capacity(usize::try_from(MAX_FILE).unwrap_or(0)));
        file.take(MAX_FILE).read_to_string(&mut pem)?;
        Ok(Some(pem))
    }

    /// Forgets a key.
    pub fn forget(&self, certificate: &CertificateId, spki: Digest) -> io::Result<()> {
        match fs::remove_file(self.path(certificate, spki)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync(&self.0.directory),
        }
    }

    /// Every key that is here, and whose request is not just being made.
    pub fn list(&self) -> io::Result<Vec<(CertificateId, Digest)>> {
        // Before the directory is read: a key that appears later is not listed, whatever becomes of its request.
        let asked = self.being_asked(|asked| asked.clone());
        self.0.any.store(!asked.is_empty(), Ordering::Release);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0.directory)? {
            let name = entry?.file_name();
            let named = name.to_str().and_then(|name| name.strip_suffix(ENDING)?.split_once('_'));
            let parsed = named.and_then(|(id, spki)| Some((id.parse().ok()?, spki.parse().ok()?)));
            found.extend(parsed.filter(|key| !asked.contains(key)));
        }
        if !found.is_empty() {
            self.0.any.store(true, Ordering::Release);
        }
        Ok(found)
    }

    /// Tells whoever forgets keys that one may not be needed any more, where there is any.
    pub fn look(&self) {
        if self.0.any.load(Ordering::Acquire) {
            self.0.look.notify_one();
        }
    }

    fn path(&self, certificate: &CertificateId, spki: Digest) -> PathBuf {
        self.0.directory.join(format!("{certificate}_{spki}{ENDING}"))
    }

    fn being_asked<T>(&self, with: impl FnOnce(&mut BTreeSet<(CertificateId, Digest)>) -> T) -> T {
        with(&mut self.0.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn opened(place: &tempfile::TempDir) -> Keys {
        Keys::open(place.path().join("keys"), Arc::new(Notify::new())).unwrap()
    }

    #[test]
    fn a_key_is_closed_to_others_and_listed_once_its_request_is_made() {
        let place = tempfile::tempdir().unwrap();
        let keys = opened(&place);
        let (id, spki): (CertificateId, Digest) = ("mc-1".parse().unwrap(), Digest::of(&[b"spki"]));
        let asked = keys.keep(&id, spki, "secret").unwrap();
        assert_eq!((keys.list().unwrap(), keys.holds(&id, spki)), (Vec::new(), true));
        drop(asked);
        assert_eq!(keys.list().unwrap(), [(id.clone(), spki)]);
        let path = place.path().join(format!("keys/mc-1_{spki}.key"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(place.path().join("keys")).unwrap().permissions().mode() & 0o7777, 0o700);

        fs::write(place.path().join("keys/.new-1"), "half").unwrap();
        let keys = opened(&place);
        assert_eq!(keys.list().unwrap(), [(id.clone(), spki)]);
        assert_eq!(fs::read_dir(place.path().join("keys")).unwrap().count(), 1);
        assert_eq!(keys.read(&id, spki).unwrap().unwrap().as_str(), "secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(keys.read(&id, spki).is_err(), "others may have read it");
        keys.forget(&id, spki).unwrap();
        keys.forget(&id, spki).unwrap();
        assert!(keys.read(&id, spki).unwrap().is_none() && !path.exists());
    }

    #[test]
    fn a_directory_that_is_open_to_others_holds_no_keys() {
        let place = tempfile::tempdir().unwrap();
        drop(opened(&place));
        let directory = place.path().join("keys");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Keys::open(directory, Arc::new(Notify::new())).is_err());
    }
}
