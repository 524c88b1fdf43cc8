//! `request.submit`: from a CSR to a certificate that waits for people, or for the executor alone.

use countersign_shared::content::Purpose;
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{JobKind, JobState, RequestEvent, RequestKind, request_transition};
use countersign_shared::protocol::{AuditAction, Category, Certificate, MAX_CSR, Risk, SubmitParams, SubmitResult};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::actor::{Actor, BYPASS, system_draft};
use super::sight::Sight;
use super::{PolicyInForce, Service, refusal};
use crate::intake::{Ask, Intake, intake};
use crate::ipc::Connection;
use crate::policy::{Permission, Policy};
use crate::store::rows::metrics::Outcome;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{certificates, idempotency, jobs, notifications, requests, submissions};
use crate::store::transaction::{Failure, fresh_salt, salted};
use crate::store::{Effect, Transaction};
use crate::x509::{ParsedCsr, csr};

/// Takes a request in.
pub async fn submit(
    service: &Service,
    connection: &Connection,
    params: SubmitParams,
) -> Result<SubmitResult, ApiError> {
    check_shape(&params)?;
    let actor = service.actor_with_patience(connection)?;
    let text = params.csr.clone();
    // Proof of possession with a large key takes milliseconds: not on a thread that serves sockets.
    let parsed = tokio::task::spawn_blocking(move || csr::parse(&text))
        .await
        .map_err(|_| ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down"))?;
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return Err(unreadable(service, &actor, error).await),
    };
    let facts = service.facts.clone();
    let (policy, asking) = (service.policy.clone(), actor.clone());
    let result = service
        .writer
        .write(move |transaction| {
            let resource = ("profile", params.profile.as_deref().filter(|id| is_id(id)).unwrap_or("any").to_owned());
            let step =
                Step { policy, actor: &asking, params: &params, csr: parsed, bypass: facts.bypass, facts: &facts };
            refusal::or_record(transaction, &asking, "request.submit", (resource.0, &resource.1), |transaction| {
                step.carry_out(transaction)
            })
        })
        .await?;
    service.after_attempt(&actor, result)
}

/// A CSR that cannot be read is bad input; one that a rule stops is an attempt, and goes on record.
async fn unreadable(service: &Service, actor: &Actor, error: ApiError) -> ApiError {
    if error.rule.is_none() {
        return error;
    }
    let (attempting, refused) = (actor.clone(), error.clone());
    let recorded = service.writer.write(move |transaction| {
        refusal::record(transaction, &attempting, "request.submit", ("profile", "any"), &refused)
    });
    match recorded.await {
        Ok(()) => service.after_attempt::<()>(actor, Err(error.clone())).err().unwrap_or(error),
        Err(unrecorded) => unrecorded,
    }
}

fn is_id(raw: &str) -> bool {
    raw.len() <= 64 && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_shape(params: &SubmitParams) -> Result<(), ApiError> {
    if params.csr.len() > MAX_CSR {
        return Err(ApiError::invalid(format!("`csr` has {} octets; at most {MAX_CSR} are allowed", params.csr.len())));
    }
    match &params.idempotency_key {
        Some(key) if key.is_empty() || key.len() > 128 => {
            Err(ApiError::invalid("`idempotency_key` has 1 to 128 octets"))
        }
        _ => Ok(()),
    }
}

struct Step<'a> {
    policy: PolicyInForce,
    actor: &'a Actor,
    params: &'a SubmitParams,
    csr: ParsedCsr,
    bypass: bool,
    facts: &'a super::Facts,
}

