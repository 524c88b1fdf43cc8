//! A bundle of evidence, checked on any host: the format is described in `docs/evidence.md`.
//!
//! The checkpoint is held against a key from outside; without one, against the key that the bundle itself names, which shows
//! no more than that the bundle agrees with itself. Everything else follows from the checkpoint: records by their inclusion
//! proofs, contents and texts by their digests in the records, decisions by their own records, and a certificate by the record
//! that allowed it.
//!
//! | module | |
//! | --- | --- |
//! | [`bundle`] | the lines, read strictly |
//! | [`ledger`](self) | checkpoint, proofs, keys, and what the record of the making says |
//! | `content`, `policies` | versions, proposals, texts, policies |
//! | [`votes`] | decisions, and the quorum counted again |
//! | `by_policy` | who had to agree, and who had a vote, by the policies in the bundle |
//! | `signature` | what deciders signed, and voices for what was done to the ledger |
//! | `witnesses` | cosignatures, and whether their keys came from outside |
//! | `issued` | certificates, revocations, and what allowed them |

pub mod bundle;
mod by_policy;
mod content;
mod issued;
mod ledger;
mod pem;
mod policies;
mod quorum;
mod signature;
pub mod votes;
mod witnesses;

use std::io::Read;
use std::path::Path;

use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;

pub use self::bundle::{Bundle, Record};
pub use self::signature::told as signatures_of_voices;
use crate::damage;
use crate::offline::{Against, Kind, Report, Unusable};

/// What a bundle is, and what was found in it.
#[derive(Debug)]
pub struct Examined {
    /// The parts that could be read.
    pub bundle: Bundle,
    /// What is wrong.
    pub report: Report,
}

/// Findings that are told at most.
const MOST_FINDINGS: usize = 100;

/// What is wrong, in the order in which it was found.
#[derive(Debug, Default)]
struct Findings(Vec<Damage>);

impl Findings {
    /// Adds one: at which line, beside which record, which rule is broken, and how.
    fn add(&mut self, line: u64, part: &str, seq: Option<u64>, rule: &str, text: impl std::fmt::Display) {
        if self.0.len() < MOST_FINDINGS {
            self.0.push(damage(seq, rule, format!("line {line} ({part}): {text}")));
        }
    }

    /// Adds one of something that the bundle is held against.
    fn outside(&mut self, name: &str, rule: &str, text: impl std::fmt::Display) {
        if self.0.len() < MOST_FINDINGS {
            self.0.push(damage(None, rule, format!("{name}: {text}")));
        }
    }

    /// Adds one where two values that have to be the same are not.
    fn differ(
        &mut self,
        (line, part, seq): (u64, &str, Option<u64>),
        (rule, what): (&str, &str),
        expected: impl ToString,
        found: impl ToString,
    ) {
        let (expected, found) = (expected.to_string(), found.to_string());
        if expected != found {
            let (expected, found) = (shown(&expected), shown(&found));
            self.add(line, part, seq, rule, format!("{what}: expected {expected}, found {found}"));
        }
    }
}

/// Text of a bundle as it may be shown, shortened.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let safe = Untrusted::from(if text.is_empty() { "nothing" } else { text }).safe().to_string();
    match safe.char_indices().nth(MOST) {
        None => safe,
        Some((end, _)) => format!("{}…", &safe[..end]),
    }
}

/// True where a file begins as a bundle does.
pub fn is_bundle(begin: &[u8]) -> bool {
    begin.starts_with(b"{\"part\":\"")
}

/// Checks the bundle at `path`.
///
/// # Errors
/// [`Unusable`] where it cannot be read, or is no bundle.
pub fn open(path: &Path, against: &Against) -> Result<Examined, Unusable> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Unusable::Other("it is not a plain file: a bundle of evidence is needed"));
    }
    examine(file, against)
}

/// Checks a bundle.
///
/// # Errors
/// [`Unusable`] where it cannot be read, is no bundle, or is longer than one may be.
pub fn examine(file: impl Read, against: &Against) -> Result<Examined, Unusable> {
    let mut findings = Findings::default();
    let mut notes = Vec::new();
    let bundle = bundle::read(file, &mut findings)?;
    let anchors = ledger::check(&bundle, against, &mut findings, &mut notes);
    witnesses::check(&bundle, (against, &anchors), &mut findings, &mut notes);
    policies::check(&bundle, &mut findings);
    content::check(&bundle, &mut findings);
    votes::check(&bundle, &mut findings, &mut notes);
    signature::voices(&bundle, &mut findings);
    by_policy::check(&bundle, &mut findings, &mut notes);
    issued::check(&bundle, &mut findings, &mut notes);
    let intact = findings.0.is_empty() && anchors.iter().all(|anchored| anchored.verdict == "equal");
    // Nothing that is wrong covers anything, and no key of the bundle's own does.
    let covered = bundle.head.as_ref().filter(|_| intact && against.log.is_some()).map(|head| head.size);
    let report = Report {
        kind: Kind::Evidence,
        intact,
        records: bundle.records.len() as u64,
        first_seq: bundle.records.keys().next().copied(),
        last_seq: bundle.records.keys().next_back().copied(),
        gaps: 0,
        root_sha256: bundle.head.as_ref().map(|head| head.root_sha256),
        findings: findings.0,
        acknowledged: Vec::new(),
        anchors,
        covered,
        followed: Vec::new(),
        notes,
    };
    Ok(Examined { bundle, report })
}
