//! A directory with everything that one daemon needs, and the daemon, started, killed and started again.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};

use super::{Caller, until};

/// See the module.
pub struct Host {
    /// Where it serves.
    pub socket: PathBuf,
    /// The state directory.
    pub state: PathBuf,
    /// Flags of the next start.
    pub flags: Vec<String>,
    /// Environment of the next start.
    pub env: Vec<(String, String)>,
    /// What the next start is run by: a program with its arguments that ends up as the daemon.
    pub run_by: Vec<String>,
    /// Whether the daemon sees the users and groups of [`Host::names`] in place of the system's.
    own_names: bool,
    place: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Host {
    /// A host whose daemon is not started yet.
    pub fn prepared(policy: &str) -> Self {
        let place = tempfile::Builder::new().prefix("cs-sys-").tempdir().unwrap();
        let (socket, state) = (place.path().join("s"), place.path().join("state"));
        std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::write(place.path().join("policy.toml"), policy).unwrap();
        std::fs::write(place.path().join("countersign.toml"), "").unwrap();
        let mut host =
            Self { socket, state, flags: vec![], env: vec![], run_by: vec![], own_names: false, place, daemon: None };
        host.flags = [
            ("--config", host.path("countersign.toml")),
            ("--policy", host.path("policy.toml")),
            ("--state-dir", host.state.clone()),
            ("--socket", host.socket.clone()),
            ("--socket-mode", "0666".into()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value.to_str().unwrap().to_owned()])
        .collect();
        host
    }

    /// A host whose daemon serves.
    pub fn serving(policy: &str) -> Self {
        let mut host = Self::prepared(policy);
        host.start();
        host
    }

    /// A path beside the socket.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Sets a variable for the starts to come.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces the value of a flag for the starts to come.
    pub fn flag(&mut self, name: &str, value: &Path) {
        let at = self.flags.iter().position(|flag| flag == name).unwrap();
        self.flags[at + 1] = value.to_str().unwrap().to_owned();
    }

    /// From now on, and from the next start on for the first time, these are the users and groups that the daemon's
    /// host knows: `name:x:uid:gid::/:/bin/sh` and `name:x:gid:member,member`. Other processes see the system's.
    pub fn names(&mut self, passwd: &[(&str, u32)], groups: &[(&str, u32, &str)]) {
        let users: String = passwd.iter().map(|(name, uid)| format!("{name}:x:{uid}:65533::/:/bin/sh\n")).collect();
        let groups: String = groups.iter().map(|(name, gid, of)| format!("{name}:x:{gid}:{of}\n")).collect();
        // Written in place: what the daemon has mounted is the file itself.
        std::fs::write(self.path("passwd"), format!("root:x:0:0::/:/bin/sh\n{users}")).unwrap();
        std::fs::write(self.path("group"), format!("root:x:0:\n{groups}")).unwrap();
        std::fs::write(self.path("nsswitch.conf"), "passwd: files\ngroup: files\n").unwrap();
        self.own_names = true;
    }

    fn command(&self) -> Command {
        let daemon = env!("CARGO_BIN_EXE_countersignd");
        if let [program, arguments @ ..] = self.run_by.as_slice() {
            let mut command = Command::new(program);
            command.args(arguments).arg(daemon);
            return command;
        }
        if !self.own_names {
            return Command::new(daemon);
        }
        let script = "for f in passwd group nsswitch.conf; do
                          if [ -e /etc/$f ]; then mount --bind \"$1/$f\" /etc/$f || exit; fi
                      done
                      shift; exec \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(self.place.path())
            .arg(daemon);
        command
    }

    fn spawn(&self, log: File) -> Child {
        let mut command = self.command();
        command.args(&self.flags).env_clear().envs(self.env.iter().cloned());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn open_log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap()
    }

    /// Starts the daemon and does not wait for it.
    pub fn launch(&mut self) {
        assert!(self.daemon.is_none(), "it runs already");
        self.daemon = Some(self.spawn(self.open_log()));
    }

    /// Starts the daemon and waits until it serves.
    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "it runs already");
        let mut child = self.spawn(self.open_log());
        let socket = self.socket.clone();
        let mut ended = None;
        until("the daemon serves", || {
            ended = child.try_wait().unwrap();
            ended.is_some() || Caller::oneself(&socket).is_some()
        });
        self.daemon = Some(child);
        assert!(ended.is_none(), "the daemon ended: {}", self.log());
    }

    /// Starts the daemon, which has to refuse; returns what it said, this time alone.
    pub fn refusal(&mut self) -> String {
        self.refusal_and_status().0
    }

    /// Likewise, with the exit status.
    pub fn refusal_and_status(&mut self) -> (String, i32) {
        let before = self.log().len();
        let mut child = self.spawn(self.open_log());
        let mut status = None;
        until("the daemon refuses to start", || {
            status = child.try_wait().unwrap();
            status.is_some() || self.log()[before..].contains("serving socket")
        });
        let Some(status) = status else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it started: {}", &self.log()[before..]);
        };
        let code = status.code().filter(|code| *code != 0);
        (self.log()[before..].to_owned(), code.unwrap_or_else(|| panic!("{status:?}")))
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("it runs").id()
    }

    /// SIGTERM; the daemon has to end well.
    pub fn stop(&mut self) {
        self.terminate();
        self.ended();
    }

    /// SIGTERM alone.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Any other signal.
    pub fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill(Pid::from_raw(daemon.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end of a daemon that was told to stop.
    pub fn ended(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        let mut status = None;
        until("the daemon stops", || {
            status = daemon.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{status:?}: {}", self.log());
    }

    /// Open files of the daemon on its database.
    pub fn database_files(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.daemon.as_ref().unwrap().id())).unwrap();
        files
            .filter(|file| std::fs::read_link(file.as_ref().unwrap().path()).is_ok_and(|of| of == self.database()))
            .count()
    }

    /// True while the process lives.
    pub fn alive(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().unwrap().is_none())
    }

    /// Somebody without a login session.
    pub fn user(&self, uid: u32) -> Caller {
        self.user_through(None, uid, "")
    }

    /// Somebody in a session that `login` had logged in to.
    pub fn user_by(&self, login: u32, uid: u32) -> Caller {
        self.user_through(Some(login), uid, "")
    }

    /// Somebody whose process was started through another program.
    pub fn user_through(&self, login: Option<u32>, uid: u32, program: &str) -> Caller {
        Caller::through(&self.socket, uid, login, program)
            .unwrap_or_else(|why| panic!("uid {uid} cannot connect: {why}\nthe daemon: {}", self.log()))
    }

    /// The user who runs the tests.
    pub fn oneself(&self) -> Caller {
        Caller::oneself(&self.socket).expect("the daemon serves")
    }

    /// What the daemon said in all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.state.join("countersign.db")
    }

    /// The database, to read.
    pub fn db(&self) -> Connection {
        let db = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        db.busy_timeout(super::PATIENCE).unwrap();
        db
    }

    /// One value of the database.
    pub fn value<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.db().query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Restarts the daemon on a time line that is `span` further on, as it is after so long a downtime.
    pub fn pass(&mut self, span: countersign_shared::time::Span) {
        self.stop();
        let millis = i64::try_from(span.millis()).unwrap();
        self.tamper(&format!("UPDATE meta SET value = CAST(value AS INTEGER) + {millis} WHERE key = 'clock_tick'"));
        self.start();
    }

    /// What the owner of the file can do: takes the triggers away, runs `sql`, and puts the triggers back, so
    /// that the schema shows nothing.
    pub fn tamper(&self, sql: &str) {
        let db = Connection::open(self.database()).unwrap();
        db.busy_timeout(super::PATIENCE).unwrap();
        let triggers: Vec<(String, String)> = db
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(!triggers.is_empty());
        let mut script = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;".to_owned();
        script.extend(triggers.iter().map(|(name, _)| format!("DROP TRIGGER {name};\n")));
        script.push_str(sql);
        script.push_str(";\n");
        script.extend(triggers.iter().map(|(_, sql)| format!("{sql};\n")));
        script.push_str("COMMIT;");
        db.execute_batch(&script).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "the daemon said:\n{}", self.log());
        }
    }
}
