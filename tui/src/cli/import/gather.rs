//! Which files there are, and what of them is sent: certificates, and keystores whole. Private keys in PEM stay here.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::super::failure::{Failure, shown};

/// The largest file that is sent, in octets: with the rest of its call it fits a frame.
const MAX_FILE: u64 = 640 * 1024;
/// The deepest directory below one that was named.
const MAX_DEPTH: usize = 16;
/// The most directory entries.
const MAX_ENTRIES: usize = 50_000;
/// Notes about what is left out; more are counted.
const MAX_NOTES: usize = 20;

/// The labels of PEM blocks that hold certificates and no keys.
const LABELS: [&str; 5] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "PKCS7", "CMS"];

/// A file to look into.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Absolute.
    pub(super) path: PathBuf,
    /// Reached through a directory.
    pub(super) below: bool,
}

impl Source {
    /// The path as the protocol writes it: a backslash, control characters and octets that are not UTF-8 as `\xNN`.
    pub(super) fn written(&self) -> String {
        let mut out = String::new();
        for chunk in self.path.as_os_str().as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' | '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            chunk.invalid().iter().for_each(|octet| out.push_str(&format!("\\x{octet:02x}")));
        }
        out
    }
}

/// What there is to look into.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) files: Vec<Source>,
    /// What was left out, and why.
    pub(super) skipped: Vec<String>,
    found: BTreeMap<PathBuf, bool>,
    entries: usize,
    more: usize,
}

/// What is sent of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) octets: Vec<u8>,
    /// It may need a password.
    pub(super) may_be_keystore: bool,
}

/// Files that are said to be gone: nothing is looked at, and paths are taken as they are.
pub(super) fn gone(paths: &[PathBuf]) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    for path in paths {
        sources.add(Source { path: absolute(path)?, below: false });
    }
    Ok(sources.finish())
}

/// Every file that was named or stands below a directory that was, each path once. What was named and cannot be is a
/// failure; below a directory it is left out, in words.
pub(super) fn gather(paths: &[PathBuf]) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    for path in paths {
        let path = absolute(path)?;
        let metadata = fs::metadata(&path).map_err(|error| Failure::file("look at", &path, &error))?;
        if metadata.is_dir() {
            sources.walk(&path, 0)?;
        } else if metadata.is_file() {
            sources.add(Source { path, below: false });
        } else {
            return Err(Failure::file("import", &path, &"it is neither a file nor a directory"));
        }
    }
    Ok(sources.finish())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))
}

impl Sources {
    fn add(&mut self, source: Source) {
        // What was named counts as named, however else it was reached.
        self.found.entry(source.path).and_modify(|below| *below &= source.below).or_insert(source.below);
    }

    fn finish(mut self) -> Self {
        let found = std::mem::take(&mut self.found);
        self.files = found.into_iter().map(|(path, below)| Source { path, below }).collect();
        if self.more > 0 {
            let note = format!("{} more were left out", self.more);
            self.skipped.push(note);
        }
        self
    }

    fn note(&mut self, path: &Path, why: &dyn std::fmt::Display) {
        if self.skipped.len() < MAX_NOTES {
            self.skipped.push(format!("{}: {why}; left out", shown(path)));
        } else {
            self.more += 1;
        }
    }

    /// Links to files are followed, as `/etc/letsencrypt/live` has them; links to directories are not, and so none goes
    /// round in circles.
    fn walk(&mut self, directory: &Path, depth: usize) -> Result<(), Failure> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(Failure::file("look into", directory, &error)),
            Err(error) => {
                self.note(directory, &error);
                return Ok(());
            }
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                let many = format!("there are more than {MAX_ENTRIES} entries");
                return Err(Failure::file("look into", directory, &many).hint("name directories further down"));
            }
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.note(directory, &error),
            }
        }
        paths.sort();
        for path in paths {
            let link = fs::symlink_metadata(&path);
            match link.and_then(|link| Ok((link.is_symlink(), fs::metadata(&path)?))) {
                Err(error) => self.note(&path, &error),
                Ok((true, metadata)) if metadata.is_dir() => self.note(&path, &"it is a link to a directory"),
                Ok((false, metadata)) if metadata.is_dir() => {
                    if depth < MAX_DEPTH {
                        self.walk(&path, depth + 1)?;
                    } else {
                        self.note(&path, &format!("it is more than {MAX_DEPTH} directories down"));
                    }
                }
                Ok((_, metadata)) if metadata.is_file() => self.add(Source { path, below: true }),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// What is to be sent of a file; nothing where nothing in it looks like certificates. Below a directory most files do
/// not, however large.
pub(super) fn read(source: &Source) -> Result<Option<Contents>, String> {
    let file = open(&source.path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file any more".to_owned());
    }
    let mut octets = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    let too_large = octets.len() as u64 > MAX_FILE;
    let contents = part_to_send(octets, !source.below);
    match contents {
        Some(_) if too_large => Err(format!("it is larger than {MAX_FILE} octets")),
        contents => Ok(contents),
    }
}

/// A pipe that took the file's name meanwhile is not waited for.
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY).open(path)
}

