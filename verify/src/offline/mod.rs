//! A copy of the ledger's database, or an export of it, verified on another host.
//!
//! Nothing that the file says of itself is trusted: hashes, frontier and schema are compared with what its records make, and
//! only a checkpoint that was kept elsewhere shows that those records are the ones that there were.

mod archive;
mod database;
mod export;
mod pass;
mod past;
mod schema;
mod signatures;
mod wal;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use countersign_proof::anchor::{Anchor, Verdict};
use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::VerifierKey;
use countersign_proof::request::Continuation;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Acknowledged, ArchiveManifest, Damage, ExportManifest};
use serde::Serialize;

pub(crate) use export::octets;

pub use crate::Progress;
use crate::{acknowledged, cosigned, damage, evidence};

/// What a file is held against.
#[derive(Debug, Default)]
pub struct Against {
    /// The ledger's own keys, from outside; needed where there are anchors.
    pub log: Option<Log>,
    /// Checkpoints from outside, each with the name that it is reported by.
    pub anchors: Vec<(String, Anchor)>,
    /// Witnesses' keys, from outside. Each has to have cosigned one of the checkpoints: an anchor, one that a proof leads to, or
    /// one of a bundle.
    pub witnesses: Vec<VerifierKey>,
    /// What the daemon said of an export.
    pub manifest: Option<ExportManifest>,
    /// Proofs that the ledger went on from what is in the file, each with the name that it is reported by: they lead to anchors
    /// of more records. What they say is verified, and needs no trust.
    pub continuations: Vec<(String, Continuation)>,
}

impl Against {
    /// The checkpoints that came with the anchors which agree, and with proofs that lead on from the records, each with the name
    /// that it is reported by. What was signed of another ledger says nothing of this one. `anchors` says what came of each.
    pub(crate) fn checkpoints(&self, anchors: &[Anchored], followed: &[String]) -> Vec<(&str, &SignedCheckpoint)> {
        let equal = self.anchors.iter().zip(anchors).filter(|(_, anchored)| anchored.verdict == "equal");
        let notes = equal.filter_map(|((name, anchor), _)| match anchor {
            Anchor::Note(signed) => Some((name.as_str(), signed)),
            Anchor::Short(_) => None,
        });
        let led_to = self.continuations.iter().filter(|(name, _)| followed.contains(name));
        notes.chain(led_to.map(|(name, proof)| (name.as_str(), &proof.signed))).collect()
    }
}

/// An archive, and what the daemon said of it.
#[derive(Debug)]
pub struct ArchiveFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Option<ArchiveManifest>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The database of a daemon.
    Database,
    /// Lines of an export, or of a file that records are forwarded to.
    Export,
    /// A bundle of evidence.
    Evidence,
    /// Archives, one after the other.
    Archive,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was looked at.
    pub kind: Kind,
    /// True where nothing was found, and every anchor agrees.
    pub intact: bool,
    /// Records looked at.
    pub records: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// Places at which an export goes on with a later record than the next: what lies between was not exported, or was taken
    /// out, and the file itself cannot say which.
    pub gaps: u64,
    /// The Merkle root over the ledger up to the last record, where there is no gap and the records begin with the first, or with
    /// the one behind those whose peaks a manifest states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_sha256: Option<Digest>,
    /// Everything that is wrong; the first that breaks the chain, and nothing of the chain behind it.
    pub findings: Vec<Damage>,
    /// Damage that people acknowledged in a record of the file, and that was gone past.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledged>,
    /// Each anchor.
    pub anchors: Vec<Anchored>,
    /// The records that an anchor shows to be those that there were: those before this one, from the first of the file on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered: Option<u64>,
    /// The proofs that lead on from the records, by their names.
    #[serde(skip)]
    pub followed: Vec<String>,
    /// What a reader of evidence has to know, and is not wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What an anchor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anchored {
    /// The file that it came from.
    pub anchor: String,
    /// `equal`, `ahead`, `different`, `unusable` (not of this ledger, or not signed by its key), or `unreached` (the records
    /// could not be read up to it, or do not begin with the first).
    pub verdict: &'static str,
    /// The same in words.
    pub text: String,
}

/// Why a file cannot be looked at. That is no damage: it is no ledger of ours, or cannot be read.
#[derive(Debug)]
pub enum Unusable {
    /// It cannot be opened or read.
    Io(io::Error),
    /// It is something else.
    Other(&'static str),
    /// SQLite does not open it.
    Sqlite(rusqlite::Error),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Other(what) => f.write_str(what),
            Self::Sqlite(error) => write!(f, "SQLite: {error}"),
        }
    }
}

