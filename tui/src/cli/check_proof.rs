//! `audit check-proof`: whether a proof shows what it is said to show. Needs no daemon, no rights and no network.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_proof::anchor::Anchor;
use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::VerifierKey;
use countersign_proof::request::Continuation;
use countersign_proof::tree::empty_root;
use countersign_shared::digest::Digest;

use super::context::Context;
use super::failure::Failure;
use super::foreign_file;
use super::render::checkpoint::{checked_growth, checked_record};

/// The first line of each proof of a record.
const RECORD: &[u8] = b"c2sp.org/tlog-proof@v1\n";

#[derive(Debug, Args)]
pub(super) struct CheckProofArgs {
    /// The proof: what `audit proof` wrote; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The verifier key of the ledger, or a file with it; again for each key that it had
    #[arg(long, value_name = "NAME+ID+KEY", required = true)]
    log: Vec<String>,
    /// The verifier key of a witness that has to have cosigned, or a file with it
    #[arg(long, value_name = "NAME+ID+KEY")]
    witness: Vec<String>,
    /// The earlier checkpoint that a proof of growth begins at
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,
    /// The record's exact octets, where they do not stand in the proof
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(super) fn run(args: &CheckProofArgs, context: &mut Context) -> Result<u8, Failure> {
    let log = log_of(&args.log)?;
    let witnesses = args.witness.iter().map(|raw| verifier_key(raw)).collect::<Result<Vec<_>, _>>()?;
    let octets = foreign_file::read(&args.file)?;
    if octets.starts_with(b"old ") {
        let said = growth(&octets, &log, &witnesses, args.earlier.as_deref())?;
        context.out().text(&said)?;
        return Ok(0);
    }
    let proofs = split(&octets);
    if args.record.is_some() && proofs.len() > 1 {
        return Err(Failure::usage("--record is for a file with one proof"));
    }
    let record = args.record.as_deref().map(foreign_file::read).transpose()?;
    for proof in proofs {
        let proof = RecordProof::parse(proof).map_err(|error| Failure::file("use", &args.file, &error))?;
        let record = record.as_ref().or(proof.extra.as_ref()).ok_or_else(|| {
            Failure::usage("the proof holds no record").hint("name the file with its octets: --record FILE")
        })?;
        proof.verify(record, &log).map_err(|error| Failure::refused(error.to_string()))?;
        let cosigned = cosigned(&proof.signed, &witnesses)?;
        context.out().text(&checked_record(&proof, record, &cosigned))?;
    }
    Ok(0)
}

fn growth(octets: &[u8], log: &Log, witnesses: &[VerifierKey], earlier: Option<&Path>) -> Result<String, Failure> {
    let proof = Continuation::parse(octets).map_err(|error| Failure::usage(error.to_string()))?;
    log.verify(&proof.signed).map_err(|error| Failure::refused(error.to_string()))?;
    let old_root = match earlier {
        Some(path) => earlier_root(path, proof.old, log)?,
        None if proof.old == 0 => empty_root(),
        None => {
            return Err(Failure::usage(format!("the proof begins at {} records", proof.old))
                .hint("name the checkpoint of as many: --earlier FILE"));
        }
    };
    proof.verify(&old_root).map_err(|error| Failure::refused(error.to_string()))?;
    Ok(checked_growth(&proof, &cosigned(&proof.signed, witnesses)?))
}

fn earlier_root(path: &Path, size: u64, log: &Log) -> Result<Digest, Failure> {
    let anchor = Anchor::parse(&foreign_file::read(path)?).map_err(|error| Failure::file("use", path, &error))?;
    let checkpoint = anchor.open(log).map_err(|error| Failure::refused(format!("the earlier checkpoint: {error}")))?;
    if checkpoint.size() != size {
        let found = checkpoint.size();
        return Err(Failure::usage(format!(
            "the proof begins at {size} records, the earlier checkpoint is of {found}"
        )));
    }
    Ok(checkpoint.root())
}

/// Every witness that was named has to have cosigned; gives name and time.
fn cosigned(signed: &SignedCheckpoint, witnesses: &[VerifierKey]) -> Result<Vec<(String, u64)>, Failure> {
    let found = signed.verify_witnesses(witnesses).map_err(|error| Failure::refused(error.to_string()))?;
    if let Some(missing) = witnesses.iter().find(|key| !found.iter().any(|valid| valid.key == *key)) {
        return Err(Failure::refused(format!("{} has not cosigned", foreign_file::shown(missing.name().as_str()))));
    }
    Ok(found
        .iter()
        .map(|valid| (foreign_file::shown(valid.key.name().as_str()), valid.time.unwrap_or_default()))
        .collect())
}

/// The proofs of a file, one after the other.
fn split(octets: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = (0..octets.len())
        .filter(|at| octets[*at..].starts_with(RECORD) && (*at == 0 || octets[*at - 1] == b'\n'))
        .collect();
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([octets.len()]);
    starts.iter().zip(ends).map(|(start, end)| &octets[*start..end]).collect()
}

/// The ledger that the keys are of: all of one name.
pub(super) fn log_of(raw: &[String]) -> Result<Log, Failure> {
    let keys = raw.iter().map(|raw| verifier_key(raw)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = keys.first() else { return Err(Failure::usage("no verifier key of a ledger was named")) };
    let name = first.name().as_str().to_owned();
    if keys.iter().any(|key| key.name().as_str() != name) {
        return Err(Failure::usage("the keys are of different ledgers: --log is said for each key of one"));
    }
    let log = Log::new(name, keys);
    if log.keys().len() != raw.len() {
        return Err(Failure::usage("the key of a witness signs no checkpoints").hint("--witness names those"));
    }
    Ok(log)
}

/// A verifier key as it is written, or the file that holds it.
pub(super) fn verifier_key(raw: &str) -> Result<VerifierKey, Failure> {
    let of_text = |text: &str| text.trim_end().parse::<VerifierKey>();
    match of_text(raw) {
        Ok(key) => Ok(key),
        Err(error) if raw.matches('+').count() >= 2 => Err(Failure::usage(error.to_string())),
        Err(_) => {
            let path = Path::new(raw);
            let octets = foreign_file::read(path)?;
            let text = std::str::from_utf8(&octets).map_err(|error| Failure::file("use", path, &error))?;
            of_text(text).map_err(|error| Failure::file("use", path, &error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_of_one_file_are_told_apart() {
        let one = [RECORD, b"index 0\n\nnote\n"].concat();
        assert_eq!(split(&one), [&one[..]]);
        let two = [&one[..], &one[..]].concat();
        assert_eq!(split(&two), [&one[..], &one[..]]);
        assert_eq!(split(b"else"), [&b"else"[..]]);
        assert_eq!(split(b""), [&b""[..]]);
        let before = [b"x\n", &one[..]].concat();
        assert_eq!(split(&before), [&b"x\n"[..], &one[..]]);
    }
}
