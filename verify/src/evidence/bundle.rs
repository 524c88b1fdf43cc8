//! The lines of a bundle, and the records in it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};

use countersign_proof::tree::leaf_hash;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{
    EVIDENCE_FORMAT, EvidenceHead, EvidencePart, EvidenceProposal, EvidenceRecord, EvidenceVersion,
};
use ring::digest::{Context, SHA256};
use serde_json::Value;

use super::{Findings, is_bundle, shown};
use crate::offline::Unusable;

/// The longest line, in octets.
const MAX_LINE: u64 = 2 * 1024 * 1024;
/// The longest bundle, in octets.
const MAX_BUNDLE: u64 = 512 * 1024 * 1024;
/// The most lines.
const MAX_LINES: u64 = 100_000;

/// What was read.
#[derive(Debug, Default)]
pub struct Bundle {
    /// The first line.
    pub head: Option<EvidenceHead>,
    /// Every part with the number of its line, the first being 1.
    pub parts: Vec<(u64, EvidencePart)>,
    /// The records, by their numbers.
    pub records: BTreeMap<u64, Record>,
}

/// A record as its octets say it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its line.
    pub line: u64,
    /// Its leaf hash, taken over the octets.
    pub hash: Digest,
    /// The whole of it.
    value: Value,
}

impl Record {
    /// A member of the record: `action`, `actor`, `at`, `resource_id`, `prev`; empty where it has none.
    pub fn member(&self, name: &str) -> &str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A member of its details that is a string; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.detail(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A member of its details that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.detail(name).and_then(Value::as_i64)
    }

    /// A member of its details that is a number of a record.
    pub fn seq(&self, name: &str) -> Option<u64> {
        self.detail(name).and_then(Value::as_u64)
    }

    /// True where its details have this flag set.
    pub fn flag(&self, name: &str) -> bool {
        self.detail(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A member of its details that is a list of strings.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.detail(name)?.as_array().map(|list| list.iter().filter_map(Value::as_str).collect())
    }

    /// A member of its details.
    pub fn detail(&self, name: &str) -> Option<&Value> {
        self.value.get("details")?.get(name)
    }

    /// What happened.
    pub fn action(&self) -> &str {
        self.member("action")
    }
}

impl Bundle {
    /// The content that people were asked about under a digest.
    pub fn version(&self, object: &str, digest: &str) -> Option<(u64, &EvidenceVersion)> {
        self.versions().find(|(_, version)| version.object == object && version.digest.to_string() == digest)
    }

    /// Every version.
    pub fn versions(&self) -> impl Iterator<Item = (u64, &EvidenceVersion)> {
        self.parts.iter().filter_map(|(line, part)| match part {
            EvidencePart::Version(version) => Some((*line, version.as_ref())),
            _ => None,
        })
    }

    /// The proposal of a request.
    pub fn proposal(&self, object: &str) -> Option<(u64, &EvidenceProposal)> {
        self.parts.iter().find_map(|(line, part)| match part {
            EvidencePart::Proposal(proposal) if proposal.object == object => Some((*line, proposal)),
            _ => None,
        })
    }
}

/// Reads every line that can be read. What cannot is a finding.
pub(super) fn read(file: impl Read, findings: &mut Findings) -> Result<Bundle, Unusable> {
    let mut file = BufReader::with_capacity(128 * 1024, file.take(MAX_BUNDLE));
    let (mut bundle, mut text, mut number, mut octets) = (Bundle::default(), Vec::new(), 0_u64, 0_u64);
    let mut hash = Context::new(&SHA256);
    let mut ended = false;
    loop {
        text.clear();
        if (&mut file).take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        number += 1;
        octets += text.len() as u64;
        if number == 1 && !is_bundle(&text) {
            return Err(Unusable::Other("it is no bundle of evidence, which has a part on each line"));
        }
        if octets >= MAX_BUNDLE || number > MAX_LINES || (text.len() as u64 >= MAX_LINE && text.last() != Some(&b'\n'))
        {
            return Err(Unusable::Other("it, or a line of it, is longer than a bundle may be"));
        }
        if ended {
            findings.add(number, "?", None, "format", "it stands behind the line `end`");
            break;
        }
        if text.last() != Some(&b'\n') {
            findings.add(number, "?", None, "format", "the line is not ended: the file was cut off in it");
        }
        let part: EvidencePart = match serde_json::from_slice(&text) {
            Ok(part) => part,
            Err(error) => {
                let why = shown(&error.to_string());
                findings.add(number, "?", None, "format", format!("not a part of a bundle: {why}"));
                hash.update(&text);
                continue;
            }
        };
        match &part {
            EvidencePart::End(end) => {
                let place = (number, "end", None);
                findings.differ(place, ("end", "lines"), number - 1, end.lines);
                findings.differ(place, ("end", "sha256 of the lines"), finish(&hash), end.sha256);
                ended = true;
                continue;
            }
            EvidencePart::Head(head) if number == 1 => {
                findings.differ((number, "head", None), ("format", "format"), EVIDENCE_FORMAT, &head.format);
                bundle.head = Some(head.clone());
            }
            EvidencePart::Head(_) => findings.add(number, "head", None, "format", "it is not the first line"),
            EvidencePart::Record(record) => keep(&mut bundle, number, record, findings),
            _ => {}
        }
        hash.update(&text);
        bundle.parts.push((number, part));
    }
    if number == 0 {
        return Err(Unusable::Other("it is empty"));
    }
    if bundle.head.is_none() {
        findings.add(1, "head", None, "missing", "the first line is no head");
    }
    if !ended {
        findings.add(number, "end", None, "missing", "there is no line `end`: the file was cut off");
    }
    Ok(bundle)
}

fn finish(hash: &Context) -> Digest {
    let mut octets = [0; 32];
    octets.copy_from_slice(hash.clone().finish().as_ref());
    Digest::from_bytes(octets)
}

/// A record whose octets are those of its hash, and whose number is its own.
fn keep(bundle: &mut Bundle, line: u64, part: &EvidenceRecord, findings: &mut Findings) {
    let place = (line, "record", Some(part.seq));
    let hash = leaf_hash(part.record.as_bytes());
    findings.differ(place, ("record", "hash of the octets"), part.record_sha256, hash);
    let Ok(value) = serde_json::from_str::<Value>(&part.record) else {
        findings.add(line, "record", Some(part.seq), "record", "its octets are no JSON");
        return;
    };
    let own = value.get("seq").and_then(Value::as_u64).map(|seq| seq.to_string()).unwrap_or_default();
    findings.differ(place, ("record", "its number"), part.seq, own);
    if bundle.records.last_key_value().is_some_and(|(last, _)| *last > part.seq) {
        findings.add(line, "record", Some(part.seq), "record", "it stands behind a later one");
    }
    let record = Record { line, hash, value };
    if bundle.records.insert(part.seq, record).is_some() {
        findings.add(line, "record", Some(part.seq), "record", "it is there twice");
    }
}

/// The last line of a bundle, in the making.
#[derive(Clone)]
pub struct Ending {
    lines: u64,
    hash: Context,
}

impl Default for Ending {
    fn default() -> Self {
        Self { lines: 0, hash: Context::new(&SHA256) }
    }
}

impl Ending {
    /// Takes a line, without its line feed.
    pub fn line(&mut self, line: &str) {
        self.lines += 1;
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
    }

    /// The line `end`, without its line feed.
    pub fn end(&self) -> String {
        format!("{{\"part\":\"end\",\"lines\":{},\"sha256\":\"{}\"}}", self.lines, finish(&self.hash))
    }
}
