//! Carries out jobs: claims a pending one with the gate's proof, asks its issuer, compares, stores, delivers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::{CertificateId, JobId};
use countersign_shared::lifecycle::{JobEvent, JobState, job_transition};
use countersign_shared::protocol::Damage;
use tokio::sync::{Notify, Semaphore, watch};

use super::outcome::{complete, fail};
use crate::clock::TimeLine;
use crate::deliver::{DeliverRule, deliver};
use crate::gate::{Approved, Shut, prove};
use crate::issuer::{Issued, Issuer, Mismatch, Order, Serial, finish};
use crate::service::PolicyInForce;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::{jobs, submissions};
use crate::store::transaction::Failure;
use crate::store::{Health, Readers, Transaction, Writer};

/// Jobs that are carried out at one time.
const AT_ONCE: u32 = 4;
/// Pending jobs that one look takes up.
const LOOK: u32 = 64;
/// How long to leave a database alone that takes nothing now, because its disk is full for one.
const RETRY: Duration = Duration::from_secs(5);

/// Every issuer of the policy, by its id.
pub type Issuers = BTreeMap<String, Arc<dyn Issuer>>;

/// See the module.
#[derive(Clone)]
pub struct Executor {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// May the daemon issue?
    pub health: Health,
    /// Rules.
    pub policy: PolicyInForce,
    /// Who signs.
    pub issuers: Arc<Issuers>,
    /// A job became pending.
    pub ready: Arc<Notify>,
    /// Time.
    pub line: TimeLine,
    /// Turns true when the daemon ends.
    pub stop: watch::Receiver<bool>,
}

/// A job that is under way, with the right to sign.
struct Claim {
    job: JobRow,
    approved: Approved,
    order: Order,
}

