//! A real `countersignd`, as a process.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::disk::{Counter, Disk};
use crate::{Bench, Result};

/// Running until it is dropped.
pub struct Daemon {
    child: Child,
    /// Its socket.
    pub socket: PathBuf,
    /// Its syncs.
    pub syncs: Counter,
}

impl Daemon {
    /// Starts a demo daemon on a state directory and waits until it serves.
    pub fn start(bench: &Bench, state: &Path, disk: Disk) -> Result<Self> {
        let socket = state.with_extension("sock");
        let syncs = Counter::new(state.with_extension("count"))?;
        let child = bench
            .shim
            .command(env!("CARGO_BIN_EXE_countersignd"), disk, &syncs)
            .args(["--demo", "--log-level", "error", "--config", "/dev/null", "--state-dir"])
            .arg(state)
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::null())
            .spawn()?;
        let mut daemon = Self { child, socket, syncs };
        let begin = Instant::now();
        while std::os::unix::net::UnixStream::connect(&daemon.socket).is_err() {
            if let Some(status) = daemon.child.try_wait()? {
                return Err(format!("the daemon ended before it served: {status}").into());
            }
            if begin.elapsed() > Duration::from_secs(300) {
                return Err("the daemon does not serve".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    /// The most memory that it had since it began, or since the peak was forgotten, in KiB (`VmHWM`, proc_pid_status(5)).
    pub fn peak_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim_end_matches("kB").trim().parse()?)
    }

    /// Takes what it has now for its peak (proc_pid_clear_refs(5)).
    pub fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}
