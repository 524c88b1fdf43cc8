//! An export, or a file that records are forwarded to: each line by itself, and each beside the line before it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::Path;

use countersign_proof::request::Continuation;
use countersign_proof::tree::{Frontier, leaf_hash};
use countersign_shared::digest::{Digest, Hasher};
use countersign_shared::protocol::{ArchiveManifest, Damage, EXPORT_FORMAT, ExportLine, ExportManifest};
use countersign_shared::text::Untrusted;
use data_encoding::BASE64;
use serde::Deserialize;

use super::archive;
use super::database::Live;
use super::pass::Held;
use super::past::{self, Past};
use super::{Against, Kind, Progress, Report, Unusable, lines};
use crate::chain::Chain;
use crate::columns::{Columns, GENESIS};
use crate::{damage, row};

/// The longest line, in octets: a record has 16 KiB, and stands on its line twice, escaped once.
const MAX_LINE: u64 = 256 * 1024;
/// Lines between two words on the progress.
const STEP: u64 = 1024;

/// The last line that was read.
#[derive(Clone, Copy)]
struct Before {
    seq: u64,
    hash: Digest,
    /// What it follows.
    prev: Digest,
}

/// What lines are read from.
pub type Lines = BufReader<io::Chain<Cursor<Vec<u8>>, File>>;

/// One of the files that are read one after the other.
pub struct Part<'a> {
    /// How it is named, where there are several.
    pub name: Option<String>,
    /// Where it is, to be read once more.
    pub path: &'a Path,
    /// Its lines.
    pub lines: Lines,
    /// How many octets it has.
    pub octets: u64,
    /// What the daemon said of it.
    pub manifest: Option<&'a ArchiveManifest>,
}

/// A part without its lines: name, path, octets, manifest.
type Place<'a> = (Option<String>, &'a Path, u64, Option<&'a ArchiveManifest>);

/// What was read so far, over all parts.
struct Reading<'a> {
    against: &'a Against,
    live: Option<&'a Live>,
    held: Held<'a>,
    findings: Vec<Damage>,
    rows: u64,
    done: u64,
    gaps: u64,
    first: Option<u64>,
    before: Option<Before>,
    /// The tree of the records is known: nothing is missing between the ledger's first record and the last that was read, or
    /// between the peaks that a manifest states and that record.
    tied: bool,
    /// Damage that is gone past.
    past: Option<&'a Past>,
}

pub fn verify(
    kind: Kind,
    parts: Vec<Part<'_>>,
    live: Option<&Live>,
    against: &Against,
    progress: &mut Progress<'_>,
) -> Result<Report, Unusable> {
    let again: Vec<Place<'_>> =
        parts.iter().map(|part| (part.name.clone(), part.path, part.octets, part.manifest)).collect();
    let report = read(kind, parts, (live, against, None), progress)?;
    if report.findings.is_empty() && report.gaps == 0 {
        return Ok(report);
    }
    let open = || again.iter().map(|(_, path, ..)| lines_of(path)).collect::<io::Result<Vec<Lines>>>();
    let Some(past) = past::look(open)? else { return Ok(report) };
    let parts = again.iter().zip(open()?).map(|((name, path, octets, manifest), lines)| Part {
        name: name.clone(),
        path,
        lines,
        octets: *octets,
        manifest: *manifest,
    });
    let mut report = read(kind, parts.collect(), (live, against, Some(&past)), progress)?;
    report.acknowledged = past.acknowledged.to_report();
    Ok(report)
}

