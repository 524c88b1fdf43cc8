//! Looks at the certificates of this host: when it is time, once after any downtime, at once when there is something else
//! to look at. Looking holds no transaction; what was seen is taken in a part at a time, so that decisions slip in between.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::PersonRef;
use countersign_shared::time::Span;
use tokio::sync::watch;

use super::deadline::Alarm;
use crate::clock::TimeLine;
use crate::config::InventorySettings;
use crate::identity::directory::Directory;
use crate::inventory::listener::Target;
use crate::inventory::{Place, Plan, Scan, scan, take_in};
use crate::service::PolicyInForce;
use crate::service::actor::account_name;
use crate::service::inventory::{Book, Owners, Seer, rest};
use crate::store::rows::inventory::{Scope, places_seen};
use crate::store::rows::inventory_scans::{self, LastScan};
use crate::store::{Readers, Transaction, Writer};

/// Sightings that one transaction takes in. Where it shares its commit with other commands it
/// runs on a savepoint, and then SQLite goes through a list of all pages it has touched after each statement: the time
/// grows with the square, and decisions wait for it.
const PART: usize = 100;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 60_000;

/// See the module.
pub struct Inventory {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// Who is who.
    pub policy: PolicyInForce,
    /// Accounts.
    pub directory: Arc<dyn Directory>,
    /// Time.
    pub line: TimeLine,
    /// What is looked at.
    pub settings: watch::Receiver<InventorySettings>,
}

