//! `audit verify FILE…`: a copied database, an export, archives or evidence, without a daemon and without privileges. Without a
//! file, the daemon verifies its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::Args;
use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::Log;
use countersign_proof::note::{Algorithm, VerifierKey};
use countersign_proof::request::Continuation;
use countersign_shared::protocol::method::{AuditVerify, DaemonStatus};
use countersign_shared::protocol::{ARCHIVE_FORMAT, ArchiveManifest, ExportManifest, NoParams};
use countersign_shared::text::Untrusted;
use countersign_verify::offline::{self, Against, ArchiveFile, Report, Unusable};
use serde::Deserialize;

use super::super::context::Context;
use super::super::csr::read_bounded;
use super::super::failure::{Failure, shown};
use super::super::progress::Progress;
use super::super::render;
use super::archive::beside;

/// The largest file of an anchor, a key or a manifest, in octets.
const MAX_SMALL: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// A copy of the database (with its -wal, where there is one), an export, a bundle of evidence, or archives in their order;
    /// the daemon's own ledger where it is left out
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    beside: Beside,
    /// What the daemon said of the file, one for each; FILE.manifest, where it is there, where it is left out
    #[arg(long, value_name = "FILE", requires = "files")]
    manifest: Vec<PathBuf>,
    /// That the ledger went on, from `audit proof --from SIZE`: leads from an export or archive to a later anchor
    #[arg(long, value_name = "FILE", requires = "files")]
    proof: Vec<PathBuf>,
    /// A copy of the database, in which each record of the archives has to stand
    #[arg(long, value_name = "DATABASE", requires = "files")]
    against: Option<PathBuf>,
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
    /// The verifier key of a witness, or a file with it: from outside, not from the host. It has to have cosigned one of the
    /// checkpoints; several times for several
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
}

impl VerifyArgs {
    pub(super) fn is_offline(&self) -> bool {
        !self.files.is_empty()
    }

    /// Where the daemon's own ledger is verified, there is nothing that these could be held against.
    pub(super) fn needs_file(&self) -> bool {
        self.files.is_empty()
            && !(self.beside.anchor.is_empty() && self.beside.key.is_empty() && self.beside.witness.is_empty())
    }
}

pub(super) fn run(args: &VerifyArgs, context: &mut Context) -> Result<u8, Failure> {
    let mut against = read_against(&args.beside)?;
    against.continuations = continuations(args)?;
    let mut manifests = manifests(args)?;
    let [file] = args.files.as_slice() else {
        return archives(args, manifests, &against, context);
    };
    let manifest = match manifests.pop().flatten() {
        Some(Manifest::Export(manifest)) => Some(*manifest),
        None => None,
        manifest @ Some(Manifest::Archive(_)) => return archives(args, vec![manifest], &against, context),
    };
    if args.against.is_some() {
        return archives(args, vec![manifest.map(|manifest| Manifest::Export(Box::new(manifest)))], &against, context);
    }
    against.manifest = manifest;
    let mut progress = Progress::new(context, "done");
    let report = offline::verify(file, &against, &mut |done, of| progress.show(done, of));
    progress.end();
    tell(&report.map_err(|error| unusable(file, &error))?, context)
}

/// Archives, one after the other.
fn archives(
    args: &VerifyArgs,
    manifests: Vec<Option<Manifest>>,
    against: &Against,
    context: &mut Context,
) -> Result<u8, Failure> {
    let files = args.files.iter().zip(manifests).map(|(path, manifest)| {
        let manifest = match manifest {
            None => None,
            Some(Manifest::Archive(manifest)) => Some(*manifest),
            Some(Manifest::Export(_)) => {
                return Err(Failure::usage(format!("{} is an export, and not an archive", shown(path)))
                    .hint("verify exports one at a time, without --against"));
            }
        };
        Ok(ArchiveFile { path: path.clone(), manifest })
    });
    let files = files.collect::<Result<Vec<_>, Failure>>()?;
    let mut progress = Progress::new(context, "octets");
    let mut show = |done, of| progress.show(done, of);
    let report = offline::verify_archives(&files, args.against.as_deref(), against, &mut show);
    progress.end();
    tell(&report.map_err(|(path, error)| unusable(&path, &error))?, context)
}

fn unusable(path: &Path, error: &Unusable) -> Failure {
    let why = Untrusted::new(error.to_string()).safe().to_string();
    Failure::file("verify", path, &why)
}

fn tell(report: &Report, context: &mut Context) -> Result<u8, Failure> {
    if context.json() {
        let text = serde_json::to_string(report).map_err(|error| Failure::internal(error.to_string()))?;
        context.out().text(&text)?;
    } else {
        let text = render::audit::offline(report, context.view()?);
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

pub(super) fn read_against(args: &Beside) -> Result<Against, Failure> {
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
    let witnesses = args.witness.iter().map(|key| read_witness(key)).collect::<Result<Vec<_>, _>>()?;
    Ok(Against { log, anchors, witnesses, ..Against::default() })
}

/// A key that signs nothing but cosignatures.
fn read_witness(raw: &str) -> Result<VerifierKey, Failure> {
    let key = read_key(raw)?;
    if key.algorithm() == Algorithm::CosignatureV1 {
        return Ok(key);
    }
    Err(Failure::usage("the key of --witness is that of a ledger").hint("--key names those that sign checkpoints"))
}

/// Proofs that the ledger went on.
fn continuations(args: &VerifyArgs) -> Result<Vec<(String, Continuation)>, Failure> {
    let continuations = args.proof.iter().map(|path| {
        let octets = read_bounded(path, MAX_SMALL)?;
        let proof = Continuation::parse(&octets)
            .map_err(|error| Failure::file("read", path, &Untrusted::new(error.to_string()).safe()))?;
        Ok((shown(path), proof))
    });
    continuations.collect()
}

/// What the daemon said of a file.
enum Manifest {
    Export(Box<ExportManifest>),
    Archive(Box<ArchiveManifest>),
}

/// That of each file, in their order.
fn manifests(args: &VerifyArgs) -> Result<Vec<Option<Manifest>>, Failure> {
    if !args.manifest.is_empty() && args.manifest.len() != args.files.len() {
        return Err(Failure::usage("there are not as many manifests as files: one for each, in their order"));
    }
    if !args.manifest.is_empty() {
        return args.manifest.iter().map(|path| read_manifest(path).map(Some)).collect();
    }
    let beside = args.files.iter().map(|file| beside(file));
    beside.map(|path| if path.is_file() { read_manifest(&path).map(Some) } else { Ok(None) }).collect()
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

fn read_manifest(path: &Path) -> Result<Manifest, Failure> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let octets = read_bounded(path, MAX_SMALL)?;
    let read = serde_json::from_slice::<Head>(&octets).and_then(|head| {
        if head.format == ARCHIVE_FORMAT {
            serde_json::from_slice(&octets).map(Manifest::Archive)
        } else {
            serde_json::from_slice(&octets).map(Manifest::Export)
        }
    });
    read.map_err(|error| {
        let why = format!("no manifest of an export or archive: {error}");
        Failure::file("read", path, &Untrusted::new(why).safe())
    })
}
