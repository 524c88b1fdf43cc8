//! `audit.erase`: a note, reason or comment goes, with its salt, from every place where it stands; the digest in its record
//! stays, and a record says who agreed. Each call is a voice on record; the one that completes the quorum erases, in the same
//! transaction.

use countersign_proof::tree::root_at;
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category, Damage, ErasableText, EraseParams, EraseResult, MAX_TEXT};
use countersign_shared::voice_text::Act;
use countersign_verify::acknowledged::Acknowledgements;
use rusqlite::Connection as Database;
use serde::Deserialize;

use super::actor::Actor;
use super::{PolicyInForce, Service, refusal, signing, voices};
use crate::gate::signed::voice_stands;
use crate::gate::{Cast, recorded_voice};
use crate::ipc::Connection;
use crate::policy::Policy;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::{audit, erasures};
use crate::store::transaction::{Failure, fresh_salt, salted};
use crate::store::{Effect, Transaction};

/// The name of the verb in records.
const VERB: &str = "audit.erase";

/// Asks for it, or agrees to it.
pub async fn erase(service: &Service, connection: &Connection, params: EraseParams) -> Result<EraseResult, ApiError> {
    if params.reason.as_ref().is_some_and(|reason| reason.is_blank() || reason.raw().len() > MAX_TEXT) {
        return Err(ApiError::invalid(format!("`reason` has 1 to {MAX_TEXT} octets, not all of them blank")));
    }
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit_record(service, &actor)?;
    let (policy, origin) = (service.policy.clone(), service.facts.origin.clone());
    service
        .writer
        .write(move |transaction| {
            let about = about(&params);
            refusal::or_record(transaction, &actor, VERB, ("text", &about), |transaction| {
                carry_out(transaction, &policy, &actor, (&params, &origin))
            })
        })
        .await?
}

/// What the records of an erasure are about: `note:17`.
fn about(params: &EraseParams) -> String {
    format!("{}:{}", params.what, params.seq)
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    (params, origin): (&EraseParams, &str),
) -> Result<EraseResult, Failure> {
    let rules = transaction.rules(policy);
    let actor = &*actor.under(&rules, transaction.now());
    let counts_for = voices::has_a_voice(actor, &rules, transaction.now())?;
    let text = Text::find(transaction.connection(), params)?;
    if params.what == ErasableText::Note && erasures::holds_up(transaction.connection(), params.seq)? {
        let message =
            format!("the note of record {} is part of what was signed, and its job has not ended", params.seq);
        return Err(ApiError::new(ErrorKind::Conflict, message)
            .hint("erase it once the job has ended, or withdraw the request")
            .into());
    }
    let about = about(params);
    let mut spoken = spoken(transaction, &rules, &about)?;
    let terms = voices::terms(&rules);
    let durable = transaction.durable_size();
    let state = (origin, durable, root_at(&StoredNodes(transaction.connection()), durable)?);
    let mut result = EraseResult {
        seq: params.seq,
        what: params.what,
        text_sha256: text.sha256,
        voices: voices::people(&spoken),
        needed: terms.places(),
        signing: voices::signing(&rules, actor, state),
        erased_seq: None,
    };
    if params.show {
        return Ok(result);
    }
    if voices::has_spoken(&rules, &spoken, &actor.party) {
        let message = format!("{} has asked for this already: one person, one voice", actor.party.voter());
        return Err(ApiError::new(ErrorKind::AlreadyDecided, message)
            .hint("somebody else has to agree, by the same command")
            .rule("one_vote")
            .into());
    }
    if spoken.is_empty() && params.reason.is_none() {
        return Err(ApiError::invalid("`reason` is missing: whoever asks first says why")
            .hint("without repeating the text: the reason is kept")
            .into());
    }
    let signed = signed(transaction, &rules, actor, (params, origin), &text)?;
    let mine = voices::cast(actor.party.clone(), counts_for, 0);
    spoken.push(mine.clone());
    let tally = voices::tally(&rules, &spoken);
    let draft = actor
        .draft(AuditAction::ErasureAsked, Category::Auth, "text", &about)
        .number("record_seq", text.number()?)
        .text("what", params.what)
        .text("text_sha256", text.sha256)
        .list("counts_for", &mine.counts_for)
        .number("votes_given", tally.given())
        .number("votes_needed", terms.places())
        .text("policy_sha256", rules.sha256());
    let draft = match &signed {
        Some(signed) => signed.signature.recorded(draft),
        None => draft,
    };
    let recorded = match &params.reason {
        None => transaction.record(draft)?,
        Some(reason) => {
            let salt = signed.as_ref().map_or_else(fresh_salt, |signed| Ok(*signed.signature.salt.as_bytes()))?;
            let recorded = transaction.record(draft.text("reason_sha256", salted(&salt, reason.raw())))?;
            erasures::keep_reason(transaction.connection(), recorded.seq, reason, &salt)?;
            recorded
        }
    };
    if let Some(signed) = &signed {
        signed.store(transaction.connection(), recorded.seq, 0)?;
    }
    if tally.is_complete() {
        result.erased_seq = Some(apply(transaction, actor, params, &text, &spoken)?);
    }
    result.voices = voices::people(&spoken);
    Ok(result)
}