impl Step<'_> {
    fn carry_out(self, transaction: &mut Transaction<'_>) -> Result<SubmitResult, Failure> {
        if let Some(earlier) = self.repeated(transaction)? {
            return Ok(earlier);
        }
        let policy = self.policy.now();
        let permissions = super::permissions_now(&policy, self.actor, transaction.now());
        if !policy.profiles().iter().any(|profile| permissions.allows(Permission::Submit(profile.id()))) {
            let message = format!("{} may not request certificates under any profile", self.actor.party.account);
            return Err(ApiError::new(ErrorKind::Forbidden, message)
                .hint("the role requester, granted by the policy, is needed")
                .rule("no_role")
                .into());
        }
        let ask = Ask {
            profile: self.params.profile.as_deref(),
            environment: self.params.environment.as_deref(),
            reason: self.params.reason.as_ref(),
            ticket: self.params.ticket.as_ref(),
            valid_for: self.params.valid_for,
        };
        let intake = intake(&policy, &self.csr, &ask, |profile| permissions.allows(Permission::Submit(profile.id())))?;
        let certificate = self.certificate(transaction, &intake)?;
        self.nothing_in_the_way(transaction, &certificate)?;
        self.make(transaction, &policy, intake, &certificate)
    }

    /// The same key again: the same request, whatever has become of it.
    fn repeated(&self, transaction: &Transaction<'_>) -> Result<Option<SubmitResult>, Failure> {
        let Some(key) = &self.params.idempotency_key else { return Ok(None) };
        let connection = transaction.connection();
        let Some((fingerprint, job)) = idempotency::get(connection, self.actor.party.uid, key)? else {
            return Ok(None);
        };
        if fingerprint != fingerprint_of(self.params)? {
            let message = format!("the idempotency key was used for another submission, which made {job}");
            return Err(ApiError::new(ErrorKind::Conflict, message).hint("choose a new key for a new request").into());
        }
        let job = jobs::get(connection, &job)?.ok_or_else(|| ApiError::internal("the job of the key is missing"))?;
        let submission = submissions::get(connection, job.submission_id)?;
        let request = match &job.job.request_id {
            Some(id) => requests::summary(connection, id, &Sight::All)?,
            None => None,
        };
        let certificate_id = job.job.certificate_id.clone();
        Ok(Some(SubmitResult { request, job: job.job, certificate_id, changes: submission.changes, repeated: true }))
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
        };
        certificates::insert(connection, &new)?;
        Ok(new)
    }

    fn nothing_in_the_way(&self, transaction: &Transaction<'_>, certificate: &Certificate) -> Result<(), Failure> {
        let connection = transaction.connection();
        let name = certificate.primary_name.safe();
        let (other, what) = if let Some(request) = requests::pending_for(connection, &certificate.id)? {
            (request.to_string(), "waits for approval")
        } else if let Some(job) = jobs::open_for(connection, &certificate.id)? {
            (job.to_string(), "is being carried out")
        } else {
            return Ok(());
        };
        let message = format!("{other} for the same certificate ({}, {name:.64}) {what}", certificate.id);
        let hint = format!("wait for it to end (countersign wait {other}), then ask again");
        Err(ApiError::new(ErrorKind::Conflict, message).hint(hint).into())
    }

    fn make(
        self,
        transaction: &mut Transaction<'_>,
        policy: &Policy,
        intake: Intake,
        certificate: &Certificate,
    ) -> Result<SubmitResult, Failure> {
        let renewal = certificate.current.is_some();
        let kind = if renewal { RequestKind::CertRenewal } else { RequestKind::CertIssuance };
        let reason = self.params.reason.clone().unwrap_or_default();
        let salt = fresh_salt()?;
        let reason_sha256 = (!reason.is_blank()).then(|| salted(&salt, reason.raw()));
        let purpose = Purpose {
            kind,
            certificate_id: certificate.id.as_str(),
            csr_sha256: self.csr.sha256,
            reason: reason_sha256,
            ticket: self.params.ticket.as_ref().map(Untrusted::raw),
        };
        let digest =
            intake.content.digest(&purpose).map_err(|error| ApiError::invalid(format!("the content: {error}")))?;
        let risks = risks(&intake, certificate, self.actor, self.bypass);
        let rules = intake.profile.rules();
        let (requires_approval, environment) = (rules.requires_approval, rules.environment.clone());
        let timeout = intake.profile.approval_timeout(self.facts.approval_timeout);
        let votes_needed = intake.profile.votes_needed().max(1);
        let profile_id = intake.profile.id().to_owned();
        let changes = intake.changes.clone();
        let submission = Submission {
            digest,
            content: intake.content,
            csr: self.csr.der,
            csr_subject: self.csr.subject,
            profile: intake.profile,
            policy_sha256: policy.sha256(),
            changes: intake.changes,
            checks: intake.checks,
            reason,
            reason_salt: salt.to_vec(),
            reason_sha256,
            ticket: self.params.ticket.clone(),
        };
        let submission_id = submissions::insert(transaction.connection(), &submission)?;
        let job_id = transaction.fresh_job()?;
        let requester = self.actor.person_ref();
        let mut job = jobs::NewJob {
            id: &job_id,
            kind: if renewal { JobKind::Renew } else { JobKind::Issue },
            state: JobState::AwaitingApproval,
            certificate_id: &certificate.id,
            profile_id: &profile_id,
            request_id: None,
            submission_id,
            record_seq: None,
            retry_of: None,
            requester: &requester,
            created_at: transaction.now(),
        };
        let described = |draft: crate::ledger::Draft| {
            draft
                .number("version", 1)
                .text("digest", digest)
                .text("policy_sha256", policy.sha256())
                .text("profile", &profile_id)
                .text("certificate", &certificate.id)
                .text("kind", kind)
                .text("spki_sha256", submission.content.spki_sha256)
                .text_if("reason_sha256", reason_sha256)
        };
        if !requires_approval {
            let draft =
                described(self.actor.draft(AuditAction::IssuanceRequested, Category::CertLifecycle, "job", &job_id));
            let recorded = transaction.record(draft)?;
            job.state = JobState::Pending;
            job.record_seq = Some(recorded.seq);
            jobs::insert(transaction.connection(), &job)?;
            keep_key(transaction, self.actor, self.params, &job_id)?;
            notifications::insert(
                transaction.connection(),
                "issuance_requested",
                job_id.as_str(),
                transaction.now(),
                recorded.seq,
            )?;
            transaction.after_commit(Effect::JobReady);
            return self::result(transaction, None, &job_id, certificate, changes);
        }

        let request_id = transaction.fresh_request()?;
        let draft = described(self.actor.draft(
            AuditAction::ApprovalRequested,
            Category::CertLifecycle,
            "request",
            &request_id,
        ));
        let recorded = transaction.record(draft.text("job", &job_id).number("votes_needed", votes_needed))?;
        job.request_id = Some(&request_id);
        let connection = transaction.connection();
        jobs::insert(connection, &job)?;
        let now = transaction.now();
        let timeout = i64::try_from(timeout.millis()).unwrap_or(i64::MAX);
        let deadline_tick = transaction.tick().saturating_add(timeout);
        let expires_at = Timestamp::from_unix_millis(now.unix_millis().saturating_add(timeout)).unwrap_or(now);
        requests::insert(
            connection,
            &requests::NewRequest {
                id: &request_id,
                kind,
                certificate_id: &certificate.id,
                job_id: &job_id,
                submission_id,
                digest,
                profile_id: &profile_id,
                environment: &environment,
                requester: &requester,
                requester_login_uid: self.actor.party.login_uid,
                requester_session: self.actor.session,
                primary_name: &certificate.primary_name,
                sans: &submission.content.sans,
                risks: &risks,
                votes_needed,
                created_at: now,
                expires_at,
                created_tick: transaction.tick(),
                deadline_tick,
                seq: recorded.seq,
            },
        )?;
        notifications::insert(connection, "approval_requested", request_id.as_str(), now, recorded.seq)?;
        keep_key(transaction, self.actor, self.params, &job_id)?;
        if self.bypass {
            bypass(transaction, &request_id, &job_id, &profile_id, digest, policy)?;
        } else {
            transaction.after_commit(Effect::Pending { deadline_tick });
        }
        self::result(transaction, Some(&request_id), &job_id, certificate, changes)
    }
}

