//! The transaction of a submission, in order: the same again? may this caller ask? does a profile carry it? is
//! anything in the way? Then it is made.

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::JobId;
use countersign_shared::lifecycle::{JobKind, RequestKind};
use countersign_shared::protocol::{Certificate, Risk, SubmitParams, SubmitResult};
use countersign_shared::revocation::Revocation;

use super::allowed::allowed;
use super::content::{Reason, Why, given, submission};
use super::renewing::Renewing;
use super::risks::risks;
use super::{attended, clock, unattended};
use crate::intake::{Ask, Intake};
use crate::ledger::Draft;
use crate::policy::{Policy, Terms};
use crate::service::actor::{Actor, SCHEDULER};
use crate::service::decide::account_of;
use crate::service::{Facts, PolicyInForce};
use crate::store::Transaction;
use crate::store::rows::submissions::Submission;
use crate::store::rows::terms::Scheduled;
use crate::store::rows::{certificates, idempotency, jobs, requests, submissions};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;
use crate::x509::ParsedCsr;

/// A submission that is being taken in.
pub struct Step<'a> {
    /// Rules.
    pub policy: PolicyInForce,
    /// Who asks.
    pub actor: &'a Actor,
    /// What for.
    pub params: &'a SubmitParams,
    /// The CSR, its proof of possession checked.
    pub csr: ParsedCsr,
    /// What is fixed for the process.
    pub facts: &'a Facts,
    /// The certificate that it has to renew; none where its names alone say what it is for.
    pub renewing: Option<&'a Renewing>,
}

/// A submission that is stored: the first gets its job, one that amends another takes its place.
pub struct Stored<'a> {
    /// Who asks.
    pub actor: &'a Actor,
    /// What is fixed for the process.
    pub facts: &'a Facts,
    /// The managed certificate.
    pub certificate: &'a Certificate,
    /// A first one, or a successor.
    pub kind: RequestKind,
    /// The submission.
    pub submission: &'a Submission,
    /// Its row.
    pub submission_id: i64,
    /// The version of the request: 1, and one more with each amendment.
    pub version: u32,
    /// The job's id.
    pub job: &'a JobId,
    /// What deserves a second look.
    pub risks: &'a [Risk],
    /// The policy in force.
    pub policy: &'a Policy,
    /// Not to be carried out before this moment.
    pub not_before: Option<Scheduled>,
    /// The name that requests of one batch share.
    pub batch: Option<&'a str>,
    /// What is to end, where that is what is asked for.
    pub revocation: Option<&'a Revocation>,
}

impl Step<'_> {
    /// Takes it in.
    pub fn carry_out(self, transaction: &mut Transaction<'_>) -> Result<SubmitResult, Failure> {
        let policy = transaction.rules(&self.policy);
        let actor = self.actor.under(&policy, transaction.now());
        Step { actor: &actor, ..self }.under(transaction, &policy)
    }

    fn under(self, transaction: &mut Transaction<'_>, policy: &Policy) -> Result<SubmitResult, Failure> {
        if let Some(earlier) = self.repeated(transaction)? {
            return Ok(earlier);
        }
        let ask = Ask {
            profile: self.params.profile.as_deref(),
            environment: self.params.environment.as_deref(),
            reason: self.params.reason.as_ref(),
            ticket: self.params.ticket.as_ref(),
            valid_for: self.params.valid_for,
        };
        let mut intake = allowed(policy, self.actor, transaction.now(), &self.csr, &ask)?;
        let certificate = self.certificate(transaction, &intake)?;
        if let Some(renewing) = self.renewing {
            renewing.judge(&mut intake, &certificate)?;
        }
        nothing_in_the_way(transaction, &certificate)?;
        self.make(transaction, policy, intake, &certificate)
    }

    /// The same key again: the same request, whatever has become of it.
    fn repeated(&self, transaction: &Transaction<'_>) -> Result<Option<SubmitResult>, Failure> {
        let Some(key) = &self.params.idempotency_key else { return Ok(None) };
        let connection = transaction.connection();
        let Some((fingerprint, job)) = idempotency::get(connection, self.actor.party.uid, key)? else {
            return Ok(None);
        };
        if fingerprint != self.fingerprint()? {
            let message = format!("the idempotency key was used for another submission, which made {job}");
            return Err(ApiError::new(ErrorKind::Conflict, message).hint("choose a new key for a new request").into());
        }
        let submission = jobs::get(connection, &job)?.ok_or_else(missing)?.submission_id;
        let changes = submissions::get(connection, submission)?.changes;
        let mut result = result(transaction, &job, changes)?;
        result.repeated = true;
        Ok(Some(result))
    }

    fn fingerprint(&self) -> Result<Digest, Failure> {
        let text = serde_json::to_vec(self.params).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Digest::of(&[b"countersign-submission-v1\0", &text]))
    }

    /// The managed certificate that the names stand for; a new one where there is none yet.
    fn certificate(&self, transaction: &Transaction<'_>, intake: &Intake) -> Result<Certificate, Failure> {
        let connection = transaction.connection();
        if let Some(found) = certificates::find(connection, intake.profile.id(), &intake.primary_name)? {
            return Ok(found);
        }
        let new = Certificate {
            id: transaction.fresh_certificate()?,
            profile_id: intake.profile.id().to_owned(),
            environment: intake.profile.rules().environment.clone(),
            primary_name: intake.primary_name.clone(),
            owner: self.actor.person_ref(),
            created_at: transaction.now(),
            current: None,
            days_left: None,
            revoked: None,
            places: Vec::new(),
            places_total: 0,
        };
        certificates::insert(connection, &new)?;
        Ok(new)
    }

    fn make(
        self,
        transaction: &mut Transaction<'_>,
        policy: &Policy,
        intake: Intake,
        certificate: &Certificate,
    ) -> Result<SubmitResult, Failure> {
        let kind = if certificate.current.is_some() { RequestKind::CertRenewal } else { RequestKind::CertIssuance };
        let risks = risks(&intake, certificate, self.actor, self.facts.bypass);
        let job = transaction.fresh_job()?;
        let (actor, facts) = (self.actor, self.facts);
        let key = self.params.idempotency_key.as_deref().map(|key| Ok::<_, Failure>((key, self.fingerprint()?)));
        let key = key.transpose()?;
        let not_before = clock::scheduled(transaction, self.params.not_before)?;
        let batch = self.params.batch.as_deref();
        if not_before.is_some() && !intake.profile.rules().requires_approval {
            let message = format!("`not_before`: profile {} asks nobody, and issues at once", intake.profile.id());
            return Err(ApiError::invalid(message).into());
        }
        let why = Why {
            reason: Reason::fresh(self.params.reason.as_ref())?,
            ticket: given(self.params.ticket.as_ref()),
            not_before: self.params.not_before,
        };
        let submission = submission(policy, intake, self.csr, certificate, kind, why)?;
        let submission_id = submissions::insert(transaction.connection(), &submission)?;
        let stored = Stored {
            actor,
            facts,
            certificate,
            kind,
            submission: &submission,
            submission_id,
            version: 1,
            job: &job,
            risks: &risks,
            policy,
            not_before,
            batch,
            revocation: None,
        };
        if submission.profile.rules().requires_approval {
            attended::make(transaction, &stored)?;
        } else {
            unattended::make(transaction, &stored)?;
        }
        if let Some((key, fingerprint)) = key {
            let now = transaction.now();
            idempotency::insert(transaction.connection(), actor.party.uid, key, fingerprint, &job, now)?;
        }
        result(transaction, &job, submission.changes)
    }
}

