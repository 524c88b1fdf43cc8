//! `audit verify FILE`: a copied database, an export or evidence, without a daemon and without privileges. Without a file, the
//! daemon verifies its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::Args;
use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::Log;
use countersign_proof::note::VerifierKey;
use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::{AuditVerify, DaemonStatus};
use countersign_shared::text::Untrusted;
use countersign_verify::offline::{self, Against};

use super::super::context::Context;
use super::super::csr::read_bounded;
use super::super::failure::{Failure, shown};
use super::super::progress::Progress;
use super::super::render;

/// The largest file of an anchor, a key or a manifest, in octets.
const MAX_SMALL: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// A copy of the database (with its -wal, where there is one), an export, or a bundle of evidence; the daemon's own ledger where it is left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    beside: Beside,
    /// What the daemon said of the export
    #[arg(long, value_name = "FILE", requires = "file")]
    manifest: Option<PathBuf>,
}

/// What a file is held against.
#[derive(Debug, Args)]
pub(super) struct Beside {
    /// A checkpoint that was kept elsewhere, as a note or as the digits of its short form; several times for several
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// The ledger's verifier key, or a file with it: from outside, not from the host. Several times after a rotation
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
}

impl VerifyArgs {
    pub(super) fn is_offline(&self) -> bool {
        self.file.is_some()
    }

    /// Where the daemon's own ledger is verified, there is nothing that these could be held against.
    pub(super) fn needs_file(&self) -> bool {
        self.file.is_none() && !(self.beside.anchor.is_empty() && self.beside.key.is_empty())
    }
}

pub(super) fn run(args: &VerifyArgs, context: &mut Context) -> Result<u8, Failure> {
    let Some(file) = &args.file else { return Err(Failure::internal("no file is named")) };
    let against = read_against(&args.beside, args.manifest.as_deref())?;
    let mut progress = Progress::new(context, "done");
    let report = offline::verify(file, &against, &mut |done, of| progress.show(done, of));
    progress.end();
    let report = report.map_err(|error| {
        let why = Untrusted::new(error.to_string()).safe().to_string();
        Failure::file("verify", file, &why)
    })?;
    if context.json() {
        let text = serde_json::to_string(&report).map_err(|error| Failure::internal(error.to_string()))?;
        context.out().text(&text)?;
    } else {
        let text = render::audit::offline(&report, context.view()?);
        context.out().text(&text)?;
    }
    Ok(if report.intact { 0 } else { 3 })
}

/// Between two looks at how far the daemon is.
const EACH: Duration = Duration::from_millis(250);

/// The daemon's own ledger: one pass over every record, as long as it takes. How far it is, is asked on another connection.
pub(super) fn by_daemon(context: &mut Context) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    client.set_timeout(None);
    let mut progress = Progress::new(context, "records");
    let watcher = progress.is_on().then(|| context.connect()).transpose()?;
    let result = thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let watching = watcher.map(|mut watcher| {
            scope.spawn(move || {
                while stopped.recv_timeout(EACH) == Err(RecvTimeoutError::Timeout) {
                    let Ok(status) = watcher.call::<DaemonStatus>(&NoParams {}) else { return };
                    if let Some(running) = status.verification {
                        progress.show(running.done, running.of);
                    }
                }
            })
        });
        context.answer_on::<AuditVerify>(&mut client, &NoParams {}, move |result, view| {
            // The line of the progress is taken away before anything else is written.
            drop(stop);
            let _ = watching.map(thread::ScopedJoinHandle::join);
            render::audit::verification(result, view)
        })
    })?;
    Ok(if result.intact { 0 } else { 3 })
}

pub(super) fn read_against(args: &Beside, manifest: Option<&Path>) -> Result<Against, Failure> {
    let keys = args.key.iter().map(|key| read_key(key)).collect::<Result<Vec<_>, _>>()?;
    let anchors = args
        .anchor
        .iter()
        .map(|path| {
            let octets = read_bounded(path, MAX_SMALL)?;
            let anchor =
                Anchor::parse(&octets).map_err(|why| Failure::file("read", path, &Untrusted::new(why).safe()))?;
            Ok((shown(path), anchor))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    if !anchors.is_empty() && keys.is_empty() {
        return Err(Failure::usage("--anchor needs --key: a checkpoint counts for as much as the key that signed it")
            .hint("the verifier key was handed out with the first checkpoint; it is not taken from the host"));
    }
    let log = match keys.first().map(|key| key.name().clone()) {
        None => None,
        Some(name) if keys.iter().all(|key| *key.name() == name) => Some(Log::new(name.as_str(), keys)),
        Some(_) => return Err(Failure::usage("the keys of --key have several names; a ledger has one")),
    };
    let manifest = manifest.map(read_manifest).transpose()?;
    Ok(Against { log, anchors, manifest })
}

/// The key itself, or the name of a file that holds it.
fn read_key(raw: &str) -> Result<VerifierKey, Failure> {
    if let Ok(key) = raw.parse() {
        return Ok(key);
    }
    let path = Path::new(raw);
    let octets = read_bounded(path, MAX_SMALL)?;
    let text = String::from_utf8_lossy(&octets);
    text.trim_end().parse().map_err(|error| Failure::file("read", path, &format!("no verifier key: {error}")))
}

fn read_manifest(path: &Path) -> Result<countersign_shared::protocol::ExportManifest, Failure> {
    let octets = read_bounded(path, MAX_SMALL)?;
    serde_json::from_slice(&octets).map_err(|error| {
        let why = format!("no manifest of an export: {error}");
        Failure::file("read", path, &Untrusted::new(why).safe())
    })
}
