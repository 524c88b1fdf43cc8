//! What time does to pending requests besides their end: further groups are asked, and renewals that change nothing
//! pass where their profile says so. Nothing else is ever approved by the passing of time.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, TimerKind, Verdict};
use countersign_shared::protocol::{AuditAction, Category};
use tokio::sync::{Notify, watch};

use super::aside::of_the_row;
use super::deadline::Alarm;
use crate::clock::TimeLine;
use crate::gate::passing::{self, Predecessor};
use crate::gate::recorded_timers;
use crate::ledger::Draft;
use crate::policy::Policy;
use crate::service::PolicyInForce;
use crate::service::actor::{SCHEDULER, system_draft};
use crate::service::conclude::{End, conclude};
use crate::service::decide::Matter;
use crate::service::submit::clock::named;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::timers::{self, Timer};
use crate::store::rows::{requests, submissions};
use crate::store::transaction::Failure;
use crate::store::{Effect, Readers, Transaction, Writer};

/// Timers that one transaction lets go off.
const BATCH: u32 = 64;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;

/// See the module.
pub struct Timekeeper {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// Rules.
    pub policy: PolicyInForce,
    /// Time.
    pub line: TimeLine,
    /// A request was made whose timers may be nearer than the one slept for.
    pub earlier: Arc<Notify>,
}

impl Timekeeper {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        let mut aside = BTreeSet::new();
        loop {
            let next = match self.let_go_off(&mut aside).await {
                Ok(next) => next,
                // Damage is final: reads go on, nothing is decided, nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("what is due could not be done, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.earlier.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Lets go off all that is due; returns when the next is.
    async fn let_go_off(&self, aside: &mut BTreeSet<String>) -> Result<Option<i64>, ApiError> {
        loop {
            let (known, tick) = (aside.clone(), self.line.tick());
            let next = self.readers.read(move |connection| Ok(timers::next_due(connection, tick, &known)?)).await?;
            if next.is_none_or(|due| due > tick) {
                return Ok(next);
            }
            let (known, policy) = (aside.clone(), self.policy.clone());
            let failed = self.writer.write(move |transaction| batch(transaction, &policy.now(), &known)).await?;
            for (request, why) in failed {
                tracing::error!("what is due for {request} cannot be done, set aside until the next start: {why}");
                aside.insert(request);
            }
        }
    }
}

/// Returns the requests whose timers could not go off, and why.
fn batch(
    transaction: &mut Transaction<'_>,
    policy: &Policy,
    aside: &BTreeSet<String>,
) -> Result<Vec<(String, String)>, Failure> {
    let mut failed = Vec::new();
    for timer in timers::due(transaction.connection(), transaction.tick(), aside, BATCH)? {
        match transaction.attempt(|inner| go_off(inner, policy, &timer)) {
            Ok(()) => {}
            Err(failure) if of_the_row(&failure) => failed.push((timer.request_id.to_string(), format!("{failure:?}"))),
            Err(failure) => return Err(failure),
        }
    }
    Ok(failed)
}

fn go_off(transaction: &mut Transaction<'_>, policy: &Policy, timer: &Timer) -> Result<(), Failure> {
    let request = requests::get(transaction.connection(), &timer.request_id)?;
    let request = request.ok_or_else(|| ApiError::internal(format!("{} is missing", timer.request_id)))?;
    if !recorded_timers(transaction.connection(), &request)?.contains(&named(timer.kind, timer.level, timer.due_tick)) {
        let message = format!("the record of {} knows no such timer: its row was changed", request.id);
        return Err(ApiError::internal(message).into());
    }
    let matter = Matter::read(transaction.connection(), policy, request)?;
    match timer.kind {
        TimerKind::Escalate => escalate(transaction, &matter, timer),
        TimerKind::AutoApprove => pass(transaction, policy, &matter, timer),
    }
}

/// Asks further groups, and tells them.
fn escalate(transaction: &mut Transaction<'_>, matter: &Matter<'_>, timer: &Timer) -> Result<(), Failure> {
    let request = &matter.request;
    let groups = matter.profile.as_deref().and_then(|profile| profile.rules().escalations.get(timer.level as usize));
    let groups = groups.map(|step| step.groups.clone()).unwrap_or_default();
    let draft = about(request, AuditAction::ApprovalEscalated, timer).list("groups", groups);
    let recorded = transaction.record(draft)?;
    let connection = transaction.connection();
    timers::done(connection, timer, recorded.seq)?;
    requests::touch(connection, &request.id, recorded.seq)?;
    transaction.tell(AuditAction::ApprovalEscalated, request.id.as_str(), recorded)?;
    Ok(())
}

/// Approves a renewal that changes nothing, where nobody objected in the time that its profile gives them; where
/// something stands against it, that goes on record once and the request waits for people.
fn pass(transaction: &mut Transaction<'_>, policy: &Policy, matter: &Matter<'_>, timer: &Timer) -> Result<(), Failure> {
    let request = &matter.request;
    if let Err(why) = may_pass(transaction, policy, matter)? {
        let draft = about(request, AuditAction::ApprovalRefused, timer)
            .text("verb", "auto_approve")
            .text("rule", "auto_approve_after")
            .text("why", why);
        let recorded = transaction.record(draft)?;
        transaction.after_commit(Effect::Refused { rule: "auto_approve_after" });
        timers::done(transaction.connection(), timer, recorded.seq)?;
        return Ok(());
    }
    let work = request.work.as_ref().ok_or_else(|| ApiError::internal("only certificates are renewed"))?;
    let draft = about(request, AuditAction::ApprovalApproved, timer)
        .flag("auto_approved", true)
        .text("certificate", &work.certificate_id)
        .text("job", &work.job_id)
        .text("policy_sha256", policy.sha256())
        .number("votes_given", matter.votes().given)
        .number("votes_needed", matter.terms.places())
        .text("state", "approved");
    let recorded = transaction.record(draft)?;
    timers::done(transaction.connection(), timer, recorded.seq)?;
    let end = End { event: RequestEvent::AutoApprove, by: SCHEDULER, why: "", action: AuditAction::ApprovalApproved };
    conclude(transaction, request, &end, recorded).map(drop)
}

/// The reason why not, as the record names it.
fn may_pass(
    transaction: &Transaction<'_>,
    policy: &Policy,
    matter: &Matter<'_>,
) -> Result<Result<(), &'static str>, Failure> {
    let (connection, request) = (transaction.connection(), &matter.request);
    let Some(work) = &request.work else { return Ok(Err("it is no renewal")) };
    let submission = submissions::get(connection, work.submission_id)?;
    let before = Predecessor::read(connection, request)?;
    let objected = matter.cast.iter().any(|cast| cast.verdict == Verdict::Reject);
    let in_force = policy.profile(&request.profile_id);
    Ok(passing::wait(request, &submission, in_force, before.as_ref()).and_then(|wait| {
        let waited = transaction.tick().saturating_sub(request.created_tick);
        if waited < i64::try_from(wait.millis()).unwrap_or(i64::MAX) {
            return Err("the policy in force gives people more time");
        }
        if objected { Err("somebody objected") } else { Ok(()) }
    }))
}

fn about(request: &RequestRow, action: AuditAction, timer: &Timer) -> Draft {
    system_draft(SCHEDULER, action, Category::CertLifecycle, "request", &request.id)
        .number("version", request.version)
        .text("digest", request.digest)
        .text("profile", &request.profile_id)
        .number("level", timer.level)
        .number("due_tick", timer.due_tick)
}
