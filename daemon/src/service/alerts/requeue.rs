//! `alert.requeue`: dead messages are tried again, by hand.

use std::collections::BTreeSet;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category, RequeueParams, RequeueResult};

use super::{channel, operates, sight_of};
use crate::alerts::outbox;
use crate::ipc::Connection;
use crate::policy::{Channel, Policy};
use crate::service::actor::Actor;
use crate::service::{Service, refusal};
use crate::store::rows::alerts;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// The name of the verb in records.
const VERB: &str = "alert.requeue";
/// Messages that one call queues.
const MOST: u32 = 1000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Which {
    One(u64),
    All(Option<Channel>),
}

/// Queues them.
pub async fn requeue(
    service: &Service,
    connection: &Connection,
    params: RequeueParams,
) -> Result<RequeueResult, ApiError> {
    let which = match (params.id, params.all_dead, params.channel) {
        (Some(id), false, None) => Which::One(id),
        (None, true, only) => Which::All(only.map(channel)),
        (None, false, _) => return Err(ApiError::invalid("`id` or `all_dead` is missing")),
        (Some(_), ..) => return Err(ApiError::invalid("`id` stands alone: one message, or all that are dead")),
    };
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    let (policy, asking) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            let resource = match which {
                Which::One(id) => id.to_string(),
                Which::All(_) => "all".to_owned(),
            };
            refusal::or_record(transaction, &asking, VERB, ("message", &resource), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = asking.under(&rules, transaction.now());
                match which {
                    Which::One(id) => one(transaction, &rules, &actor, id),
                    Which::All(only) => all(transaction, &rules, &actor, only),
                }
            })
        })
        .await?
}

fn one(transaction: &mut Transaction<'_>, policy: &Policy, actor: &Actor, id: u64) -> Result<RequeueResult, Failure> {
    let moment = (transaction.now(), transaction.tick());
    let missing = || {
        ApiError::new(ErrorKind::NotFound, format!("there is no message {id} that you may see"))
            .hint("countersign alerts ls --state dead lists them")
    };
    let found = alerts::get(transaction.connection(), id, &sight_of(actor, policy)?, moment)?.ok_or_else(missing)?;
    let profile = alerts::profile_of(transaction.connection(), &found.resource_id)?;
    operates(transaction, policy, actor, profile.as_deref(), "have this message sent again")?;
    let row = i64::try_from(id).map_err(|_| missing())?;
    if !outbox::requeue(transaction.connection(), row, transaction.tick())? {
        return Err(ApiError::new(ErrorKind::Conflict, format!("message {id} is {}, and not dead", found.state))
            .hint("only what no attempt follows by itself is sent again by hand")
            .into());
    }
    let resource_type = match found.resource_id.split_once('-').map(|(kind, _)| kind) {
        Some("mc") => "certificate",
        Some("ar") => "request",
        Some("job") => "job",
        _ => "message",
    };
    let draft = actor
        .draft(AuditAction::AlertRequeued, Category::CertLifecycle, resource_type, &found.resource_id)
        .number("message", row)
        .text_if("channel", found.channel);
    let recorded = transaction.record(draft)?;
    if let Some(named) = found.channel {
        transaction.after_commit(Effect::Queued(channel(named)));
    }
    Ok(RequeueResult { requeued: 1, left: 0, seq: Some(recorded.seq) })
}

fn all(
    transaction: &mut Transaction<'_>,
    policy: &Policy,
    actor: &Actor,
    only: Option<Channel>,
) -> Result<RequeueResult, Failure> {
    operates(transaction, policy, actor, None, "have dead messages sent again")?;
    let dead = alerts::dead(transaction.connection(), only, MOST)?;
    if dead.is_empty() {
        return Ok(RequeueResult { requeued: 0, left: 0, seq: None });
    }
    let mut channels = BTreeSet::new();
    for (id, channel) in &dead {
        if !outbox::requeue(transaction.connection(), *id, transaction.tick())? {
            return Err(ApiError::internal(format!("message {id} was dead and cannot be queued")).into());
        }
        channels.insert(*channel);
    }
    let left = alerts::count_dead(transaction.connection(), only)?;
    let draft = actor
        .draft(AuditAction::AlertRequeued, Category::CertLifecycle, "message", "all")
        .number("messages", i64::try_from(dead.len()).unwrap_or(i64::MAX))
        .text_if("channel", only.map(Channel::as_str));
    let recorded = transaction.record(draft)?;
    for channel in channels {
        transaction.after_commit(Effect::Queued(channel));
    }
    Ok(RequeueResult { requeued: u64::try_from(dead.len()).unwrap_or(u64::MAX), left, seq: Some(recorded.seq) })
}
