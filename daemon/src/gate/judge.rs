//! The one function in which a decision is judged. It is pure: everything that it weighs stands in its
//! arguments.

use std::collections::BTreeSet;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::DelegationId;
use countersign_shared::lifecycle::{RequestEvent, RequestState, Verdict};
use countersign_shared::protocol::Votes;
use countersign_shared::time::Timestamp;

use super::evidence::Cast;
use super::quorum::{Ballot, Tally};
use super::roll::Known;
use super::two_person::{Party, own_session};
use crate::policy::Terms;
use crate::store::rows::requests::RequestRow;

/// What somebody wants to decide, and all that bears on it.
pub struct Case<'a> {
    /// The request as the transaction sees it.
    pub request: &'a RequestRow,
    /// Who asked for it, as attested then and resolved under the policy in force now.
    pub requester: &'a Party,
    /// Who decides, attested now.
    pub decider: &'a Party,
    /// By which say: the decider's own, and those that were handed over; the first that helps is used.
    pub says: &'a [Say],
    /// Whether the profile demands a login session.
    pub needs_login: bool,
    /// The terms to judge by.
    pub terms: &'a Terms,
    /// Votes on the current version.
    pub cast: &'a [Cast],
    /// The policies by which humans are told apart.
    pub known: &'a Known<'a>,
    /// Who could decide instead, in the policy's words.
    pub others: &'a [String],
    /// The time line now.
    pub tick: i64,
}

/// A right to vote on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The groups whose places it fills; never empty.
    pub counts_for: Vec<String>,
    /// Whose it is, where it was handed over.
    pub given: Option<Given>,
}

/// See [`Say`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// By which delegation.
    pub delegation: DelegationId,
    /// By whom.
    pub by: Party,
}

/// What a decision does. Only [`judge`] makes one.
#[derive(Debug)]
pub struct Judgement {
    event: RequestEvent,
    votes: Votes,
    say: Say,
    voter: String,
}

impl Judgement {
    /// What the decision does to the request.
    pub fn event(&self) -> RequestEvent {
        self.event
    }

    /// Votes given, this one included, and needed.
    pub fn votes(&self) -> Votes {
        self.votes
    }

    /// The human who decided, by a name that nobody else has among those who bear on the request.
    pub fn voter(&self) -> &str {
        &self.voter
    }

    /// The say that was used.
    pub fn say(&self) -> &Say {
        &self.say
    }
}

/// Judges a decision on the content with this digest.
pub fn judge(case: &Case<'_>, verdict: Verdict, digest: &Digest) -> Result<Judgement, ApiError> {
    may_decide(case)?;
    same_content(case.request, digest)?;
    match verdict {
        Verdict::Approve => approve(case),
        Verdict::Reject => reject(case),
    }
}

