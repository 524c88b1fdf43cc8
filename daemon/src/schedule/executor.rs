//! Carries out jobs: claims a pending one with the gate's proof, asks its issuer, compares and stores.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::JobId;
use countersign_shared::lifecycle::{JobEvent, JobKind, JobState, job_transition};
use countersign_shared::protocol::Damage;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::aside::of_the_row;
use super::ask::{Answer, ask};
use super::deadline::Alarm;
use super::outcome::{fail, store};
use super::places::Places;
use super::revoke::{Ended, revoke};
use crate::clock::TimeLine;
use crate::gate::{Approved, Shut, prove};
use crate::issuer::{Issued, Issuer, Mismatch, OUTCOME_UNKNOWN, Order, Serial};
use crate::made_key::Keys;
use crate::service::PolicyInForce;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::{jobs, submissions};
use crate::store::transaction::Failure;
use crate::store::{Health, Readers, Transaction, Writer};

/// How long to leave a database alone that takes nothing now, because its disk is full for one.
const RETRY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Clone)]
pub struct Executor {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// May the daemon issue?
    pub health: Health,
    /// Rules, and who signs.
    pub policy: PolicyInForce,
    /// A job became pending.
    pub ready: Arc<Notify>,
    /// Something was issued that is to be delivered.
    pub issued: Arc<Notify>,
    /// Time.
    pub line: TimeLine,
    /// Keys that were made for renewals.
    pub keys: Keys,
    /// Turns true when the daemon ends.
    pub stop: watch::Receiver<bool>,
}

/// A job that is under way, with the right to sign.
struct Claim {
    job: JobRow,
    approved: Approved,
    order: Order,
    /// As the policy says that the gate looked at.
    issuer: Option<Arc<dyn Issuer>>,
}

/// What is under way. Each job is a task of its own, which waits for a place at its issuer.
#[derive(Default)]
struct Work {
    places: Places,
    tasks: JoinSet<()>,
    /// Rows of pending jobs that have their task, and of those that were set aside.
    known: BTreeSet<i64>,
    /// True once the jobs of the last run have their tasks.
    taken_up: bool,
}

