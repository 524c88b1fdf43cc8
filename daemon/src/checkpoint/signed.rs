//! What was signed last, in a file beside the database: a database that was set back shows by it, and the key signs no
//! second history.
//!
//! The file is one step behind at most. A checkpoint is kept in the database, then here, and only then handed out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use nix::fcntl::OFlag;

use crate::ledger::Tail;
use crate::store::rows::checkpoints::Checkpoint;

/// The file, in the state directory.
pub const SIGNED_FILE: &str = "checkpoint.signed";

/// The longest note of the ledger itself, in octets.
const MAX_NOTE: u64 = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub struct LastSigned {
    path: PathBuf,
    size: Mutex<u64>,
}

impl LastSigned {
    /// The file of a state directory, once [`Signed::compare`] has found nothing wrong with it.
    pub fn of(state: &Path) -> Self {
        let path = state.join(SIGNED_FILE);
        let size = read(&path).ok().flatten().map_or(0, |signed| signed.checkpoint().size());
        Self { path, size: Mutex::new(size) }
    }

    /// False where nothing was kept yet.
    pub fn is_known(&self) -> bool {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) > 0
    }

    /// Keeps a checkpoint as the last one, durably, unless a later one is kept. Blocks.
    ///
    /// # Errors
    /// It could not be written: then the checkpoint must not be handed out.
    pub fn keep(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if checkpoint.size <= *size {
            return Ok(());
        }
        let beside = self.path.with_extension("signed.new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(checkpoint.signed.to_string().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        *size = checkpoint.size;
        Ok(())
    }
}

/// What stands in the file. To be read before the ledger that it is compared with: what is signed meanwhile is in the ledger
/// first.
#[derive(Debug)]
pub struct Signed(Result<Option<SignedCheckpoint>, String>);

impl Signed {
    /// Reads the file of a state directory.
    pub fn read(state: &Path) -> Self {
        Self(read(&state.join(SIGNED_FILE)))
    }

    /// How many records it is of, where there is one.
    pub fn size(&self) -> Option<u64> {
        self.0.as_ref().ok()?.as_ref().map(|signed| signed.checkpoint().size())
    }

    /// Compares the ledger, which was verified and ends in `tail`, with it; `root_at` gives the root of its first records.
    /// Nothing where they agree, and where nothing was kept.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn compare<E>(&self, tail: &Tail, root_at: impl FnOnce(u64) -> Result<Digest, E>) -> Result<Option<Damage>, E> {
        let damage =
            |seq, text: String| Some(Damage { seq, rule: "checkpoint".into(), text: format!("{SIGNED_FILE}: {text}") });
        let signed = match &self.0 {
            Ok(Some(signed)) => signed.checkpoint(),
            Ok(None) => return Ok(None),
            Err(error) => return Ok(damage(None, format!("it is not what this daemon wrote: {error}"))),
        };
        let (size, root) = (signed.size(), signed.root());
        let seq = size.checked_sub(1);
        let was_signed = format!("a checkpoint of {size} records with the root {root} was signed here");
        if size > tail.size() {
            let (there, theirs) = (tail.size(), tail.frontier().root());
            let text = format!(
                "{was_signed}, {there} with the root {theirs} are there: the database is older than what was signed"
            );
            return Ok(damage(seq, text));
        }
        let found = root_at(size)?;
        if found == root {
            return Ok(None);
        }
        let text = format!(
            "{was_signed}, the root of the first {size} is {found}: the database has another history than what was signed"
        );
        Ok(damage(seq, text))
    }
}

fn read(path: &Path) -> Result<Option<SignedCheckpoint>, String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut octets = Vec::new();
    file.take(MAX_NOTE + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() as u64 > MAX_NOTE {
        return Err(format!("it is longer than {MAX_NOTE} octets"));
    }
    SignedCheckpoint::parse(&octets).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use countersign_proof::note::{KeyName, Signer};
    use countersign_shared::time::Timestamp;

    use super::*;

    fn checkpoint(size: u64, root: Digest) -> Checkpoint {
        let signer = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[1; 32]).unwrap();
        Checkpoint {
            size,
            root,
            signed: SignedCheckpoint::sign(&signer, size, root).unwrap(),
            made_at: Timestamp::EPOCH,
        }
    }

    fn ledger(size: u8) -> Tail {
        let mut tail = Tail::default();
        (0..size).for_each(|number| tail.advance(Digest::of(&[&[number]]), drop));
        tail
    }

    fn said(state: &Path, size: u8) -> Option<String> {
        let roots = |size| Ok::<_, ()>(ledger(u8::try_from(size).unwrap()).frontier().root());
        Signed::read(state).compare(&ledger(size), roots).unwrap().map(|damage| damage.text)
    }

    #[test]
    fn it_only_goes_forward_and_a_ledger_that_went_back_shows() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(said(state.path(), 0), None);
        let kept = LastSigned::of(state.path());
        kept.keep(&checkpoint(5, ledger(5).frontier().root())).unwrap();
        kept.keep(&checkpoint(3, ledger(3).frontier().root())).unwrap();
        LastSigned::of(state.path()).keep(&checkpoint(4, Digest::of(&[b"x"]))).unwrap();
        assert_eq!((said(state.path(), 5), said(state.path(), 9)), (None, None));
        let older = said(state.path(), 4).unwrap();
        let roots = [5, 4].map(|size| ledger(size).frontier().root().to_string());
        assert!(roots.iter().all(|root| older.contains(root)) && older.contains("older"), "{older}");

        kept.keep(&checkpoint(6, Digest::of(&[b"x"]))).unwrap();
        let other = said(state.path(), 6).unwrap();
        assert!(
            other.contains("another history") && other.contains(&ledger(6).frontier().root().to_string()),
            "{other}"
        );
        // What a start left that was killed says nothing.
        std::fs::write(state.path().join("checkpoint.signed.new"), "half").unwrap();
        kept.keep(&checkpoint(7, ledger(7).frontier().root())).unwrap();
        assert_eq!(said(state.path(), 7), None);
    }

    #[test]
    fn what_is_no_note_is_named() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(SIGNED_FILE);
        for octets in [Vec::new(), b"else".to_vec(), vec![b'x'; 100_000]] {
            std::fs::write(&path, octets).unwrap();
            assert!(said(state.path(), 3).unwrap().contains("not what this daemon wrote"));
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(said(state.path(), 3).is_some());
    }
}
