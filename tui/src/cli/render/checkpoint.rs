//! Checkpoints, proofs and anchors.

use countersign_proof::bundle::RecordProof;
use countersign_proof::request::Continuation;
use countersign_shared::protocol::{AnchorResult, AnchorRow, AnchorVerdict, CheckpointResult, ProofResult};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, table};
use super::{View, text, when};

/// What stands beside a note that was printed.
pub(in crate::cli) fn remark(result: &CheckpointResult) -> String {
    format!(
        "{} records, {} of them not anchored off the host; checked with {}",
        result.size,
        result.unanchored,
        text::safe(&result.verifier_key)
    )
}

/// Proofs as they are handed on: their exact octets.
pub(in crate::cli) fn proofs(result: &ProofResult) -> String {
    let records = result.records.iter().map(|record| record.proof.as_str());
    records.chain(result.continuation.as_deref()).collect()
}

/// What an anchor said.
pub(in crate::cli) fn anchored(result: &AnchorResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    let (tone, word) = match result.verdict {
        AnchorVerdict::Equal => (Tone::Good, "the ledger is what was anchored"),
        AnchorVerdict::Ahead | AnchorVerdict::Different => (Tone::Bad, "DAMAGE: the daemon is read-only now"),
    };
    fields.toned("ledger", tone, word).add("because", text::safe(&result.text));
    for witness in &result.cosigned_by {
        let at = witness.at.map_or_else(String::new, |at| format!(", {}", when::seconds(at)));
        fields.add("cosigned by", format!("{}{at}", text::safe(&witness.witness)));
    }
    let kept = if result.added { "kept, and recorded" } else { "known already" };
    fields.add("anchor", kept).add("unanchored", format!("{} records", result.unanchored)).finish()
}

/// A page of anchors.
pub(in crate::cli) fn anchors(anchors: &[AnchorRow], view: View) -> String {
    if anchors.is_empty() {
        return "no anchors\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = anchors
        .iter()
        .map(|anchor| {
            let tone = if anchor.verdict == AnchorVerdict::Equal { Tone::Plain } else { Tone::Bad };
            // Behind the empty line stands one line for each signature.
            let signatures = anchor.note.split("\n\n").last().map_or(0, |lines| lines.lines().count());
            vec![
                Cell::new(anchor.size.to_string()),
                Cell::new(when::seconds(anchor.added_at)),
                Cell::toned(anchor.verdict.as_str(), tone),
                Cell::new(signatures.to_string()),
                Cell::new(anchor.seq.to_string()),
                Cell::new(text::safe(&anchor.added_by)),
            ]
        })
        .collect();
    table(&["RECORDS", "ADDED", "VERDICT", "SIGNED", "SEQ", "BY…"], &rows, view.style)
}

/// A record that was shown to be in a ledger, with the record.
pub(in crate::cli) fn checked_record(proof: &RecordProof, record: &[u8], cosigned: &[(String, u64)]) -> String {
    let checkpoint = proof.signed.checkpoint();
    format!(
        "record {} is in the ledger {} of {} records\n{}{}\n",
        proof.index,
        text::safe(checkpoint.origin()),
        checkpoint.size(),
        witnesses(cosigned),
        Untrusted::new(String::from_utf8_lossy(record)).safe()
    )
}

/// Growth that was shown.
pub(in crate::cli) fn checked_growth(proof: &Continuation, cosigned: &[(String, u64)]) -> String {
    let checkpoint = proof.signed.checkpoint();
    format!(
        "the ledger {} of {} records begins with the first {}\n{}",
        text::safe(checkpoint.origin()),
        checkpoint.size(),
        proof.old,
        witnesses(cosigned)
    )
}

fn witnesses(cosigned: &[(String, u64)]) -> String {
    let line = |(name, seconds): &(String, u64)| {
        let at = i64::try_from(*seconds).ok().and_then(|s| Timestamp::from_unix_millis(s.checked_mul(1000)?));
        let at = at.map_or_else(|| format!("{seconds} s"), when::seconds);
        format!("cosigned by {name} at {at}\n")
    };
    cosigned.iter().map(line).collect()
}