impl Inventory {
    /// Runs until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        loop {
            let settings = self.settings.borrow_and_update().clone();
            let next = match self.look_if_due(&settings, &stop).await {
                Ok(next) => next,
                // Damage is final: nothing is taken in, nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("the inventory, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                Ok(()) = self.settings.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Looks where it is time to; returns when it will be time again.
    async fn look_if_due(
        &self,
        settings: &InventorySettings,
        stop: &watch::Receiver<bool>,
    ) -> Result<Option<i64>, ApiError> {
        let (last, seen) =
            self.readers.read(|connection| Ok((inventory_scans::last(connection)?, places_seen(connection)?))).await?;
        if settings.is_empty() && seen.is_empty() {
            return Ok(None);
        }
        let (plan_sha256, every, tick) = (settings.plan_sha256(), millis(settings.every), self.line.tick());
        if let Some(last) = last.as_ref().filter(|last| last.plan_sha256 == plan_sha256) {
            let due = due(last, every);
            if due < last.due_tick {
                self.writer
                    .write(move |transaction| Ok(inventory_scans::move_due(transaction.connection(), due)?))
                    .await?;
            }
            if tick < due {
                return Ok(Some(due));
            }
        }
        let number = last.as_ref().map_or(0, |last| last.number).saturating_add(1);
        let due_tick = next_due(last.as_ref(), every, tick);
        let begun = LastScan { number, plan_sha256, started_tick: tick, due_tick };
        self.writer
            .write(move |transaction| Ok(inventory_scans::begin(transaction.connection(), &begun, transaction.now())?))
            .await?;
        let looked = match self.look(plan_of(settings, &seen), stop).await {
            Ok(Some((found, owners))) => self.take(number, found, (owners, seen), stop).await,
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        let again = match looked {
            Ok(true) => return Ok(Some(due_tick)),
            // The daemon stops: what was seen of half the host says nothing of the other half.
            Ok(false) => tick,
            Err(_) => tick.saturating_add(every / 10),
        };
        let moved =
            move |transaction: &mut Transaction<'_>| Ok(inventory_scans::move_due(transaction.connection(), again)?);
        self.writer.write(moved).await?;
        looked.map(|_| Some(again))
    }

    /// One scan, on a thread of its own; nothing where the daemon stops first.
    async fn look(&self, plan: Plan, stop: &watch::Receiver<bool>) -> Result<Option<(Scan, Owners)>, ApiError> {
        let (ends, taken_at) = (Arc::new(AtomicBool::new(false)), self.line.wall());
        let (flag, directory, policy) = (ends.clone(), self.directory.clone(), self.policy.now());
        let mut looking = tokio::task::spawn_blocking(move || {
            let found = scan(&plan, taken_at, &flag);
            let uids: BTreeSet<u32> = found.sightings.iter().filter_map(|sighting| sighting.owner_uid).collect();
            let named = uids.into_iter().filter(|_| !flag.load(Ordering::Relaxed)).filter_map(|uid| {
                let account = directory.account(uid, false).ok()?;
                let person = policy.person_of(&account).map(str::to_owned);
                Some((uid, PersonRef { account: account_name(&account), person, uid }))
            });
            let owners = named.collect();
            (found, owners)
        });
        let mut stop = stop.clone();
        let ended = tokio::select! {
            ended = &mut looking => Some(ended),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(ended) = ended else {
            ends.store(true, Ordering::Relaxed);
            // Whatever it still comes to is not wanted.
            let _ = looking.await;
            return Ok(None);
        };
        ended.map(Some).map_err(|_| ApiError::internal("a fault of the daemon ended the thread that looked"))
    }

    /// Takes in what was seen: places in their order, a part at a time. A crash in between leaves a part of them, and the
    /// next scan completes it; so does a stop, and then this is false.
    async fn take(
        &self,
        number: u64,
        mut found: Scan,
        (owners, seen): (Owners, BTreeSet<Place>),
        stop: &watch::Receiver<bool>,
    ) -> Result<bool, ApiError> {
        let (owners, named) = (Arc::new(owners), Arc::new(found.covered.clone()));
        let (covered, not_covered): (BTreeSet<Place>, BTreeSet<Place>) =
            seen.into_iter().partition(|place| place.within_any(&found.covered));
        let sightings = found.sightings.len();
        let mut failed = None;
        let mut waiting: VecDeque<(Scan, bool)> =
            parts(&mut found, covered).into_iter().map(|part| (part, true)).collect();
        while let Some((mut part, whole)) = waiting.pop_front() {
            if *stop.borrow() {
                return Ok(false);
            }
            let (owners, named) = (owners.clone(), named.clone());
            let taken = self
                .writer
                .write(move |transaction| {
                    let mut book = Book::open(transaction, Seer::Scan(&owners), Scope::Everything, &named);
                    book.first = PART;
                    // What is beyond has been admitted with the whole.
                    let over = if whole { book.admit(&mut part)? } else { Vec::new() };
                    take_in(&mut book, &part)?;
                    Ok((over, rest(&part, PART)))
                })
                .await;
            match taken {
                Ok((over, rest)) => {
                    found.findings.extend(over);
                    rest.into_iter().rev().for_each(|part| waiting.push_front((part, false)));
                }
                Err(error) if error.kind == ErrorKind::ReadOnly => return Err(error),
                // What somebody's file does to one part is no reason to leave the others out.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let mut not_covered = not_covered.into_iter().peekable();
        while not_covered.peek().is_some() {
            if *stop.borrow() {
                return Ok(false);
            }
            let (owners, named) = (owners.clone(), named.clone());
            let places: BTreeSet<Place> = not_covered.by_ref().take(PART).collect();
            self.writer
                .write(move |transaction| {
                    let seer = Seer::Scan(&owners);
                    Book::open(transaction, seer, Scope::Everything, &named).leave_out(&places)
                })
                .await?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let (findings, left_out) = (found.findings, found.findings_left_out);
        let problems = findings.len();
        self.writer
            .write(move |transaction| {
                let (connection, now) = (transaction.connection(), transaction.now());
                Ok(inventory_scans::finish(connection, number, (&findings, left_out), sightings, now)?)
            })
            .await?;
        tracing::info!(scan = number, sightings, problems, left_out, "the certificates of this host were looked at");
        Ok(true)
    }
}

/// What to look at: what is configured and, where listeners are discovered, those on loopback that are known. One that
/// listens no longer is not discovered any more, and is gone only when somebody has tried.
fn plan_of(settings: &InventorySettings, seen: &BTreeSet<Place>) -> Plan {
    let mut plan = settings.plan.clone();
    let Some(except) = &plan.discover_except else { return plan };
    for place in seen {
        if let Place::Listener(address, server_name) = place
            && address.ip().is_loopback()
            && !except.contains(&address.port())
        {
            let target = Target { address: *address, server_name: server_name.clone() };
            if server_name.is_none() && !plan.listeners.contains(&target) {
                plan.listeners.push(target);
            }
        }
    }
    plan
}

/// When the next scan is due after the newest, where scans are `every` so many milliseconds: nearer than was noted, never
/// further away.
fn due(last: &LastScan, every: i64) -> i64 {
    last.due_tick.min(last.started_tick.saturating_add(every))
}

/// When the scan after the one that begins at `tick` is due. The line of scans goes on where it was; whatever was missed
/// is made up for by this one, and no two follow closely, whatever becomes of the first.
fn next_due(last: Option<&LastScan>, every: i64, tick: i64) -> i64 {
    let in_line = last.map_or(tick, |last| due(last, every).min(tick)).saturating_add(every);
    in_line.max(tick.saturating_add(every / 10))
}

fn millis(span: Span) -> i64 {
    i64::try_from(span.millis()).unwrap_or(i64::MAX)
}

/// A scan as scans of some of its places each: `covered` names exactly those of the part, places where nothing is any more
/// among them. Takes sightings and certificates out of the whole.
fn parts(whole: &mut Scan, known: BTreeSet<Place>) -> Vec<Scan> {
    let mut by_place: std::collections::BTreeMap<Place, Vec<_>> =
        known.into_iter().map(|place| (place, vec![])).collect();
    for sighting in std::mem::take(&mut whole.sightings) {
        by_place.entry(sighting.place.clone()).or_default().push(sighting);
    }
    let part = || Scan {
        taken_at: whole.taken_at,
        certificates: Default::default(),
        sightings: Vec::new(),
        findings: Vec::new(),
        findings_left_out: 0,
        covered: BTreeSet::new(),
        unseen: BTreeSet::new(),
    };
    let mut all = Vec::new();
    let mut current = part();
    for (place, sightings) in by_place {
        if !current.covered.is_empty() && current.sightings.len() + sightings.len() > PART
            || current.covered.len() >= PART
        {
            all.push(std::mem::replace(&mut current, part()));
        }
        for sighting in &sightings {
            for sha256 in sighting.chain.iter().chain([&sighting.sha256]) {
                if let Some(certificate) = whole.certificates.get(sha256) {
                    current.certificates.entry(*sha256).or_insert_with(|| certificate.clone());
                }
            }
        }
        if place.within_any(&whole.unseen) {
            current.unseen.insert(place.clone());
        }
        current.sightings.extend(sightings);
        current.covered.insert(place);
    }
    if !current.covered.is_empty() {
        all.push(current);
    }
    all
}

#[cfg(test)]
mod tests {
    use countersign_shared::digest::Digest;
    use countersign_shared::time::Timestamp;

    use super::*;
    use crate::inventory::{Role, Sighting};

    fn place(raw: &str) -> Place {
        raw.parse().unwrap()
    }

    #[test]
    fn scans_follow_one_another_on_the_line_and_never_closely() {
        const DAY: i64 = 86_400_000;
        let last =
            |started_tick, due_tick| LastScan { number: 1, plan_sha256: Digest::of(&[]), started_tick, due_tick };
        assert_eq!(next_due(None, DAY, 7), 7 + DAY);
        // A little late: the line goes on as it was.
        assert_eq!(next_due(Some(&last(0, DAY)), DAY, DAY + 5), 2 * DAY);
        // Days of downtime: one scan now, and the next one not at once.
        assert_eq!(next_due(Some(&last(0, DAY)), DAY, 9 * DAY), 9 * DAY + DAY / 10);
        // Another plan, before its time: from now on.
        assert_eq!(next_due(Some(&last(0, DAY)), DAY, 10), 10 + DAY);
        // Shorter: nearer. Longer: not further away.
        assert_eq!(due(&last(100, 100 + DAY), DAY / 24), 100 + DAY / 24);
        assert_eq!(due(&last(100, 100 + DAY), 9 * DAY), 100 + DAY);
    }

    #[test]
    fn listeners_that_are_known_are_tried_again_where_they_are_discovered() {
        let seen = ["tls:127.0.0.1:1", "tls:127.0.0.1:22", "tls:192.0.2.1:1", "tls:127.0.0.1:2 a.example", "file:/x"]
            .map(place);
        let mut settings = InventorySettings::default();
        assert!(plan_of(&settings, &seen.clone().into()).listeners.is_empty());
        settings.plan.discover_except = Some(vec![22]);
        let places: Vec<Place> = plan_of(&settings, &seen.into()).listeners.iter().map(Target::place).collect();
        assert_eq!(places, [place("tls:127.0.0.1:1")]);
    }

    #[test]
    fn parts_split_no_place_and_lose_none() {
        let sighting = |at: usize, copy: u8| Sighting {
            place: place(&format!("file:/a/{at:05}")),
            alias: None,
            role: Role::Leaf,
            sha256: Digest::of(&[&[copy]]),
            chain: Vec::new(),
            usable_until: Timestamp::EPOCH,
            owner_uid: None,
        };
        let mut whole = Scan {
            taken_at: Timestamp::EPOCH,
            certificates: Default::default(),
            sightings: (0..400).flat_map(|at| [0, 1, 2].map(|copy| sighting(at, copy))).collect(),
            findings: Vec::new(),
            findings_left_out: 0,
            covered: BTreeSet::from([place("file:/a")]),
            unseen: BTreeSet::from([place("file:/a/hidden")]),
        };
        let known: BTreeSet<Place> = (0..1200).map(|at| place(&format!("file:/a/hidden/{at}"))).collect();
        let parts = parts(&mut whole, known);
        let mut covered = BTreeSet::new();
        let mut sightings = 0;
        for part in &parts {
            assert!(part.sightings.len() <= PART && part.covered.len() <= PART);
            assert!(part.sightings.iter().all(|sighting| part.covered.contains(&sighting.place)));
            for place in &part.covered {
                assert!(covered.insert(place.clone()), "{place} is split");
                assert_eq!(part.unseen.contains(place), place.to_string().contains("hidden"));
            }
            sightings += part.sightings.len();
        }
        assert_eq!((covered.len(), sightings), (1600, 1200));
    }
}
