//! `alert.test`: an alert that is sent for real, marked TEST, once.
//!
//! It stands in no row of `alert_events`, so that no alert is left out because of it, and it has one attempt: a trial
//! says how things are, and not how they are half an hour later.

use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{Alert, AlertState, AuditAction, Category, TestAlertParams, TestAlertResult};
use countersign_shared::time::Span;
use tokio::time::Instant;

use super::plan::rules_of;
use super::{channel, operates, sight_of};
use crate::alerts::Stage;
use crate::ipc::Connection;
use crate::policy::Policy;
use crate::service::actor::Actor;
use crate::service::decide::not_found;
use crate::service::{Service, refusal};
use crate::store::rows::notifications::{self, NewMessage};
use crate::store::rows::{alerts, certificates};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};
use crate::tell::certificate;
use crate::tell::expiry::{self, Trial};

/// The name of the verb in records.
const VERB: &str = "alert.test";
/// The longest wait of one call: the longest time limit of a channel.
const LONGEST: Span = Span::from_secs(600);
const DEFAULT: Span = Span::from_secs(60);
/// The largest threshold, in days.
const MOST_DAYS: u16 = 365;
/// Between two looks at what became of it.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends it, and waits for what the other side says.
pub async fn test(
    service: &Service,
    connection: &Connection,
    params: TestAlertParams,
) -> Result<TestAlertResult, ApiError> {
    let timeout = params.timeout.unwrap_or(DEFAULT);
    if timeout > LONGEST {
        return Err(ApiError::invalid(format!("`timeout` is {timeout}; one call waits {LONGEST} at most")));
    }
    if params.threshold > MOST_DAYS {
        let message = format!("`threshold` is {}; thresholds are 0 to {MOST_DAYS} days", params.threshold);
        return Err(ApiError::invalid(message));
    }
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    let uid = actor.caller.uid;
    let deadline = Instant::now() + Duration::from_millis(timeout.millis());
    let (policy, asking) = (service.policy.clone(), actor);
    let id = service
        .writer
        .write(move |transaction| {
            let named = params.certificate.to_string();
            refusal::or_record(transaction, &asking, VERB, ("certificate", &named), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = asking.under(&rules, transaction.now());
                queue(transaction, &rules, &actor, &params)
            })
        })
        .await??;
    let id = u64::try_from(id).map_err(|_| ApiError::internal("the message has a negative id"))?;
    loop {
        let alert = read(service, uid, id).await?;
        let open = matches!(alert.state, AlertState::Queued | AlertState::Failed);
        if !open || Instant::now() >= deadline {
            return Ok(TestAlertResult { alert });
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + PAUSE)).await;
    }
}

/// What became of it. Whoever made it may see that.
async fn read(service: &Service, uid: u32, id: u64) -> Result<Alert, ApiError> {
    let moment = (service.line.wall(), service.line.tick());
    let gone = || ApiError::internal(format!("message {id} is there no more"));
    let look = move |connection: &rusqlite::Connection| Ok(alerts::get(connection, id, &Sight::All, moment)?);
    service.readers.read_for(uid, look).await?.ok_or_else(gone)
}

fn queue(
    transaction: &mut Transaction<'_>,
    policy: &Policy,
    actor: &Actor,
    params: &TestAlertParams,
) -> Result<i64, Failure> {
    let (connection, id) = (transaction.connection(), &params.certificate);
    let sight = sight_of(actor, policy)?;
    let watch = certificate::watch(connection, id.as_str())?;
    let issued = certificates::get(connection, id, &sight)?;
    // What was found here and not issued stands under no profile: it is there for whoever sees everything.
    let found = watch.is_some() && sight == Sight::All;
    if issued.is_none() && !found {
        return Err(not_found(id).into());
    }
    let profile = issued.map(|certificate| certificate.profile_id);
    operates(transaction, policy, actor, profile.as_deref(), "try its alerts")?;
    let Some(watch) = watch else {
        let message = format!("{id} has no version that anybody has to look after");
        return Err(ApiError::new(ErrorKind::Conflict, message)
            .hint("it was never issued, or was dealt with; try another certificate (countersign alerts plan)")
            .into());
    };
    let (plan, _) = rules_of(policy, profile.as_deref());
    let (stage, channel) = (Stage::new(i32::from(params.threshold)), channel(params.channel));
    let severity = plan.severity(stage);
    let draft = actor
        .draft(AuditAction::AlertTested, Category::CertLifecycle, "certificate", id)
        .number("version", i64::try_from(watch.version).unwrap_or(i64::MAX))
        .number("threshold", i64::from(params.threshold))
        .text("channel", channel.as_str());
    let recorded = transaction.record(draft)?;
    let trial = Trial { threshold: params.threshold, by: actor.party.account.clone() };
    let trial = serde_json::to_string(&trial)
        .map_err(|error| ApiError::internal(format!("the parameters of the message have no JSON form: {error}")))?;
    let message =
        NewMessage { kind: expiry::TEST, resource_id: id.as_str(), severity, params: &trial, seq: recorded.seq };
    let moment = (transaction.now(), transaction.tick());
    let made = notifications::queue(transaction.connection(), &message, channel, moment)?;
    transaction.after_commit(Effect::Queued(channel));
    Ok(made)
}
