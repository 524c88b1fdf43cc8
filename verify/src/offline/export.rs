//! An export, or a file that records are forwarded to: each line by itself, and each beside the line before it.

use std::io::{self, BufRead, BufReader, Read};

use countersign_proof::tree::leaf_hash;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Damage, EXPORT_FORMAT, ExportLine, ExportManifest};
use countersign_shared::text::Untrusted;
use data_encoding::BASE64;
use serde::Deserialize;

use super::{Against, Kind, Progress, Report, Unusable, pass};
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
}

pub fn verify(
    begin: &[u8],
    rest: impl Read,
    octets: u64,
    against: &Against,
    progress: &mut Progress<'_>,
) -> Result<Report, Unusable> {
    let mut file = BufReader::with_capacity(128 * 1024, begin.chain(rest));
    let (mut passed, mut findings) = (pass::begin(against, Vec::new()), Vec::new());
    let (mut line, mut done, mut number, mut gaps) = (Vec::new(), 0_u64, 0_u64, 0_u64);
    let (mut first, mut before): (Option<u64>, Option<Before>) = (None, None);
    while next_line(&mut file, &mut line)? {
        number += 1;
        done += line.len() as u64;
        if number.is_multiple_of(STEP) {
            progress(done, octets);
        }
        let ended = line.pop_if(|last| *last == b'\n').is_some();
        if !ended {
            let long = line.len() as u64 > MAX_LINE;
            let (rule, text) = match long {
                true => ("format", format!("line {number} has more than {MAX_LINE} octets, which no record has")),
                false => ("truncated", format!("line {number}, the last, is not ended: the file was cut off in it")),
            };
            findings.push(damage(before.map(|before| before.seq + 1), rule, text));
            break;
        }
        match step(&line, before) {
            Ok(record) => {
                gaps += u64::from(before.is_some_and(|before| before.seq + 1 != record.seq));
                first.get_or_insert(record.seq);
                if first == Some(0) && gaps == 0 {
                    passed.advance(record.hash, |_| {});
                }
                before = Some(record);
            }
            Err(mut found) => {
                found.text = format!("line {number}: {}", found.text);
                findings.push(found);
                break;
            }
        }
    }
    progress(octets, octets);
    let rows = number - u64::from(!findings.is_empty());
    if let Some(manifest) = &against.manifest
        && findings.is_empty()
    {
        findings.extend(compare_manifest(manifest, rows, first, before.map(|before| before.seq)));
    }
    let from_the_first = first == Some(0) && gaps == 0;
    let whole = match (findings.is_empty(), from_the_first) {
        (true, true) => Err("the export ends before it"),
        (false, true) => Err("the records cannot be followed up to it"),
        (_, false) => Err("the export does not hold every record from the first on"),
    };
    let (anchors, covered) = pass::anchors(&passed, against, whole);
    Ok(Report {
        kind: Kind::Export,
        intact: false,
        records: rows,
        first_seq: first,
        last_seq: before.map(|before| before.seq),
        gaps,
        root_sha256: from_the_first.then(|| passed.chain().frontier().root()),
        findings,
        acknowledged: Vec::new(),
        anchors,
        covered,
    })
}

/// Reads a line with its end, as far as a line may go; false behind the last.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(file.take(MAX_LINE + 1).read_until(b'\n', line)? > 0)
}

/// The part of a record that ties it to the one before.
#[derive(Deserialize)]
struct Tied {
    prev: Digest,
}

fn step(line: &[u8], before: Option<Before>) -> Result<Before, Damage> {
    let at = before.map(|before| before.seq + 1);
    let line: ExportLine = serde_json::from_slice(line).map_err(|error| {
        let text = Untrusted::new(error.to_string());
        damage(at, "format", format!("not a line of an export: {}", text.safe()))
    })?;
    let seq = line.seq;
    let wrong = |rule: &str, text: String| damage(Some(seq), rule, text);
    let record = match (&line.record, &line.record_base64) {
        (Some(record), None) => record.as_bytes().to_vec(),
        (None, Some(text)) => BASE64
            .decode(text.as_bytes())
            .map_err(|error| wrong("format", format!("record_base64 is not base 64: {error}")))?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(wrong("format", "exactly one of `record` and `record_base64` holds the octets".to_owned()));
        }
    };
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
    Ok(Before { seq, hash })
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
