//! The one function in which a decision is judged. It is pure: everything that it weighs stands in its
//! arguments.

use std::collections::BTreeSet;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, RequestState, Verdict};
use countersign_shared::protocol::Votes;
use countersign_shared::time::Timestamp;

use super::two_person::{Party, different_people, own_session};
use crate::store::rows::decisions::DecisionRow;
use crate::store::rows::requests::RequestRow;

/// What somebody wants to decide, and all that bears on it.
pub struct Case<'a> {
    /// The request as the transaction sees it.
    pub request: &'a RequestRow,
    /// Who asked for it, as attested then and resolved under the policy in force now.
    pub requester: &'a Party,
    /// Who decides, attested now.
    pub decider: &'a Party,
    /// Whether the policy in force gives the decider a vote under the request's profile.
    pub has_vote: bool,
    /// Whether the profile demands a login session.
    pub needs_login: bool,
    /// Votes on the current version.
    pub votes: &'a [DecisionRow],
    /// Who could decide instead, in the policy's words.
    pub others: &'a [String],
    /// The time line now.
    pub tick: i64,
}

/// The ways a request stands before one caller's decision.
pub struct Judgement {
    /// What the decision does to the request.
    pub event: RequestEvent,
    /// Votes given, this one included, and needed.
    pub votes: Votes,
}

/// Judges a decision on the content with this digest.
pub fn judge(case: &Case<'_>, verdict: Verdict, digest: &Digest) -> Result<Judgement, ApiError> {
    may_decide(case)?;
    if *digest != case.request.digest {
        let message = format!(
            "{} holds other content now (version {}, digest {}); the decision names {digest}",
            case.request.id, case.request.version, case.request.digest
        );
        let hint = format!("look at it again: countersign show {}", case.request.id);
        return Err(ApiError::new(ErrorKind::StaleContent, message).hint(hint).rule("stale_content"));
    }
    let given = given(case.votes);
    let needed = case.request.votes_needed;
    Ok(match verdict {
        Verdict::Reject => Judgement { event: RequestEvent::Reject, votes: Votes { given, needed } },
        Verdict::Approve => {
            let votes = Votes { given: given + 1, needed };
            let event = if votes.given >= needed { RequestEvent::QuorumReached } else { RequestEvent::Vote };
            Judgement { event, votes }
        }
    })
}

/// Whether the caller could decide now, for `request.get` and as the first part of [`judge`].
pub fn may_decide(case: &Case<'_>) -> Result<(), ApiError> {
    own_session(case.decider)?;
    different_people(case.requester, case.decider, case.others)?;
    if !case.has_vote {
        let message = format!("{} has no vote under profile {}", case.decider.account, case.request.profile_id);
        let hint = match case.others {
            [] => "nobody may decide under the policy in force: an admin has to change it".to_owned(),
            others => format!("could decide: {}", others.join(", ")),
        };
        return Err(ApiError::new(ErrorKind::Forbidden, message).hint(hint).rule("no_vote"));
    }
    if case.needs_login && case.decider.login_uid.is_none() {
        let message = format!("profile {} takes decisions from login sessions alone", case.request.profile_id);
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .hint("log in (ssh, console); a service or container has no login")
            .rule("login_required"));
    }
    still_pending(case.request, case.tick)?;
    if let Some(vote) = case.votes.iter().find(|vote| vote.voter == case.decider.voter()) {
        let message = format!(
            "{} voted on {} already, as {}: one person, one vote",
            case.decider.voter(),
            case.request.id,
            vote.decision.by.account
        );
        return Err(ApiError::new(ErrorKind::AlreadyDecided, message)
            .hint("somebody else has to decide")
            .rule("one_vote"));
    }
    Ok(())
}

/// Refuses what has ended, or has to end: a deadline that has passed is final before the reaper comes by.
pub fn still_pending(request: &RequestRow, tick: i64) -> Result<(), ApiError> {
    let message = match request.state {
        RequestState::Pending if tick < request.deadline_tick => return Ok(()),
        RequestState::Pending => format!("{} expired: nobody decided before its deadline", request.id),
        state => format!(
            "{} was {state} by {} at {}",
            request.id,
            request.decided_by.as_deref().unwrap_or("nobody"),
            request.decided_at.unwrap_or(Timestamp::EPOCH)
        ),
    };
    Err(ApiError::new(ErrorKind::AlreadyDecided, message).hint("what has ended does not change; make a new request"))
}

/// How many different people have approved.
pub fn given(votes: &[DecisionRow]) -> u32 {
    let approvals = votes.iter().filter(|vote| vote.decision.verdict == Verdict::Approve);
    let voters: BTreeSet<&str> = approvals.map(|vote| vote.voter.as_str()).collect();
    u32::try_from(voters.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
