//! `request.approve`, `request.reject`: one person's say on exactly the content seen.

mod matter;
pub mod signature;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestEvent, RequestKind, Verdict};
use countersign_shared::protocol::{AuditAction, Category, DecideParams, DecideResult, MAX_TEXT};
use countersign_shared::text::Untrusted;

use super::actor::Actor;
use super::conclude::{End, conclude, job_of, transition};
use super::sight;
use super::{PolicyInForce, Service, propose, refusal};
use crate::gate::judge::{Judgement, judge};
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::ledger::Draft;
use crate::policy::{Policy, Terms};
use crate::store::Transaction;
use crate::store::rows::{acknowledged, decisions, delegations, requests};
use crate::store::transaction::{Failure, Recorded, fresh_salt, salted};
pub use matter::{Matter, account_of, requester_now};

/// A decision as it was asked for, its note checked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// On which request.
    pub id: RequestId,
    /// On which content.
    pub digest: Digest,
    /// Yes or no.
    pub verdict: Verdict,
    /// In the decider's words.
    pub note: Untrusted,
    /// Signed by the decider's own key.
    pub signature: Option<signature::Given>,
}

/// Decides.
pub async fn decide(
    service: &Service,
    connection: &Connection,
    params: DecideParams,
    verdict: Verdict,
) -> Result<DecideResult, ApiError> {
    let note = check_note(params.note.as_ref(), verdict)?;
    let signature = signature::given(service, params.signature)?;
    let ask = Ask { id: params.id, digest: params.digest, verdict, note, signature };
    let actor = service.actor_with_patience(connection)?;
    let (policy, deciding, asked) = (service.policy.clone(), actor.clone(), ask.clone());
    // Looking up who has handed over a say takes a reader's turn and may block. Most people hold nobody's, which the
    // transaction of the decision itself can see.
    let by_own_say = move |transaction: &mut Transaction<'_>| match holds_says(transaction, &deciding)? {
        true => Ok(None),
        false => one(transaction, &policy, &deciding, &asked).map(Some),
    };
    match service.writer.write(by_own_say).await? {
        Some(result) => result,
        None => {
            let (policy, deciding) = (service.policy.clone(), service.with_says(actor).await?);
            service.writer.write(move |transaction| one(transaction, &policy, &deciding, &ask)).await?
        }
    }
}

fn holds_says(transaction: &Transaction<'_>, actor: &Actor) -> Result<bool, Failure> {
    match &actor.party.person {
        Some(person) => Ok(delegations::any_open_to(transaction.connection(), person, transaction.tick())?),
        None => Ok(false),
    }
}

/// One decision, judged and recorded by itself: a refusal comes out as a value, and its record stays.
pub fn one(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    ask: &Ask,
) -> Result<Result<DecideResult, ApiError>, Failure> {
    let verb = match ask.verdict {
        Verdict::Approve => "request.approve",
        Verdict::Reject => "request.reject",
    };
    refusal::or_record(transaction, actor, verb, ("request", ask.id.as_str()), |transaction| {
        carry_out(transaction, policy, actor, ask)
    })
}

/// A note of at most 4 KiB, which a rejection has to have.
pub fn check_note(note: Option<&Untrusted>, verdict: Verdict) -> Result<Untrusted, ApiError> {
    let note = note.cloned().unwrap_or_default();
    if note.raw().len() > MAX_TEXT {
        return Err(ApiError::invalid(format!(
            "`note` has {} octets; at most {MAX_TEXT} are allowed",
            note.raw().len()
        )));
    }
    if verdict == Verdict::Reject && note.is_blank() {
        return Err(ApiError::invalid("`note` is missing: a rejection tells the requester why"));
    }
    Ok(note)
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    ask: &Ask,
) -> Result<DecideResult, Failure> {
    let rules = transaction.rules(policy);
    let actor = &*actor.under(&rules, transaction.now());
    // Whose vote a session is, and whether it has any role, before anything is told of the request.
    own_session(&actor.party)?;
    sight::of(actor, &rules)?;
    let request = requests::get(transaction.connection(), &ask.id)?.ok_or_else(|| not_found(&ask.id))?;
    if let Some(seq) = acknowledged::beneath(transaction.connection(), Some(&request.id), None)? {
        return Err(damaged(&request.id, seq).into());
    }
    let matter = Matter::read(transaction.connection(), &rules, request)?;
    let (now, tick) = (transaction.now(), transaction.tick());
    let says = matter.says(transaction.connection(), &rules, actor.who(), now, tick)?;
    let mut judged = judge(&matter.case(&actor.party, &says, &[], tick), ask.verdict, &ask.digest);
    if judged.is_err() {
        // Who else could decide is a question to the whole policy; only a refusal has to answer it.
        let mut others = matter.others(&rules, now);
        others.extend(matter.delegates(transaction.connection(), &rules, &others, tick)?);
        judged = judge(&matter.case(&actor.party, &says, &others, tick), ask.verdict, &ask.digest);
    }
    let judgement = judged?;
    let next = transition(&matter.request, judgement.event())?;
    let signed = signature::check(transaction, &rules, actor, &matter, ask)?;
    let salt = signed.as_ref().map_or_else(fresh_salt, |signed| Ok(signed.salt()))?;
    let draft = draft(actor, &matter, ask, &judgement)
        .text("policy_sha256", rules.sha256())
        .text("note_sha256", salted(&salt, ask.note.raw()))
        .text("state", next.request);
    let draft = match &signed {
        Some(signed) => signed.recorded(draft),
        None => draft,
    };
    let recorded = transaction.record(draft)?;
    store(transaction, actor, &matter, ask, &judgement, &salt, recorded)?;
    if let Some(signed) = &signed {
        signed.store(transaction.connection(), recorded.seq)?;
    }
    let request = &matter.request;
    match judgement.event() {
        event @ (RequestEvent::QuorumReached | RequestEvent::Reject) => {
            let why = format!("rejected: {}", ask.note.raw());
            let end = End { event, by: &actor.party.account, why: &why, action: action(ask.verdict) };
            conclude(transaction, request, &end, recorded)?;
            if event == RequestEvent::QuorumReached && request.kind == RequestKind::PolicyChange {
                propose::apply(transaction, policy, request, &judgement, recorded)?;
            }
        }
        _ => {
            requests::touch(transaction.connection(), &request.id, recorded.seq)?;
            let why = "a vote that does not end the request is told to nobody";
            transaction.tell_nobody(action(ask.verdict), request.id.as_str(), why, recorded)?;
            if opens_a_step(transaction, &rules, &matter)? {
                transaction.tell(AuditAction::ApprovalRequested, request.id.as_str(), recorded)?;
            }
        }
    }
    Ok(DecideResult {
        id: request.id.clone(),
        state: next.request,
        job: job_of(transaction, request)?,
        seq: recorded.seq,
        record_sha256: recorded.hash,
        votes: judgement.votes(),
    })
}

