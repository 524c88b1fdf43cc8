//! `request.get`: everything that a decision needs, on one page.

mod amendments;
pub mod differences;
mod newest;
mod terms;

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::lifecycle::{RequestKind, RequestState, Verdict};
use countersign_shared::protocol::{
    CsrView, Damage, Decision, MayDecide, PolicyChange, RequestDetail, RequestIdParams, RequestSummary, Signing, Verb,
};
use countersign_shared::revocation::Revocation;
use countersign_verify::frontier::stored_frontier;
use countersign_verify::signed;
use rusqlite::Connection as Sqlite;

use super::Service;
use super::actor::Actor;
use super::decide::{Matter, not_found};
use super::{sight, signing};
use crate::gate::judge::{Case, may_approve, may_decide};
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::policy::{Permission, Policy};
use crate::store::rows::requests::{RequestRow, Work};
use crate::store::rows::submissions::Submission;
use crate::store::rows::{certificates, decisions, jobs, proposals, remarks, requests, revocations, submissions};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;
use crate::x509::pem;
pub use differences::differences;
use newest::newest;

/// Remarks that are shown: the newest.
const REMARKS: u32 = 200;

/// One request, where the caller may see it.
pub async fn get(
    service: &Service,
    connection: &Connection,
    params: RequestIdParams,
) -> Result<RequestDetail, ApiError> {
    let actor = service.with_says(service.actor(connection)?).await?;
    let policy = service.policy.now();
    let sight = sight::of(&actor, &policy)?;
    let origin = service.notary().ok().map(|notary| notary.log().origin().to_owned());
    let look = Look { origin, tick: service.line.tick(), now: service.line.wall(), actor, policy };
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let summary = requests::summary(&snapshot, &params.id, &sight)?.ok_or_else(|| not_found(&params.id))?;
            let row = requests::get(&snapshot, &params.id)?.ok_or_else(|| not_found(&params.id))?;
            let detail = look.at(&snapshot, summary, row)?;
            snapshot.finish()?;
            Ok(detail)
        })
        .await
}

/// Who looks, when, and under which policy.
struct Look {
    /// The ledger's, while checkpoints are made of it.
    origin: Option<String>,
    actor: Actor,
    policy: std::sync::Arc<Policy>,
    tick: i64,
    now: countersign_shared::time::Timestamp,
}

/// What only a request for a certificate has.
#[derive(Default)]
struct Content {
    submission: Option<Submission>,
    differences: Vec<countersign_shared::protocol::Difference>,
    in_force: Option<countersign_shared::protocol::Certificate>,
    job: Option<countersign_shared::protocol::Job>,
    revocation: Option<Revocation>,
}

impl Look {
    fn at(&self, connection: &Sqlite, request: RequestSummary, row: RequestRow) -> Result<RequestDetail, Failure> {
        let policy = &*self.policy;
        let content = match &row.work {
            Some(work) => content(connection, &row, work)?,
            None => Content::default(),
        };
        let matter = Matter::read(connection, policy, row)?;
        let says = matter.says(connection, policy, self.actor.who(), self.now, self.tick)?;
        let mut who_may_decide = matter.others(policy, self.now);
        who_may_decide.extend(matter.delegates(connection, policy, &who_may_decide, self.tick)?);
        let you = you(&matter.case(&self.actor.party, &says, &who_may_decide, self.tick));
        let (id, version) = (&matter.request.id, matter.request.version);
        let named = matter.profile.as_deref().map_or("Changes of the policy", |profile| &profile.rules().name);
        let change = change(connection, &matter.request)?;
        let made_under = content.submission.as_ref().map(|submission| submission.policy_sha256);
        let policy_sha256 = made_under.or(change.as_ref().map(|change| change.base_sha256));
        Ok(RequestDetail {
            profile_name: named.to_owned(),
            csr: content.submission.as_ref().map(csr_view),
            policy_change: change,
            revocation: content.revocation,
            decisions: decided(connection, &matter, version)?,
            votes: matter.votes(),
            terms: terms::view(connection, &matter)?,
            amendments: newest(amendments::of(connection, policy, &matter)?),
            remarks: newest(remarks::of(connection, id, REMARKS)?),
            signing: self.signing(connection, &matter)?,
            you_may: self.you_may(&matter.request),
            who_may_decide,
            you,
            differences: content.differences,
            in_force: content.in_force,
            job: content.job,
            policy_sha256: policy_sha256.unwrap_or(policy.sha256()),
            changes: content.submission.as_ref().map(|submission| submission.changes.clone()).unwrap_or_default(),
            checks: content.submission.as_ref().map(|submission| submission.checks.clone()).unwrap_or_default(),
            content: content.submission.map(|submission| submission.content),
            request,
        })
    }

