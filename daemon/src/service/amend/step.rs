//! The transaction of an amendment, in order: is it the caller's own, pending, and what they looked at? does the same
//! profile carry what it is to be? Then it takes the place of the version before.

use countersign_shared::content::CertificateContent;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, RequestKind};
use countersign_shared::protocol::{AmendParams, AmendResult, AuditAction, Category, Certificate, Difference};

use crate::gate::judge::{same_content, still_pending};
use crate::gate::two_person::own_session;
use crate::intake::{Ask, Intake};
use crate::policy::{Policy, Terms};
use crate::service::actor::Actor;
use crate::service::amend::MOST_VERSIONS;
use crate::service::conclude::transition;
use crate::service::decide::{Matter, not_found, under};
use crate::service::detail::differences::{Version, of_versions};
use crate::service::end::requester_alone;
use crate::service::submit::allowed::allowed;
use crate::service::submit::clock;
use crate::service::submit::content::{Reason, Why, given, submission};
use crate::service::submit::risks::risks;
use crate::service::submit::step::Stored;
use crate::service::{Facts, PolicyInForce, sight};
use crate::store::Transaction;
use crate::store::rows::amendments::{self, NewVersion};
use crate::store::rows::requests::{RequestRow, Work};
use crate::store::rows::submissions::{MADE_KEY, Submission};
use crate::store::rows::terms::{Scheduled, TermsRow};
use crate::store::rows::{certificates, requests, submissions, terms};
use crate::store::sight::Sight;
use crate::store::transaction::{Failure, Recorded};
use crate::x509::ParsedCsr;

/// An amendment that is being taken in.
pub struct Step<'a> {
    /// Rules.
    pub policy: PolicyInForce,
    /// Who amends.
    pub actor: &'a Actor,
    /// What is to be otherwise.
    pub params: &'a AmendParams,
    /// The CSR of the next version, its proof of possession checked; none where there was nothing that the caller
    /// could amend when the call arrived.
    pub csr: Option<ParsedCsr>,
    /// What is fixed for the process.
    pub facts: &'a Facts,
}

/// The version that is replaced.
struct Before<'p> {
    matter: Matter<'p>,
    work: Work,
    submission: Submission,
    certificate: Certificate,
}

