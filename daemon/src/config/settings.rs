//! What the daemon runs with.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use countersign_shared::digest::Digest;
use countersign_shared::time::Span;
use tempfile::TempDir;

use crate::demo;
use crate::notify::NotifySettings;

use super::file::ConfigFile;
use super::{CheckpointSettings, Environment, Flags, ForwardSettings, InventorySettings, LogLevel, SocketMode};

const CONFIG: &str = "/etc/countersign/countersign.toml";
const POLICY: &str = "/etc/countersign/policy.toml";
const STATE_DIR: &str = "/var/lib/countersign";
const SOCKET: &str = "/run/countersign/countersign.sock";

/// A setting that the daemon does not start with; names where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub(super) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// What the daemon runs with. Paths are absolute.
#[derive(Debug)]
pub struct Settings {
    /// The configuration file that was read; `None` where there was none to read.
    pub config: Option<PathBuf>,
    /// SHA-256 of its octets; of nothing where there was none.
    pub config_sha256: Digest,
    /// The policy adopted at the very first start; `None` on a demo, which brings its own.
    pub policy: Option<PathBuf>,
    /// Where the state is kept. It may not exist yet.
    pub state_dir: PathBuf,
    /// The socket to serve, unless systemd passes one.
    pub socket: PathBuf,
    /// Its access mode.
    pub socket_mode: SocketMode,
    /// Its group, by name.
    pub socket_group: Option<String>,
    /// True on a demo daemon.
    pub demo: bool,
    /// From which severity on log lines are written.
    pub log_level: LogLevel,
    /// The channels of this host.
    pub notify: NotifySettings,
    /// Which certificates of this host are looked for.
    pub inventory: InventorySettings,
    /// How checkpoints of the ledger are made. It takes force at a start.
    pub checkpoint: CheckpointSettings,
    /// Where records are forwarded to; nowhere where it is left out.
    pub forward: Option<ForwardSettings>,
    /// How long a request waits for people where its profile does not say.
    pub awaiting_approval_timeout: Span,
    /// Development only: approve everything at once.
    pub approval_bypass: bool,
    /// A demo's own directory, where none was named; it goes when the settings are dropped.
    pub temporary: Option<TempDir>,
}

impl Settings {
    /// Puts flags, environment, configuration file and defaults together, in this order.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that was named and cannot be read, for anything in a file that is not
    /// understood, and for `policy` together with `demo`.
    pub fn load(flags: Flags, environment: Environment) -> Result<Self, ConfigError> {
        Self::load_with_default(flags, environment, Path::new(CONFIG))
    }

    fn load_with_default(flags: Flags, environment: Environment, default: &Path) -> Result<Self, ConfigError> {
        let (config, file, config_sha256) = read_config(&flags, default)?;
        let demo = flags.demo || file.demo.unwrap_or(false);
        let policy = flags.policy.or(file.policy);
        if demo && policy.is_some() {
            return Err(ConfigError("--demo brings its own policy; leave --policy (key `policy`) out".to_owned()));
        }
        let state_dir = flags.state_dir.or(file.state_dir).or(environment.state_directory);
        let socket = flags.socket.or(environment.socket).or(file.socket);
        let temporary = if demo && state_dir.is_none() { Some(demo_directory()?) } else { None };
        let (state_dir, socket) = match &temporary {
            Some(own) => (own.path().join("state"), socket.unwrap_or_else(|| own.path().join("countersign.sock"))),
            None => {
                let state_dir = state_dir.unwrap_or_else(|| STATE_DIR.into());
                let beside = if demo { state_dir.join("countersign.sock") } else { SOCKET.into() };
                (state_dir, socket.unwrap_or(beside))
            }
        };
        let policy = if demo { None } else { Some(absolute(policy.unwrap_or_else(|| POLICY.into()), "policy")?) };
        let state_dir = absolute(state_dir, "state_dir")?;
        let own = || if demo { demo::channels(&state_dir) } else { NotifySettings::default() };
        Ok(Self {
            notify: file.notify.unwrap_or_else(own),
            config,
            config_sha256,
            policy,
            state_dir,
            socket: absolute(socket, "socket")?,
            socket_mode: flags.socket_mode.or(file.socket_mode).unwrap_or(SocketMode::DEFAULT),
            socket_group: flags.socket_group.or(file.socket_group),
            demo,
            log_level: flags.log_level.or(file.log_level).unwrap_or(LogLevel::DEFAULT),
            inventory: file.inventory.unwrap_or_default(),
            checkpoint: file.checkpoint.unwrap_or_default(),
            forward: file.forward,
            awaiting_approval_timeout: environment.awaiting_approval_timeout,
            approval_bypass: environment.approval_bypass,
            temporary,
        })
    }
}

