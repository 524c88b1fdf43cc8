//! A policy that was agreed to takes force, in the transaction of the vote that completed its quorum: both commit, or
//! neither. What every other proposal was based on is not in force any more, and they end with it.

use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, RequestKind};
use countersign_shared::protocol::{AuditAction, Category, Damage};

use crate::gate::judge::Judgement;
use crate::gate::{Shut, change};
use crate::policy::{CHANGES, Policy};
use crate::service::PolicyInForce;
use crate::service::actor::{SCHEDULER, system_draft};
use crate::service::conclude::{End, conclude};
use crate::store::rows::policies::PolicyRow;
use crate::store::rows::proposals::Proposal;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::{policies, proposals, requests};
use crate::store::transaction::{Failure, Recorded};
use crate::store::{Effect, Transaction};

/// Why the other proposals end.
pub const SUPERSEDED: &str = "the policy that it was based on is not in force any more";

/// Puts the proposed policy in force. `approved` is the record of the vote that `judgement` was made for.
pub fn apply(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    request: &RequestRow,
    judgement: &Judgement,
    approved: Recorded,
) -> Result<(), Failure> {
    if request.kind != RequestKind::PolicyChange || judgement.event() != RequestEvent::QuorumReached {
        return Err(ApiError::internal(format!("{} is no policy that was agreed to", request.id)).into());
    }
    let rules = transaction.rules(policy);
    let connection = transaction.connection();
    let proposal = proposals::get(connection, &request.id)?;
    let proposal = proposal.ok_or_else(|| damage(format!("what {} proposes is not there", request.id)))?;
    change::prove(connection, &rules, request, &proposal, approved.seq).map_err(shut)?;
    let base = policies::in_force(connection)?.ok_or_else(|| ApiError::internal("no policy is in force"))?;
    if base.version != proposal.base_version || base.sha256 != proposal.base_sha256 {
        let message =
            format!("{} is based on policy {}; in force is {}", request.id, proposal.base_version, base.version);
        let error =
            ApiError::new(ErrorKind::Conflict, message).hint("propose the change anew, from the policy in force");
        return Err(error.rule("stale_policy").into());
    }
    let parsed = Policy::parse(&proposal.document).map_err(|errors| {
        let message = format!("what {} proposes is no policy: {}", request.id, errors.join("; "));
        ApiError::new(ErrorKind::Conflict, message).hint("propose it anew").rule("invalid_policy")
    })?;
    let next = policy.prepare(parsed.0, transaction.now()).map_err(|why| {
        ApiError::new(ErrorKind::Unavailable, format!("what {} proposes cannot take force: {why}", request.id))
            .hint("see to the issuer, then decide again")
            .rule("issuer_unusable")
    })?;
    take_force(transaction, request, &base, &proposal, approved)?;
    void_others(transaction, request, &proposal)?;
    transaction.after_commit(Effect::PolicyChanged(Arc::clone(&next)));
    Ok(())
}

fn take_force(
    transaction: &mut Transaction<'_>,
    request: &RequestRow,
    base: &PolicyRow,
    proposal: &Proposal,
    approved: Recorded,
) -> Result<(), Failure> {
    let version = base.version.checked_add(1).ok_or_else(|| ApiError::internal("there have been too many policies"))?;
    let number = i64::try_from;
    let seq = |seq: u64| number(seq).map_err(|_| ApiError::internal("the ledger is too long"));
    let draft = system_draft(SCHEDULER, AuditAction::PolicyChanged, Category::Config, "policy", proposal.sha256)
        .flag("adopted", true)
        .number("policy_version", version)
        .text("policy_sha256", proposal.sha256)
        .text("policy_from", proposal.base_sha256)
        .text("request", &request.id)
        .text("digest", request.digest)
        .number("proposed_seq", seq(request.requested_seq)?)
        .number("approved_seq", seq(approved.seq)?);
    let recorded = transaction.record(draft)?;
    let now = transaction.now();
    let row = PolicyRow { version, sha256: proposal.sha256, document: proposal.document.clone(), in_force_since: now };
    policies::insert(transaction.connection(), &row, recorded.seq)?;
    transaction.tell(AuditAction::PolicyChanged, &proposal.sha256.to_string(), recorded)?;
    Ok(())
}

fn void_others(transaction: &mut Transaction<'_>, agreed: &RequestRow, proposal: &Proposal) -> Result<(), Failure> {
    for other in requests::pending_under(transaction.connection(), CHANGES)? {
        if other.id == agreed.id {
            continue;
        }
        let draft = system_draft(SCHEDULER, AuditAction::ApprovalVoided, Category::Config, "request", &other.id)
            .number("version", other.version)
            .text("digest", other.digest)
            .text("profile", CHANGES)
            .text("policy_sha256", proposal.sha256)
            .text("rule", "stale_policy")
            .text("superseded_by", &agreed.id);
        let recorded = transaction.record(draft)?;
        let (event, action) = (RequestEvent::Void, AuditAction::ApprovalVoided);
        conclude(transaction, &other, &End { event, by: SCHEDULER, why: SUPERSEDED, action }, recorded)?;
    }
    Ok(())
}

fn damage(text: String) -> Failure {
    Failure::Damage(Damage { seq: None, rule: "gate".into(), text })
}

/// What the gate finds on the way to a policy that takes force means what it means on the way to a signature.
fn shut(why: Shut) -> Failure {
    match why {
        Shut::Tampered(text) => damage(text),
        Shut::Refused(text) => {
            let error =
                ApiError::new(ErrorKind::TwoPersonIntegrity, format!("refused by two-person integrity: {text}"));
            error.hint("somebody else has to decide").rule("no_quorum").into()
        }
        Shut::Unreadable(failure) => failure,
    }
}