impl Step<'_> {
    /// Takes it in.
    pub fn carry_out(self, transaction: &mut Transaction<'_>) -> Result<AmendResult, Failure> {
        let policy = transaction.rules(&self.policy);
        let actor = self.actor.under(&policy, transaction.now());
        Step { actor: &actor, ..self }.under(transaction, &policy)
    }

    fn under(mut self, transaction: &mut Transaction<'_>, policy: &Policy) -> Result<AmendResult, Failure> {
        let before = self.before(transaction, policy)?;
        let csr = self.csr.take().ok_or_else(|| overtaken(&before.matter.request))?;
        let intake = self.intake(transaction, policy, &csr, &before)?;
        same_name(&intake, &before.certificate)?;
        transition(&before.matter.request, RequestEvent::Amend)?;
        self.make(transaction, policy, intake, csr, &before)
    }

    /// What is there, for a caller who may put something else in its place.
    fn before<'p>(&self, transaction: &Transaction<'_>, policy: &'p Policy) -> Result<Before<'p>, Failure> {
        let (connection, id) = (transaction.connection(), &self.params.id);
        own_session(&self.actor.party)?;
        sight::of(self.actor, policy)?;
        let request = requests::get(connection, id)?.ok_or_else(|| not_found(id))?;
        requester_alone(&request, self.actor, "amends")?;
        let Some(work) = request.work.clone() else {
            return Err(ApiError::invalid(format!("{id} is a change of the policy, which is not amended"))
                .hint(format!("take it back and propose again: countersign withdraw {id}"))
                .into());
        };
        if request.kind == RequestKind::CertRevocation {
            return Err(ApiError::invalid(format!("{id} asks for a revocation, which is not amended"))
                .hint(format!("take it back and ask again: countersign withdraw {id}"))
                .into());
        }
        still_pending(&request, transaction.tick())?;
        same_content(&request, &self.params.digest)?;
        if request.version >= MOST_VERSIONS {
            let message = format!("{id} has come to version {MOST_VERSIONS}, which is the most that a request has");
            return Err(ApiError::new(ErrorKind::RateLimited, message)
                .hint("take it back, and make a new request")
                .into());
        }
        let submission = submissions::get(connection, work.submission_id)?;
        let certificate = certificates::get(connection, &work.certificate_id, &Sight::All)?
            .ok_or_else(|| ApiError::internal(format!("the certificate of {id} is missing")))?;
        let matter = Matter::read(connection, policy, request)?;
        Ok(Before { matter, work, submission, certificate })
    }

    /// What the profile of the request makes of the new content, as it stands in the policy in force.
    fn intake(
        &self,
        transaction: &Transaction<'_>,
        policy: &Policy,
        csr: &ParsedCsr,
        before: &Before<'_>,
    ) -> Result<Intake, ApiError> {
        let (params, old) = (self.params, &before.submission);
        let ask = Ask {
            profile: Some(&before.matter.request.profile_id),
            environment: None,
            reason: Some(params.reason.as_ref().unwrap_or(&old.reason)),
            ticket: params.ticket.as_ref().or(old.ticket.as_ref()),
            valid_for: Some(params.valid_for.unwrap_or(old.content.valid_for)),
        };
        let mut intake = allowed(policy, self.actor, transaction.now(), csr, &ask)?;
        // The key is still the one that the daemon made.
        let of_the_key = old.checks.iter().find(|check| check.rule == MADE_KEY);
        intake.checks.extend(of_the_key.filter(|_| old.content.spki_sha256 == csr.spki_sha256).cloned());
        Ok(intake)
    }

    fn make(
        &self,
        transaction: &mut Transaction<'_>,
        policy: &Policy,
        intake: Intake,
        csr: ParsedCsr,
        before: &Before<'_>,
    ) -> Result<AmendResult, Failure> {
        let (request, old) = (&before.matter.request, &before.submission);
        let start = match self.params.not_before {
            Some(at) => clock::scheduled(transaction, Some(at))?,
            None => before.matter.not_before(),
        };
        let risks = risks(&intake, &before.certificate, self.actor, self.facts.bypass);
        let why = self.why(old, start)?;
        let new = submission(policy, intake, csr, &before.certificate, request.kind, why)?;
        if new.digest == old.digest {
            let message = format!("nothing is amended: {} holds exactly this already", request.id);
            return Err(ApiError::invalid(message).into());
        }
        let submission_id = submissions::insert(transaction.connection(), &new)?;
        let stored = Stored {
            actor: self.actor,
            facts: self.facts,
            certificate: &before.certificate,
            kind: request.kind,
            submission: &new,
            submission_id,
            version: request.version.saturating_add(1),
            job: &before.work.job_id,
            risks: &risks,
            policy,
            not_before: start,
            batch: before.matter.version.as_ref().and_then(|version| version.batch.as_deref()),
            revocation: None,
        };
        // Resolved anew, and never laxer than what it replaces: an amendment is no way around a quorum.
        let (made_under, now) = (&before.matter.made_under, stored.terms());
        if !now.asks_for_as_much_as(made_under) && !made_under.asks_for_as_much_as(&now) {
            return Err(other_people(request, made_under, &now).into());
        }
        let asked = made_under.or_stricter(&now);
        let recorded = record(transaction, request, &stored, &asked)?;
        store(transaction, request, &stored, &asked, recorded)?;
        let summary = requests::summary(transaction.connection(), &request.id, &Sight::All)?;
        Ok(AmendResult {
            request: summary.ok_or_else(|| ApiError::internal(format!("{} is missing", request.id)))?,
            differences: said_otherwise(before, &new, &asked, start),
            changes: new.changes,
            votes_cleared: u32::try_from(before.matter.cast.len()).unwrap_or(u32::MAX),
            seq: recorded.seq,
        })
    }

    /// Why it is wanted now: what is given takes the place of what was, and blank takes it away.
    fn why(&self, old: &Submission, start: Option<Scheduled>) -> Result<Why, Failure> {
        let reason = match &self.params.reason {
            Some(reason) if *reason != old.reason => Reason::fresh(Some(reason))?,
            _ => Reason::of(old),
        };
        let ticket = match &self.params.ticket {
            Some(ticket) => given(Some(ticket)),
            None => old.ticket.clone(),
        };
        Ok(Why { reason, ticket, not_before: start.map(|start| start.at) })
    }
}

