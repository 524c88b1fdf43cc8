//! What `/proc/PID` says of a process (proc(5)). Nothing here pins the process: see [`super::peer`].

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// What the kernel writes for an id that nobody set (`(uid_t) -1`).
const UNSET: u32 = u32::MAX;

/// One process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Who logged in; `None` where it is unset or this kernel keeps none (built without auditing).
    pub login_uid: Option<u32>,
    /// The audit session; `None` as above.
    pub session: Option<u32>,
    /// Real, effective and saved user id, where they are not all the one that was expected.
    pub other_uids: Option<[u32; 3]>,
}

impl Process {
    /// Reads the process that has `pid` now and is expected to run as `uid`.
    ///
    /// # Errors
    /// `ENOENT` or `ESRCH` where there is no such process or it is hidden; `InvalidData` where a file does
    /// not have the documented shape. Unreadable is never the same as unset.
    pub fn read(pid: u32, uid: u32) -> io::Result<Self> {
        let (login_uid, owner) = audit_id(pid, "loginuid")?;
        let (session, _) = audit_id(pid, "sessionid")?;
        let settled = uid != 0 && owner == Some(uid);
        let other_uids = if settled { None } else { other_uids(pid, uid)? };
        Ok(Self { login_uid, session, other_uids })
    }
}

/// `status` costs more than all the rest of an attestation, so the owner of `loginuid` is asked first: it is the
/// effective user of a process that may be dumped, and root otherwise. The kernel makes a process undumpable when
/// its effective user changes, or differs from the real one at exec (proc(5), PR_SET_DUMPABLE(2const)), so an
/// owner that is the expected user settles it, except for root. Under `fs.suid_dumpable=1` that does not hold;
/// there anybody may take over a setuid program by starting it, and no users are left to tell apart.
fn other_uids(pid: u32, uid: u32) -> io::Result<Option<[u32; 3]>> {
    let mut buffer = [0; 4096];
    let status = read(&format!("/proc/{pid}/status"), &mut buffer)?.0;
    let uids = uids(&status).ok_or_else(|| malformed(pid, "status"))?;
    Ok(Some(uids).filter(|uids| uids.iter().any(|other| *other != uid)))
}

/// When the process that has `pid` now started, in clock ticks since boot (field 22 of `stat`).
///
/// # Errors
/// As for [`Process::read`].
pub fn start_time(pid: u32) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    let stat = read(&format!("/proc/{pid}/stat"), &mut buffer)?.0;
    parse_start_time(&stat).ok_or_else(|| malformed(pid, "stat"))
}

/// The id that a file holds, and the file's owner.
fn audit_id(pid: u32, name: &str) -> io::Result<(Option<u32>, Option<u32>)> {
    let mut buffer = [0; 16];
    let (text, owner) = match read(&format!("/proc/{pid}/{name}"), &mut buffer) {
        Ok(text) => text,
        // A kernel without auditing has the file for no process at all, this one included.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_absent(name) => {
            // Gone or hidden is still an error, which the directory tells.
            std::fs::metadata(format!("/proc/{pid}"))?;
            return Ok((None, None));
        }
        Err(error) => return Err(error),
    };
    match text.trim().parse::<u32>() {
        Ok(UNSET) => Ok((None, Some(owner))),
        Ok(id) => Ok((Some(id), Some(owner))),
        Err(_) => Err(malformed(pid, name)),
    }
}

fn is_absent(name: &str) -> bool {
    matches!(std::fs::exists(format!("/proc/self/{name}")), Ok(false))
        && matches!(std::fs::exists("/proc/self/status"), Ok(true))
}

/// One read is enough: the kernel makes these files whole at the first one, and what is looked for stands in
/// the first page. Beside the text stands the file's owner. A process may name itself in any bytes; the ids stand apart from its name.
fn read(path: &str, buffer: &mut [u8]) -> io::Result<(String, u32)> {
    let mut file = File::open(path)?;
    let length = file.read(buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    Ok((text, file.metadata()?.uid()))
}

/// `Uid:` real, effective, saved, file system. The kernel escapes line feeds in `Name:`, the only line that a
/// process chooses, so no other line can imitate this one.
fn uids(status: &str) -> Option<[u32; 3]> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let mut ids = line.split_ascii_whitespace().map(str::parse);
    let mut next = || ids.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// The second field is a name in parentheses that may itself hold spaces and parentheses; the last `)` ends it.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn malformed(pid: u32, name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/{name} has an unknown shape"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_reads_as_the_kernel_says() {
        let me = nix::unistd::geteuid().as_raw();
        let [pid, nobody] = [std::process::id(), u32::MAX - 1];
        assert_eq!(Process::read(pid, nobody).unwrap().other_uids, Some([me; 3]));
        let me = Process::read(pid, me).unwrap();
        assert_eq!(me.other_uids, None);
        let login = std::fs::read_to_string("/proc/self/loginuid").ok();
        let login = login.and_then(|text| text.trim().parse().ok()).filter(|id| *id != UNSET);
        assert_eq!(me.login_uid, login);
        assert!(start_time(std::process::id()).unwrap() > 0);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_and_never_unset() {
        assert!(Process::read(u32::try_from(i32::MAX).unwrap(), 1).is_err());
        assert!(start_time(u32::try_from(i32::MAX).unwrap()).is_err());
    }

    #[test]
    fn hostile_process_names_deceive_neither_parser() {
        let stat = "7 (a) R 1 1) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 9876 0 0";
        assert_eq!(parse_start_time(stat), Some(9876));
        let status = "Name:\tx\\nUid:\\t0 0 0\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\n";
        assert_eq!(uids(status), Some([1000, 1001, 1002]));
        for bad in ["", "Uid:", "Uid:\t1\t2", "Uid:\t-1\t0\t0\t0"] {
            assert_eq!(uids(bad), None, "{bad}");
        }
    }
}