/// A file that was named has to be there; the one at the default place need not, and a demo does not look for it.
fn read_config(flags: &Flags, default: &Path) -> Result<(Option<PathBuf>, ConfigFile, Digest), ConfigError> {
    let none = || (None, ConfigFile::default(), Digest::of(&[]));
    let path = match &flags.config {
        Some(named) => absolute(named.clone(), "config")?,
        None if flags.demo => return Ok(none()),
        None => match std::fs::symlink_metadata(default) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(none()),
            _ => default.to_owned(),
        },
    };
    let (file, digest) = ConfigFile::read(&path)?;
    Ok((Some(path), file, digest))
}

fn demo_directory() -> Result<TempDir, ConfigError> {
    let made = tempfile::Builder::new().prefix("countersign-demo-").tempdir();
    made.map_err(|error| ConfigError(format!("no temporary directory for the demo: {error}")))
}

fn absolute(path: PathBuf, key: &str) -> Result<PathBuf, ConfigError> {
    std::path::absolute(&path).map_err(|error| ConfigError(format!("`{key}`: {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn load(arguments: &[&str], variables: &[(&str, &str)], default: &Path) -> Result<Settings, ConfigError> {
        let flags = Flags::try_parse_from([&["countersignd"], arguments].concat()).unwrap();
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Settings::load_with_default(flags, Environment::read(value)?, default)
    }

    fn nowhere() -> &'static Path {
        Path::new("/nonexistent/countersign.toml")
    }

    #[test]
    fn nothing_given_means_the_documented_defaults() {
        let settings = load(&[], &[], nowhere()).unwrap();
        assert_eq!(settings.config, None);
        assert_eq!(settings.config_sha256, Digest::of(&[]));
        assert_eq!(settings.policy.as_deref(), Some(Path::new(POLICY)));
        assert_eq!(
            (settings.state_dir.as_path(), settings.socket.as_path()),
            (Path::new(STATE_DIR), Path::new(SOCKET))
        );
        assert_eq!((settings.socket_mode, settings.socket_group), (SocketMode::DEFAULT, None));
        assert!(!settings.demo && !settings.approval_bypass && settings.temporary.is_none());
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "socket = \"/file/s\"\nstate_dir = \"/file/d\"\nsocket_mode = \"0600\"\n").unwrap();
        let shown = |settings: Settings| {
            let Settings { socket, state_dir, socket_mode, .. } = settings;
            format!("{} {} {socket_mode}", socket.display(), state_dir.display())
        };
        let environment = [("COUNTERSIGN_SOCKET", "/env/s"), ("STATE_DIRECTORY", "/env/d")];
        let config = path.to_str().unwrap();
        for (arguments, variables, expected) in [
            (&[][..], &[][..], "/file/s /file/d 0600"),
            (&[], &environment, "/env/s /file/d 0600"),
            (
                &["--socket", "/flag/s", "--state-dir", "/flag/d", "--socket-mode", "0666"],
                &environment,
                "/flag/s /flag/d 0666",
            ),
        ] {
            assert_eq!(shown(load(arguments, variables, &path).unwrap()), expected);
            let named = [&["--config", config], arguments].concat();
            assert_eq!(shown(load(&named, variables, nowhere()).unwrap()), expected);
        }
        assert_eq!(shown(load(&[], &environment, nowhere()).unwrap()), "/env/s /env/d 0660");
    }

    #[test]
    fn a_named_file_has_to_be_there_and_right() {
        let refused = load(&["--config", "/nonexistent/c.toml"], &[], nowhere()).unwrap_err().to_string();
        assert!(refused.starts_with("/nonexistent/c.toml: "), "{refused}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "\nport = 1\n").unwrap();
        let refused = load(&[], &[], &path).unwrap_err().to_string();
        assert!(refused.contains("c.toml: line 2: key `port`"), "{refused}");
    }

    #[test]
    fn a_demo_needs_nothing_and_takes_no_policy() {
        let settings = load(&["--demo"], &[], nowhere()).unwrap();
        let own = settings.temporary.as_ref().unwrap().path().to_owned();
        assert!(own.is_dir() && settings.policy.is_none());
        assert!(settings.state_dir.starts_with(&own) && settings.socket.starts_with(&own));
        drop(settings);
        assert!(!own.exists());

        let settings = load(&["--demo", "--state-dir", "/d"], &[], nowhere()).unwrap();
        assert_eq!(settings.socket, Path::new("/d/countersign.sock"));
        assert!(settings.temporary.is_none());
        assert!(
            load(&["--demo", "--policy", "/p"], &[], nowhere()).unwrap_err().to_string().contains("its own policy")
        );
    }

    #[test]
    fn relative_paths_hold_wherever_the_daemon_goes() {
        let settings = load(&["--socket", "s", "--state-dir", "d"], &[], nowhere()).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!((settings.socket, settings.state_dir), (here.join("s"), here.join("d")));
    }

    #[test]
    fn unknown_flags_and_bad_values_are_usage_errors() {
        for bad in [&["--port", "1"][..], &["--socket-mode", "0888"], &["--log-level", "loud"], &["extra"]] {
            assert!(Flags::try_parse_from([&["countersignd"], bad].concat()).is_err(), "{bad:?}");
        }
    }
}
