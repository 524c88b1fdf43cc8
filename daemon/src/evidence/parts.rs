//! Each part as it stands in the file.

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::VerifierKey;
use countersign_proof::tree::{
    leaf_hash, prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion,
};
use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::{
    Damage, EvidenceCertificate, EvidenceDecision, EvidenceDelegation, EvidenceEarlier, EvidenceKey, EvidencePart,
    EvidencePolicy, EvidenceProposal, EvidenceRecord, EvidenceRemark, EvidenceSignature, EvidenceTerms, EvidenceText,
    EvidenceVersion, EvidenceVoice, EvidenceWitness,
};
use countersign_shared::text::Untrusted;
use countersign_verify::{signed, voices};
use data_encoding::{BASE64, HEXLOWER};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Item;
use crate::store::rows::checkpoints::Checkpoint;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::{audit, checkpoints, parsed, proposals, revocations, submissions};
use crate::store::transaction::Failure;
use crate::x509::pem;

/// The longest line, in octets: it fits a frame with what stands around it.
pub const LONGEST_PART: usize = 1_000_000;
/// The longest document that stands in its line as text, in octets of JSON.
const LONGEST_TEXT: usize = 640 * 1024;

/// A part as a line.
///
/// # Errors
/// An internal error where it is longer than a line may be.
pub fn line(part: &EvidencePart) -> Result<Box<RawValue>, Failure> {
    let line = serde_json::value::to_raw_value(part)
        .map_err(|error| ApiError::internal(format!("a part of the evidence has no JSON form: {error}")))?;
    if line.get().len() > LONGEST_PART {
        let text = format!("a part, {}, has more than {LONGEST_PART} octets, which no frame holds", part.name());
        return Err(ApiError::internal(text).into());
    }
    Ok(line)
}

/// A part that is kept in a row; a record without its proof has none here: see [`of_record`].
pub fn of_item(connection: &Connection, item: &Item) -> Result<EvidencePart, Failure> {
    Ok(match item {
        Item::Key(seq) => EvidencePart::Key(EvidenceKey {
            seq: *seq,
            verifier_key: one(connection, "SELECT vkey FROM checkpoint_keys WHERE seq = ?1", seq)?,
        }),
        Item::Policy(seq, version) => {
            let document: String = one(connection, "SELECT document FROM policies WHERE version = ?1", version)?;
            policy(*seq, document)
        }
        Item::Proposed(seq, request) => {
            let document: String = one(connection, "SELECT document FROM proposals WHERE request_id = ?1", request)?;
            policy(*seq, document)
        }
        Item::Version { seq, object, version, submission } => {
            EvidencePart::Version(Box::new(of_version(connection, *seq, object, *version, *submission)?))
        }
        Item::Proposal(seq, request) => EvidencePart::Proposal(proposal(connection, *seq, request)?),
        Item::Decision(seq) => EvidencePart::Decision(decision(connection, *seq)?),
        Item::Voice(seq, index) => EvidencePart::Voice(voice(connection, *seq, *index)?),
        Item::Remark(seq) => EvidencePart::Remark(remark(connection, *seq)?),
        Item::Delegation(id) => EvidencePart::Delegation(delegation(connection, id)?),
        Item::Certificate(seq) => EvidencePart::Certificate(certificate(connection, *seq)?),
        Item::Record(seq) => return Err(missing(&format!("the proof of record {seq}")).into()),
    })
}

/// A record with the proof that it is in what the checkpoint is of, which was verified.
pub fn of_record(connection: &Connection, checkpoint: &Checkpoint, seq: u64) -> Result<EvidencePart, Failure> {
    let octets = audit::record(connection, seq)?.ok_or_else(|| missing(&format!("record {seq}")))?;
    let record_sha256 = leaf_hash(&octets);
    let path = prove_inclusion(&StoredNodes(connection), seq, checkpoint.size)?.unwrap_or_default();
    verify_inclusion(&record_sha256, seq, checkpoint.size, &path, &checkpoint.root)
        .map_err(|error| wrong(Some(seq), format!("the record is not what was signed: {error}")))?;
    let record = String::from_utf8(octets).map_err(|_| wrong(Some(seq), "the record is not UTF-8".to_owned()))?;
    Ok(EvidencePart::Record(EvidenceRecord { seq, record_sha256, record, path }))
}