/// The call named content that the request did not hold when its CSR was read.
fn overtaken(request: &RequestRow) -> ApiError {
    let (id, version) = (&request.id, request.version);
    let message = format!("{id} came to version {version} while it was being amended");
    ApiError::new(ErrorKind::StaleContent, message).hint(format!("look at it again: countersign show {id}"))
}

/// The policy in force asks people of whom the old terms ask none: new content is theirs to look at, and whoever was
/// asked before is not enough.
fn other_people(request: &RequestRow, made_under: &Terms, now: &Terms) -> ApiError {
    let steps = |terms: &Terms| terms.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let (id, before, now) = (&request.id, steps(made_under), steps(now));
    let message = format!("the policy in force asks other people ({now}) than {id} was made under ({before})");
    ApiError::new(ErrorKind::Conflict, message).hint(format!("take it back and ask anew: countersign withdraw {id}"))
}

/// What a certificate is known by says which certificate it is.
fn same_name(intake: &Intake, certificate: &Certificate) -> Result<(), ApiError> {
    if intake.primary_name == certificate.primary_name {
        return Ok(());
    }
    let (new, old) = (intake.primary_name.safe(), certificate.primary_name.safe());
    Err(ApiError::invalid(format!("the name a certificate is known by stays: it is {old:.64}, and not {new:.64}"))
        .hint("make a new request, and withdraw this one"))
}

fn record(
    transaction: &mut Transaction<'_>,
    request: &RequestRow,
    stored: &Stored<'_>,
    asked: &Terms,
) -> Result<Recorded, Failure> {
    let draft = stored.actor.draft(AuditAction::ApprovalAmended, Category::CertLifecycle, "request", &request.id);
    let draft = stored
        .described(draft)
        .text("digest_before", request.digest)
        .text("job", stored.job)
        .number("votes_needed", asked.places());
    transaction.record(under(draft, asked))
}

fn store(
    transaction: &mut Transaction<'_>,
    request: &RequestRow,
    stored: &Stored<'_>,
    asked: &Terms,
    recorded: Recorded,
) -> Result<(), Failure> {
    let (connection, now) = (transaction.connection(), transaction.now());
    let content: &CertificateContent = &stored.submission.content;
    let work = Work {
        certificate_id: stored.certificate.id.clone(),
        job_id: stored.job.clone(),
        submission_id: stored.submission_id,
    };
    let new = NewVersion {
        id: &request.id,
        version: stored.version,
        digest: stored.submission.digest,
        work: &work,
        sans: &content.sans,
        risks: stored.risks,
        votes_needed: asked.places(),
        seq: recorded.seq,
    };
    amendments::apply(connection, &new)?;
    let row = TermsRow {
        version: stored.version,
        digest: stored.submission.digest,
        submission_id: Some(stored.submission_id),
        terms: asked.clone(),
        not_before: stored.not_before,
        batch: stored.batch.map(str::to_owned),
        created_at: now,
        seq: recorded.seq,
    };
    terms::insert(connection, &request.id, &row)?;
    transaction.tell(AuditAction::ApprovalAmended, request.id.as_str(), recorded)?;
    Ok(())
}

fn said_otherwise(before: &Before<'_>, new: &Submission, asked: &Terms, start: Option<Scheduled>) -> Vec<Difference> {
    let at = |start: Option<Scheduled>| start.map(|start| start.at);
    let matter = &before.matter;
    let old =
        Version { submission: &before.submission, terms: &matter.made_under, not_before: at(matter.not_before()) };
    of_versions(&old, &Version { submission: new, terms: asked, not_before: at(start) })
}