impl Executor {
    /// Takes up what the last process left, then pending jobs as they come, until the daemon ends.
    pub async fn run(self) {
        let mut stop = self.stop.clone();
        let places = Arc::new(Semaphore::new(AT_ONCE as usize));
        if let Err(error) = self.take_up_running().await {
            tracing::error!("jobs of the last run could not be taken up: {error}");
        }
        loop {
            let again = match self.carry_out_pending(&places).await {
                Ok(()) => false,
                Err(error) if error.kind == ErrorKind::ReadOnly => false,
                Err(error) => {
                    tracing::error!("pending jobs could not be carried out, tried again soon: {error}");
                    true
                }
            };
            tokio::select! {
                () = self.ready.notified() => {}
                () = tokio::time::sleep(RETRY), if again => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        // What is being signed is finished and stored; only a kill interrupts it.
        let _all = places.acquire_many(AT_ONCE).await;
    }

    async fn carry_out_pending(&self, places: &Arc<Semaphore>) -> Result<(), ApiError> {
        loop {
            let look = |connection: &rusqlite::Connection| Ok(jobs::in_state(connection, JobState::Pending, LOOK)?);
            let pending = self.readers.read(look).await?;
            if pending.is_empty() {
                return Ok(());
            }
            for job in pending {
                let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
                let Some(claim) = self.claim(job).await? else { continue };
                let executor = self.clone();
                tokio::spawn(async move {
                    let _place = place;
                    executor.carry_out(claim).await;
                });
            }
        }
    }

    /// A job that ran when the process ended: given again where nothing can have left the process, else failed
    /// with an outcome that is not known and that only a person retries.
    async fn take_up_running(&self) -> Result<(), ApiError> {
        let look = |connection: &rusqlite::Connection| Ok(jobs::in_state(connection, JobState::Running, u32::MAX)?);
        for job in self.readers.read(look).await? {
            let submission = job.submission_id;
            let read = move |connection: &rusqlite::Connection| Ok(submissions::get(connection, submission)?.content);
            let content = self.readers.read(read).await?;
            if self.issuers.get(&content.issuer).is_some_and(|issuer| issuer.survives_restart()) {
                if let Some(claim) = self.claim(job).await? {
                    self.carry_out(claim).await;
                }
            } else {
                let why = "the daemon ended while the issuer worked: it is not known whether a certificate was issued";
                self.fail(job, why.to_owned(), None).await?;
            }
        }
        Ok(())
    }

    /// Claims a job. `None` where it is not there to be claimed or may not be signed; the reason is on record.
    async fn claim(&self, job: JobRow) -> Result<Option<Claim>, ApiError> {
        let (policy, id) = (self.policy.clone(), job.job.id.clone());
        match self.writer.write(move |transaction| claim(transaction, &policy, &id)).await? {
            Claimed::Yes(claim) => Ok(Some(*claim)),
            Claimed::Gone => Ok(None),
            Claimed::Refused(why) => {
                tracing::warn!(job = %job.job.id, "not issued: {why}");
                Ok(None)
            }
            Claimed::Tampered(text) => {
                self.health.raise(Damage { seq: job.record_seq, rule: "gate".into(), text });
                self.health.check().map(|()| None)
            }
        }
    }

    async fn carry_out(&self, claim: Claim) {
        let id = claim.job.job.id.clone();
        if let Err(error) = self.issue_and_store(claim).await {
            tracing::error!(job = %id, "the result of the job could not be stored; a restart takes it up: {error}");
        }
    }

    async fn issue_and_store(&self, claim: Claim) -> Result<(), ApiError> {
        let Claim { job, approved, order } = claim;
        let Some(issuer) = self.issuers.get(&approved.content().issuer).cloned() else {
            let why = format!("issuer {} is not there", approved.content().issuer);
            return self.fail(job, why, None).await;
        };
        let line = self.line.clone();
        let issue = move || {
            let answer = issuer.issue(&approved, &order);
            let result = answer.map(|answer| finish(&approved, &order, &answer, line.wall()));
            (approved, result)
        };
        let ended = || ApiError::internal("the issuer's thread ended");
        let (approved, result) = tokio::task::spawn_blocking(issue).await.map_err(|_| ended())?;
        match result {
            Ok(Ok(issued)) => self.store_and_deliver(job, approved, issued).await,
            Ok(Err(mismatch)) => self.fail(job, mismatch.to_string(), Some((approved, mismatch))).await,
            Err(error) => self.fail(job, error.to_string(), None).await,
        }
    }

    async fn store_and_deliver(&self, job: JobRow, approved: Approved, issued: Issued) -> Result<(), ApiError> {
        let rule = self.policy.now().profile(&job.job.profile_id).and_then(|profile| profile.rules().deliver.clone());
        let (certificate, pem) = (approved.certificate().clone(), issued.chain_pem.clone());
        let result = Arc::new((job, approved, issued));
        self.written(move |transaction| complete(transaction, &result.0, &result.1, &result.2)).await?;
        if let Some(rule) = rule {
            let rule = DeliverRule { path: rule.path, owner: rule.owner, mode: Some(rule.mode) };
            deliver_aside(rule, certificate, pem).await;
        }
        Ok(())
    }

    async fn fail(&self, job: JobRow, why: String, quarantine: Option<(Approved, Mismatch)>) -> Result<(), ApiError> {
        tracing::warn!(job = %job.job.id, "the job failed: {why}");
        let result = Arc::new((job, why, quarantine));
        self.written(move |transaction| fail(transaction, &result.0, &result.1, result.2.as_ref())).await
    }

    /// Writes what came of a job, again and again while there is no room for it: a certificate that exists is not
    /// forgotten because the disk is full. Gives up where the daemon ends or may not write any more.
    async fn written(
        &self,
        steps: impl Fn(&mut Transaction<'_>) -> Result<(), Failure> + Clone + Send + 'static,
    ) -> Result<(), ApiError> {
        let mut stop = self.stop.clone();
        loop {
            let error = match self.writer.write(steps.clone()).await {
                Err(error) if error.kind == ErrorKind::Unavailable => error,
                result => return result,
            };
            tracing::error!("the result of a job could not be stored, tried again soon: {error}");
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = stop.wait_for(|stop| *stop) => return Err(error),
            }
        }
    }
}

/// A certificate that cannot be delivered stands in the store all the same; the log says what is in the way.
async fn deliver_aside(rule: DeliverRule, certificate: CertificateId, pem: String) {
    match tokio::task::spawn_blocking(move || deliver(&rule, &certificate, &pem)).await {
        Ok(Ok(path)) => tracing::info!(path = %path.display(), "delivered"),
        Ok(Err(error)) => tracing::error!("issued, and not delivered: {error}"),
        Err(_) => tracing::error!("issued, and not delivered: the thread ended"),
    }
}

enum Claimed {
    Yes(Box<Claim>),
    Gone,
    Refused(String),
    Tampered(String),
}

fn claim(transaction: &mut Transaction<'_>, policy: &PolicyInForce, id: &JobId) -> Result<Claimed, Failure> {
    let Some(job) = jobs::get(transaction.connection(), id)? else { return Ok(Claimed::Gone) };
    let serial = match &job.serial {
        Some(reserved) => {
            reserved.parse().map_err(|_| ApiError::internal("the reserved serial number is malformed"))?
        }
        None => {
            Serial::random().map_err(|_| ApiError::new(ErrorKind::Unavailable, "the system has no random numbers"))?
        }
    };
    let order = Order { serial, not_before: transaction.now() };
    // A job of the last run is running already; anything else that is not pending is gone.
    let fresh = job_transition(job.job.state, JobEvent::Claim) == Some(JobState::Running);
    if !fresh && job.job.state != JobState::Running {
        return Ok(Claimed::Gone);
    }
    let proof = prove(transaction, &policy.now(), &job);
    if fresh && !matches!(proof, Err(Shut::Tampered(_) | Shut::Unreadable(_))) {
        jobs::claim(transaction.connection(), id, transaction.now(), &serial.to_string())?;
    }
    match proof {
        Ok(approved) => Ok(Claimed::Yes(Box::new(Claim { job, approved, order }))),
        Err(Shut::Refused(why)) => {
            fail(transaction, &job, &why, None)?;
            Ok(Claimed::Refused(why))
        }
        Err(Shut::Tampered(text)) => Ok(Claimed::Tampered(text)),
        Err(Shut::Unreadable(failure)) => Err(failure),
    }
}