/// The newest checkpoint that a witness cosigned, and the newest that came back from outside and agreed, each with the proof
/// that `checkpoint` continues it.
pub fn earlier(connection: &Connection, checkpoint: &Checkpoint) -> Result<Vec<EvidencePart>, Failure> {
    let cosigned: Option<u64> = connection
        .prepare_cached("SELECT max(size) FROM checkpoint_signatures WHERE size < ?1")?
        .query_row([checkpoint.size], |row| row.get(0))?;
    let mut notes: Vec<String> = Vec::new();
    if let Some(size) = cosigned {
        let note: String = one(connection, "SELECT note FROM checkpoints WHERE size = ?1", &size)?;
        let mut signed = read_note(&note)?;
        for line in checkpoints::cosignatures(connection, size)? {
            if signed.add(line).is_err() {
                break;
            }
        }
        notes.push(signed.to_string());
    }
    let anchored: Option<String> = connection
        .prepare_cached(
            "SELECT note FROM anchors WHERE verdict = 'equal' AND size > 0 AND size < ?1 ORDER BY size DESC, row DESC LIMIT 1",
        )?
        .query_row([checkpoint.size], |row| row.get(0))
        .optional()?;
    notes.extend(anchored.filter(|note| !notes.contains(note)));
    notes.into_iter().map(|note| continued(connection, checkpoint, note)).collect()
}

/// The keys of those of `witnesses` that cosigned one of these checkpoints.
pub fn witnesses(checkpoints: &[EvidencePart], witnesses: &[VerifierKey]) -> Result<Vec<EvidencePart>, Failure> {
    let mut signed = Vec::new();
    for part in checkpoints {
        match part {
            EvidencePart::Checkpoint(part) => signed.push(read_note(&part.note)?),
            EvidencePart::Earlier(part) => signed.push(read_note(&part.note)?),
            _ => {}
        }
    }
    let lines = signed.iter().flat_map(|signed| signed.note().signatures());
    let cosigned =
        witnesses.iter().filter(|key| lines.clone().any(|line| (line.name(), line.id()) == (key.name(), key.id())));
    Ok(cosigned.map(|key| EvidencePart::Witness(EvidenceWitness { verifier_key: key.to_string() })).collect())
}

fn continued(connection: &Connection, checkpoint: &Checkpoint, note: String) -> Result<EvidencePart, Failure> {
    let before = read_note(&note)?.checkpoint().clone();
    let nodes = StoredNodes(connection);
    let path = prove_consistency(&nodes, before.size(), checkpoint.size)?.unwrap_or_default();
    let root = root_at(&nodes, before.size())?;
    verify_consistency(before.size(), &root, checkpoint.size, &checkpoint.root, &path)
        .map_err(|error| wrong(None, format!("the tree is not what was signed: {error}")))?;
    Ok(EvidencePart::Earlier(EvidenceEarlier { note, path }))
}

fn read_note(note: &str) -> Result<SignedCheckpoint, Failure> {
    SignedCheckpoint::parse(note.as_bytes())
        .map_err(|error| ApiError::internal(format!("a checkpoint that is kept cannot be read: {error}")).into())
}

fn one<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    key: &dyn rusqlite::ToSql,
) -> rusqlite::Result<T> {
    connection.prepare_cached(sql)?.query_row(params![key], |row| row.get(0))
}

