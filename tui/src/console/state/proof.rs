//! That a record is in the ledger: what was proved, whether it holds, and the file that it goes to.

use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::Log;
use countersign_proof::note::VerifierKey;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AuditEvent, ProofResult};

use super::Field;
use crate::console::action::Refusal;

/// The proof that is shown.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Of which record, as the list had it.
    pub row: AuditEvent,
    /// What the daemon proved.
    pub seen: Option<Box<Proved>>,
    /// Why there is nothing.
    pub refused: Option<Refusal>,
    /// Lines above the window.
    pub scroll: usize,
    /// The file, while it is named or written.
    pub saving: Option<Saving>,
}

/// A proof as it was checked here.
#[derive(Clone, Debug)]
pub struct Proved {
    /// Its exact octets.
    pub octets: String,
    /// The key that the daemon names.
    pub verifier_key: String,
    /// What it shows, or why it shows nothing.
    pub shows: Result<Shown, String>,
}

/// What a proof shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Of which ledger.
    pub origin: String,
    /// Of how many records.
    pub size: u64,
    /// The root that was signed.
    pub root: Digest,
    /// Hashes between the record and the root.
    pub hashes: usize,
    /// Who else signed, as names of keys.
    pub also_signed: Vec<String>,
}

/// A file that is to be written.
#[derive(Clone, Debug)]
pub struct Saving {
    /// Its name.
    pub path: Field,
    /// True where a file has this name: it is replaced only when that was asked about.
    pub exists: bool,
    /// True while it is being written.
    pub sending: bool,
    /// Why it was not written.
    pub wrong: Option<String>,
}

impl Proof {
    /// One that is being asked for.
    pub fn of(row: AuditEvent) -> Self {
        Self { row, seen: None, refused: None, scroll: 0, saving: None }
    }
}

impl Saving {
    /// A file named after the record, in the directory that the console was opened in.
    pub fn named(row: &AuditEvent) -> Self {
        let path = Field::with(&format!("{}.tlog-proof", row.event_id));
        Self { path, exists: false, sending: false, wrong: None }
    }
}

/// Checks what the daemon gave for this record, as `audit check-proof` does, with the key that the daemon names.
pub fn check(row: &AuditEvent, result: &ProofResult) -> Proved {
    let octets = result.records.first().map_or_else(String::new, |record| record.proof.clone());
    let shows = shown(row, result, &octets);
    Proved { octets, verifier_key: result.verifier_key.clone(), shows }
}

fn shown(row: &AuditEvent, result: &ProofResult, octets: &str) -> Result<Shown, String> {
    let key: VerifierKey = result.verifier_key.parse().map_err(|error| format!("the key is of no use: {error}"))?;
    let proof = RecordProof::parse(octets.as_bytes()).map_err(|error| error.to_string())?;
    let record = proof.extra.as_ref().ok_or("it does not hold the record")?;
    let ledger = key.id();
    proof.verify(record, &Log::of_key(key)).map_err(|error| error.to_string())?;
    if proof.index != row.seq || Digest::of(&[&[0], record]) != row.record_sha256 {
        return Err("it is about another record than the one that was listed".into());
    }
    let checkpoint = proof.signed.checkpoint();
    let others = proof.signed.note().signatures().iter().filter(|line| line.id() != ledger);
    Ok(Shown {
        origin: checkpoint.origin().to_owned(),
        size: checkpoint.size(),
        root: checkpoint.root(),
        hashes: proof.path.len(),
        also_signed: others.map(|line| line.name().as_str().to_owned()).collect(),
    })
}
