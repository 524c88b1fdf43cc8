//! `audit checkpoint` and `audit proof`: what is taken off the host.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::Note;
use countersign_proof::qr::{self, Drawing, Ink};
use countersign_proof::short::ShortForm;
use countersign_shared::id::EventId;
use countersign_shared::protocol::method::{AuditCheckpoint, AuditProof};
use countersign_shared::protocol::{CheckpointResult, NoParams, ProofParams};

use super::context::Context;
use super::failure::Failure;
use super::{failure, foreign_file, out_file, render};

#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    /// Draw it for a phone: the whole note where the terminal has room for it, its short form otherwise
    #[arg(long, conflicts_with_all = ["short", "verifier_key"])]
    qr: bool,
    /// What the terminal draws blocks in
    #[arg(long, value_enum, default_value = "light", requires = "qr")]
    ink: InkArg,
    /// Print its short form, 255 digits
    #[arg(long, conflicts_with = "verifier_key")]
    short: bool,
    /// Print the public key alone, which whoever checks it has to know beforehand
    #[arg(long)]
    verifier_key: bool,
    /// Write the note to this file; to a file for each size (`checkpoint-000000001234.txt`) where it is a directory, as of a
    /// stick. Another checkpoint that stands there is left as it is
    #[arg(long, value_name = "FILE|DIR")]
    out: Option<PathBuf>,
    /// Replace what stands there
    #[arg(long, requires = "out")]
    replace: bool,
}

/// What a terminal draws in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InkArg {
    /// Light on a dark ground
    Light,
    /// Dark on a light ground
    Dark,
}

#[derive(Debug, Args)]
pub(super) struct ProofArgs {
    /// A record by its id or its sequence number, or an object: every record about it
    #[arg(value_name = "ev-…|SEQ|ar-…", required_unless_present = "from", conflicts_with = "from")]
    of: Option<String>,
    /// Prove that the ledger begins with what it was when it had so many records
    #[arg(long, value_name = "SIZE")]
    from: Option<u64>,
    /// Write the proof to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn checkpoint(args: &CheckpointArgs, context: &mut Context) -> Result<u8, Failure> {
    match args.out.as_deref() {
        Some(path) if path.is_dir() => check_out(Some(&path.join("checkpoint")))?,
        path => check_out(path)?,
    }
    let mut drawn = Ok(());
    let result = context.answer::<AuditCheckpoint>(&NoParams {}, |result, _| {
        if args.out.is_some() && !args.qr && !args.short && !args.verifier_key {
            return String::new();
        }
        shown(args, result).unwrap_or_else(|failure| {
            drawn = Err(failure);
            String::new()
        })
    })?;
    drawn?;
    if let Some(path) = &args.out {
        let path = if path.is_dir() { path.join(format!("checkpoint-{:012}.txt", result.size)) } else { path.clone() };
        keep(&path, result.note.as_bytes(), args.replace)?;
        context.out().note(&format!("written and synchronised: {}", failure::shown(&path)));
    }
    context.out().note(&render::checkpoint::remark(&result));
    Ok(0)
}

/// Writes a note whole or not at all. What stands there already is evidence, and goes only where that was asked for.
fn keep(path: &Path, note: &[u8], replace: bool) -> Result<(), Failure> {
    if !replace && path.symlink_metadata().is_ok() {
        let found = foreign_file::read(path)?;
        if found == note {
            return Ok(());
        }
        let what = match SignedCheckpoint::parse(&found) {
            Ok(other) => {
                let other = other.checkpoint();
                format!("a checkpoint of {} records of {}", other.size(), foreign_file::shown(other.origin()))
            }
            Err(_) => "something else".to_owned(),
        };
        return Err(Failure::conflict(format!("{} is {what}, and stays", failure::shown(path))).hint(
            "name another file, or a directory, in which each size has its own; --replace gives the old one up",
        ));
    }
    out_file::write(path, note)
}

fn shown(args: &CheckpointArgs, result: &CheckpointResult) -> Result<String, Failure> {
    let short = || -> Result<ShortForm, Failure> {
        let digits = result.short.as_deref().ok_or_else(|| Failure::usage("this checkpoint has no short form"))?;
        digits.parse().map_err(|error| Failure::internal(format!("the daemon's short form: {error}")))
    };
    if args.verifier_key {
        return Ok(format!("{}\n", result.verifier_key));
    }
    if args.short {
        return Ok(short()?.grouped().join("\n") + "\n");
    }
    if !args.qr {
        return Ok(result.note.clone());
    }
    let ink = match args.ink {
        InkArg::Light => Ink::Light,
        InkArg::Dark => Ink::Dark,
    };
    let whole = Note::parse(result.note.as_bytes()).ok().and_then(|note| qr::draw_note(&note).ok());
    match whole.filter(has_room) {
        Some(drawing) => Ok(drawing.render(ink)),
        None => {
            let drawing = qr::draw_short(&short()?).map_err(|error| Failure::internal(error.to_string()))?;
            Ok(drawing.render(ink))
        }
    }
}

/// A row is left for the prompt. Where there is no terminal, nobody knows how large one will be.
fn has_room(drawing: &Drawing) -> bool {
    crossterm::terminal::size()
        .is_ok_and(|(columns, rows)| usize::from(columns) >= drawing.columns() && usize::from(rows) > drawing.rows())
}

pub(super) fn proof(args: &ProofArgs, context: &mut Context) -> Result<u8, Failure> {
    check_out(args.out.as_deref())?;
    let params = params(args)?;
    let result = context.answer::<AuditProof>(&params, |result, _| {
        if args.out.is_some() { String::new() } else { render::checkpoint::proofs(result) }
    })?;
    if let Some(path) = &args.out {
        out_file::write(path, render::checkpoint::proofs(&result).as_bytes())?;
    }
    Ok(0)
}

fn params(args: &ProofArgs) -> Result<ProofParams, Failure> {
    if let Some(from) = args.from {
        return Ok(ProofParams { from: Some(from), ..Default::default() });
    }
    let of = args.of.as_deref().unwrap_or_default();
    if of.starts_with("ev-") {
        let event_id = of.parse::<EventId>().map_err(|error| Failure::usage(error.to_string()))?;
        return Ok(ProofParams { event_id: Some(event_id), ..Default::default() });
    }
    if of.bytes().all(|octet| octet.is_ascii_digit()) {
        let seq = of.parse().map_err(|_| Failure::usage("a sequence number is smaller than that"))?;
        return Ok(ProofParams { seq: Some(seq), ..Default::default() });
    }
    Ok(ProofParams { resource_id: Some(of.to_owned()), ..Default::default() })
}

fn check_out(path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), |path| out_file::Target::File(path.to_owned()).check())
}