fn part_to_send(octets: Vec<u8>, named: bool) -> Option<Contents> {
    const KEYSTORES: [[u8; 4]; 2] = [[0xfe, 0xed, 0xfe, 0xed], [0xce, 0xce, 0xce, 0xce]];
    let begins_with = |start: &[u8]| octets.starts_with(start);
    if begins_with(&[0x30]) || KEYSTORES.iter().any(|magic| begins_with(magic)) {
        return Some(Contents { octets, may_be_keystore: true }).filter(|contents| !is_bare_key(&contents.octets));
    }
    if has_pem(&octets) {
        let octets = without_keys(&octets);
        return (!octets.is_empty()).then_some(Contents { octets, may_be_keystore: false });
    }
    // Somebody meant it: the daemon says what is wrong with it.
    (named && !octets.is_empty()).then_some(Contents { octets, may_be_keystore: false })
}

/// A private key in DER: PKCS#8, PKCS#1 and SEC 1 begin with a sequence whose first member is a small version number.
/// PKCS#12 does as well (version 3), and stays.
fn is_bare_key(octets: &[u8]) -> bool {
    let header = match octets {
        [0x30, length, ..] if *length < 0x80 => 2,
        [0x30, length, ..] => 2 + usize::from(length & 0x7f),
        _ => return false,
    };
    matches!(octets.get(header..), Some([0x02, 0x01, version, ..]) if *version != 3)
}

fn has_pem(octets: &[u8]) -> bool {
    octets.windows(11).any(|window| window == b"-----BEGIN ")
}

/// The blocks that hold certificates, one after another.
fn without_keys(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block: Option<(Vec<u8>, bool)> = None;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let text = line.trim_ascii();
        if let Some(label) = text.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----")) {
            block = Some((Vec::new(), LABELS.iter().any(|known| known.as_bytes() == label)));
        }
        let Some((lines, wanted)) = &mut block else { continue };
        if *wanted {
            lines.extend_from_slice(line);
        }
        if text.starts_with(b"-----END ") {
            out.append(lines);
            if out.last().is_some_and(|octet| *octet != b'\n') {
                out.push(b'\n');
            }
            block = None;
        }
    }
    // A block that does not end is cut off; the daemon says so.
    if let Some((mut lines, true)) = block {
        out.append(&mut lines);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "# note\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";

    fn sent(octets: &[u8], named: bool) -> Option<String> {
        part_to_send(octets.to_vec(), named).map(|contents| String::from_utf8_lossy(&contents.octets).into_owned())
    }

    #[test]
    fn no_private_key_in_clear_leaves_the_command() {
        let both = format!("{KEY}{PEM}{KEY}");
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(sent(both.as_bytes(), false).unwrap(), certificate);
        for label in
            ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
        {
            let key = KEY.replace("PRIVATE KEY", label);
            assert_eq!(sent(key.as_bytes(), true), None, "{label}");
            // Even one that does not end, or that ends inside of another block.
            assert_eq!(sent(key.lines().next().unwrap().as_bytes(), true), None, "{label}");
        }
        assert_eq!(sent(KEY.replace('\n', "\r\n").as_bytes(), true), None);
        let pkcs8 = [0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30];
        let sec1 = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04];
        assert_eq!((sent(&pkcs8, true), sent(&sec1, true)), (None, None));
        assert!(sent(&[0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x03, 0x30], false).is_some(), "PKCS#12");
        assert!(sent(&[0x30, 0x82, 0x01, 0x00, 0x30, 0x81], false).is_some(), "a certificate");
    }

    #[test]
    fn garbage_is_sent_where_somebody_meant_it() {
        assert_eq!(sent(b"garbage", true).unwrap(), "garbage");
        assert_eq!(sent(b"garbage", false), None);
        assert_eq!(sent(b"", true), None);
    }

    #[test]
    fn directories_are_walked_and_what_is_odd_is_left_out_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("sub/deep")).unwrap();
        fs::write(at("a.pem"), PEM).unwrap();
        fs::write(at("sub/deep/b.pem"), PEM).unwrap();
        std::os::unix::fs::symlink(at("a.pem"), at("link.pem")).unwrap();
        std::os::unix::fs::symlink(at("."), at("sub/loop")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dead")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let found = gather(&[dir.path().to_owned(), at("a.pem")]).unwrap();
        let names: Vec<(PathBuf, bool)> = found.files.into_iter().map(|source| (source.path, source.below)).collect();
        assert_eq!(names, [(at("a.pem"), false), (at("link.pem"), true), (at("sub/deep/b.pem"), true)]);
        assert_eq!(found.skipped.len(), 2, "{:?}", found.skipped);
        for (bad, words) in [("pipe", "neither a file nor a directory"), ("none", "cannot look at")] {
            let failure = gather(&[at(bad)]).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }

    #[test]
    fn what_is_too_large_for_a_call_is_refused_where_it_looks_like_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        let source = Source { path: path.clone(), below: true };
        fs::write(&path, vec![b'x'; 700 * 1024]).unwrap();
        assert_eq!(read(&source).unwrap(), None);
        fs::write(&path, PEM.repeat(20_000)).unwrap();
        assert!(read(&source).unwrap_err().contains("larger"));
    }

    #[test]
    fn paths_are_written_so_that_they_read_back() {
        use std::os::unix::ffi::OsStringExt as _;
        let path = PathBuf::from(std::ffi::OsString::from_vec(b"/a\\b/\xff\n\xc3\xbc".to_vec()));
        assert_eq!(Source { path, below: false }.written(), "/a\\x5cb/\\xff\\x0aü");
    }
}
