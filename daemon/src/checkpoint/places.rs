//! The places on this host, or mounted on it, to which each checkpoint goes by itself: a directory, a syslog, the journal.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_proof::short::ShortForm;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::CheckpointFailing;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use data_encoding::BASE64;
use nix::fcntl::OFlag;

use super::Notary;
use crate::config::CheckpointSettings;
use crate::store::rows::checkpoints::Checkpoint;

/// How long a log may take for one entry before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// `daemon.notice` (RFC 5424, 6.2.1): nobody has to act.
const PRIORITY: u8 = 3 * 8 + 5;
/// The name under which logs keep them.
const IDENTIFIER: &str = "countersign-checkpoint";
/// The longest file that is compared with a checkpoint, in octets.
const MAX_FILE: u64 = 16 * 1024;

/// A checkpoint on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Which ledger.
    pub origin: String,
    /// How many records it is of.
    pub size: u64,
    /// Their root.
    pub root: Digest,
    /// The signed note.
    pub note: String,
    /// Its short form, where it has one.
    pub short: Option<String>,
    /// When it was signed.
    pub made_at: Timestamp,
}

impl Outgoing {
    /// A checkpoint of this ledger.
    pub fn of(checkpoint: &Checkpoint, notary: &Notary) -> Self {
        Self {
            origin: notary.log().origin().to_owned(),
            size: checkpoint.size,
            root: checkpoint.root,
            note: checkpoint.signed.to_string(),
            short: ShortForm::of(&checkpoint.signed, notary.key()).ok().map(|short| short.to_string()),
            made_at: checkpoint.made_at,
        }
    }

    /// One line without a line feed, from which the note can be made again.
    fn line(&self) -> String {
        let whole = match &self.short {
            Some(short) => format!("short={short}"),
            None => format!("note_base64={}", BASE64.encode(self.note.as_bytes())),
        };
        format!("checkpoint of {}: {} records, root={} {whole}", self.shown_origin(), self.size, self.root)
    }

    fn shown_origin(&self) -> String {
        Untrusted::from(self.origin.as_str()).safe().to_string()
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file for each size.
    Directory(PathBuf),
    /// A syslog, by RFC 5424.
    Syslog(PathBuf),
    /// The journal, by its own protocol.
    Journal(PathBuf),
}

impl Place {
    /// Those that are configured.
    pub fn of(settings: &CheckpointSettings) -> Vec<Self> {
        let CheckpointSettings { directory, syslog, journal, .. } = settings;
        let places = [
            directory.clone().map(Self::Directory),
            syslog.clone().map(Self::Syslog),
            journal.clone().map(Self::Journal),
        ];
        places.into_iter().flatten().collect()
    }

    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Directory(_) => "directory",
            Self::Syslog(_) => "syslog",
            Self::Journal(_) => "journal",
        }
    }

    /// Takes a checkpoint there. Blocks, in a directory as long as its file system does. The same twice is no harm.
    ///
    /// # Errors
    /// It is not there; one sentence, safe to show.
    pub fn take(&self, checkpoint: &Outgoing) -> Result<(), String> {
        let (path, done) = match self {
            Self::Directory(path) => (path, keep(path, checkpoint)),
            Self::Syslog(path) => (path, send(path, syslog(checkpoint, std::process::id()).as_bytes())),
            Self::Journal(path) => (path, send(path, &journal(checkpoint))),
        };
        done.map_err(|error| format!("{}: {error}", Untrusted::new(path.to_string_lossy()).safe()))
    }
}

/// The name of the file for a size: in the order of names, the sizes ascend.
pub fn file_name(size: u64) -> String {
    format!("checkpoint-{size:012}.txt")
}

/// Whole or not at all, durable, and never in the place of another: a file that is there and says something else stays.
fn keep(directory: &Path, checkpoint: &Outgoing) -> io::Result<()> {
    let name = file_name(checkpoint.size);
    let (path, beside) = (directory.join(&name), directory.join(format!(".{name}.new")));
    if let Some(found) = read(&path)? {
        if found != checkpoint.note.as_bytes() {
            return Err(io::Error::other(format!(
                "{name} is there and is another checkpoint, which stays: bring it to this ledger (countersign audit anchor add)"
            )));
        }
        return close(&path);
    }
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        file.write_all(checkpoint.note.as_bytes())?;
        file.sync_all()?;
        match std::fs::hard_link(&beside, &path) {
            Ok(()) => std::fs::remove_file(&beside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Not every file system has links; nobody else writes these names.
            Err(_) => std::fs::rename(&beside, &path),
        }
    });
    if let Err(error) = written {
        // What is left of it has another name, and goes at the next attempt where it does not go now.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    close(&path)?;
    File::open(directory)?.sync_all()
}

/// Nobody writes to it any more: on storage that is written once, that is what closes a file.
fn close(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    if file.metadata()?.permissions().mode() & 0o7777 == 0o444 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o444))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut octets = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut octets)?;
    Ok(Some(octets))
}

fn send(socket: &Path, datagram: &[u8]) -> io::Result<()> {
    let datagrams = UnixDatagram::unbound()?;
    datagrams.set_write_timeout(Some(PATIENCE))?;
    datagrams.send_to(datagram, socket).map(drop)
}

/// RFC 5424. The host is left to the receiver, which knows it.
fn syslog(checkpoint: &Outgoing, pid: u32) -> String {
    format!("<{PRIORITY}>1 {} - {IDENTIFIER} {pid} checkpoint - {}", checkpoint.made_at, checkpoint.line())
}