impl Executor {
    /// Takes up what the last process left, then pending jobs as they come, until the daemon ends.
    pub async fn run(self) -> std::io::Result<()> {
        let mut stop = self.stop.clone();
        let alarm = Alarm::new(self.line.clone())?;
        let mut work = Work::default();
        loop {
            let (start, again) = match self.look(&mut work).await {
                Ok(start) => (start, false),
                Err(error) if error.kind == ErrorKind::ReadOnly => (None, false),
                Err(error) => {
                    tracing::error!("pending jobs could not be carried out, tried again soon: {error}");
                    (None, true)
                }
            };
            tokio::select! {
                () = self.ready.notified() => {}
                rang = alarm.until(start) => rang?,
                () = tokio::time::sleep(RETRY), if again => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        tracing::info!("no further job is taken up; what is being signed is finished and stored");
        // Only a kill interrupts it.
        while work.tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Gives a task to each job that has none and whose scheduled start has come; returns when the next one does. A
    /// job leaves `pending` once and for all, so none is begun twice.
    async fn look(&self, work: &mut Work) -> Result<Option<i64>, ApiError> {
        while let Some(ended) = work.tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!("a fault of the daemon ended the work on a job, a restart takes it up: {error}");
            }
        }
        if !work.taken_up {
            let running = |connection: &rusqlite::Connection| Ok(jobs::rows_in_state(connection, JobState::Running)?);
            for row in self.readers.read(running).await? {
                work.tasks.spawn(self.clone().carry_out(work.places.clone(), row, true));
            }
            work.taken_up = true;
        }
        let tick = self.line.tick();
        let pending = move |connection: &rusqlite::Connection| Ok(jobs::rows_to_carry_out(connection, tick)?);
        let (pending, next_start) = self.readers.read(pending).await?;
        let pending: BTreeSet<i64> = pending.into_iter().collect();
        for row in pending.difference(&work.known) {
            work.tasks.spawn(self.clone().carry_out(work.places.clone(), *row, false));
        }
        work.known = pending;
        Ok(next_start)
    }

    /// One job from its claim to its end. `left` where the last process left it running.
    async fn carry_out(self, places: Places, row: i64, left: bool) {
        let mut stop = self.stop.clone();
        loop {
            let error = match self.carry_out_once(&places, row, left).await {
                Ok(()) => return,
                Err(error) => error,
            };
            match error.kind {
                ErrorKind::ReadOnly => return,
                ErrorKind::Unavailable => tracing::error!("a job could not be carried out, tried again soon: {error}"),
                _ => return tracing::error!(row, "a job is set aside until the next start: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// An error is one from before the issuer was asked: all of it may be tried again.
    async fn carry_out_once(&self, places: &Places, row: i64, left: bool) -> Result<(), ApiError> {
        let read = move |connection: &rusqlite::Connection| {
            let found = jobs::with_issuer(connection, row).map_err(Failure::from);
            found.map_err(|failure| if of_the_row(&failure) { unreadable(failure) } else { failure })
        };
        let (job, issuer) = self.readers.read(read).await?;
        if job.job.kind == JobKind::Revoke {
            return self.revoke(job).await;
        }
        let mut stop = self.stop.clone();
        let _place = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            place = places.of(&issuer).acquire_owned() => place,
        };
        if left && !self.policy.whole().issuer(&issuer).is_some_and(|issuer| issuer.survives_restart()) {
            // A certificate may have left the process, or the issuer: only a person tries again.
            let why = format!("the daemon ended while the issuer worked: {OUTCOME_UNKNOWN} a certificate was issued");
            return self.fail(job, why, None).await;
        }
        let Some(claim) = self.claim(job).await? else { return Ok(()) };
        // Most jobs wait for their place most of the time: what comes after it is not held until then.
        Box::pin(self.issue_and_store(claim)).await;
        Ok(())
    }

    /// Revokes: no issuer is asked, so that all of it is one transaction.
    async fn revoke(&self, job: JobRow) -> Result<(), ApiError> {
        let (policy, id) = (self.policy.clone(), job.job.id.clone());
        match self.writer.write(move |transaction| revoke(transaction, &policy, &id)).await? {
            Ended::Done | Ended::Gone => Ok(()),
            Ended::Refused(why) => {
                tracing::warn!(job = %job.job.id, "not revoked: {why}");
                Ok(())
            }
            Ended::Tampered(text) => {
                self.health.raise(Damage { seq: job.record_seq, rule: "gate".into(), text });
                self.health.check()
            }
        }
    }

    /// Claims a job. `None` where it is not there to be claimed or may not be signed; the reason is on record.
    async fn claim(&self, job: JobRow) -> Result<Option<Claim>, ApiError> {
        let (policy, keys, id) = (self.policy.clone(), self.keys.clone(), job.job.id.clone());
        match self.writer.write(move |transaction| claim(transaction, &policy, &keys, &id)).await? {
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

    /// The result has to be stored, if only as a failure; where not even that is possible, a restart takes it up.
    async fn issue_and_store(&self, claim: Claim) {
        let Claim { job, approved, order, issuer } = claim;
        let again = job.clone();
        let stored = match issuer {
            None => {
                let why = format!("issuer {} is not there", approved.content().issuer);
                self.fail(job, why, None).await
            }
            Some(issuer) => match ask(issuer, approved, order, self.line.clone()).await {
                Answer::Issued(approved, issued) => self.store(job, approved, issued).await,
                Answer::Other(approved, mismatch) => {
                    self.fail(job, mismatch.to_string(), Some((approved, mismatch))).await
                }
                Answer::Nothing(error) => self.fail(job, error.to_string(), None).await,
            },
        };
        let Err(mut error) = stored else { return };
        let id = again.job.id.clone();
        if !matches!(error.kind, ErrorKind::ReadOnly | ErrorKind::Unavailable) {
            match self.fail(again, format!("what the issuer answered could not be stored: {error}"), None).await {
                Ok(()) => return,
                Err(second) => error = second,
            }
        }
        tracing::error!(job = %id, "the result of the job could not be stored; a restart takes it up: {error}");
    }

    async fn store(&self, job: JobRow, approved: Approved, issued: Issued) -> Result<(), ApiError> {
        let policy = self.policy.now();
        let ruled = policy.profile(&job.job.profile_id).is_some_and(|profile| profile.rules().deliver.is_some());
        // A key that was made for it waits until there is a place for it.
        let to_deliver = ruled || self.keys.holds(approved.certificate(), approved.content().spki_sha256);
        let result = Arc::new((job, approved, issued));
        let steps =
            move |transaction: &mut Transaction<'_>| store(transaction, &result.0, &result.1, &result.2, to_deliver);
        let stored = self.written(steps).await;
        // Also after a failure: a commit that reported one may have reached the disk, and its delivery with it.
        if to_deliver {
            self.issued.notify_one();
        }
        stored.map(drop)
    }

    async fn fail(&self, job: JobRow, why: String, quarantine: Option<(Approved, Mismatch)>) -> Result<(), ApiError> {
        tracing::warn!(job = %job.job.id, "the job failed: {why}");
        let result = Arc::new((job, why, quarantine));
        self.written(move |transaction| fail(transaction, &result.0, &result.1, result.2.as_ref())).await
    }

    /// Writes what came of a job, again and again while there is no room for it: a certificate that exists is not
    /// forgotten because the disk is full. Gives up where the daemon ends or may not write any more.
    async fn written<T: Send + 'static>(
        &self,
        steps: impl Fn(&mut Transaction<'_>) -> Result<T, Failure> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
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

/// The readers call every failure of the database passing; this one stays.
fn unreadable(failure: Failure) -> Failure {
    match failure {
        Failure::Database(error) => ApiError::internal(format!("its row cannot be read: {error}")).into(),
        failure => failure,
    }
}

enum Claimed {
    Yes(Box<Claim>),
    Gone,
    Refused(String),
    Tampered(String),
}

fn claim(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    keys: &Keys,
    id: &JobId,
) -> Result<Claimed, Failure> {
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
    let rules = policy.whole();
    let proof = prove(transaction, rules.policy(), &job);
    if fresh && !matches!(proof, Err(Shut::Tampered(_) | Shut::Unreadable(_))) {
        jobs::claim(transaction.connection(), id, transaction.now(), Some(&serial.to_string()))?;
    }
    match proof {
        Ok(approved) if !has_its_key(transaction, keys, &job, &approved)? => {
            let why = "the key that was made for it is not here any more: nobody could use the certificate";
            fail(transaction, &job, why, None)?;
            Ok(Claimed::Refused(why.to_owned()))
        }
        Ok(approved) => {
            let issuer = rules.issuer(&approved.content().issuer);
            Ok(Claimed::Yes(Box::new(Claim { job, approved, order, issuer })))
        }
        Err(Shut::Refused(why)) => {
            fail(transaction, &job, &why, None)?;
            Ok(Claimed::Refused(why))
        }
        Err(Shut::Tampered(text)) => Ok(Claimed::Tampered(text)),
        Err(Shut::Unreadable(failure)) => Err(failure),
    }
}

/// Somebody else has the key, or the daemon that made it still has it.
fn has_its_key(transaction: &Transaction<'_>, keys: &Keys, job: &JobRow, approved: &Approved) -> Result<bool, Failure> {
    let made = submissions::key_is_made(transaction.connection(), job.submission_id)?;
    Ok(!made || keys.holds(approved.certificate(), approved.content().spki_sha256))
}
