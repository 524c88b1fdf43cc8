//! Files that a person names: a proof that is saved, a checkpoint that comes back. Each in a thread of its own, since a
//! directory may be on another host.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use countersign_shared::protocol::MAX_ANCHOR;

use super::action::{Action, Answer, Effect, NotSaved};
use super::mailbox::{Letter, Mailbox};

/// Does what the effect says and tells the loop; an effect that is not about a file does nothing.
pub fn start(effect: Effect, mailbox: Mailbox) {
    let (generation, failed) = match &effect {
        Effect::Save { generation, .. } => (*generation, Answer::Saved(Err(NotSaved::Failed(NO_THREAD.into())))),
        Effect::Open { generation, .. } => (*generation, Answer::Opened(Err(NO_THREAD.into()))),
        _ => return,
    };
    let told = mailbox.clone();
    let work = move || {
        let answer = match effect {
            Effect::Save { path, octets, replace, .. } => Answer::Saved(save(&path, octets.as_bytes(), replace)),
            Effect::Open { path, .. } => Answer::Opened(read(&path).map_err(|error| error.to_string())),
            _ => return,
        };
        // The loop may have ended first; then nobody asks.
        let _ = told.post(Letter::Action(Action::Answered { generation, answer }));
    };
    if thread::Builder::new().name("file".into()).spawn(work).is_err() {
        // As above.
        let _ = mailbox.post(Letter::Action(Action::Answered { generation, answer: failed }));
    }
}

const NO_THREAD: &str = "the system has no thread left for it";

/// Writes the file, mode 0600, whole or not at all; its whole name comes back.
fn save(raw: &str, octets: &[u8], replace: bool) -> Result<String, NotSaved> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists if !replace => NotSaved::Exists,
        _ => NotSaved::Failed(error.to_string()),
    };
    write(&named(raw).map_err(failed)?, octets, replace).map_err(failed)
}

fn write(path: &Path, octets: &[u8], replace: bool) -> io::Result<String> {
    let refused = |why| Err(io::Error::new(ErrorKind::InvalidInput, why));
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return refused("it is a symbolic link; name the file it points to"),
        Ok(found) if found.is_dir() => return refused("it is a directory; name a file in it"),
        Ok(found) if !found.is_file() => return refused("it is not a plain file"),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let Some(directory) = path.parent() else { return refused("it names no file") };
    // Readable by its owner alone, whatever the umask.
    let mut file = tempfile::Builder::new().prefix(".countersign-").suffix(".tmp").tempfile_in(directory)?;
    file.write_all(octets)?;
    file.as_file().sync_all()?;
    let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    kept.map_err(|error| error.error)?;
    File::open(directory)?.sync_all()?;
    Ok(path.display().to_string())
}

/// What a note or its short form stands in.
fn read(raw: &str) -> io::Result<String> {
    let invalid = |why: String| io::Error::new(ErrorKind::InvalidData, why);
    // A pipe without a writer must not hold the thread for ever.
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(named(raw)?)?;
    if !file.metadata()?.is_file() {
        return Err(invalid("it is not a plain file".into()));
    }
    let mut octets = Vec::new();
    file.take(MAX_ANCHOR as u64 + 1).read_to_end(&mut octets)?;
    if octets.len() > MAX_ANCHOR {
        return Err(invalid(format!("a note has at most {MAX_ANCHOR} octets")));
    }
    String::from_utf8(octets).map_err(|_| invalid("it holds something that is not text".into()))
}

/// The whole name; `~/` is the home directory.
fn named(raw: &str) -> io::Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let path = match raw.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(raw),
    };
    if path.file_name().is_none() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it names no file"));
    }
    std::path::absolute(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_there_whole_for_its_owner_alone_and_replaced_only_when_asked() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("one.tlog-proof");
        let raw = path.to_str().unwrap();
        assert_eq!(save(raw, b"one", false).as_deref(), Ok(raw));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(save(raw, b"two", false), Err(NotSaved::Exists));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(save(raw, b"two", true).as_deref(), Ok(raw));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn links_directories_and_lost_directories_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        for bad in [link, home.path().to_owned(), home.path().join("no/such/file"), "/".into(), "".into()] {
            for replace in [false, true] {
                assert!(matches!(save(bad.to_str().unwrap(), b"x", replace), Err(NotSaved::Failed(_))), "{bad:?}");
            }
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn only_text_in_a_plain_file_that_is_not_too_long_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("note"), "a\n").unwrap();
        assert_eq!(read(&path("note")).unwrap(), "a\n");
        fs::write(path("long"), vec![b'x'; MAX_ANCHOR + 1]).unwrap();
        fs::write(path("octets"), [0xff, 0xfe]).unwrap();
        nix::unistd::mkfifo(home.path().join("pipe").as_path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for bad in ["long", "octets", "pipe", "none", "."] {
            assert!(read(&path(bad)).is_err(), "{bad}");
        }
    }
}