impl Stored<'_> {
    /// What the ledger says of a submission, whoever has to agree to it.
    pub fn described(&self, draft: Draft) -> Draft {
        let submission = self.submission;
        let draft = match self.revocation {
            None => draft,
            Some(revocation) => draft
                .text("issuer", &revocation.issuer)
                .text("serial", &revocation.serial)
                .number("revokes_version", revocation.version)
                .text("revocation_reason", revocation.reason),
        };
        draft
            .number("version", self.version)
            .text("digest", submission.digest)
            .text("policy_sha256", submission.policy_sha256)
            .text("profile", submission.profile.id())
            .text("certificate", &self.certificate.id)
            .text("kind", self.kind)
            .text("spki_sha256", submission.content.spki_sha256)
            .text_if("reason_sha256", submission.reason_sha256)
            .text_if("not_before", self.not_before.map(|start| start.at))
            .number_if("not_before_tick", self.not_before.map(|start| start.tick))
            .text_if("batch", self.batch)
            .list("risks", self.risks)
    }

    /// Who has to agree: as the profile says for the certificate's owner.
    pub fn terms(&self) -> Terms {
        // A name is nobody's before something was issued under it: then it is whose request it is. Unix groups are left
        // out: of another owner they are not known, and the terms are the same whoever asks.
        let requester = self.actor.person_ref();
        let issued = self.certificate.current.is_some() || self.kind == RequestKind::CertRevocation;
        let owner = if issued { &self.certificate.owner } else { &requester };
        let owner = account_of(&owner.account, owner.uid);
        self.policy.terms(&self.submission.profile, &owner, self.actor.party.account == SCHEDULER)
    }

    /// The job that a request or the executor alone will free.
    pub fn job_kind(&self) -> JobKind {
        match self.kind {
            RequestKind::CertRenewal => JobKind::Renew,
            RequestKind::CertRevocation => JobKind::Revoke,
            RequestKind::CertIssuance | RequestKind::PolicyChange | RequestKind::CaOperation => JobKind::Issue,
        }
    }
}

fn nothing_in_the_way(transaction: &Transaction<'_>, certificate: &Certificate) -> Result<(), Failure> {
    let connection = transaction.connection();
    let (other, what) = if let Some(request) = requests::pending_for(connection, &certificate.id)? {
        (request.to_string(), "waits for approval")
    } else if let Some(job) = jobs::open_for(connection, &certificate.id)? {
        (job.to_string(), "is being carried out")
    } else {
        return Ok(());
    };
    let name = certificate.primary_name.safe();
    let message = format!("{other} for the same certificate ({}, {name:.64}) {what}", certificate.id);
    let hint = format!("wait for it to end (countersign wait {other}), then ask again");
    Err(ApiError::new(ErrorKind::Conflict, message).hint(hint).into())
}

/// What the caller is told: the job as it is, and the request that blocks it, if one does.
fn result(
    transaction: &Transaction<'_>,
    job: &JobId,
    changes: Vec<countersign_shared::protocol::Change>,
) -> Result<SubmitResult, Failure> {
    let connection = transaction.connection();
    let job = jobs::get(connection, job)?.ok_or_else(missing)?.job;
    let request = match &job.request_id {
        Some(id) => requests::summary(connection, id, &Sight::All)?,
        None => None,
    };
    let certificate_id = job.certificate_id.clone();
    Ok(SubmitResult { request, job, certificate_id, changes, repeated: false })
}

fn missing() -> ApiError {
    ApiError::internal("the job of a submission is missing")
}
