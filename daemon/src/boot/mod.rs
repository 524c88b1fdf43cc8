//! Boot as a wiring diagram: every part is made here, in order, and handed to those that need it.

mod adopt;
mod compare;
mod database;
mod issuers;
pub(crate) mod messages;
mod signals;
mod vital;
mod watchdog;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use countersign_shared::error::ApiError;
use countersign_shared::protocol::LastVerification;
use tokio::sync::{Notify, broadcast, watch};

use crate::checkpoint::Notary;
use crate::checkpoint::places::{Failing, Place};
use crate::checkpoint::signed::{SIGNED_FILE, Signed};
use crate::clock::{Clock, SystemClock, TimeLine};
use crate::config::Settings;
use crate::forward::{Forwarder, Standing};
use crate::identity::Attestation;
use crate::identity::directory::{Directory, SystemDirectory};
use crate::identity::peer::pin_kind;
use crate::ipc::{self, Limits, Listener};
use crate::ledger::Tail;
use crate::made_key::Keys;
use crate::metrics::{self, Metrics};
use crate::notify::Configured;
use crate::schedule::alerts::Watch;
use crate::schedule::checkpoints::Checkpoints;
use crate::schedule::courier::Courier;
use crate::schedule::crl::CrlPublisher;
use crate::schedule::delegations::Delegations;
use crate::schedule::deposits::Deposits;
use crate::schedule::executor::Executor;
use crate::schedule::inventory::Inventory;
use crate::schedule::reaper::Reaper;
use crate::schedule::renewals::Renewals;
use crate::schedule::sender::{self, Office, Sender};
use crate::schedule::timekeeper::Timekeeper;
use crate::schedule::verification;
use crate::service::answer::Answers;
use crate::service::audit::Verification;
use crate::service::{Facts, Service};
use crate::store::rows::attempts::totals;
use crate::store::rows::checkpoints;
use crate::store::rows::metrics::ended;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::requests::count_pending;
use crate::store::{Effect, Health, Writer};
use crate::{demo, systemd};
use countersign_proof::tree::root_at;
use database::{Database, Installation};
use signals::{Reload, Signals};
use vital::Vital;

/// Why the daemon does not start. Damage of the ledger is not among the reasons: it starts, read-only.
#[derive(Debug)]
pub enum BootError {
    /// The policy that is to be adopted: each start refuses it again, until somebody has edited it.
    Policy(String),
    /// Something else, which may be otherwise a moment later.
    Failed(String),
}

