//! `witness`: on a second host, cosigns a ledger's checkpoint that continues what was seen of it before. A file or a pipe is
//! all that it needs; it speaks to no daemon.

mod seen;

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use countersign_proof::checkpoint::Log;
use countersign_proof::cosignature::Cosigner;
use countersign_proof::note::{KeyName, VerifierKey};
use countersign_proof::request::Continuation;
use countersign_proof::witness::{Head, judge};

use super::check_proof::verifier_key;
use super::context::Context;
use super::failure::Failure;
use super::{foreign_file, out_file};
use seen::{Known, Seen};

/// The longest private key, in octets.
const MAX_KEY: u64 = 4096;

#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// The witness's private key: Ed25519 in PKCS #8 (`openssl genpkey -algorithm ed25519`), open to nobody else
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The witness's name, as in `witness.corp.example`; one key serves one name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where it is kept what was seen of each ledger; made where it is missing
    #[arg(long, value_name = "DIR", required_unless_present = "verifier_key")]
    state: Option<PathBuf>,
    /// A verifier key of the ledger, or a file with it: the first time, and when its key has changed
    #[arg(long, value_name = "NAME+ID+KEY")]
    log: Vec<String>,
    /// Print the witness's own verifier key and do nothing else
    #[arg(long, conflicts_with = "file")]
    verifier_key: bool,
    /// Write the cosigned checkpoint to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What `audit proof --from SIZE` wrote; `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "verifier_key")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &WitnessArgs, context: &mut Context) -> Result<u8, Failure> {
    let cosigner = cosigner(&args.key, &args.name)?;
    let (Some(file), Some(state)) = (&args.file, &args.state) else {
        context.out().text(&format!("{}\n", cosigner.key()))?;
        return Ok(0);
    };
    if let Some(path) = &args.out {
        out_file::Target::File(path.to_owned()).check()?;
    }
    let keys = args.log.iter().map(|raw| verifier_key(raw)).collect::<Result<Vec<_>, _>>()?;
    let octets = foreign_file::read(file)?;
    let note = witness(&cosigner, state, &keys, &octets, now()?)?;
    match &args.out {
        Some(path) => out_file::write(path, note.as_bytes())?,
        None => context.out().text(&note)?,
    }
    Ok(0)
}

/// Judges what is offered, keeps it, and only then cosigns; gives the note with the witness's line.
fn witness(
    cosigner: &Cosigner,
    state: &Path,
    keys: &[VerifierKey],
    octets: &[u8],
    seconds: u32,
) -> Result<String, Failure> {
    let offered = Continuation::parse(octets).map_err(|error| {
        Failure::usage(error.to_string()).hint("a witness takes what `countersign audit proof --from SIZE` wrote")
    })?;
    let origin = offered.signed.checkpoint().origin().to_owned();
    let seen = Seen::hold(state)?;
    let known = seen.read(&origin)?;
    let mut all: Vec<VerifierKey> = known.as_ref().map_or_else(Vec::new, |known| known.keys.clone());
    all.extend(
        keys.iter().filter(|key| key.name().as_str() == origin && !all.contains(key)).cloned().collect::<Vec<_>>(),
    );
    // A ledger of which no key is known is none that is watched.
    let logs: Vec<Log> = if all.is_empty() { Vec::new() } else { vec![Log::new(origin.clone(), all.clone())] };
    let head = known.map_or_else(Head::none, |known| known.head);
    let accepted = match judge(&offered, &logs, |_| head) {
        Ok(accepted) => accepted,
        Err(refusal) => {
            let failure = Failure::refused(refusal.to_string());
            if refusal.is_evidence() {
                let kept = seen.keep_evidence(&origin, &offered)?;
                return Err(failure.hint(format!("what was offered is kept as evidence: {}", kept.display())));
            }
            return Err(failure.hint(format!(
                "what was seen last of it has {} records; `countersign audit proof --from {}` begins there",
                head.size, head.size
            )));
        }
    };
    seen.write(&Known { origin, head: accepted.head(), keys: all })?;
    let line = accepted.cosign(cosigner, seconds);
    let mut signed = offered.signed.clone();
    signed.add(line).map_err(|error| Failure::refused(error.to_string()))?;
    Ok(signed.to_string())
}

fn cosigner(path: &Path, name: &str) -> Result<Cosigner, Failure> {
    let name = KeyName::new(name).map_err(|error| Failure::usage(error.to_string()))?;
    let octets = private_key(path).map_err(|error| Failure::file("use the key", path, &error))?;
    Cosigner::from_private_key(name, &octets).map_err(|error| Failure::file("use the key", path, &error))
}

fn private_key(path: &Path) -> Result<Vec<u8>, String> {
    let open = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    let file = open.map_err(|error| error.to_string())?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!(
            "it is open to others (mode {:04o}); make another key, then chmod 0600",
            found.mode() & 0o7777
        ));
    }
    let mut octets = Vec::new();
    file.take(MAX_KEY).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    Ok(octets)
}

fn now() -> Result<u32, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| u32::try_from(since.as_secs()));
    match since {
        Ok(Ok(seconds)) => Ok(seconds),
        _ => Err(Failure::internal("this host's clock is set to a time that cannot be written")),
    }
}

#[cfg(test)]
mod tests;
