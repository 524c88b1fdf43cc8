//! The ledger.

use countersign_shared::protocol::{
    Acknowledged, ArchivePage, AuditAction, AuditEvent, AuditRecord, Damage, VerifyResult,
};
use countersign_verify::offline::{Kind, Report};

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, cut, table};
use super::{View, text, when};

/// Columns of an object's id in a list: every id of ours fits, a digest is cut.
const OBJECT: usize = 20;

/// A page of the ledger.
pub(in crate::cli) fn list(events: &[AuditEvent], view: View) -> String {
    if events.is_empty() {
        return "no records\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = events
        .iter()
        .map(|event| {
            let tone = match event.action {
                AuditAction::ApprovalRefused | AuditAction::ApprovalBypassed | AuditAction::JobFailed => Tone::Bad,
                _ => Tone::Plain,
            };
            vec![
                Cell::new(event.seq.to_string()),
                Cell::new(when::seconds(event.created_at)),
                Cell::toned(event.action.as_str(), tone),
                Cell::new(text::safe(&event.actor)),
                Cell::new(cut(&text::safe(&event.resource_id), OBJECT)),
            ]
        })
        .collect();
    table(&["SEQ", "TIME", "ACTION…", "ACTOR…", "OBJECT"], &rows, view.style)
}

/// One record with its octets.
pub(in crate::cli) fn record(record: &AuditRecord, view: View) -> String {
    let event = &record.event;
    let mut fields = Fields::new(view.style);
    fields
        .add("record", format!("{}, sequence number {}", event.event_id, event.seq))
        .add("time", when::with_distance(event.created_at, view.now))
        .add("actor", format!("{} ({})", text::safe(&event.actor), event.actor_type))
        .add("action", format!("{} ({})", event.action, event.category))
        .add("object", format!("{} {}", text::safe(&event.resource_type), text::safe(&event.resource_id)));
    if let Some(words) = &event.text {
        fields.add("text", words.safe().to_string());
    }
    fields.list("leaf hash", event.record_sha256.spoken()).gap().title(Tone::Faint, "The octets that are hashed");
    fields.finish() + &text::document(&record.record)
}

/// The outcome of a verification.
pub(in crate::cli) fn verification(result: &VerifyResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    match (&result.damage, result.intact) {
        (None, true) => fields.toned("ledger", Tone::Good, "intact"),
        (Some(found), _) => fields.toned("ledger", Tone::Bad, format!("damaged: {}", damage(found))),
        (None, false) => fields.toned("ledger", Tone::Bad, "damaged"),
    };
    acknowledged(&mut fields, &result.acknowledged);
    fields
        .add("records", result.records.to_string())
        .add("root", result.root_sha256.to_string())
        .list("", result.root_sha256.spoken())
        .finish()
}

/// What was found in a file.
pub(in crate::cli) fn offline(report: &Report, view: View) -> String {
    let mut fields = Fields::new(view.style);
    let what = match report.kind {
        Kind::Database => "a database",
        Kind::Export => "an export",
        Kind::Evidence => "a bundle of evidence",
        Kind::Archive => "archives",
    };
    fields.add("file", what);
    match report.findings.as_slice() {
        [] if !report.acknowledged.is_empty() => {
            fields.toned("ledger", Tone::Good, "nothing is wrong in it but what people acknowledged")
        }
        [] => fields.toned("ledger", Tone::Good, "nothing is wrong in it"),
        found => found.iter().fold(&mut fields, |fields, found| fields.toned("ledger", Tone::Bad, self::damage(found))),
    };
    acknowledged(&mut fields, &report.acknowledged);
    let range = match report.first_seq.zip(report.last_seq) {
        None => String::new(),
        Some((first, last)) => format!(" (number {first} to {last})"),
    };
    fields.add("records", format!("{}{range}", report.records));
    if report.gaps > 0 {
        let text = format!("{}: what lies there was not exported, or was taken out", report.gaps);
        fields.toned("gaps", Tone::Bad, text);
    }
    for anchored in &report.anchors {
        let tone = if anchored.verdict == "equal" { Tone::Good } else { Tone::Bad };
        fields.toned("anchor", tone, format!("{}: {}", text::safe(&anchored.anchor), text::safe(&anchored.text)));
    }
    for note in &report.notes {
        fields.add("note", text::safe(note));
    }
    let first = report.first_seq.unwrap_or(0);
    let covered = report.covered.map_or(0, |covered| covered.saturating_sub(first));
    let rest = report.records.saturating_sub(covered);
    if rest > 0 && report.findings.is_empty() {
        let text = format!("{rest} of them: whoever owned the host could have written these anew");
        fields.add("not anchored", text);
    }
    if let Some(root) = report.root_sha256 {
        fields.add("root", root.to_string()).list("", root.spoken());
    }
    fields.finish()
}

/// A page of archives.
pub(in crate::cli) fn archives(page: &ArchivePage, view: View) -> String {
    if page.archives.is_empty() {
        return format!("no archives; {} records are not sealed\n", page.unsealed);
    }
    let rows: Vec<Vec<Cell>> = page
        .archives
        .iter()
        .map(|archive| {
            vec![
                Cell::new(archive.number.to_string()),
                Cell::new(archive.from_seq.to_string()),
                Cell::new(archive.to_seq.saturating_sub(1).to_string()),
                Cell::new(when::seconds(archive.sealed_at)),
                Cell::new(archive.octets.to_string()),
                Cell::new(text::safe(&archive.sealed_by)),
            ]
        })
        .collect();
    table(&["N", "FIRST", "LAST", "SEALED", "OCTETS", "BY…"], &rows, view.style)
        + &format!("{} records are not sealed\n", page.unsealed)
}

/// Damage that people acknowledged stays damage, and named.
fn acknowledged(fields: &mut Fields, all: &[Acknowledged]) {
    for one in all {
        let place = one.seq.map(|seq| format!(" at record {seq}")).unwrap_or_default();
        let line = format!("{}{place}, acknowledged by record {}", text::safe(&one.rule), one.by_seq);
        fields.toned("known damage", Tone::Bad, line);
    }
}

/// What was found, on one line.
pub(super) fn damage(damage: &Damage) -> String {
    let place = damage.seq.map(|seq| format!(" at record {seq}")).unwrap_or_default();
    format!("{}{place}: {}", text::safe(&damage.rule), text::safe(&damage.text))
}
