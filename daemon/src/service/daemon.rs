//! `daemon.status`, `daemon.whoami`, `daemon.metrics`.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{
    AnchorLimits, AnchorMark, CheckpointMark, MetricsResult, PROTOCOL_VERSION, StatusResult, WhoamiResult,
};

use super::actor::Actor;
use super::{Service, attempts};
use crate::alerts::counts;
use crate::checkpoint::overdue::is_overdue;
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::metrics::{AlertGauges, AnchorGauges};
use crate::policy::LedgerRules;
use crate::store::rows::anchors::Standing;
use crate::store::rows::{acknowledged, anchors, checkpoints, inventory_scans, jobs, requests};

/// State, alarms and sizes: for everybody who may connect. It names nobody but those whose attempts raised an alarm.
pub async fn status(service: &Service) -> Result<StatusResult, ApiError> {
    let tick = service.line.tick();
    let read = move |connection: &rusqlite::Connection| {
        let inventory = inventory_scans::status(connection)?;
        let alerts = Some(counts::status(connection)?);
        let ledger = marks(connection)?;
        let oldest = requests::oldest_pending(connection)?;
        let acknowledged = acknowledged::count(connection)?;
        Ok((oldest, attempts::alarms(connection, tick)?, inventory, alerts, ledger, acknowledged))
    };
    // Where the database cannot be read, the alarm still has to reach every surface.
    let (oldest_pending_at, attempts, inventory, alerts, ledger, acknowledged_damage) =
        match service.readers.read_at_once(read).await {
            Ok(read) => read,
            Err(_) if service.health.damage().is_some() => Default::default(),
            Err(error) => return Err(error),
        };
    let tail = service.writer.tail();
    let now = service.line.wall();
    let Marks { standing, last_checkpoint, last_anchor, .. } = ledger;
    let rules = service.policy.now().ledger();
    let limits = AnchorLimits { max_age: rules.max_age, max_records: rules.max_records };
    Ok(StatusResult {
        anchor_limits: (rules != LedgerRules::default()).then_some(limits),
        last_checkpoint,
        last_anchor,
        checkpoint_failing: service.failing.list(),
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
        anchor_overdue: is_overdue(rules, &standing, tail.size(), now),
        unanchored_since: standing.since,
        verification: service.verification.progress.running(),
        last_verification: service.verification.progress.last(),
        policy_sha256: service.policy.now().sha256(),
        policy_file_differs: service.facts.policy_file_differs.load(std::sync::atomic::Ordering::Relaxed),
        attestation: service.facts.attestation.to_owned(),
        forward: service.forwarding.as_ref().map(|standing| standing.status(tail.size())),
    })
}

/// How far the ledger is signed and anchored.
#[derive(Default)]
struct Marks {
    standing: Standing,
    last_checkpoint: Option<CheckpointMark>,
    last_anchor: Option<AnchorMark>,
    anchors: Vec<(String, u64)>,
}

fn marks(connection: &rusqlite::Connection) -> rusqlite::Result<Marks> {
    let newest = checkpoints::newest(connection)?;
    Ok(Marks {
        standing: anchors::standing(connection)?,
        last_checkpoint: newest.map(|newest| CheckpointMark { size: newest.size, at: newest.made_at }),
        last_anchor: anchors::newest(connection)?,
        anchors: anchors::counts(connection)?,
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
        permissions: actor.permissions.in_words(),
        demo: actor.caller.demo_person.is_some(),
        says: actor.held.iter().map(ToString::to_string).collect(),
        cannot_decide: own_session(&actor.party).err().map(|error| error.message),
    })
}

/// Prometheus text, for everybody with a role: it counts, and names profiles.
pub async fn metrics(service: &Service, connection: &Connection) -> Result<MetricsResult, ApiError> {
    service.actor(connection)?.has_any_role("reads the metrics")?;
    let (now, depth, size) = (service.line.wall(), service.writer.queue_depth(), service.writer.tail().size());
    let (oldest, states, alerts, problems, ledger, acknowledged_damage) = service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let alerts =
                AlertGauges { queued: counts::queued(connection)?, days_left: counts::days_left(connection, now)? };
            let problems = inventory_scans::problems(connection)?;
            let ledger = marks(connection)?;
            let (oldest, acknowledged) = (requests::oldest_pending(connection)?, acknowledged::count(connection)?);
            Ok((oldest, jobs::counts(connection)?, alerts, problems, ledger, acknowledged))
        })
        .await?;
    service.metrics.forward(service.forwarding.as_ref().map(|standing| standing.status(size)).as_ref());
    let Marks { standing, last_checkpoint, anchors, .. } = ledger;
    let text = service.metrics.text(&crate::metrics::Gauges {
        now,
        queue_depth: depth,
        ledger_size: size,
        anchoring: AnchorGauges {
            unanchored: size.saturating_sub(standing.anchored),
            unanchored_since: standing.since,
            overdue: is_overdue(service.policy.now().ledger(), &standing, size, now),
            checkpoint: last_checkpoint.map(|newest| (newest.size, newest.at)),
            anchors,
            failing: service.failing.list().into_iter().map(|failing| failing.place).collect(),
        },
        oldest_pending_at: oldest,
        acknowledged_damage,
        jobs: states,
        alerts,
        problems,
    })?;
    Ok(MetricsResult { content_type: "text/plain; version=0.0.4; charset=utf-8".to_owned(), text })
}
