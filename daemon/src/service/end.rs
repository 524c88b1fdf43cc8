//! `request.withdraw`, `request.void`: the end of a pending request by its requester, or by an admin. Its job is
//! cancelled with it, and nothing is issued.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestEvent;
use countersign_shared::protocol::{AuditAction, Category, EndParams, EndResult, MAX_TEXT, RemarkKind};
use countersign_shared::text::Untrusted;

use super::actor::Actor;
use super::conclude::{End, conclude, job_of};
use super::decide::not_found;
use super::detail::is_own;
use super::{PolicyInForce, Service, permissions_now, refusal, sight};
use crate::gate::judge::still_pending;
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::policy::{Permission, Policy};
use crate::store::Transaction;
use crate::store::rows::remarks::{self, NewRemark};
use crate::store::rows::requests::{self, RequestRow};
use crate::store::transaction::{Failure, fresh_salt, salted};

/// By whom a pending request ends before it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its requester, who need not say why.
    Withdraw,
    /// By an admin, who has to.
    Void,
}

impl Ending {
    const fn verb(self) -> &'static str {
        match self {
            Self::Withdraw => "request.withdraw",
            Self::Void => "request.void",
        }
    }

    const fn event(self) -> RequestEvent {
        match self {
            Self::Withdraw => RequestEvent::Withdraw,
            Self::Void => RequestEvent::Void,
        }
    }

    const fn action(self) -> AuditAction {
        match self {
            Self::Withdraw => AuditAction::ApprovalWithdrawn,
            Self::Void => AuditAction::ApprovalVoided,
        }
    }

    const fn remark(self) -> RemarkKind {
        match self {
            Self::Withdraw => RemarkKind::Withdraw,
            Self::Void => RemarkKind::Void,
        }
    }

    /// Why the job is cancelled.
    fn why(self, reason: Option<&Untrusted>) -> String {
        let ended = match self {
            Self::Withdraw => "withdrawn",
            Self::Void => "voided",
        };
        reason.map_or_else(|| ended.to_owned(), |reason| format!("{ended}: {}", reason.raw()))
    }

    /// A reason of at most 4 KiB, which an admin has to give. Blank counts as none.
    fn reason(self, reason: Option<Untrusted>) -> Result<Option<Untrusted>, ApiError> {
        let reason = reason.filter(|text| !text.is_blank());
        let octets = reason.as_ref().map_or(0, |text| text.raw().len());
        if octets > MAX_TEXT {
            let message = format!("`reason` has {octets} octets; at most {MAX_TEXT} are allowed");
            return Err(ApiError::invalid(message));
        }
        if self == Self::Void && reason.is_none() {
            return Err(ApiError::invalid("`reason` is missing: whoever voids a request tells the requester why"));
        }
        Ok(reason)
    }

    /// Whether the caller is somebody who may end it in this way.
    fn allowed(
        self,
        actor: &Actor,
        policy: &Policy,
        request: &RequestRow,
        transaction: &Transaction<'_>,
    ) -> Result<(), ApiError> {
        match self {
            Self::Withdraw => requester_alone(request, actor, "withdraws"),
            Self::Void
                if permissions_now(policy, actor, transaction.now()).allows(Permission::Void(&request.profile_id)) =>
            {
                Ok(())
            }
            Self::Void => {
                let message = format!("{} may not void requests", actor.party.account);
                Err(ApiError::new(ErrorKind::Forbidden, message)
                    .hint(format!(
                        "{}; whoever has a vote can reject it, and its requester can withdraw it",
                        Permission::Void("").needed()
                    ))
                    .rule("no_void"))
            }
        }
    }
}

/// Refuses whoever is not the requester, by account or person; `does` says what only the requester does.
pub fn requester_alone(request: &RequestRow, actor: &Actor, does: &str) -> Result<(), ApiError> {
    if is_own(request, actor) {
        return Ok(());
    }
    let (id, requester) = (&request.id, &request.requester);
    let whose = requester.person.as_ref().unwrap_or(&requester.account);
    let message = format!("{id} is a request of {whose}, not of {}", actor.party.account);
    Err(ApiError::new(ErrorKind::Forbidden, message)
        .hint(format!("the requester alone {does} a request; whoever has a vote can reject it"))
        .rule("not_requester"))
}