fn policy(seq: u64, document: String) -> EvidencePart {
    let sha256 = Digest::of(&[document.as_bytes()]);
    let escaped = document.bytes().filter(|octet| matches!(octet, b'"' | b'\\' | 0..=31)).count();
    let fits = document.len() + 5 * escaped <= LONGEST_TEXT;
    let document_base64 = (!fits).then(|| BASE64.encode(document.as_bytes()));
    EvidencePart::Policy(EvidencePolicy { seq, sha256, document: fits.then_some(document), document_base64 })
}

fn of_version(
    connection: &Connection,
    seq: u64,
    object: &str,
    version: u32,
    submission: i64,
) -> Result<EvidenceVersion, Failure> {
    let kept = submissions::get(connection, submission)?;
    let revocation = revocations::get(connection, submission)?;
    let is_certificate = revocation.is_none();
    let said = kept.reason_sha256.map(|sha256| text(sha256, &kept.reason_salt, kept.reason.raw()));
    // A revocation keeps the digest of the content that it ends; what people agree to is in its record.
    let digest = match &revocation {
        None => kept.digest,
        Some(revocation) => kept
            .revocation_digest(revocation)
            .map_err(|error| ApiError::internal(format!("the revocation of record {seq}: {error}")))?,
    };
    Ok(EvidenceVersion {
        seq,
        object: object.to_owned(),
        version,
        digest,
        terms: terms(connection, seq)?,
        csr: is_certificate.then(|| pem::encode("CERTIFICATE REQUEST", &kept.csr)),
        profile_sha256: revocation.is_some().then_some(kept.content.profile_digest),
        content: is_certificate.then_some(kept.content),
        revocation,
        said,
        ticket: kept.ticket,
    })
}

fn proposal(connection: &Connection, seq: u64, request: &str) -> Result<EvidenceProposal, Failure> {
    let id = request.parse().map_err(|error| ApiError::internal(format!("{request}: {error}")))?;
    let kept = proposals::get(connection, &id)?.ok_or_else(|| missing(&format!("what {request} proposes")))?;
    let digest = kept.digest().map_err(|error| ApiError::internal(format!("{request}: {error}")))?;
    Ok(EvidenceProposal {
        seq,
        object: request.to_owned(),
        digest,
        terms: terms(connection, seq)?,
        base_version: kept.base_version,
        base_sha256: kept.base_sha256,
        sha256: kept.sha256,
        said: text(kept.reason_sha256, &kept.reason_salt, &kept.reason),
        differences: kept.differences,
        findings: kept.findings,
    })
}

fn decision(connection: &Connection, seq: u64) -> Result<EvidenceDecision, Failure> {
    let sha256 = recorded(connection, seq, |details| details.note_sha256)?;
    let signature = signed::read(connection, seq)?
        .map(|signed| EvidenceSignature { text: signed.text.map(|text| text.to_string()), sshsig: signed.sshsig });
    let read = |row: &Row<'_>| {
        Ok(EvidenceDecision {
            seq,
            object: row.get("request_id")?,
            version: row.get("version")?,
            digest: parsed(row, "digest")?,
            verdict: parsed(row, "verdict")?,
            account: row.get("account")?,
            said: kept_text(row, sha256, "note", "note_salt")?,
            signature: signature.clone(),
        })
    };
    Ok(connection.prepare_cached("SELECT * FROM decisions WHERE seq = ?1")?.query_row([seq], read)?)
}

fn voice(connection: &Connection, seq: u64, index: u32) -> Result<EvidenceVoice, Failure> {
    let kept = voices::read(connection, seq, index)?
        .ok_or_else(|| missing(&format!("the signature of a voice in record {seq}")))?;
    let text = kept.text.map(|text| text.to_string());
    let signature = EvidenceSignature { text, sshsig: kept.sshsig };
    Ok(EvidenceVoice { seq, index, account: kept.account, signature })
}