/// Keeps the key by which a resubmission finds the job.
fn keep_key(
    transaction: &Transaction<'_>,
    actor: &Actor,
    params: &SubmitParams,
    job: &countersign_shared::id::JobId,
) -> Result<(), Failure> {
    let Some(key) = &params.idempotency_key else { return Ok(()) };
    let (uid, now) = (actor.party.uid, transaction.now());
    Ok(idempotency::insert(transaction.connection(), uid, key, fingerprint_of(params)?, job, now)?)
}

fn fingerprint_of(params: &SubmitParams) -> Result<Digest, Failure> {
    let text = serde_json::to_vec(params).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Digest::of(&[b"countersign-submission-v1\0", &text]))
}

/// On a development host: approved at once by the daemon itself, and recorded as such.
fn bypass(
    transaction: &mut Transaction<'_>,
    request: &countersign_shared::id::RequestId,
    job: &countersign_shared::id::JobId,
    profile_id: &str,
    digest: Digest,
    policy: &Policy,
) -> Result<(), Failure> {
    let next = request_transition(countersign_shared::lifecycle::RequestState::Pending, RequestEvent::Bypass)
        .ok_or_else(|| ApiError::internal("a new request is pending"))?;
    let draft = system_draft(BYPASS, AuditAction::ApprovalBypassed, Category::CertLifecycle, "request", request)
        .number("version", 1)
        .text("digest", digest)
        .text("policy_sha256", policy.sha256())
        .text("profile", profile_id)
        .text("job", job);
    let recorded = transaction.record(draft)?;
    let (connection, now) = (transaction.connection(), transaction.now());
    requests::end(connection, request, next.request, now, BYPASS, recorded.seq)?;
    jobs::free(connection, job, recorded.seq)?;
    notifications::insert(connection, "approval_bypassed", request.as_str(), now, recorded.seq)?;
    let outcome = Outcome::Bypassed;
    transaction.after_commit(Effect::Decided { outcome, profile_id: profile_id.to_owned(), age_millis: 0 });
    transaction.after_commit(Effect::JobReady);
    Ok(())
}

