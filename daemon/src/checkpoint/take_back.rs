//! A checkpoint that comes back from outside: whether it is one of this ledger's, and what it says of the ledger.

use countersign_proof::anchor::{Anchor, compare};
use countersign_proof::checkpoint::{NotOfLog, SignedCheckpoint};
use countersign_proof::note::{Note, NoteError, SignatureLine, Valid};
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AnchorResult, AnchorVerdict, AuditAction, Category, Cosigned, Damage, MAX_ANCHOR};
use countersign_shared::time::Timestamp;

use super::{Notary, overdue};
use crate::policy::LedgerRules;
use crate::service::actor::Actor;
use crate::store::Transaction;
use crate::store::rows::anchors::{self, NewAnchor};
use crate::store::rows::checkpoints;
use crate::store::rows::nodes::StoredNodes;
use crate::store::transaction::Failure;

/// An anchor whose signatures were verified.
pub struct Genuine {
    signed: SignedCheckpoint,
    cosignatures: Vec<(SignatureLine, Option<u64>)>,
}

impl Genuine {
    /// Of the note, as it is kept.
    pub fn sha256(&self) -> Digest {
        Digest::of(&[self.signed.to_string().as_bytes()])
    }
}

/// Reads what somebody brought, and leaves out whatever is not known to be right.
///
/// # Errors
/// Neither form of a checkpoint; of another ledger; not signed by a key of this one; a cosignature of a known witness that
/// is wrong.
pub fn read(notary: &Notary, octets: &str) -> Result<Genuine, ApiError> {
    if octets.len() > MAX_ANCHOR {
        return Err(ApiError::invalid(format!("`octets` has {}; a note has at most {MAX_ANCHOR}", octets.len())));
    }
    let not_ours = |error: NotOfLog| {
        let hint = match &error {
            NotOfLog::Origin(_) => "bring it to the daemon of that ledger",
            NotOfLog::Signatures(_) => {
                "where this ledger is to have signed it, one of the two was replaced: compare the verifier key with the \
                 one that was written down"
            }
        };
        ApiError::invalid(format!("the anchor says nothing of this ledger: {error}")).hint(hint)
    };
    let anchor = Anchor::parse(octets.as_bytes())
        .map_err(|error| ApiError::invalid(format!("`octets` is no checkpoint: {error}")))?;
    let signed = match anchor {
        Anchor::Note(signed) => signed,
        Anchor::Short(short) => {
            let opened = |key| short.expand(key).ok().filter(|signed| notary.log().verify(signed).is_ok());
            match notary.log().keys().iter().find_map(opened) {
                Some(signed) => signed,
                None => {
                    let error = short.open(notary.log()).err();
                    return Err(not_ours(error.unwrap_or(NotOfLog::Signatures(NoteError::NoKnownKey(Vec::new())))));
                }
            }
        }
    };
    let ours = notary.log().verify(&signed).map_err(not_ours)?;
    let witnesses = signed.verify_witnesses(notary.witnesses()).map_err(|error| {
        ApiError::invalid(format!("the cosignature is wrong: {error}"))
            .hint("bring the checkpoint without that line, or as the witness wrote it")
    })?;
    let line_of = |valid: &Valid<'_>| {
        let mut lines = signed.note().signatures().iter();
        lines.find(|line| (line.name(), line.id()) == (valid.key.name(), valid.key.id())).cloned()
    };
    let malformed = |error: NoteError| ApiError::internal(format!("a note cannot be written again: {error}"));
    let mut note = Note::unsigned(signed.note().text()).map_err(malformed)?;
    let mut cosignatures = Vec::new();
    for valid in &ours {
        line_of(valid).map_or(Ok(()), |line| note.add(line)).map_err(malformed)?;
    }
    for valid in &witnesses {
        if let Some(line) = line_of(valid) {
            note.add(line.clone()).map_err(malformed)?;
            cosignatures.push((line, valid.time));
        }
    }
    let signed = SignedCheckpoint::parse(note.to_string().as_bytes())
        .map_err(|error| ApiError::internal(format!("a note cannot be read again: {error}")))?;
    Ok(Genuine { signed, cosignatures })
}

/// Compares it with the ledger, and keeps and records it where it is not known yet, whatever it says: evidence of damage has
/// to be there at the next start as well. The caller raises the alarm, see [`alarm`], once that is committed.
pub fn keep(
    transaction: &mut Transaction<'_>,
    (notary, rules): (&Notary, LedgerRules),
    actor: &Actor,
    genuine: &Genuine,
) -> Result<AnchorResult, Failure> {
    let Genuine { signed, cosignatures } = genuine;
    let checkpoint = signed.checkpoint();
    let (now, note) = (transaction.now(), signed.to_string());
    let sha256 = Digest::of(&[note.as_bytes()]);
    let ledger = (transaction.durable_size(), StoredNodes(transaction.connection()));
    let said = compare(&ledger, notary.log(), &Anchor::Note(signed.clone()))?;
    let Some(verdict) = anchors::verdict(&said) else {
        return Err(ApiError::internal(format!("an anchor that was verified is none: {said}")).into());
    };
    let cosigned_by: Vec<Cosigned> = cosignatures
        .iter()
        .map(|(line, time)| Cosigned {
            witness: format!("{}+{}", line.name().as_str(), line.id()),
            at: time
                .and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000))
                .and_then(Timestamp::from_unix_millis),
        })
        .collect();
    let added = !anchors::knows(transaction.connection(), &sha256)?;
    if added {
        let size = i64::try_from(checkpoint.size()).map_err(|_| ApiError::invalid("a size beyond all records"))?;
        let mut draft = actor
            .draft(AuditAction::AnchorAdded, Category::Auth, "ledger", notary.log().origin())
            .number("size", size)
            .text("root_sha256", checkpoint.root())
            .text("note_sha256", sha256)
            .text("verdict", verdict);
        if !cosigned_by.is_empty() {
            draft = draft.list("cosigned_by", cosigned_by.iter().map(|witness| &witness.witness));
        }
        let seq = transaction.record(draft)?.seq;
        let anchor = NewAnchor { sha256, size: checkpoint.size(), root: checkpoint.root(), note: &note, verdict, seq };
        anchors::insert(transaction.connection(), &anchor, now)?;
        if verdict == AnchorVerdict::Equal {
            for (line, _) in cosignatures {
                checkpoints::add_cosignature(transaction.connection(), checkpoint.size(), line, now)?;
            }
        }
    }
    let standing = overdue::settle(transaction, rules, notary.log().origin())?.standing;
    Ok(AnchorResult {
        verdict,
        text: said.to_string(),
        size: checkpoint.size(),
        root_sha256: checkpoint.root(),
        cosigned_by,
        added,
        unanchored: transaction.ledger_size().saturating_sub(standing.anchored),
    })
}

/// The damage that an anchor shows.
pub fn alarm(result: &AnchorResult) -> Option<Damage> {
    (result.verdict != AnchorVerdict::Equal).then(|| damage(result.text.clone()))
}

fn damage(text: String) -> Damage {
    Damage { seq: None, rule: "anchor".into(), text }
}

/// Who may bring one has the role of a reader; what they bring is on record.
pub fn refused(account: &str) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, format!("{account} has no role that reads the ledger"))
        .hint(crate::policy::Permission::ReadLedger.needed())
        .rule("no_role")
}
