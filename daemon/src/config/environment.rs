//! The environment variables of the contract.

use std::ffi::OsString;
use std::path::PathBuf;

use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;

use super::ConfigError;

/// How long a request waits for people where nothing else says so.
const TIMEOUT: &str = "COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT";
/// Development only: approve everything at once.
const BYPASS: &str = "COUNTERSIGN_APPROVAL_BYPASS";
/// The socket, for daemon and clients alike.
const SOCKET: &str = "COUNTERSIGN_SOCKET";
/// What systemd made for `StateDirectory=`; several are joined by colons.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// What the environment sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT`: at least one second, 168 h where it is not set.
    pub awaiting_approval_timeout: Span,
    /// `COUNTERSIGN_APPROVAL_BYPASS`: off where it is not set.
    pub approval_bypass: bool,
    /// `COUNTERSIGN_SOCKET`.
    pub socket: Option<PathBuf>,
    /// The first of `STATE_DIRECTORY`.
    pub state_directory: Option<PathBuf>,
}

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// A variable whose value is not understood: the daemon does not guess what was meant.
    pub fn of_process() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var_os(name))
    }

    /// Reads any environment. A variable that is set to nothing counts as not set.
    pub(super) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &'static str| match set(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(ConfigError(format!("{name}: not UTF-8"))),
        };
        let awaiting_approval_timeout = match text(TIMEOUT)? {
            None => Span::from_secs(168 * 3600),
            Some(raw) => timeout(&raw)?,
        };
        let approval_bypass = text(BYPASS)?.map_or(Ok(false), |raw| switch(&raw))?;
        let first = |joined: OsString| {
            use std::os::unix::ffi::{OsStrExt, OsStringExt};
            let first = joined.as_bytes().split(|octet| *octet == b':').next().unwrap_or_default();
            PathBuf::from(OsString::from_vec(first.to_vec()))
        };
        Ok(Self {
            awaiting_approval_timeout,
            approval_bypass,
            socket: set(SOCKET).map(PathBuf::from),
            state_directory: set(STATE_DIRECTORY).map(first),
        })
    }
}

fn timeout(raw: &str) -> Result<Span, ConfigError> {
    let refused = |why: &str| ConfigError(format!("{TIMEOUT}: `{}`: {why}", Untrusted::from(raw).safe()));
    let span: Span = raw.parse().map_err(refused)?;
    if span < Span::from_secs(1) { Err(refused("at least one second is needed")) } else { Ok(span) }
}

fn switch(raw: &str) -> Result<bool, ConfigError> {
    match raw {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        other => Err(ConfigError(format!(
            "{BYPASS}: `{}` is neither true, 1, on, yes nor false, 0, off, no; the daemon does not guess whether approval is bypassed",
            Untrusted::from(other).safe()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Environment, ConfigError> {
        Environment::read(|asked| (asked == name).then(|| value.into()))
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        let environment = Environment::read(|_| None).unwrap();
        assert_eq!(environment.awaiting_approval_timeout.to_string(), "7d");
        assert!(!environment.approval_bypass);
        assert_eq!((environment.socket, environment.state_directory), (None, None));
        assert_eq!(read(BYPASS, ""), Environment::read(|_| None));
    }

    #[test]
    fn values_are_read_or_refused_by_name() {
        for (raw, on) in [
            ("true", true),
            ("1", true),
            ("on", true),
            ("yes", true),
            ("false", false),
            ("0", false),
            ("off", false),
            ("no", false),
        ] {
            assert_eq!(read(BYPASS, raw).unwrap().approval_bypass, on, "{raw}");
        }
        for raw in ["TRUE", "2", "ture", " true", "\u{1b}"] {
            let refused = read(BYPASS, raw).unwrap_err().to_string();
            assert!(refused.starts_with(BYPASS) && !refused.contains('\u{1b}'), "{refused}");
        }
        for (raw, shown) in [("1s", "1s"), ("72h", "3d"), ("1500ms", "1500ms")] {
            assert_eq!(read(TIMEOUT, raw).unwrap().awaiting_approval_timeout.to_string(), shown);
        }
        for raw in ["0s", "999ms", "-1h", "soon", "168"] {
            assert!(read(TIMEOUT, raw).unwrap_err().to_string().starts_with(TIMEOUT), "{raw}");
        }
        assert_eq!(read(STATE_DIRECTORY, "/a:/b").unwrap().state_directory, Some("/a".into()));
        assert_eq!(read(SOCKET, "/s").unwrap().socket, Some("/s".into()));
        use std::os::unix::ffi::OsStringExt;
        let octets = |asked: &str| (asked == BYPASS).then(|| OsString::from_vec(vec![0xff]));
        assert!(Environment::read(octets).unwrap_err().to_string().contains("not UTF-8"));
    }
}
