//! `events.subscribe`: ledger records as they commit. The stream is read from the ledger itself, at the
//! subscriber's pace: nothing is buffered for it and nothing is dropped silently.

use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::json::to_line;
use countersign_shared::protocol::{AuditAction, AuditEvent, Event, SubscribeParams, SubscribeResult};
use tokio::sync::mpsc;

use super::Service;
use super::actor::Actor;
use super::sight;
use crate::identity::Caller;
use crate::ipc::{Connection, Reply};
use crate::policy::{Permission, Policy};
use crate::store::rows::{audit, certificates, jobs, requests};
use crate::store::shares::{Share, Shares};
use crate::store::sight::Sight;

/// Records that a subscriber may be behind before it is told to read the lists again.
const MAX_BEHIND: u64 = 10_000;
/// Records read at one time.
const CHUNK: u32 = 256;

/// Subscriptions of one user over all connections.
pub const MAX_STREAMS: usize = 64;

/// Who has how many subscriptions.
#[derive(Debug)]
pub struct Streams(Arc<Shares<u32>>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Shares::new(MAX_STREAMS)))
    }
}

/// Subscribes.
pub async fn subscribe(
    service: &Arc<Service>,
    connection: &Connection,
    params: &SubscribeParams,
) -> Result<Reply, ApiError> {
    let actor = service.with_says(service.actor(connection)?).await?;
    View::of(&actor, &service.policy.now())?;
    let share = service.streams.0.try_take(actor.caller.uid).ok_or_else(|| {
        ApiError::new(
            ErrorKind::RateLimited,
            format!("you have {MAX_STREAMS} subscriptions, which is the limit of one user"),
        )
        .hint("one subscription carries every event; close connections that are not used")
    })?;
    let end = service.writer.tail().size();
    let from_seq = params.from_seq.unwrap_or(end);
    if from_seq > end {
        return Err(ApiError::invalid(format!("`from_seq` is {from_seq}; the ledger ends at {end}"))
            .hint("the ledger is another one, or was restored: read the lists again"));
    }
    let result = to_line(&SubscribeResult { from_seq }).map_err(|error| ApiError::internal(error.to_string()))?;
    let (sender, events) = mpsc::channel(64);
    let stream = Stream { service: service.clone(), caller: actor.caller, next: from_seq, sender, _share: share };
    tokio::spawn(stream.run());
    Ok(Reply::Stream { result, events })
}

enum View {
    Ledger,
    Objects(Sight),
}

struct Stream {
    service: Arc<Service>,
    /// As it was attested; its roles are looked up again for each chunk.
    caller: Caller,
    next: u64,
    sender: mpsc::Sender<String>,
    _share: Share<u32>,
}

impl Stream {
    async fn run(mut self) {
        let mut tail = self.service.writer.watch();
        let mut alarm = self.service.health.watch();
        loop {
            let end = tail.borrow_and_update().size();
            if !self.catch_up(end).await {
                return;
            }
            tokio::select! {
                changed = tail.changed() => if changed.is_err() { return },
                Ok(()) = alarm.changed() => {
                    if !self.send(&Event::Alarm { seq: end }).await { return }
                }
                () = self.sender.closed() => return,
            }
        }
    }

    async fn catch_up(&mut self, end: u64) -> bool {
        while self.next < end {
            if end - self.next > MAX_BEHIND {
                self.next = end;
                return self.send(&Event::Resync { seq: end }).await;
            }
            let Ok(view) = self.view().await else {
                // It may see nothing any more: the last word is to read the lists, which says why.
                self.send(&Event::Resync { seq: self.next }).await;
                return false;
            };
            let from = self.next;
            let read = self.service.readers.read_for(self.caller.uid, move |connection| {
                let records = audit::from(connection, from, CHUNK)?;
                let next = records.last().map_or(from, |record| record.seq + 1);
                let mut seen = Vec::with_capacity(records.len());
                for record in records {
                    if view.shows(connection, &record)? {
                        seen.push(record);
                    }
                }
                Ok((seen, next))
            });
            let (records, next) = match read.await {
                Ok(chunk) => chunk,
                Err(error) => {
                    tracing::warn!("a subscriber cannot be served, it is told to read again: {error}");
                    self.next = end;
                    return self.send(&Event::Resync { seq: end }).await;
                }
            };
            for record in records {
                if !self.send(&event(record)).await {
                    return false;
                }
            }
            if next == self.next {
                return true;
            }
            self.next = next;
        }
        true
    }

    /// What the subscriber may see now: a grant or a delegation may have ended since it subscribed.
    async fn view(&self) -> Result<View, ApiError> {
        let policy = self.service.policy.now();
        let actor = Actor::resolve(&policy, self.caller.clone(), self.service.line.wall());
        View::of(&self.service.with_says(actor).await?, &policy)
    }

    async fn send(&self, event: &Event) -> bool {
        match to_line(event) {
            Ok(line) => self.sender.send(line).await.is_ok(),
            Err(_) => false,
        }
    }
}

impl View {
    fn of(actor: &Actor, policy: &Policy) -> Result<Self, ApiError> {
        if actor.permissions.allows(Permission::ReadLedger) {
            return Ok(Self::Ledger);
        }
        sight::of(actor, policy).map(Self::Objects)
    }

    fn shows(&self, connection: &rusqlite::Connection, record: &AuditEvent) -> rusqlite::Result<bool> {
        let Self::Objects(sight) = self else { return Ok(true) };
        let id = record.resource_id.as_str();
        Ok(match record.resource_type.as_str() {
            "request" => match id.parse() {
                Ok(id) => requests::summary(connection, &id, sight)?.is_some(),
                Err(_) => false,
            },
            "certificate" => match id.parse() {
                Ok(id) => certificates::get(connection, &id, sight)?.is_some(),
                Err(_) => false,
            },
            "job" => match id.parse() {
                Ok(id) => jobs::visible(connection, &id, sight)?,
                Err(_) => false,
            },
            // That other rules hold is for whoever sees anything; what they say is not in the event.
            "policy" => record.action == AuditAction::PolicyChanged,
            _ => false,
        })
    }
}

fn event(record: AuditEvent) -> Event {
    Event::Record {
        seq: record.seq,
        at: record.created_at,
        action: record.action,
        actor: record.actor,
        actor_type: record.actor_type,
        resource_type: record.resource_type,
        resource_id: record.resource_id,
    }
}