fn remark(connection: &Connection, seq: u64) -> Result<EvidenceRemark, Failure> {
    let sha256 = recorded(connection, seq, |details| details.text_sha256.or(details.reason_sha256))?;
    let read = |row: &Row<'_>| {
        Ok(EvidenceRemark {
            seq,
            object: row.get("request_id")?,
            account: row.get("account")?,
            said: kept_text(row, sha256, "text", "text_salt")?,
        })
    };
    Ok(connection.prepare_cached("SELECT * FROM remarks WHERE seq = ?1")?.query_row([seq], read)?)
}

fn delegation(connection: &Connection, id: &str) -> Result<EvidenceDelegation, Failure> {
    let seq: u64 = one(connection, "SELECT seq FROM delegations WHERE id = ?1", &id)?;
    let sha256 = recorded(connection, seq, |details| details.reason_sha256)?;
    let read = |row: &Row<'_>| {
        let said = kept_text(row, sha256, "reason", "reason_salt")?;
        Ok(EvidenceDelegation { seq, object: id.to_owned(), said })
    };
    Ok(connection.prepare_cached("SELECT * FROM delegations WHERE id = ?1")?.query_row([id], read)?)
}

fn certificate(connection: &Connection, seq: u64) -> Result<EvidenceCertificate, Failure> {
    let read = |row: &Row<'_>| {
        Ok(EvidenceCertificate {
            seq,
            object: row.get("certificate_id")?,
            sha256: parsed(row, "sha256")?,
            chain: row.get("chain_pem")?,
        })
    };
    Ok(connection.prepare_cached("SELECT * FROM certificate_versions WHERE seq = ?1")?.query_row([seq], read)?)
}

fn kept_text(row: &Row<'_>, sha256: Digest, column: &str, salt: &str) -> rusqlite::Result<EvidenceText> {
    let (kept, salt): (String, Vec<u8>) = (row.get(column)?, row.get(salt)?);
    Ok(text(sha256, &salt, &kept))
}

/// A text with its salt; without both where it was erased.
fn text(sha256: Digest, salt: &[u8], kept: &str) -> EvidenceText {
    let there = !salt.is_empty();
    EvidenceText { sha256, salt: there.then(|| HEXLOWER.encode(salt)), text: there.then(|| Untrusted::from(kept)) }
}

/// What a record has of texts and terms.
#[derive(Deserialize)]
struct Held {
    details: HeldDetails,
}

#[derive(Deserialize)]
struct HeldDetails {
    note_sha256: Option<Digest>,
    text_sha256: Option<Digest>,
    reason_sha256: Option<Digest>,
    #[serde(default)]
    quorum: Vec<String>,
    #[serde(default)]
    ordered: bool,
    reject_threshold: Option<u32>,
}

fn held(connection: &Connection, seq: u64) -> Result<HeldDetails, Failure> {
    let octets = audit::record(connection, seq)?.ok_or_else(|| missing(&format!("record {seq}")))?;
    let held: Held = serde_json::from_slice(&octets)
        .map_err(|error| wrong(Some(seq), format!("the record cannot be read: {error}")))?;
    Ok(held.details)
}

fn recorded(
    connection: &Connection,
    seq: u64,
    of: impl FnOnce(HeldDetails) -> Option<Digest>,
) -> Result<Digest, Failure> {
    let digest = of(held(connection, seq)?);
    digest.ok_or_else(|| wrong(Some(seq), "the record has no digest of the text beside it".to_owned()))
}

fn terms(connection: &Connection, seq: u64) -> Result<Option<EvidenceTerms>, Failure> {
    let HeldDetails { quorum, ordered, reject_threshold, .. } = held(connection, seq)?;
    Ok(reject_threshold.map(|reject_threshold| EvidenceTerms { quorum, ordered, reject_threshold }))
}

fn missing(what: &str) -> ApiError {
    ApiError::internal(format!("{what} is not there"))
}

fn wrong(seq: Option<u64>, text: String) -> Failure {
    Failure::Damage(Damage { seq, rule: "checkpoint".into(), text })
}
