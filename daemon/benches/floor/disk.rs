//! The disk: the real one, or one whose sync takes a known time; and what it does at best.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// The first argument of the process that measures the floor.
pub const APPEND: &str = "append-and-fdatasync";

/// What is appended before each sync: about one ledger record, the least that a durable decision writes.
const RECORD: usize = 768;

/// How long a sync takes.
#[derive(Clone, Copy)]
pub struct Disk {
    /// As the table names it.
    pub name: &'static str,
    /// In microseconds; the disk's own time without it.
    pub micros: Option<u64>,
}

/// Each disk that decisions are measured on.
pub const DISKS: [Disk; 3] = [
    Disk { name: "50 us fsync", micros: Some(50) },
    Disk { name: "5 ms fsync", micros: Some(5000) },
    Disk { name: "this disk", micros: None },
];

/// The shim of `benches/shim`, compiled.
pub struct Shim(PathBuf);

impl Shim {
    /// Compiles it.
    pub fn build(work: &Path) -> Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/shim/delay_fsync.c");
        let library = work.join("delay_fsync.so");
        let status = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status()?;
        if !status.success() {
            return Err("cc did not compile benches/shim/delay_fsync.c".into());
        }
        Ok(Self(library))
    }

    /// A program on a disk.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, disk: Disk, counter: &Counter) -> Command {
        let mut command = Command::new(program);
        command.env("LD_PRELOAD", &self.0).env("COUNTERSIGN_FSYNC_COUNT", &counter.0);
        if let Some(micros) = disk.micros {
            command.env("COUNTERSIGN_FSYNC_MICROS", micros.to_string());
        }
        command
    }
}

/// The file in which the shim counts.
pub struct Counter(PathBuf);

impl Counter {
    /// At zero.
    pub fn new(path: PathBuf) -> Result<Self> {
        std::fs::write(&path, [0; 8])?;
        Ok(Self(path))
    }

    /// Syncs until now.
    pub fn read(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        File::open(&self.0)?.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// Appends and syncs in `directory` for a while, in a process of its own under the same shim. Returns the rate a
/// second.
pub fn append_rate(shim: &Shim, disk: Disk, directory: &Path, span: Duration) -> Result<f64> {
    let counter = Counter::new(directory.join("append.count"))?;
    let child = shim
        .command(std::env::current_exe()?, disk, &counter)
        .arg(APPEND)
        .arg(directory.join("append"))
        .arg(span.as_millis().to_string())
        .stdout(Stdio::piped())
        .output()?;
    if !child.status.success() {
        return Err("the process that appends failed".into());
    }
    Ok(String::from_utf8(child.stdout)?.trim().parse()?)
}

/// The process that appends: prints its rate a second.
pub fn append_child(arguments: &[String]) -> Result<()> {
    let [path, millis] = arguments else { return Err("a file and a time are needed".into()) };
    let span = Duration::from_millis(millis.parse()?);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let record = [b'x'; RECORD];
    let (begin, mut done) = (Instant::now(), 0_u32);
    while begin.elapsed() < span {
        file.write_all(&record)?;
        file.sync_data()?;
        done += 1;
    }
    let rate = f64::from(done) / begin.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    writeln!(std::io::stdout(), "{rate}")?;
    Ok(())
}
