//! `request.comment`: a remark on a request, by whoever may see it, also after its end.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{AuditAction, Category, CommentParams, CommentResult, MAX_TEXT, Remark, RemarkKind};
use countersign_shared::text::Untrusted;

use super::actor::Actor;
use super::decide::not_found;
use super::{PolicyInForce, Service, refusal, sight};
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::store::Transaction;
use crate::store::rows::remarks::{self, NewRemark};
use crate::store::rows::requests;
use crate::store::transaction::{Failure, fresh_salt, salted};

/// Remarks that one request holds.
pub const MOST_REMARKS: u32 = 500;

/// Remarks.
pub async fn comment(
    service: &Service,
    connection: &Connection,
    params: CommentParams,
) -> Result<CommentResult, ApiError> {
    check_text(&params.text)?;
    let actor = service.with_says(service.actor_with_patience(connection)?).await?;
    service.quota.admit_record(service, &actor)?;
    let (policy, by) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &by, "request.comment", ("request", params.id.as_str()), |transaction| {
                carry_out(transaction, &policy, &by, &params)
            })
        })
        .await?
}

fn check_text(text: &Untrusted) -> Result<(), ApiError> {
    let octets = text.raw().len();
    if text.is_blank() || octets > MAX_TEXT {
        let message = format!("`text` has {octets} octets; a remark has 1 to {MAX_TEXT}, and is not blank");
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    params: &CommentParams,
) -> Result<CommentResult, Failure> {
    let rules = transaction.rules(policy);
    let actor = &*actor.under(&rules, transaction.now());
    own_session(&actor.party)?;
    let (sight, id) = (sight::of(actor, &rules)?, &params.id);
    let request = requests::summary(transaction.connection(), id, &sight)?.ok_or_else(|| not_found(id))?;
    if remarks::count(transaction.connection(), id, MOST_REMARKS)? >= MOST_REMARKS {
        let message = format!("{id} has {MOST_REMARKS} remarks, which is the most that a request holds");
        return Err(ApiError::new(ErrorKind::RateLimited, message)
            .hint("go on in the ticket that it refers to")
            .into());
    }
    let salt = fresh_salt()?;
    let draft = actor
        .draft(AuditAction::ApprovalCommented, Category::CertLifecycle, "request", id)
        .number("version", request.version)
        .text("digest", request.digest)
        .text("profile", &request.profile_id)
        .text("text_sha256", salted(&salt, params.text.raw()));
    let recorded = transaction.record(draft)?;
    let (connection, now) = (transaction.connection(), transaction.now());
    let remark = Remark {
        kind: RemarkKind::Comment,
        by: actor.person_ref(),
        text: params.text.clone(),
        version: request.version,
        at: now,
        seq: recorded.seq,
    };
    let row = NewRemark {
        request_id: id,
        version: remark.version,
        kind: remark.kind,
        by: &remark.by,
        text: remark.text.raw(),
        text_salt: &salt,
        at: now,
        seq: recorded.seq,
    };
    remarks::insert(connection, &row)?;
    if request.state == RequestState::Pending {
        requests::touch(connection, id, recorded.seq)?;
    }
    transaction.tell(AuditAction::ApprovalCommented, id.as_str(), recorded)?;
    Ok(CommentResult { remark })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_says_something_and_ends() {
        for (text, taken) in [
            ("", false),
            (" \t\n\u{a0}", false),
            ("x", true),
            ("\u{202e}x", true),
            (&"x".repeat(MAX_TEXT), true),
            (&"x".repeat(MAX_TEXT + 1), false),
            (&"é".repeat(MAX_TEXT), false),
        ] {
            assert_eq!(check_text(&text.into()).is_ok(), taken, "{} octets", text.len());
        }
    }
}