impl std::error::Error for Unusable {}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// Verifies the file at `path`.
///
/// # Errors
/// [`Unusable`] where it is neither a database nor an export, or cannot be read at all.
pub fn verify(path: &Path, against: &Against, progress: &mut Progress<'_>) -> Result<Report, Unusable> {
    // Before it is opened: a pipe would wait for its writer.
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(Unusable::Other("it is not a plain file: a copy of the database, or an export, is needed"));
    }
    let mut begin = Vec::with_capacity(SQLITE.len());
    let mut file = File::open(path)?;
    (&mut file).take(SQLITE.len() as u64).read_to_end(&mut begin)?;
    let report = if begin == SQLITE {
        database::verify(path, against, progress)?
    } else if evidence::is_bundle(&begin) {
        return Ok(evidence::examine(begin.as_slice().chain(file), against)?.report);
    } else {
        let lines = lines(begin, file)?;
        let part = export::Part { name: None, path, lines, octets: found.len(), manifest: None };
        export::verify(Kind::Export, vec![part], None, against, progress)?
    };
    Ok(concluded(report, against))
}

/// Verifies archives one after the other, in the order of the ledger; beside a database, where one is named: each record is the
/// one that stands there.
///
/// # Errors
/// [`Unusable`], with the file, where one of them cannot be read at all or is something else.
pub fn verify_archives(
    files: &[ArchiveFile],
    database: Option<&Path>,
    against: &Against,
    progress: &mut Progress<'_>,
) -> Result<Report, (PathBuf, Unusable)> {
    let named = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let parts = files.iter().map(|file| part(file, files.len() > 1).map_err(named(&file.path)));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let live = database.map(|path| database::Live::open(path).map_err(named(path))).transpose()?;
    let first = files.first().map(|file| file.path.clone()).unwrap_or_default();
    let report = export::verify(Kind::Archive, parts, live.as_ref(), against, progress);
    report.map(|report| concluded(report, against)).map_err(|error| (first, error))
}

fn part(file: &ArchiveFile, several: bool) -> Result<export::Part<'_>, Unusable> {
    if !std::fs::metadata(&file.path)?.is_file() {
        return Err(Unusable::Other("it is not a plain file"));
    }
    let opened = File::open(&file.path)?;
    Ok(export::Part {
        name: several.then(|| file.path.display().to_string()),
        path: &file.path,
        octets: opened.metadata()?.len(),
        lines: lines(Vec::new(), opened)?,
        manifest: file.manifest.as_ref(),
    })
}

/// What an export is read from; `begin` was read already.
fn lines(begin: Vec<u8>, mut file: File) -> Result<export::Lines, Unusable> {
    let mut first = begin;
    if first.is_empty() {
        (&mut file).take(1).read_to_end(&mut first)?;
    }
    if first.first().is_none_or(|first| *first == b'{') {
        return Ok(io::BufReader::with_capacity(128 * 1024, io::Cursor::new(first).chain(file)));
    }
    Err(Unusable::Other(
        "it is neither a database of SQLite, nor an export, archive or evidence, which have a JSON object on each line",
    ))
}

fn concluded(mut report: Report, against: &Against) -> Report {
    cosignatures(&mut report, against);
    unanchored(&mut report);
    report.intact = report.findings.is_empty() && report.anchors.iter().all(|anchored| anchored.verdict == "equal");
    report
}

/// Witnesses' lines under what came from outside: the file itself has none that are looked at.
fn cosignatures(report: &mut Report, against: &Against) {
    let checkpoints = against.checkpoints(&report.anchors, &report.followed);
    let log = against.log.as_ref().map(Log::keys).unwrap_or_default();
    let found = cosigned::check(&checkpoints, cosigned::Keys { log, outside: &against.witnesses, named: &[] });
    let wrong = found.wrong.iter().filter_map(|(at, why)| Some(format!("{}: {why}", checkpoints.get(*at)?.0)));
    let missing = found.missing.iter().map(|witness| cosigned::not_cosigned(witness));
    report.findings.extend(wrong.chain(missing).map(|text| damage(None, cosigned::RULE, text)));
    report.notes.extend(found.notes);
}

/// Damage among records that an anchor covers is excused by a record that an anchor covers as well, and by no other: whoever owns
/// the host can append one that says anything, and it leaves the tree as it was.
fn unanchored(report: &mut Report) {
    let Some(covered) = report.covered else { return };
    let excused = |one: &&Acknowledged| one.seq.is_some_and(|seq| seq < covered) && one.by_seq >= covered;
    let damaged = report.acknowledged.iter().filter(excused).filter(|one| acknowledged::is_rule_of_record(&one.rule));
    let found: Vec<Damage> = damaged
        .map(|one| {
            let text = format!(
                "it is acknowledged by record {}, which no anchor covers: anybody who owns the host can have written that. An \
                 anchor of more records than {} shows whether it was there",
                one.by_seq, one.by_seq
            );
            damage(one.seq, &one.rule, text)
        })
        .collect();
    report.findings.extend(found);
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Equal { .. } => "equal",
        Verdict::Ahead { .. } => "ahead",
        Verdict::Different { .. } => "different",
        Verdict::Unusable(_) => "unusable",
    }
}

#[cfg(test)]
mod tests;