/// Whether the caller could decide now, for `request.get` and as the first part of [`judge`].
pub fn may_decide(case: &Case<'_>) -> Result<(), ApiError> {
    own_session(case.decider)?;
    case.known.different(case.requester, case.decider, case.others)?;
    if case.says.is_empty() {
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
    one_vote(case)?;
    usable(case).map(drop)
}

/// Which say an approval would use now; refused where none of them fills a place that is asked for.
pub fn may_approve(case: &Case<'_>) -> Result<Say, ApiError> {
    let count = Count::of(case);
    let tally = Tally::of(case.terms, &count.cast);
    not_rejected(case, &tally)?;
    let says = usable(case)?;
    // Places may have gone with a policy that asked for more and is in force no longer: what is left is that somebody
    // completes it.
    if let Some((_, say)) = says.first().filter(|_| tally.is_complete()) {
        return Ok((*say).clone());
    }
    let open: BTreeSet<&str> = tally
        .open(case.terms)
        .iter()
        .zip(case.terms.groups())
        .filter(|(open, _)| **open)
        .map(|(_, group)| group)
        .collect();
    for (at, say) in says {
        let mut say = say.clone();
        if case.terms.ordered {
            say.counts_for.retain(|group| open.contains(group.as_str()));
        }
        if count.with(case, at, &say, Verdict::Approve).given() > tally.given() {
            return Ok(say);
        }
    }
    let asked: Vec<&str> = open.into_iter().collect();
    let message = format!(
        "{} fills no place that is asked for now on {}: {}",
        case.decider.account,
        case.request.id,
        if asked.is_empty() { "none is left".to_owned() } else { format!("asked is {}", asked.join(", ")) }
    );
    Err(ApiError::new(ErrorKind::Forbidden, message)
        .hint(format!("who is asked: countersign show {}", case.request.id))
        .rule("not_asked"))
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

/// Refuses what names content other than the request holds now.
pub fn same_content(request: &RequestRow, digest: &Digest) -> Result<(), ApiError> {
    if *digest == request.digest {
        return Ok(());
    }
    let (id, version, current) = (&request.id, request.version, request.digest);
    let message =
        format!("{id} holds other content now (version {version}, digest {current}); the decision names {digest}");
    let hint = format!("look at it again: countersign show {id}");
    Err(ApiError::new(ErrorKind::StaleContent, message).hint(hint).rule("stale_content"))
}

fn approve(case: &Case<'_>) -> Result<Judgement, ApiError> {
    let say = may_approve(case)?;
    let count = Count::of(case);
    let tally = count.with(case, position(case, &say), &say, Verdict::Approve);
    let event = if tally.is_complete() { RequestEvent::QuorumReached } else { RequestEvent::Vote };
    Ok(Judgement { event, votes: votes(case, &tally), say, voter: count.decider })
}

/// Whoever has a say may object, also where no place is left for their approval.
fn reject(case: &Case<'_>) -> Result<Judgement, ApiError> {
    let usable = usable(case)?;
    let (at, say) = usable.first().ok_or_else(|| ApiError::internal("a case without a say was not refused"))?;
    let count = Count::of(case);
    let tally = count.with(case, *at, say, Verdict::Reject);
    let ends = tally.rejections >= case.terms.reject_threshold;
    let event = if ends { RequestEvent::Reject } else { RequestEvent::Vote };
    Ok(Judgement { event, votes: votes(case, &tally), say: (*say).clone(), voter: count.decider })
}

/// A rejection weighs what it is worth now: where the policy in force needs no more of them than there are, no approval
/// comes after them.
fn not_rejected(case: &Case<'_>, tally: &Tally) -> Result<(), ApiError> {
    if tally.rejections < case.terms.reject_threshold {
        return Ok(());
    }
    let (id, rejections) = (&case.request.id, tally.rejections);
    let message = format!("{rejections} rejected {id} already, which is enough under the policy in force");
    Err(ApiError::new(ErrorKind::Conflict, message)
        .hint("one rejection more ends it; its requester amends it, or takes it back")
        .rule("rejected_enough"))
}

/// Where a say stands among those of the case, by whose it is.
fn position(case: &Case<'_>, say: &Say) -> usize {
    case.says.iter().position(|other| other.given == say.given).unwrap_or(case.says.len())
}

fn votes(case: &Case<'_>, tally: &Tally) -> Votes {
    Votes { given: tally.given(), needed: case.terms.places() }
}

/// Everybody who bears on a case, by names that are the same for one human.
struct Count {
    cast: Vec<Ballot>,
    decider: String,
    /// Of each say that was handed over, whose it is.
    givers: Vec<Option<String>>,
}

impl Count {
    fn of(case: &Case<'_>) -> Self {
        let givers = case.says.iter().filter_map(|say| say.given.as_ref()).map(|given| &given.by);
        let further: Vec<&Party> = std::iter::once(case.decider).chain(givers).collect();
        let (cast, names) = case.known.call(case.cast, &further);
        let mut names = names.into_iter();
        let decider = names.next().unwrap_or_default();
        let givers = case.says.iter().map(|say| say.given.as_ref().and_then(|_| names.next())).collect();
        Self { cast, decider, givers }
    }

    /// The tally with one vote more, by the say at that position.
    fn with(&self, case: &Case<'_>, at: usize, say: &Say, verdict: Verdict) -> Tally {
        let mut ballots = self.cast.clone();
        ballots.push(Ballot {
            voter: self.decider.clone(),
            giver: self.givers.get(at).cloned().flatten(),
            verdict,
            counts_for: say.counts_for.clone(),
        });
        Tally::of(case.terms, &ballots)
    }
}

/// One person, one vote, whatever accounts and says it is given by.
fn one_vote(case: &Case<'_>) -> Result<(), ApiError> {
    let count = Count::of(case);
    let (voter, id) = (&count.decider, &case.request.id);
    let refuse = |message: String| {
        let error = ApiError::new(ErrorKind::AlreadyDecided, message).hint("somebody else has to decide");
        Err(error.rule("one_vote"))
    };
    for (ballot, cast) in count.cast.iter().zip(case.cast) {
        let account = &cast.by.account;
        if ballot.voter == *voter {
            return refuse(format!("{voter} voted on {id} already, as {account}: one person, one vote"));
        }
        if ballot.giver.as_ref() == Some(voter) {
            return refuse(format!("{account} voted on {id} already, with the say of {voter}: one say, one vote"));
        }
    }
    Ok(())
}

/// The says that may be used on this request, with their positions: nobody decides with the say of its requester, of
/// somebody who has voted on it, or of somebody whose say was used.
fn usable<'c>(case: &'c Case<'_>) -> Result<Vec<(usize, &'c Say)>, ApiError> {
    let count = Count::of(case);
    let mut refused = None;
    let mut usable = Vec::new();
    for (at, say) in case.says.iter().enumerate() {
        let giver = count.givers.get(at).cloned().flatten();
        let free = match say.given.as_ref().zip(giver) {
            Some((given, giver)) => say_is_free(case, &count, given, &giver),
            None => Ok(()),
        };
        match free {
            Ok(()) => usable.push((at, say)),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if usable.is_empty() => Err(error),
        _ => Ok(usable),
    }
}

fn say_is_free(case: &Case<'_>, count: &Count, given: &Given, giver: &String) -> Result<(), ApiError> {
    case.known.different(case.requester, &given.by, case.others)?;
    let used = count.cast.iter().find(|ballot| ballot.voter == *giver || ballot.giver.as_ref() == Some(giver));
    match used {
        None => Ok(()),
        Some(ballot) => {
            let (id, by) = (&case.request.id, &ballot.voter);
            let message = format!("the say of {giver} was used on {id} already, by {by}: one say, one vote");
            Err(ApiError::new(ErrorKind::AlreadyDecided, message).hint("somebody else has to decide").rule("one_vote"))
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