/// Fields in the journal's native protocol. The note has line feeds, so that its length stands before it.
fn journal(checkpoint: &Outgoing) -> Vec<u8> {
    let Outgoing { size, root, note, short, .. } = checkpoint;
    let short = short.as_ref().map(|short| format!("COUNTERSIGN_SHORT={short}\n")).unwrap_or_default();
    let mut out = format!(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER={IDENTIFIER}\nCOUNTERSIGN_ORIGIN={}\nCOUNTERSIGN_SIZE={size}\n\
         COUNTERSIGN_ROOT={root}\n{short}COUNTERSIGN_NOTE\n",
        checkpoint.line(),
        PRIORITY % 8,
        checkpoint.shown_origin(),
    )
    .into_bytes();
    out.extend((note.len() as u64).to_le_bytes());
    out.extend(note.as_bytes());
    out.push(b'\n');
    out
}

/// The places that do not take checkpoints at the moment; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Failing(Arc<Mutex<BTreeMap<&'static str, (Timestamp, String)>>>);

impl Failing {
    /// Notes what came of an attempt; true where that is news.
    pub fn note(&self, place: &'static str, at: Timestamp, done: &Result<(), String>) -> bool {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => failing.remove(place).is_some(),
            Err(error) => {
                let since = failing.get(place).map_or(at, |(since, _)| *since);
                let before = failing.insert(place, (since, error.clone()));
                before.is_none_or(|(_, before)| before != *error)
            }
        }
    }

    /// Them, with why.
    pub fn list(&self) -> Vec<CheckpointFailing> {
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = failing.iter().map(|(place, (since, error))| CheckpointFailing {
            place: (*place).to_owned(),
            since: *since,
            error: error.clone(),
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(size: u64) -> Outgoing {
        Outgoing {
            origin: "ca.example/ledger".into(),
            size,
            root: Digest::of(&[b"root"]),
            note: "ca.example/ledger\n5\nroot\n\n— ca.example/ledger AAAA\n".into(),
            short: Some("1".repeat(255)),
            made_at: "2027-01-31T08:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_directory_gets_a_file_for_each_size_and_none_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let directory = Place::Directory(place.path().to_owned());
        std::fs::write(place.path().join(".checkpoint-000000000005.txt.new"), "half").unwrap();
        directory.take(&outgoing(5)).unwrap();
        directory.take(&outgoing(5)).unwrap();
        directory.take(&outgoing(6)).unwrap();
        let path = place.path().join("checkpoint-000000000005.txt");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), outgoing(5).note);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o444);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
        let other = Outgoing { note: "another".into(), ..outgoing(5) };
        let refused = directory.take(&other).unwrap_err();
        assert!(refused.contains("another checkpoint") && refused.contains("anchor add"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), outgoing(5).note);
        let victim = place.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, place.path().join(file_name(7))).unwrap();
        assert!(directory.take(&outgoing(7)).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        let gone = Place::Directory("/nonexistent/checkpoints".into()).take(&outgoing(5)).unwrap_err();
        assert!(gone.contains("/nonexistent/checkpoints"), "{gone}");
    }

    #[test]
    fn logs_get_datagrams_from_which_the_note_can_be_made() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let mut buffer = [0; 4096];
        Place::Syslog(path.clone()).take(&outgoing(5)).unwrap();
        let length = log.recv(&mut buffer).unwrap();
        let line = std::str::from_utf8(&buffer[..length]).unwrap();
        let root = Digest::of(&[b"root"]);
        let begin = "<29>1 2027-01-31T08:00:00.000Z - countersign-checkpoint ";
        let end =
            format!(" checkpoint - checkpoint of ca.example/ledger: 5 records, root={root} short={}", "1".repeat(255));
        assert!(line.starts_with(begin) && line.ends_with(&end), "{line}");

        Place::Journal(path.clone()).take(&outgoing(5)).unwrap();
        let length = log.recv(&mut buffer).unwrap();
        let note = outgoing(5).note;
        let (head, tail) = buffer[..length].split_at(length - note.len() - 9);
        let head = std::str::from_utf8(head).unwrap();
        assert!(head.starts_with("MESSAGE=checkpoint of ") && head.ends_with("\nCOUNTERSIGN_NOTE\n"), "{head}");
        assert!(head.contains(&format!("\nCOUNTERSIGN_SIZE=5\nCOUNTERSIGN_ROOT={root}\n")), "{head}");
        assert_eq!(tail[..8], (note.len() as u64).to_le_bytes());
        assert_eq!(&tail[8..], format!("{note}\n").as_bytes());
        drop(log);
        assert!(Place::Journal(path).take(&outgoing(5)).unwrap_err().contains("refused"));
    }

    #[test]
    fn what_fails_is_kept_with_its_begin_until_it_works() {
        let failing = Failing::default();
        let at = |seconds: i64| Timestamp::from_unix_millis(seconds * 1000).unwrap();
        assert!(failing.note("syslog", at(1), &Err("a".into())));
        assert!(!failing.note("syslog", at(2), &Err("a".into())));
        assert!(failing.note("syslog", at(3), &Err("b".into())));
        let listed = failing.list();
        assert_eq!((listed.len(), listed[0].since, listed[0].error.as_str()), (1, at(1), "b"));
        assert!(failing.note("syslog", at(4), &Ok(())));
        assert!(!failing.note("syslog", at(5), &Ok(())));
        assert_eq!(failing.list(), []);
    }
}
