//! One look at everything that is to be looked at, and what came of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::chain::{self, Chain, Role};
use super::finding::{Finding, Findings};
use super::forms::{self, Reading};
use super::limits::{Budget, Limits, Measure, UsedUp};
use super::listener::{self, Target};
use super::password::PasswordFiles;
use super::walk::{ReadFile, Walk};
use super::{Place, Problem, Seen};
use crate::x509::found::FoundCertificate;

/// File names that say that there are certificates inside.
const TELLING_NAMES: [&str; 13] =
    ["pem", "crt", "cer", "cert", "der", "p7b", "p7c", "p12", "pfx", "jks", "jceks", "bks", "keystore"];

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files, and directories with all below them; absolute.
    pub roots: Vec<PathBuf>,
    /// Listeners that are named, on whatever address.
    pub listeners: Vec<Target>,
    /// Where set, listeners that loopback reaches are looked for too, save on these ports.
    pub discover_except: Option<Vec<u16>>,
    /// Keystores with their passwords; each is looked at by itself where no root leads to it.
    pub passwords: PasswordFiles,
    /// Bounds.
    pub limits: Limits,
}

/// A certificate at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where.
    pub place: Place,
    /// The alias in a keystore.
    pub alias: Option<Untrusted>,
    /// What it is for there.
    pub role: Role,
    /// Which.
    pub sha256: Digest,
    /// What leads up from it at this place, nearest issuer first.
    pub chain: Vec<Digest>,
    /// The earliest end of the certificate and the intermediates that stand with it.
    pub usable_until: Timestamp,
    /// Whom the file belongs to; for a listener that was discovered, whoever made the socket.
    pub owner_uid: Option<u32>,
}

/// What a scan saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// When it began.
    pub taken_at: Timestamp,
    /// Every certificate once, those of chains included.
    pub certificates: BTreeMap<Digest, FoundCertificate>,
    /// Where they are: by place, in the order of the place.
    pub sightings: Vec<Sighting>,
    /// What was in the way, as many as [`Limits::findings`] allows.
    pub findings: Vec<Finding>,
    /// How many findings there were beyond those.
    pub findings_left_out: u64,
    /// What it was to look at: a certificate that was seen within one of these and is no longer is gone.
    pub covered: BTreeSet<Place>,
    /// Places that may hold more than was seen; for a directory, everything below it.
    pub unseen: BTreeSet<Place>,
}

impl Scan {
    /// The sightings with what comparing needs.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |sighting: &Sighting| self.certificates.get(&sighting.sha256).map(|found| Seen::of(sighting, found));
        self.sightings.iter().filter_map(seen).collect()
    }
}

/// Looks at everything. This blocks for up to [`Limits::time`]; `stop` ends it early.
pub fn scan(plan: &Plan, taken_at: Timestamp, stop: &AtomicBool) -> Scan {
    let mut budget = Budget::new(plan.limits, Instant::now(), stop);
    let mut findings = Findings::new(plan.limits.findings);
    let mut seen = Collected::new(&plan.limits);
    // However long the files take, there is time for the listeners.
    let until = budget.until;
    if !plan.listeners.is_empty() || plan.discover_except.is_some() {
        budget.until = until.checked_sub(plan.limits.time / 4).unwrap_or(until);
    }
    let keystores = plan.passwords.0.keys();
    let mut covered: BTreeSet<Place> = plan.roots.iter().cloned().map(Place::File).collect();
    // What stands below a root is covered by it, and is not what was named itself.
    let alone = keystores.clone().filter(|path| !plan.roots.iter().any(|root| path.starts_with(root)));
    covered.extend(alone.cloned().map(Place::File));
    let mut walk = Walk {
        budget: &mut budget,
        findings: &mut findings,
        visited: HashSet::new(),
        visit: |file: ReadFile, findings: &mut Findings| {
            read_file(&plan.passwords, plan.limits, &file, findings, &mut seen)
        },
    };
    // Roots first: what they lead to is not looked at again.
    let named = plan.roots.iter().map(|root| (root, false)).chain(keystores.map(|path| (path, true)));
    let mut ended = false;
    for (path, is_keystore) in named {
        if is_keystore && walk.visited.contains(path) {
            continue;
        }
        if ended || !walk.budget.goes_on() {
            walk.findings.add(Place::File(path.clone()), Problem::OutOfTime);
            continue;
        }
        let goes_on = if is_keystore { walk.keystore(path) } else { walk.root(path) };
        if !goes_on {
            // What ended it holds for the whole root, and for those after it.
            walk.findings.unseen.insert(Place::File(path.clone()));
            ended = true;
        }
    }
    budget.until = until;
    listeners(plan, &budget, &mut findings, &mut seen, &mut covered);
    Scan {
        taken_at,
        certificates: seen.certificates,
        sightings: seen.sightings,
        findings: findings.kept,
        findings_left_out: findings.left_out,
        covered,
        unseen: findings.unseen,
    }
}