    /// What the caller needs to sign a decision: the ledger as they see it, and who they are in it.
    fn signing(&self, connection: &Sqlite, matter: &Matter<'_>) -> Result<Option<Signing>, Failure> {
        let (Some(origin), Some(ledger)) = (&self.origin, stored_frontier(connection)?) else { return Ok(None) };
        let state = (origin.as_str(), ledger.size(), ledger.root());
        Ok(Some(signing::needed(&self.policy, &self.actor.party, matter.demand, state)))
    }

    /// What the caller could do besides deciding.
    fn you_may(&self, request: &RequestRow) -> Vec<Verb> {
        let mut verbs = vec![Verb::Comment];
        let open = request.state == RequestState::Pending && self.tick < request.deadline_tick;
        if !open || own_session(&self.actor.party).is_err() {
            return verbs;
        }
        if is_own(request, &self.actor) {
            verbs.push(Verb::Withdraw);
            if matches!(request.kind, RequestKind::CertIssuance | RequestKind::CertRenewal) {
                verbs.push(Verb::Amend);
            }
        }
        if self.actor.permissions.allows(Permission::Void(&request.profile_id)) {
            verbs.push(Verb::Void);
        }
        verbs
    }
}

/// Whether the request is the actor's own: by the same account, or by the same person.
pub fn is_own(request: &RequestRow, actor: &Actor) -> bool {
    let (requester, own) = (&request.requester, actor.person_ref());
    let same_account = requester.uid == own.uid && requester.account == own.account;
    same_account || (own.person.is_some() && requester.person == own.person)
}

fn content(connection: &Sqlite, row: &RequestRow, work: &Work) -> Result<Content, Failure> {
    let submission = submissions::get(connection, work.submission_id)?;
    let job = jobs::newest_of_request(connection, &row.id)?.ok_or_else(|| not_found(&work.job_id))?.job;
    let in_force = certificates::get(connection, &work.certificate_id, &Sight::All)?
        .filter(|certificate| certificate.current.is_some());
    let revocation = revocations::get(connection, work.submission_id)?;
    let before = match &revocation {
        // Nothing takes its place.
        Some(_) => None,
        None => certificates::content_in_force(connection, &work.certificate_id)?,
    };
    let differences = before.map(|before| differences(&before, &submission.content)).unwrap_or_default();
    Ok(Content { submission: Some(submission), differences, in_force, job: Some(job), revocation })
}

/// The policy that a request would put in force; nobody is shown another than the one that is decided on.
fn change(connection: &Sqlite, request: &RequestRow) -> Result<Option<PolicyChange>, Failure> {
    if request.kind != RequestKind::PolicyChange {
        return Ok(None);
    }
    let proposal = proposals::get(connection, &request.id)?;
    match proposal.filter(|proposal| proposal.is_what_was_agreed(&request.digest)) {
        Some(proposal) => Ok(Some(proposal.to_view().map_err(|error| ApiError::internal(error.to_string()))?)),
        None => {
            let text = format!("{} does not propose what its ledger record says", request.id);
            Err(Failure::Damage(Damage { seq: Some(request.requested_seq), rule: "state".into(), text }))
        }
    }
}

fn you(case: &Case<'_>) -> MayDecide {
    let judged = may_decide(case).and_then(|()| may_approve(case));
    match judged {
        Ok(say) => MayDecide {
            allowed: true,
            rule: None,
            why: String::new(),
            delegated_by: say.given.map(|given| given.by.voter()),
        },
        Err(error) => {
            MayDecide { allowed: false, rule: error.rule.map(str::to_owned), why: error.message, delegated_by: None }
        }
    }
}

/// The decisions on a version, each with what its record says that it counts for.
fn decided(connection: &Sqlite, matter: &Matter<'_>, version: u32) -> Result<Vec<Decision>, Failure> {
    let rows = decisions::of(connection, &matter.request.id, version)?;
    let with_record = |row: decisions::DecisionRow| {
        let mut decision = row.decision;
        decision.signed = signed::read(connection, decision.seq)?.map(|kept| kept.to_view());
        if let Some(cast) = matter.cast.iter().find(|cast| cast.seq == decision.seq) {
            if decision.verdict == Verdict::Approve {
                decision.counts_for = cast.counts_for.clone();
            }
            decision.delegated_by = cast.giver.as_ref().map(|giver| giver.voter());
        }
        Ok(decision)
    };
    rows.into_iter().map(with_record).collect()
}

fn csr_view(submission: &Submission) -> CsrView {
    CsrView {
        pem: pem::encode("CERTIFICATE REQUEST", &submission.csr),
        sha256: Digest::of(&[&submission.csr]),
        subject: submission.csr_subject.clone(),
        key: submission.content.key,
        spki_sha256: submission.content.spki_sha256,
    }
}