/// The caller's signature of exactly this voice, where one is given or demanded. The state that they saw has to cover the
/// record whose text goes.
fn signed(
    transaction: &Transaction<'_>,
    rules: &Policy,
    actor: &Actor,
    (params, origin): (&EraseParams, &str),
    text: &Text,
) -> Result<Option<voices::SignedVoice>, Failure> {
    let EraseParams { seq, what, .. } = params;
    let act = Act::Erase {
        record: *seq,
        what: *what,
        text_sha256: text.sha256,
        reason: params.reason.clone().unwrap_or_default(),
    };
    let matter = voices::Matter {
        what: &format!("erasing the {what} of record {seq}"),
        run: format!("countersign audit erase {seq} --what {what}"),
        origin,
    };
    voices::check(rules, actor, &matter, (act, params.signature.as_ref()), |seen| {
        let now = transaction.durable_size();
        if seen.size <= *seq {
            let message = format!("the signer saw the ledger at {} records; the text is of record {seq}", seen.size);
            let hint = format!("look at it again: countersign audit get {seq}");
            return Err(ApiError::new(ErrorKind::StaleContent, message).hint(hint).rule("signature_seen").into());
        }
        let found =
            if seen.size <= now { Some(root_at(&StoredNodes(transaction.connection()), seen.size)?) } else { None };
        Ok(signing::was_so(seen, found, now)?)
    })
}

fn apply(
    transaction: &mut Transaction<'_>,
    actor: &Actor,
    params: &EraseParams,
    text: &Text,
    spoken: &[Cast],
) -> Result<u64, Failure> {
    let draft = actor
        .draft(AuditAction::TextErased, Category::Auth, "text", about(params))
        .number("record_seq", text.number()?)
        .text("what", params.what)
        .text("text_sha256", text.sha256)
        .list("voices", voices::in_a_record(spoken));
    let recorded = transaction.record(draft)?;
    let erased = erasures::erase(transaction.connection(), (params.seq, params.what), &text.sha256, recorded.seq)?;
    if erased == 0 {
        return Err(ApiError::internal(format!("the text of record {} stands nowhere", params.seq)).into());
    }
    transaction.after_commit(Effect::TextErased);
    Ok(recorded.seq)
}

/// Voices that count: in records that are not damaged, not older than a proposal may become, and signed where that is demanded. Whoever spoke without can
/// speak again.
fn spoken(transaction: &Transaction<'_>, rules: &Policy, about: &str) -> Result<Vec<Cast>, Failure> {
    let oldest = i64::try_from(rules.change_control().approval_timeout.millis()).unwrap_or(i64::MAX);
    let oldest = transaction.tick().saturating_sub(oldest);
    let action = AuditAction::ErasureAsked;
    let records = audit::records_about(transaction.connection(), about, action)?;
    let voices = records.iter().filter_map(|record| recorded_voice(record, action.as_str()));
    let demand = rules.change_control().decision_signature;
    let acknowledged = Acknowledgements::read(transaction.connection())?;
    let mut count = Vec::new();
    for (_, voice) in voices.filter(|(tick, voice)| *tick > oldest && !acknowledged.is_damaged(voice.seq)) {
        match voice_stands(transaction.connection(), rules, demand, &voice)? {
            Ok(true) => count.push(voice),
            Ok(false) => {}
            Err(why) => {
                let text = format!("the signature of the voice in ledger record {}: {why}", voice.seq);
                return Err(Failure::Damage(Damage { seq: Some(voice.seq), rule: "state".into(), text }));
            }
        }
    }
    Ok(count)
}

/// A text that can be erased.
struct Text {
    seq: u64,
    sha256: Digest,
}

#[derive(Deserialize)]
struct Read {
    seq: u64,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    note_sha256: Option<Digest>,
    reason_sha256: Option<Digest>,
    text_sha256: Option<Digest>,
}

impl Text {
    fn find(connection: &Database, params: &EraseParams) -> Result<Self, Failure> {
        let EraseParams { seq, what, .. } = params;
        let none = || {
            ApiError::new(ErrorKind::NotFound, format!("record {seq} holds no digest of a {what}"))
                .hint(format!("what it holds: countersign audit get {seq}"))
        };
        let record = audit::record(connection, *seq)?;
        let read: Read = record.as_deref().and_then(|record| serde_json::from_slice(record).ok()).ok_or_else(none)?;
        let digest = match what {
            ErasableText::Note => read.details.note_sha256,
            ErasableText::Reason => read.details.reason_sha256,
            ErasableText::Comment => read.details.text_sha256,
        };
        let sha256 = digest.filter(|_| read.seq == *seq).ok_or_else(none)?;
        match erasures::standing(connection, (*seq, *what), &sha256)? {
            None => Err(none().into()),
            Some(true) => Ok(Self { seq: *seq, sha256 }),
            Some(false) => {
                let message = format!("there is no text of record {seq} any more: it was erased, or was never given");
                Err(ApiError::new(ErrorKind::Conflict, message)
                    .hint("countersign audit ls --action text_erased")
                    .into())
            }
        }
    }

    fn number(&self) -> Result<i64, ApiError> {
        i64::try_from(self.seq).map_err(|_| ApiError::internal("the ledger is too long"))
    }
}
