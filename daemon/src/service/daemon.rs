//! `daemon.status`, `daemon.whoami`, `daemon.metrics`.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{MetricsResult, PROTOCOL_VERSION, StatusResult, WhoamiResult};

use super::actor::Actor;
use super::{Service, attempts};
use crate::alerts::counts;
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::metrics::AlertGauges;
use crate::schedule::checkpoints::is_overdue;
use crate::store::rows::{acknowledged, anchors, inventory_scans, jobs, requests};

/// State, alarms and sizes: for everybody who may connect. It names nobody but those whose attempts raised an alarm.
pub async fn status(service: &Service) -> Result<StatusResult, ApiError> {
    let tick = service.line.tick();
    let read = move |connection: &rusqlite::Connection| {
        let inventory = inventory_scans::status(connection)?;
        let alerts = Some(counts::status(connection)?);
        let standing = anchors::standing(connection)?;
        let oldest = requests::oldest_pending(connection)?;
        let acknowledged = acknowledged::count(connection)?;
        Ok((oldest, attempts::alarms(connection, tick)?, inventory, alerts, standing, acknowledged))
    };
    // Where the database cannot be read, the alarm still has to reach every surface.
    let (oldest_pending_at, attempts, inventory, alerts, standing, acknowledged_damage) =
        match service.readers.read_at_once(read).await {
            Ok(read) => read,
            Err(_) if service.health.damage().is_some() => Default::default(),
            Err(error) => return Err(error),
        };
    let tail = service.writer.tail();
    let now = service.line.wall();
    Ok(StatusResult {
        attempts,
        inventory,
        alerts,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL_VERSION,
        origin: service.facts.origin.clone(),
        started_at: service.facts.started_at,
        now,
        read_only: service.health.damage().is_some(),
        damage: service.health.damage().cloned(),
        acknowledged_damage,
        demo: service.facts.demo,
        bypass: service.facts.bypass,
        pending: service.metrics.pending(),
        oldest_pending_at,
        ledger_size: tail.size(),
        ledger_root: tail.frontier().root(),
        unanchored: tail.size().saturating_sub(standing.anchored),
        anchor_overdue: is_overdue(service.policy.now().ledger(), &standing, tail.size(), now),
        unanchored_since: standing.since,
        policy_sha256: service.policy.now().sha256(),
        policy_file_differs: service.facts.policy_file_differs.load(std::sync::atomic::Ordering::Relaxed),
        attestation: service.facts.attestation.to_owned(),
    })
}

/// Who the kernel says the caller is.
pub async fn whoami(service: &Service, connection: &Connection) -> Result<WhoamiResult, ApiError> {
    described(service, service.actor(connection)?).await
}

/// An actor as `daemon.whoami` describes it.
pub async fn described(service: &Service, actor: Actor) -> Result<WhoamiResult, ApiError> {
    let actor = service.with_says(actor).await?;
    Ok(WhoamiResult {
        account: actor.party.account.clone(),
        uid: actor.party.uid,
        gid: actor.caller.gid,
        pid: actor.caller.pid,
        login_uid: actor.party.login_uid,
        session: actor.session,
        person: actor.party.person.clone(),
        roles: actor.permissions.roles().iter().map(ToString::to_string).collect(),
        demo: actor.caller.demo_person.is_some(),
        says: actor.held.iter().map(ToString::to_string).collect(),
        cannot_decide: own_session(&actor.party).err().map(|error| error.message),
    })
}

/// Prometheus text, for everybody with a role: it counts, and names profiles.
pub async fn metrics(service: &Service, connection: &Connection) -> Result<MetricsResult, ApiError> {
    service.actor(connection)?.has_any_role("reads the metrics")?;
    let (now, depth, size) = (service.line.wall(), service.writer.queue_depth(), service.writer.tail().size());
    let (oldest, states, alerts, problems, standing, acknowledged_damage) = service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let alerts =
                AlertGauges { queued: counts::queued(connection)?, days_left: counts::days_left(connection, now)? };
            let problems = inventory_scans::problems(connection)?;
            let standing = anchors::standing(connection)?;
            let (oldest, acknowledged) = (requests::oldest_pending(connection)?, acknowledged::count(connection)?);
            Ok((oldest, jobs::counts(connection)?, alerts, problems, standing, acknowledged))
        })
        .await?;
    let text = service.metrics.text(&crate::metrics::Gauges {
        now,
        queue_depth: depth,
        ledger_size: size,
        unanchored: size.saturating_sub(standing.anchored),
        anchor_overdue: is_overdue(service.policy.now().ledger(), &standing, size, now),
        oldest_pending_at: oldest,
        acknowledged_damage,
        jobs: states,
        alerts,
        problems,
    })?;
    Ok(MetricsResult { content_type: "text/plain; version=0.0.4; charset=utf-8".to_owned(), text })
}