/// What a file holds whose octets somebody else has read, as a scan of that file alone: for an import, where the
/// caller's own rights decide what can be read.
pub fn scan_octets(
    path: &Path,
    octets: Vec<u8>,
    password: Option<&str>,
    owner_uid: u32,
    limits: Limits,
    taken_at: Timestamp,
) -> Scan {
    let mut findings = Findings::new(limits.findings);
    let mut seen = Collected::new(&Limits { share: 1, ..limits });
    let file = ReadFile { path: path.to_owned(), octets, owner_uid, named: true };
    if file.octets.len() as u64 > limits.file_size {
        let problem = Problem::TooLarge { size: file.octets.len() as u64, limit: limits.file_size };
        findings.add(Place::File(file.path), problem);
    } else {
        take_file(&file, password, limits, &mut findings, &mut seen);
    }
    Scan {
        taken_at,
        certificates: seen.certificates,
        sightings: seen.sightings,
        findings: findings.kept,
        findings_left_out: findings.left_out,
        covered: BTreeSet::from([Place::File(path.to_owned())]),
        unseen: findings.unseen,
    }
}

/// Certificates and sightings so far.
struct Collected {
    certificates: BTreeMap<Digest, FoundCertificate>,
    sightings: Vec<Sighting>,
    measure: Measure,
    iterations: Measure,
}

impl Collected {
    fn new(limits: &Limits) -> Self {
        Self {
            certificates: BTreeMap::new(),
            sightings: Vec::new(),
            measure: Measure::new(limits.sightings as u64, limits.share),
            iterations: Measure::new(limits.iterations, limits.share),
        }
    }

    /// Takes what stands at a place; each certificate once for each alias.
    fn take(
        &mut self,
        place: &Place,
        owner_uid: Option<u32>,
        group: &[(&FoundCertificate, Option<&Untrusted>)],
        chains: &[Chain],
    ) -> Result<(), UsedUp> {
        let certificates: Vec<&FoundCertificate> = group.iter().map(|(certificate, _)| *certificate).collect();
        let mut known = HashSet::new();
        for chain in chains {
            let Some(((head, alias), usable_until)) = group.get(chain.head).zip(chain.usable_until(&certificates))
            else {
                continue;
            };
            if !known.insert((head.sha256, alias.map(Untrusted::raw))) {
                continue;
            }
            self.measure.take(owner_uid, 1)?;
            let issuers = chain.issuers.iter().filter_map(|i| certificates.get(*i));
            self.sightings.push(Sighting {
                place: place.clone(),
                alias: alias.cloned(),
                role: chain.role,
                sha256: head.sha256,
                chain: issuers.clone().map(|issuer| issuer.sha256).collect(),
                usable_until,
                owner_uid,
            });
            for certificate in issuers.chain([head]) {
                self.certificates.entry(certificate.sha256).or_insert_with(|| (*certificate).clone());
            }
        }
        Ok(())
    }
}

/// What is said where there are too many; false where there is no room for those of anybody else either.
fn used_up(place: Place, used_up: UsedUp, findings: &mut Findings) -> bool {
    let (of, limit) = match used_up {
        UsedUp::All(limit) => ("certificates in all", limit),
        UsedUp::Share(limit) => ("certificates of one account", limit),
    };
    findings.add(place, Problem::Limit { of, limit });
    matches!(used_up, UsedUp::Share(_))
}

fn read_file(
    passwords: &PasswordFiles,
    limits: Limits,
    file: &ReadFile,
    findings: &mut Findings,
    seen: &mut Collected,
) -> bool {
    let password = passwords.password_of(&file.path).unwrap_or_else(|why| {
        findings.add(Place::File(file.path.clone()), Problem::PasswordFile(why));
        None
    });
    take_file(file, password.as_deref(), limits, findings, seen)
}