fn lines_of(path: &Path) -> io::Result<Lines> {
    lines(Vec::new(), File::open(path)?).map_err(|error| match error {
        Unusable::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// Reads all of it once; past damage, where it is known.
fn read(
    kind: Kind,
    parts: Vec<Part<'_>>,
    (live, against, past): (Option<&Live>, &Against, Option<&Past>),
    progress: &mut Progress<'_>,
) -> Result<Report, Unusable> {
    let octets = parts.iter().map(|part| part.octets).sum();
    let (continuations, findings) = continuations(&parts, against);
    let held = Held::new(against, continuations.iter().map(|(_, continuation)| continuation.old));
    let (rows, done, gaps, first, before, tied) = Default::default();
    let mut reading = Reading { against, live, held, findings, rows, done, gaps, first, before, tied, past };
    for part in parts {
        if !reading.part(part, &mut |done| progress(done, octets))? {
            break;
        }
    }
    progress(octets, octets);
    Ok(reading.report(kind, &continuations))
}

/// Proofs that the ledger goes on: those that were brought, and those of the manifests.
fn continuations(parts: &[Part<'_>], against: &Against) -> (Vec<(String, Continuation)>, Vec<Damage>) {
    let (mut found, mut findings) = (against.continuations.clone(), Vec::new());
    let stated = parts.iter().filter_map(|part| part.manifest).map(|manifest| manifest.continuation.as_str());
    let stated = stated.chain(against.manifest.as_ref().and_then(|manifest| manifest.continuation.as_deref()));
    for text in stated {
        match Continuation::parse(text.as_bytes()) {
            Ok(continuation) => found.push(("the manifest".to_owned(), continuation)),
            Err(error) => findings.push(damage(None, "manifest", format!("continuation: {error}"))),
        }
    }
    found.sort_by_key(|(_, continuation)| continuation.old);
    (found, findings)
}

impl Reading<'_> {
    /// Reads a part to its end; false where something is wrong in it, behind which nothing more is looked at.
    fn part(&mut self, mut part: Part<'_>, progress: &mut dyn FnMut(u64)) -> io::Result<bool> {
        let (mut line, mut number, mut octets) = (Vec::new(), 0_u64, 0_u64);
        let (mut hasher, mut first) = (Hasher::default(), None);
        while next_line(&mut part.lines, &mut line)? {
            number += 1;
            octets += line.len() as u64;
            if number.is_multiple_of(STEP) {
                progress(self.done + octets);
            }
            if part.manifest.is_some() {
                hasher.update(&line);
            }
            match self.line(&mut line, part.manifest) {
                Ok(record) => first = first.or(Some((record.seq, record.prev))),
                Err(mut found) => {
                    let name = part.name.as_deref().map(|name| format!("{name}, ")).unwrap_or_default();
                    found.text = format!("{name}line {number}: {}", found.text);
                    self.findings.push(found);
                    return Ok(false);
                }
            }
            self.rows += 1;
        }
        self.done += octets;
        let Some(manifest) = part.manifest else { return Ok(true) };
        self.past_missing(manifest.to_seq);
        let last = first.and(self.before.map(|before| (before.seq, before.hash)));
        let tree = self.tied.then(|| self.held.pass.chain().frontier());
        let read = archive::Read { first, last, rows: number, octets, sha256: hasher.finish(), tree };
        let found = archive::compare(manifest, &read);
        if let Some(text) = found {
            let name = part.name.map(|name| format!("{name}: ")).unwrap_or_default();
            self.findings.push(damage(None, "manifest", format!("{name}{text}")));
        }
        Ok(self.findings.is_empty())
    }

    fn line(&mut self, line: &mut Vec<u8>, manifest: Option<&ArchiveManifest>) -> Result<Before, Damage> {
        if line.pop_if(|last| *last == b'\n').is_none() {
            let at = self.before.map(|before| before.seq + 1);
            return Err(if line.len() as u64 > MAX_LINE {
                damage(at, "format", format!("it has more than {MAX_LINE} octets, which no record has"))
            } else {
                damage(at, "truncated", "the last is not ended: the file was cut off in it".to_owned())
            });
        }
        let line = parse(line, self.before)?;
        self.past_missing(line.seq);
        let known = self.past.and_then(|past| past.leaves.get(&line.seq)).copied();
        let (record, octets) = match known {
            None => step(&line, self.before)?,
            Some(leaf) => self.damaged(&line, leaf, manifest)?,
        };
        if let Some(found) = self.live.and_then(|live| live.compare(record.seq, &octets)) {
            return Err(found);
        }
        match self.before {
            None => {
                self.first = Some(record.seq);
                self.tied = record.seq == 0 || self.begin_behind_peaks(&record, manifest)?;
            }
            Some(before) if before.seq + 1 != record.seq => {
                self.gaps += 1;
                self.tied = false;
            }
            Some(_) => {}
        }
        if self.tied {
            self.held.pass.advance(record.hash, |_| {});
        }
        self.before = Some(record);
        Ok(record)
    }

    /// Goes past records that are missing, and acknowledged as such, up to the one before `seq`.
    fn past_missing(&mut self, seq: u64) {
        let Some(past) = self.past else { return };
        while let Some(before) = self.before
            && before.seq + 1 < seq
            && let Some(leaf) = past.leaves.get(&(before.seq + 1)).copied()
        {
            self.before = Some(Before { seq: before.seq + 1, hash: leaf, prev: before.hash });
            if self.tied {
                self.held.pass.advance(leaf, |_| {});
            }
        }
    }

    /// A record whose damage is acknowledged: its octets as they stand, and the hash that is recorded for it.
    fn damaged(
        &self,
        line: &ExportLine,
        hash: Digest,
        manifest: Option<&ArchiveManifest>,
    ) -> Result<(Before, Vec<u8>), Damage> {
        let record = octets(line).map_err(|text| damage(Some(line.seq), "format", text))?;
        let stands = leaf_hash(&record);
        if stands != line.record_sha256 {
            let text = format!("record_sha256 is {}, the octets of the record have {stands}", line.record_sha256);
            return Err(damage(Some(line.seq), "edited", text));
        }
        let own = || serde_json::from_slice::<Tied>(&record).ok().map(|tied| tied.prev);
        let prev = self.before.map(|before| before.hash);
        let prev = prev.or(manifest.map(|manifest| manifest.prev_sha256)).or_else(own).unwrap_or(GENESIS);
        Ok((Before { seq: line.seq, hash, prev }, record))
    }

    /// Takes up the tree of what stands before the first record, where a manifest states it.
    fn begin_behind_peaks(&mut self, record: &Before, manifest: Option<&ArchiveManifest>) -> Result<bool, Damage> {
        let (first, prev) = (record.seq, record.prev);
        let of_archive = manifest.filter(|manifest| manifest.from_seq == first).map(|manifest| &manifest.peaks_before);
        let of_export = self.against.manifest.as_ref().filter(|manifest| manifest.first_seq == Some(first));
        let Some(peaks) = of_archive.or(of_export.map(|manifest| &manifest.peaks)).filter(|peaks| !peaks.is_empty())
        else {
            return Ok(false);
        };
        let frontier = Frontier::from_parts(first, peaks.clone()).ok_or_else(|| {
            damage(None, "manifest", format!("{} peaks are not those of a tree of {first} records", peaks.len()))
        })?;
        self.held.begin_behind(Chain::from_parts(prev, frontier));
        Ok(true)
    }

    fn report(mut self, kind: Kind, continuations: &[(String, Continuation)]) -> Report {
        let last = self.before.map(|before| before.seq);
        if let Some(manifest) = self.against.manifest.as_ref().filter(|_| self.findings.is_empty()) {
            self.findings.extend(compare_manifest(manifest, self.rows, self.first, last));
        }
        let mut followed = Vec::new();
        if self.tied {
            for (name, continuation) in continuations {
                match self.held.follow(continuation) {
                    None => {}
                    Some(Ok(())) => followed.push(name.clone()),
                    Some(Err(why)) => {
                        let text = format!("{name} does not show that the ledger goes on from these records: {why}");
                        self.findings.push(damage(None, "proof", text));
                    }
                }
            }
        }
        let whole = match (self.findings.is_empty(), self.tied) {
            (true, true) => Err("the file ends before it, and no proof leads from its end to it"),
            (false, true) => Err("the records cannot be followed up to it"),
            (_, false) => {
                Err("the file does not hold every record from the first on, or from peaks that a manifest states")
            }
        };
        let (anchors, covered) = self.held.anchors(whole);
        Report {
            kind,
            intact: false,
            records: self.rows,
            first_seq: self.first,
            last_seq: last,
            gaps: self.gaps,
            root_sha256: self.tied.then(|| self.held.pass.chain().frontier().root()),
            findings: self.findings,
            acknowledged: Vec::new(),
            anchors,
            covered,
            followed,
            notes: Vec::new(),
        }
    }
}

/// Reads a line with its end, as far as a line may go; false behind the last.
pub(super) fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(io::Read::take(&mut *file, MAX_LINE + 1).read_until(b'\n', line)? > 0)
}

/// The part of a record that ties it to the one before.
#[derive(Deserialize)]
struct Tied {
    prev: Digest,
}

fn parse(line: &[u8], before: Option<Before>) -> Result<ExportLine, Damage> {
    let at = before.map(|before| before.seq + 1);
    serde_json::from_slice(line).map_err(|error| {
        let text = Untrusted::new(error.to_string());
        damage(at, "format", format!("not a line of an export: {}", text.safe()))
    })
}

/// The octets of the record that a line has.
pub(crate) fn octets(line: &ExportLine) -> Result<Vec<u8>, String> {
    match (&line.record, &line.record_base64) {
        (Some(record), None) => Ok(record.as_bytes().to_vec()),
        (None, Some(text)) => {
            BASE64.decode(text.as_bytes()).map_err(|error| format!("record_base64 is not base 64: {error}"))
        }
        (Some(_), Some(_)) | (None, None) => {
            Err("exactly one of `record` and `record_base64` holds the octets".to_owned())
        }
    }
}

fn step(line: &ExportLine, before: Option<Before>) -> Result<(Before, Vec<u8>), Damage> {
    let seq = line.seq;
    let wrong = |rule: &str, text: String| damage(Some(seq), rule, text);
    let record = octets(line).map_err(|text| wrong("format", text))?;
    if line.columns_base64.is_some() {
        let text = "`columns_base64` is of a record that is damaged, and this one is said not to be".to_owned();
        return Err(wrong("format", text));
    }
    let hash = leaf_hash(&record);
    if hash != line.record_sha256 {
        let text = format!("record_sha256 is {}, the octets of the record have {hash}", line.record_sha256);
        return Err(wrong("edited", text));
    }
    if let Some(before) = before.filter(|before| seq <= before.seq) {
        return Err(wrong("reordered", format!("record {seq} stands behind record {}", before.seq)));
    }
    let prev = match before.filter(|before| before.seq + 1 == seq) {
        Some(before) => before.hash,
        None if seq == 0 => GENESIS,
        // What stood before it is not in the file.
        None => {
            serde_json::from_slice::<Tied>(&record)
                .map_err(|error| {
                    let text = Untrusted::new(error.to_string());
                    wrong("edited", format!("the record does not say which it follows: {}", text.safe()))
                })?
                .prev
        }
    };
    let canonical;
    let mut columns = Columns {
        seq,
        event_id: line.event_id.as_bytes(),
        created_at: line.created_at.as_bytes(),
        actor: line.actor.as_bytes(),
        actor_type: line.actor_type.as_bytes(),
        action: line.action.as_bytes(),
        category: line.category.as_bytes(),
        resource_type: line.resource_type.as_bytes(),
        resource_id: line.resource_id.as_bytes(),
        details: line.details.get().as_bytes(),
    };
    let mut expected = Vec::with_capacity(record.len());
    columns.write_record(&prev, &mut expected);
    if expected != record {
        // A tool that wrote the line anew may have written the details in another way; the value counts.
        let value: serde_json::Value = serde_json::from_str(line.details.get())
            .map_err(|error| wrong("columns", format!("details: {}", Untrusted::new(error.to_string()).safe())))?;
        canonical = value.to_string();
        columns.details = canonical.as_bytes();
        expected.clear();
        columns.write_record(&prev, &mut expected);
    }
    if expected != record {
        return Err(row::explain(&columns, &record, &prev));
    }
    Ok((Before { seq, hash, prev }, record))
}

/// What the daemon said that it exported, and what is there.
fn compare_manifest(manifest: &ExportManifest, rows: u64, first: Option<u64>, last: Option<u64>) -> Option<Damage> {
    let differs = |what: &str, expected: String, found: String| {
        Some(damage(None, "manifest", format!("{what}: the manifest says {expected}, the file has {found}")))
    };
    let shown = |seq: Option<u64>| seq.map_or_else(|| "none".to_owned(), |seq| seq.to_string());
    if manifest.format != EXPORT_FORMAT {
        return differs("format", Untrusted::from(manifest.format.as_str()).safe().to_string(), EXPORT_FORMAT.into());
    }
    if manifest.rows != rows {
        return differs("rows", manifest.rows.to_string(), rows.to_string());
    }
    if manifest.first_seq != first {
        return differs("first record", shown(manifest.first_seq), shown(first));
    }
    (manifest.last_seq != last).then(|| differs("last record", shown(manifest.last_seq), shown(last))).flatten()
}