/// Whether the vote that was just stored filled a step of an ordered quorum: those of the next are asked from now on.
fn opens_a_step(transaction: &Transaction<'_>, rules: &Policy, before: &Matter<'_>) -> Result<bool, Failure> {
    if !before.terms.ordered {
        return Ok(false);
    }
    let after = Matter::read(transaction.connection(), rules, before.request.clone())?;
    Ok(after.tally().open(&after.terms) != before.tally().open(&before.terms))
}

fn action(verdict: Verdict) -> AuditAction {
    match verdict {
        Verdict::Approve => AuditAction::ApprovalApproved,
        Verdict::Reject => AuditAction::ApprovalRejected,
    }
}

/// What the ledger says of a decision: who, on what, under which terms, and what it counts for.
fn draft(actor: &Actor, matter: &Matter<'_>, ask: &Ask, judgement: &Judgement) -> Draft {
    let (request, say, votes) = (&matter.request, judgement.say(), judgement.votes());
    let draft = actor
        .draft(action(ask.verdict), Category::CertLifecycle, "request", &request.id)
        .number("version", request.version)
        .text("digest", request.digest)
        .text("profile", &request.profile_id)
        .text_if("certificate", request.work.as_ref().map(|work| &work.certificate_id))
        .text_if("job", request.work.as_ref().map(|work| &work.job_id))
        .list("counts_for", &say.counts_for)
        .number("votes_given", votes.given)
        .number("votes_needed", votes.needed);
    let draft = under(draft, &matter.terms);
    match &say.given {
        None => draft,
        Some(given) => draft
            .text("delegation", &given.delegation)
            .text("giver_account", &given.by.account)
            .number("giver_uid", given.by.uid)
            .text_if("giver_person", given.by.person.as_deref()),
    }
}

/// The terms as a record has them: what was asked of whom.
pub fn under(draft: Draft, terms: &Terms) -> Draft {
    draft.list("quorum", &terms.steps).flag("ordered", terms.ordered).number("reject_threshold", terms.reject_threshold)
}

fn store(
    transaction: &Transaction<'_>,
    actor: &Actor,
    matter: &Matter<'_>,
    ask: &Ask,
    judgement: &Judgement,
    salt: &[u8],
    recorded: Recorded,
) -> Result<(), Failure> {
    let request = &matter.request;
    decisions::insert(
        transaction.connection(),
        &decisions::NewDecision {
            request_id: &request.id,
            version: request.version,
            digest: request.digest,
            verdict: ask.verdict,
            voter: judgement.voter(),
            by: &actor.person_ref(),
            login_uid: actor.party.login_uid,
            session: actor.session,
            note: ask.note.raw(),
            note_salt: salt,
            at: transaction.now(),
            seq: recorded.seq,
        },
    )?;
    Ok(())
}

/// What a request rests on is known to be damaged: nobody can agree to it any more.
fn damaged(id: &RequestId, seq: u64) -> ApiError {
    ApiError::new(ErrorKind::Conflict, format!("{id} rests on ledger record {seq}, which is damaged"))
        .hint("an admin voids it, and its requester asks anew")
        .rule("damaged_record")
}

/// No request of this id, or none that the caller may see.
pub fn not_found(id: &impl std::fmt::Display) -> ApiError {
    let id = id.to_string();
    let shown_by = match id.split_once('-').map(|(kind, _)| kind) {
        Some("mc") => "countersign certs",
        Some("p") => "countersign profiles",
        Some("ev") => "countersign audit ls",
        _ => "countersign ls",
    };
    ApiError::new(ErrorKind::NotFound, format!("there is no {id} that you may see"))
        .hint(format!("{shown_by} shows what there is"))
}