fn take_file(
    file: &ReadFile,
    password: Option<&str>,
    limits: Limits,
    findings: &mut Findings,
    seen: &mut Collected,
) -> bool {
    let place = Place::File(file.path.clone());
    let uid = Some(file.owner_uid);
    let reading = Reading { password, limit: limits.certificates_of_place, iterations: seen.iterations.left(uid) };
    let contents = forms::read(&file.octets, reading);
    // What is left was asked before; more is not used.
    let _ = seen.iterations.take(uid, contents.iterations);
    let nothing = contents.entries.is_empty() && contents.problems.is_empty();
    if nothing && (file.named || (telling(&file.path) && !contents.other_blocks)) {
        findings.add(place.clone(), Problem::NoCertificate);
    }
    contents.problems.into_iter().for_each(|problem| findings.add(place.clone(), problem));
    let group: Vec<_> = contents.entries.iter().map(|entry| (&entry.certificate, entry.alias.as_ref())).collect();
    let certificates: Vec<&FoundCertificate> = group.iter().map(|(certificate, _)| *certificate).collect();
    match seen.take(&place, uid, &group, &chain::chains(&certificates)) {
        Ok(()) => true,
        Err(full) => used_up(place, full, findings),
    }
}

fn telling(path: &Path) -> bool {
    let extension = path.extension().and_then(std::ffi::OsStr::to_str);
    extension.is_some_and(|extension| TELLING_NAMES.iter().any(|name| name.eq_ignore_ascii_case(extension)))
}

fn listeners(
    plan: &Plan,
    budget: &Budget<'_>,
    findings: &mut Findings,
    seen: &mut Collected,
    covered: &mut BTreeSet<Place>,
) {
    let mut targets: Vec<(Target, Option<u32>)> = plan.listeners.iter().map(|target| (target.clone(), None)).collect();
    if let Some(except) = &plan.discover_except {
        match listener::listening_now() {
            Ok(sockets) => {
                let (near, not_listed) = listener::discovered(&sockets, except);
                let listed =
                    |address: &std::net::SocketAddr| plan.listeners.iter().any(|target| target.address == *address);
                for address in not_listed.iter().filter(|address| !listed(address)) {
                    findings.add(Place::Listener(*address, None), Problem::NotListed);
                }
                let near = near.into_iter().filter(|target| !plan.listeners.contains(target));
                let near = near.map(|target| {
                    let port = target.address.port();
                    let uid = sockets.iter().find(|socket| socket.address.port() == port).map(|socket| socket.uid);
                    (target, uid)
                });
                targets.extend(in_turn(near.collect()));
            }
            Err(error) => {
                let why =
                    error.raw_os_error().map_or("it is not readable", |code| nix::errno::Errno::from_raw(code).desc());
                let table = Place::File(PathBuf::from("/proc/net/tcp"));
                findings.add(table, Problem::Failed(format!("the listening sockets cannot be found: {why}")));
            }
        }
    }
    for (i, (target, uid)) in targets.iter().enumerate() {
        let place = target.place();
        covered.insert(place.clone());
        if i >= plan.limits.listeners {
            findings.add(place, Problem::Limit { of: "listeners", limit: plan.limits.listeners as u64 });
            continue;
        }
        if !budget.goes_on() {
            findings.add(place, Problem::OutOfTime);
            continue;
        }
        match listener::probe(target, &plan.limits, budget.until) {
            Err(problem) => findings.add(place, problem),
            Ok(shown) => presented(&place, *uid, &shown, findings, seen),
        }
    }
}

/// One of each account, then the second of each, so that nobody's many sockets use up the time for those of others.
fn in_turn(targets: Vec<(Target, Option<u32>)>) -> Vec<(Target, Option<u32>)> {
    let mut of: BTreeMap<Option<u32>, usize> = BTreeMap::new();
    let mut turns: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let turn = of.entry(target.1).or_default();
            *turn += 1;
            (*turn, target)
        })
        .collect();
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, target)| target).collect()
}

fn presented(place: &Place, uid: Option<u32>, shown: &[Vec<u8>], findings: &mut Findings, seen: &mut Collected) {
    let mut certificates = Vec::with_capacity(shown.len());
    for (i, der) in shown.iter().enumerate() {
        match FoundCertificate::read(der) {
            Ok((certificate, [])) => certificates.push(certificate),
            Ok((_, rest)) => {
                let why = format!("certificate {}: {} octets follow it", i + 1, rest.len());
                findings.add(place.clone(), Problem::Unreadable(why));
            }
            Err(why) => findings.add(place.clone(), Problem::Unreadable(format!("certificate {}: {why}", i + 1))),
        }
        if i == 0 && certificates.is_empty() {
            // Without its own certificate the others say nothing about it.
            return;
        }
    }
    let group: Vec<_> = certificates.iter().map(|certificate| (certificate, None)).collect();
    let certificates: Vec<&FoundCertificate> = certificates.iter().collect();
    let chains: Vec<Chain> = chain::presented(&certificates).into_iter().collect();
    if let Err(full) = seen.take(place, uid, &group, &chains) {
        used_up(place.clone(), full, findings);
    }
}
