//! The transaction of a proposal: is its base still in force? is there room? Then the request is made.

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::{AuditAction, Category, ProposeParams, ProposeResult, Risk};
use countersign_shared::text::Untrusted;

use super::study::Studied;
use super::{may_propose, stale};
use crate::policy::{CHANGES, Policy, Terms};
use crate::service::actor::Actor;
use crate::service::decide::under;
use crate::service::detail::is_own;
use crate::service::submit::clock::{self, Moment};
use crate::service::{PolicyInForce, permissions_now};
use crate::store::rows::policies::PolicyRow;
use crate::store::rows::proposals::Proposal;
use crate::store::rows::requests::NewRequest;
use crate::store::rows::terms::TermsRow;
use crate::store::rows::{policies, proposals, requests, terms};
use crate::store::sight::Sight;
use crate::store::transaction::{Failure, Recorded, fresh_salt, salted};
use crate::store::{Effect, Transaction};

/// Proposals that may wait for people at one time.
const MAX_PENDING: usize = 20;

/// A proposal that is being taken in.
pub(super) struct Step<'a> {
    pub policy: &'a PolicyInForce,
    pub actor: &'a Actor,
    pub params: &'a ProposeParams,
    pub studied: &'a Studied,
}

impl Step<'_> {
    pub fn carry_out(&self, transaction: &mut Transaction<'_>) -> Result<ProposeResult, Failure> {
        let rules = transaction.rules(self.policy);
        let actor = self.actor.under(&rules, transaction.now());
        may_propose(&actor, &permissions_now(&rules, &actor, transaction.now()))?;
        let base = policies::in_force(transaction.connection())?;
        let base = base.ok_or_else(|| ApiError::internal("no policy is in force"))?;
        // What was compared and proved is worth something against the policy that it was compared with.
        if base.sha256 != self.studied.base_sha256 {
            return Err(stale(self.params, base.sha256).into());
        }
        there_is_room(transaction, &actor)?;
        let proposal = self.proposal(&base)?;
        let id = self.make(transaction, &rules, &actor, &proposal)?;
        let request = requests::summary(transaction.connection(), &id, &Sight::All)?;
        let request = request.ok_or_else(|| ApiError::internal("the request that was made is missing"))?;
        let change = proposal.to_view().map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(ProposeResult { request, change })
    }

    fn proposal(&self, base: &PolicyRow) -> Result<Proposal, Failure> {
        let (studied, salt) = (self.studied, fresh_salt()?);
        let json = |list: Result<String, serde_json::Error>| list.map_err(|e| ApiError::internal(e.to_string()));
        Ok(Proposal {
            base_version: base.version,
            base_sha256: base.sha256,
            sha256: studied.policy.sha256(),
            document: studied.policy.document().to_owned(),
            differences: json(serde_json::to_string(&studied.differences))?,
            findings: json(serde_json::to_string(&studied.findings))?,
            reason: self.params.reason.raw().to_owned(),
            reason_sha256: salted(&salt, self.params.reason.raw()),
            reason_salt: salt.to_vec(),
        })
    }

    fn make(
        &self,
        transaction: &mut Transaction<'_>,
        rules: &Policy,
        actor: &Actor,
        proposal: &Proposal,
    ) -> Result<RequestId, Failure> {
        let id = transaction.fresh_request()?;
        let digest = proposal.digest().map_err(|error| ApiError::internal(error.to_string()))?;
        let asked = rules.change_control().terms();
        let draft = actor
            .draft(AuditAction::PolicyProposed, Category::Config, "request", &id)
            .number("version", 1)
            .text("kind", RequestKind::PolicyChange)
            .text("digest", digest)
            .text("profile", CHANGES)
            .text("policy_from", proposal.base_sha256)
            .text("policy_to", proposal.sha256)
            .text("policy_sha256", proposal.base_sha256)
            .number("base_version", proposal.base_version)
            .text("differences_sha256", proposal.differences_sha256())
            .text("findings_sha256", proposal.findings_sha256())
            .text("reason_sha256", proposal.reason_sha256)
            .number("votes_needed", asked.places());
        let deadline = Moment::of(transaction).later(rules.change_control().approval_timeout);
        let recorded = transaction.record(clock::dated(under(draft, &asked), deadline, &[]))?;
        let name = Untrusted::new(format!("policy {}", proposal.base_version.saturating_add(1)));
        let risks: &[Risk] = if self.studied.is_laxer() { &[Risk::PolicyLaxer] } else { &[] };
        let connection = transaction.connection();
        requests::insert(
            connection,
            &NewRequest {
                id: &id,
                kind: RequestKind::PolicyChange,
                work: None,
                digest,
                profile_id: CHANGES,
                environment: CHANGES,
                requester: &actor.person_ref(),
                requester_login: &actor.login(),
                requester_session: actor.session,
                primary_name: &name,
                sans: &[],
                risks,
                votes_needed: asked.places(),
                created_at: transaction.now(),
                expires_at: deadline.at,
                created_tick: transaction.tick(),
                deadline_tick: deadline.tick,
                seq: recorded.seq,
            },
        )?;
        proposals::insert(connection, &id, proposal)?;
        terms::insert(connection, &id, &first_version(transaction, digest, asked, recorded))?;
        transaction.tell(AuditAction::PolicyProposed, id.as_str(), recorded)?;
        transaction.after_commit(Effect::Pending);
        Ok(id)
    }
}

fn first_version(
    transaction: &Transaction<'_>,
    digest: Digest,
    terms: Terms,
    Recorded { seq, .. }: Recorded,
) -> TermsRow {
    let created_at = transaction.now();
    TermsRow { version: 1, digest, submission_id: None, terms, not_before: None, batch: None, created_at, seq }
}

/// One proposal of each human, and a number that people can still read, in all.
fn there_is_room(transaction: &Transaction<'_>, actor: &Actor) -> Result<(), Failure> {
    let pending = requests::pending_under(transaction.connection(), CHANGES)?;
    if let Some(own) = pending.iter().find(|request| is_own(request, actor)) {
        let message = format!("{} is a proposal of yours that waits for people", own.id);
        let hint = format!("have it decided, or take it back: countersign withdraw {}", own.id);
        return Err(ApiError::new(ErrorKind::Conflict, message).hint(hint).into());
    }
    if pending.len() >= MAX_PENDING {
        let message = format!("{} proposals wait for people; at most {MAX_PENDING} may", pending.len());
        let error = ApiError::new(ErrorKind::RateLimited, message);
        return Err(error.hint("have some of them decided first: countersign ls --profile policy").into());
    }
    Ok(())
}