/// Ends it.
pub async fn end(
    service: &Service,
    connection: &Connection,
    params: EndParams,
    ending: Ending,
) -> Result<EndResult, ApiError> {
    let reason = ending.reason(params.reason)?;
    let actor = service.actor_with_patience(connection)?;
    let (policy, ender, id) = (service.policy.clone(), actor, params.id);
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &ender, ending.verb(), ("request", id.as_str()), |transaction| {
                carry_out(transaction, &policy, &ender, &id, ending, reason.as_ref())
            })
        })
        .await?
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    id: &RequestId,
    ending: Ending,
    reason: Option<&Untrusted>,
) -> Result<EndResult, Failure> {
    let rules = transaction.rules(policy);
    let actor = &*actor.under(&rules, transaction.now());
    own_session(&actor.party)?;
    sight::of(actor, &rules)?;
    let request = requests::get(transaction.connection(), id)?.ok_or_else(|| not_found(id))?;
    ending.allowed(actor, &rules, &request, transaction)?;
    still_pending(&request, transaction.tick())?;
    let salt = fresh_salt()?;
    let draft = actor
        .draft(ending.action(), Category::CertLifecycle, "request", id)
        .number("version", request.version)
        .text("digest", request.digest)
        .text("profile", &request.profile_id)
        .text_if("certificate", request.work.as_ref().map(|work| &work.certificate_id))
        .text_if("job", request.work.as_ref().map(|work| &work.job_id))
        .text_if("reason_sha256", reason.map(|reason| salted(&salt, reason.raw())))
        .text("policy_sha256", rules.sha256());
    let recorded = transaction.record(draft)?;
    if let Some(reason) = reason {
        let remark = NewRemark {
            request_id: id,
            version: request.version,
            kind: ending.remark(),
            by: &actor.person_ref(),
            text: reason.raw(),
            text_salt: &salt,
            at: transaction.now(),
            seq: recorded.seq,
        };
        remarks::insert(transaction.connection(), &remark)?;
    }
    let why = ending.why(reason);
    let end = End { event: ending.event(), by: &actor.party.account, why: &why, action: ending.action() };
    let state = conclude(transaction, &request, &end, recorded)?;
    let job = job_of(transaction, &request)?;
    Ok(EndResult { id: id.clone(), state, job, seq: recorded.seq, record_sha256: recorded.hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_required_to_void_and_short_enough_to_read() {
        let text = |text: &str| Some(Untrusted::from(text));
        let long = "é".repeat(MAX_TEXT / 2);
        for (ending, reason, kept) in [
            (Ending::Withdraw, None, Some(None)),
            (Ending::Withdraw, text(" \u{a0}\n"), Some(None)),
            (Ending::Withdraw, text("wrong name"), Some(text("wrong name"))),
            (Ending::Void, None, None),
            (Ending::Void, text(" "), None),
            (Ending::Void, text("x"), Some(text("x"))),
            (Ending::Void, text(&long), Some(text(&long))),
            (Ending::Void, text(&format!("{long}x")), None),
            (Ending::Withdraw, text(&format!("{long}x")), None),
        ] {
            let octets = reason.as_ref().map(|reason| reason.raw().len());
            let judged = ending.reason(reason);
            match kept {
                Some(kept) => assert_eq!(judged.unwrap(), kept, "{ending:?} {octets:?}"),
                None => assert!(judged.unwrap_err().message.contains("`reason`"), "{ending:?} {octets:?}"),
            }
        }
        assert_eq!(Ending::Void.why(text("x").as_ref()), "voided: x");
        assert_eq!(Ending::Withdraw.why(None), "withdrawn");
    }
}