impl BootError {
    /// The exit status: 2, as for settings that cannot be meant, where starting again is of no use.
    pub fn status(&self) -> u8 {
        match self {
            Self::Policy(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Policy(sentence) | Self::Failed(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for BootError {}

/// Says what was being done when an error came up.
fn during<E: std::error::Error>(what: &'static str) -> impl Fn(E) -> BootError {
    move |error| BootError::Failed(format!("{what}: {error}"))
}

/// Where keys that were made for renewals stand in the state directory.
const KEYS: &str = "keys";

/// Where the lists of what was revoked stand in the state directory.
const CRLS: &str = "crl";

/// Commits whose jobs a slow waiter may fall behind before it looks again by itself.
const MOVED: usize = 4096;

/// Serves until a signal ends it.
pub async fn run(settings: Settings) -> Result<(), BootError> {
    let open_files = ipc::raise_open_files().map_err(during("raising the limit of open files"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let health = Health::default();
    let Database { state, connection, readers, tail, installation } =
        database::open(&settings.state_dir, settings.demo, &health, clock.as_ref())?;
    let Installation { origin, mark, last_tick, fresh } = installation;
    let line = TimeLine::resume(clock, mark, last_tick);
    let adoption = adopt::find(&settings, connection.as_ref(), &health)?;
    let policy = issuers::begin(adoption.policy.clone(), state.path(), &origin, line.wall(), &health)?;

    let notary = open_notary(&settings, state.path(), connection.as_ref(), (&origin, &tail), &health)?;

    let metrics = Arc::new(Metrics::new(metrics::subjects(&adoption.policy)).map_err(during("making the metrics"))?);
    metrics.verified(line.wall(), health.damage().is_none());
    if let Some(connection) = &connection
        && health.damage().is_none()
    {
        ended(connection, |outcome, profile, age| metrics.ended(outcome, profile, age))
            .map_err(during("counting what has been decided"))?;
        let alarms = totals(connection, |rule, count| metrics.refused(rule, count));
        metrics.alarmed(alarms.map_err(during("counting what has been refused"))?);
        messages::count(connection, metrics.alerts()).map_err(during("counting what has been alerted"))?;
    }
    metrics.alerts().know(&adoption.policy);
    match connection.as_ref().map(count_pending) {
        Some(Ok(count)) => metrics.waiting(count),
        Some(Err(error)) if health.damage().is_none() => return Err(during("counting what waits")(error)),
        // The alarm says what is wrong; how many wait is not known.
        Some(Err(_)) | None => {}
    }

    let (earlier, due, ready) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (granted, revoked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (watched, bells) = (Arc::new(Notify::new()), sender::bells());
    let switchboard = messages::open(settings.notify.clone()).await?;
    let planned = Arc::new(Notify::new());
    let keys = open_keys(state.path(), &health, planned.clone())?;
    let moved = broadcast::channel(MOVED).0;
    let after_commit = {
        let (metrics, earlier, due) = (metrics.clone(), earlier.clone(), due.clone());
        let (ready, granted, revoked, moved) = (ready.clone(), granted.clone(), revoked.clone(), moved.clone());
        let (watched, bells, switchboard) = (watched.clone(), bells.clone(), switchboard.clone());
        let (policy, planned, keys) = (policy.clone(), planned.clone(), keys.clone());
        move |effects: Vec<Effect>| {
            // Before anything else: whatever comes next is judged by it.
            for effect in &effects {
                if let Effect::PolicyChanged(next) = effect {
                    policy.replace(next.clone());
                    switchboard.route(&policy);
                }
            }
            for effect in effects {
                metrics.apply(&effect);
                match effect {
                    Effect::Pending | Effect::Timed => {
                        earlier.notify_one();
                        due.notify_one();
                    }
                    Effect::JobReady => ready.notify_one(),
                    // Nobody may be waiting.
                    Effect::Moved(job) => drop(moved.send(job)),
                    Effect::RenewalPlanned => planned.notify_one(),
                    Effect::Delegated => granted.notify_one(),
                    Effect::Revoked => revoked.notify_one(),
                    // Jobs that wait are judged again under it.
                    Effect::PolicyChanged(_) => ready.notify_one(),
                    Effect::Watched => watched.notify_one(),
                    Effect::Queued(channel) => {
                        if let Some(bell) = bells.get(&channel) {
                            bell.notify_one();
                        }
                    }
                    // The key that was made for it may not be needed any more.
                    Effect::Decided { .. } => keys.look(),
                    Effect::Refused { .. }
                    | Effect::AttemptsRepeated
                    | Effect::Alerted { .. }
                    | Effect::Deduped { .. }
                    | Effect::Died
                    | Effect::TextErased => {}
                }
            }
        }
    };
    let begun = connection.is_some().then(|| LastVerification {
        at: line.wall(),
        records: tail.size(),
        intact: health.damage().is_none(),
    });
    let connection = match connection {
        Some(connection) => connection,
        None => rusqlite::Connection::open_in_memory().map_err(during("standing in for the damaged database"))?,
    };
    let peaks = tail.clone();
    let routed = (line.clone(), switchboard.routing().clone());
    let (writer, writer_thread) = Writer::routed(connection, tail, routed, health.clone(), after_commit)
        .map_err(during("starting the writer"))?;
    switchboard.route(&policy);

    if let Some(notary) = &notary
        && health.damage().is_none()
    {
        messages::release(&writer).await.map_err(refused("taking up what was being sent"))?;
        adopt::record(&writer, &adoption, (&settings, notary), line.mark().clone())
            .await
            .map_err(refused("recording the start"))?;
    }
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory);
    let facts = Facts {
        origin,
        started_at: line.wall(),
        demo: settings.demo,
        bypass: settings.approval_bypass,
        approval_timeout: settings.awaiting_approval_timeout,
        policy_file_differs: Arc::new(AtomicBool::new(adoption.file_differs)),
        attestation: match pin_kind() {
            Attestation::Pidfd => "pidfd",
            Attestation::Weak => "weak",
        },
    };
    if facts.bypass {
        tracing::warn!("APPROVAL BYPASS IS ON: every request is approved at once by system-bypass. Development only.");
    }
    let service = Arc::new(Service {
        writer: writer.clone(),
        readers: readers.for_callers(),
        health: health.clone(),
        line: line.clone(),
        policy: policy.clone(),
        channels: Configured::of(&settings.notify),
        directory: directory.clone(),
        metrics,
        moved,
        facts: facts.clone(),
        notary: notary.clone(),
        failing: Failing::default(),
        state: state.path().to_owned(),
        keys: keys.clone(),
        patience: Default::default(),
        look_ups: Default::default(),
        quota: Default::default(),
        checks: Default::default(),
        streams: Default::default(),
        verification: Verification::from(peaks, begun),
        repair: Default::default(),
        imports: Default::default(),
        sealing: Default::default(),
        forwarding: settings.forward.as_ref().map(|forward| Arc::new(Standing::new(forward))),
    });

    let (end, stopping) = watch::channel(false);
    let (background, stop_background) = watch::channel(false);
    let delegations = Delegations { writer: writer.clone(), readers: readers.clone(), line: line.clone(), granted };
    let reaper = Reaper { writer: writer.clone(), readers: readers.clone(), line: line.clone(), earlier };
    let timekeeper = Timekeeper {
        writer: writer.clone(),
        readers: readers.clone(),
        policy: policy.clone(),
        line: line.clone(),
        earlier: due,
    };
    let issued = Arc::new(Notify::new());
    let courier = Courier {
        writer: writer.clone(),
        readers: readers.clone(),
        health: health.clone(),
        policy: policy.clone(),
        issued: issued.clone(),
        keys: keys.clone(),
    };
    let renewals = Renewals {
        writer: writer.clone(),
        readers: readers.clone(),
        policy: policy.clone(),
        line: line.clone(),
        facts,
        keys: keys.clone(),
        planned: planned.clone(),
    };
    let crls = CrlPublisher {
        writer: writer.clone(),
        readers: readers.clone(),
        health: health.clone(),
        policy: policy.clone(),
        line: line.clone(),
        directory: state.path().join(CRLS),
        revoked,
    };
    let (newest, made) = watch::channel(None);
    let deposits = Place::of(&settings.checkpoint).into_iter().map(|place| {
        let (newest, failing, line) = (made.clone(), service.failing.clone(), line.clone());
        Deposits { place, newest, failing, line }
    });
    let deposits: Vec<Deposits> = deposits.collect();
    let signing = Checkpoints {
        writer: writer.clone(),
        readers: readers.clone(),
        notary,
        policy: policy.clone(),
        line: line.clone(),
        settings: settings.checkpoint.clone(),
        newest,
    };
    let watch = Watch { writer: writer.clone(), policy: policy.clone(), line: line.clone(), watched, planned };
    let office = Office {
        writer: writer.clone(),
        readers: readers.clone(),
        health: health.clone(),
        policy: policy.clone(),
        directory: directory.clone(),
        switchboard: switchboard.clone(),
        line: line.clone(),
        origin: service.facts.origin.as_str().into(),
        host: Arc::new(messages::host()),
    };
    let (inventory_settings, looked_at) = watch::channel(settings.inventory.clone());
    let inventory = Inventory {
        writer: writer.clone(),
        readers: readers.clone(),
        policy: policy.clone(),
        directory: directory.clone(),
        line: line.clone(),
        settings: looked_at,
    };
    let forwarder = settings
        .forward
        .clone()
        .zip(service.forwarding.clone())
        .map(|forward| Forwarder::new(&readers, writer.watch(), forward, state.path(), line.clone()));
    let stop = stop_background.clone();
    let executor = Executor {
        writer: writer.clone(),
        readers,
        health: health.clone(),
        policy: policy.clone(),
        ready,
        issued,
        line,
        keys,
        stop,
    };
    let mut vital = Vital::new(writer.clone());
    vital.start("reaper", reaper.run(stop_background.clone()));
    vital.start("timekeeper", timekeeper.run(stop_background.clone()));
    vital.start("delegations", delegations.run(stop_background.clone()));
    vital.start("courier", courier.run(stop_background.clone()));
    vital.start("revocation lists", crls.run(stop_background.clone()));
    vital.start("checkpoints", signing.run(stop_background.clone()));
    for deposit in deposits {
        vital.start("deposits", deposit.run(stop_background.clone()));
    }
    vital.start("verification", verification::run(service.clone(), stop_background.clone()));
    vital.start("inventory", inventory.run(stop_background.clone()));
    vital.start("renewals", renewals.run(stop_background.clone()));
    vital.start("executor", executor.run());
    vital.start("watch", watch.run(stop_background.clone()));
    if let Some(forwarder) = forwarder {
        vital.start("forwarder", forwarder.run(stop_background.clone()));
    }
    for (channel, queued) in bells {
        vital.start("senders", Sender::new(&office, channel, queued).run(stop_background.clone()));
    }
    // The writer ends with its last handle.
    drop(office);

    vital.start("policy file", compare::run(policy, adoption.file.clone(), service.clone(), stop_background.clone()));

    let answers = Arc::new(Answers(service.clone()));
    let limits = Limits::default().within(open_files);
    if settings.demo && fresh {
        demo::seed(answers.clone(), limits.clone(), state.path())
            .await
            .map_err(|error| BootError::Failed(format!("preparing the demo: {error}")))?;
    }
    let signals = Signals::take().map_err(during("taking signals"))?;
    let listener = listen(&settings, directory.as_ref())?;
    let reload = Reload {
        config: settings.config.clone(),
        policy: adoption.file.clone(),
        service: service.clone(),
        switchboard,
        inventory: inventory_settings,
    };
    let watchdog = tokio::spawn(watchdog::run(writer.clone(), stop_background));
    let signals = tokio::spawn(signals.run(end, reload));
    systemd::ready().map_err(during("telling the service manager"))?;
    tracing::info!(socket = %settings.socket.display(), demo = settings.demo, read_only = health.damage().is_some(), "serving");

    let mut again = false;
    tokio::select! {
        () = ipc::serve(listener, answers, limits, stopping) => {}
        () = service.repair.again.notified() => again = true,
        what = vital.ended() => {
            tracing::error!("{what}: the daemon ends, to be started anew; what was answered is durable");
            return Err(BootError::Failed(what));
        }
    }
    if let Err(error) = systemd::stopping() {
        tracing::warn!("telling the service manager: {error}");
    }
    background.send_replace(true);
    vital.join().await;
    watchdog.abort();
    signals.abort();
    if health.damage().is_none()
        && let Err(error) = adopt::record_stop(&writer).await
    {
        tracing::error!("the end could not be recorded: {error}");
    }
    drop((writer, service));
    // Handles that a task still holds keep the writer alive; every command that was answered is durable already.
    if tokio::time::timeout(std::time::Duration::from_secs(5), tokio::task::spawn_blocking(|| writer_thread.join()))
        .await
        .is_err()
    {
        tracing::warn!("the writer did not end in time; nothing that was answered is lost");
    }
    drop(state);
    if again {
        return Err(BootError::Failed(
            "damage was acknowledged: the daemon ends, to be started anew and to look at all of it".into(),
        ));
    }
    Ok(())
}

fn listen(settings: &Settings, directory: &dyn Directory) -> Result<Listener, BootError> {
    if let Some(socket) = systemd::activated_listener().map_err(during("taking the socket from systemd"))? {
        return Listener::activated(socket).map_err(during("taking the socket from systemd"));
    }
    let group = match &settings.socket_group {
        None => None,
        Some(name) => {
            let gid = directory.gid_of(name).map_err(during("looking up the socket's group"))?;
            Some(gid.ok_or_else(|| BootError::Failed(format!("there is no group {name} (socket_group)")))?)
        }
    };
    Listener::bind(&settings.socket, settings.socket_mode.bits(), group).map_err(during("opening the socket"))
}

/// On a damaged installation nothing is issued, and no key is looked for.
fn open_keys(state: &Path, health: &Health, planned: Arc<Notify>) -> Result<Keys, BootError> {
    let directory = state.join(KEYS);
    if health.damage().is_some() {
        return Ok(Keys::at(directory, planned));
    }
    let shown = directory.display().to_string();
    Keys::open(directory, planned).map_err(|error| BootError::Failed(format!("{shown}: {error}")))
}

/// Of a damaged installation nothing is signed, and no key is looked for.
fn open_notary(
    settings: &Settings,
    state: &Path,
    connection: Option<&rusqlite::Connection>,
    (installation, tail): (&str, &Tail),
    health: &Health,
) -> Result<Option<Arc<Notary>>, BootError> {
    let (Some(connection), None) = (connection, health.damage()) else { return Ok(None) };
    let root_at = |size| root_at(&StoredNodes(connection), size);
    if let Some(damage) = Signed::read(state).compare(tail, root_at).map_err(during("comparing what was signed"))? {
        health.raise(damage);
        return Ok(None);
    }
    let recorded = checkpoints::keys(connection).map_err(during("reading the keys of checkpoints"))?;
    let notary = Notary::open(&settings.checkpoint, state, &recorded, installation)
        .map_err(|error| BootError::Failed(format!("[checkpoint]: {error}")))?;
    if let Some(newest) = checkpoints::newest(connection).map_err(during("reading the newest checkpoint"))? {
        if !notary.last_signed().is_known() {
            tracing::warn!(size = newest.size, "{} is missing and is made anew", SIGNED_FILE);
        }
        // A process that was killed may not have come to it.
        if let Err(error) = notary.last_signed().keep(&newest) {
            tracing::error!("{}: {error}", SIGNED_FILE);
        }
    }
    Ok(Some(Arc::new(notary)))
}

fn refused(what: &'static str) -> impl Fn(ApiError) -> BootError {
    move |error| BootError::Failed(format!("{what}: {error}"))
}