fn result(
    transaction: &Transaction<'_>,
    request: Option<&countersign_shared::id::RequestId>,
    job: &countersign_shared::id::JobId,
    certificate: &Certificate,
    changes: Vec<countersign_shared::protocol::Change>,
) -> Result<SubmitResult, Failure> {
    let connection = transaction.connection();
    let request = match request {
        Some(id) => requests::summary(connection, id, &Sight::All)?,
        None => None,
    };
    let job = jobs::get(connection, job)?.ok_or_else(|| ApiError::internal("the job just made is missing"))?.job;
    Ok(SubmitResult { request, job, certificate_id: certificate.id.clone(), changes, repeated: false })
}

/// What the content alone cannot tell: how it stands to the certificate in force.
fn risks(intake: &Intake, certificate: &Certificate, actor: &Actor, bypass: bool) -> Vec<Risk> {
    let mut risks = intake.risks.clone();
    if let Some(current) = &certificate.current {
        if intake.content.sans.iter().any(|san| !current.sans.contains(san)) {
            risks.push(Risk::NamesAdded);
        }
        if current.spki_sha256 != intake.content.spki_sha256 {
            risks.push(Risk::KeyChanged);
        }
    }
    let owner = &certificate.owner;
    let own = owner.account == actor.party.account || (owner.person.is_some() && owner.person == actor.party.person);
    if !own {
        risks.push(Risk::OtherOwner);
    }
    if bypass {
        risks.push(Risk::Bypass);
    }
    risks
}
