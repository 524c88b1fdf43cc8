//! What changed between two scans: what came, what went, what took whose place. Pure functions over plain values; the
//! earlier scan comes from the table, the later one from the host.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

use countersign_shared::content::San;
use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::scan::Sighting;
use super::{Place, Role};
use crate::x509::found::FoundCertificate;

/// A certificate at a place, with what comparing needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub place: Place,
    /// The alias in a keystore.
    pub alias: Option<Untrusted>,
    /// What it is for there.
    pub role: Role,
    /// Which.
    pub sha256: Digest,
    /// Its key.
    pub spki_sha256: Digest,
    /// Its names with their types (`dns:www.corp.example`); the common name (`cn:…`) where there are no others.
    pub names: BTreeSet<String>,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
}

impl Seen {
    /// A sighting of a certificate.
    pub fn of(sighting: &Sighting, certificate: &FoundCertificate) -> Self {
        Self {
            place: sighting.place.clone(),
            alias: sighting.alias.clone(),
            role: sighting.role,
            sha256: sighting.sha256,
            spki_sha256: certificate.spki_sha256,
            names: names(certificate),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }
    }

    fn same_sighting(&self) -> (&Place, Option<&str>, &Digest) {
        (&self.place, self.alias.as_ref().map(Untrusted::raw), &self.sha256)
    }
}

/// The names by which two certificates are known to be for the same.
pub fn names(certificate: &FoundCertificate) -> BTreeSet<String> {
    if certificate.names.is_empty() {
        let common_name = certificate.common_name.iter();
        return common_name.map(|name| format!("cn:{}", name.raw().to_ascii_lowercase())).collect();
    }
    certificate.names.iter().map(San::tagged).collect()
}

/// By what a certificate is known to be another's successor; the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lineage {
    /// The same names and the same key.
    NamesAndKey,
    /// The same names.
    Names,
    /// The same key, for other names.
    Key,
    /// Some of the names.
    SomeNames,
}

impl Lineage {
    /// As the table writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NamesAndKey => "names_and_key",
            Self::Names => "names",
            Self::Key => "key",
            Self::SomeNames => "some_names",
        }
    }
}

/// One certificate in another's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Where it took its place.
    pub place: Place,
    /// Which was there.
    pub from: Digest,
    /// Which is there now.
    pub to: Digest,
    /// How that is known.
    pub by: Lineage,
    /// True where the new one ends before the old one did: somebody went back.
    pub goes_back: bool,
    /// Other places where the old one still is. A listener among them was not told of the new one.
    pub still_at: Vec<Place>,
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What is there now and succeeds nothing.
    pub appeared: Vec<Seen>,
    /// What is certainly no longer there and has no successor.
    pub gone: Vec<Seen>,
    /// What was there and was not looked at again, or could not be: it still counts.
    pub unknown: Vec<Seen>,
    /// What took whose place.
    pub succeeded: Vec<Succession>,
}

/// The later of two scans.
#[derive(Clone, Copy, Debug)]
pub struct Later<'a> {
    /// What it saw.
    pub seen: &'a [Seen],
    /// What it was to look at, see [`super::Scan::covered`].
    pub covered: &'a BTreeSet<Place>,
    /// What it could not see, see [`super::Scan::unseen`].
    pub unseen: &'a BTreeSet<Place>,
}

/// Compares what was known with what a scan saw.
///
/// A certificate succeeds another (never itself, under another alias) at the same place alone, and only where names or key say so; each succeeds one and is
/// succeeded by one. A place that could not be read wholly loses nothing, but what was replaced there is seen.
pub fn compare(before: &[Seen], after: Later<'_>) -> Changes {
    let known: std::collections::HashSet<_> = before.iter().map(Seen::same_sighting).collect();
    let still: std::collections::HashSet<_> = after.seen.iter().map(Seen::same_sighting).collect();
    let mut removed: BTreeMap<&Place, Vec<&Seen>> = BTreeMap::new();
    for seen in before.iter().filter(|seen| !still.contains(&seen.same_sighting())) {
        removed.entry(&seen.place).or_default().push(seen);
    }
    let mut added: BTreeMap<&Place, Vec<&Seen>> = BTreeMap::new();
    for seen in after.seen.iter().filter(|seen| !known.contains(&seen.same_sighting())) {
        added.entry(&seen.place).or_default().push(seen);
    }
    let mut places: HashMap<&Digest, Vec<&Place>> = HashMap::new();
    for seen in after.seen {
        places.entry(&seen.sha256).or_default().push(&seen.place);
    }
    let mut changes = Changes::default();
    for (place, mut gone) in removed {
        let mut new = added.remove(place).unwrap_or_default();
        for (old, successor, by) in pairs(&mut gone, &mut new) {
            // It has another alias: nothing succeeds itself.
            if old.sha256 == successor.sha256 {
                gone.push(old);
                new.push(successor);
                continue;
            }
            let mut still_at: Vec<Place> = places.get(&old.sha256).into_iter().flatten().copied().cloned().collect();
            still_at.sort();
            still_at.dedup();
            changes.succeeded.push(Succession {
                place: place.clone(),
                from: old.sha256,
                to: successor.sha256,
                by,
                goes_back: successor.not_after < old.not_after,
                still_at,
            });
        }
        changes.appeared.extend(new.into_iter().cloned());
        let certain = place.within_any(after.covered) && !place.within_any(after.unseen);
        let rest = if certain { &mut changes.gone } else { &mut changes.unknown };
        rest.extend(gone.into_iter().cloned());
    }
    changes.appeared.extend(added.into_values().flatten().cloned());
    changes
}

/// Takes out of both lists what belongs together, by the strongest lineage first and within one the same alias first.
fn pairs<'a>(gone: &mut Vec<&'a Seen>, new: &mut Vec<&'a Seen>) -> Vec<(&'a Seen, &'a Seen, Lineage)> {
    // The one that lasts longest meets the one that lasts longest.
    for list in [&mut *gone, &mut *new] {
        list.sort_by_key(|seen| (std::cmp::Reverse(seen.not_after), seen.sha256));
    }
    let mut found = Vec::new();
    for with_alias in [true, false] {
        let alias = |seen: &'a Seen| with_alias.then(|| seen.alias.as_ref().map(Untrusted::raw));
        let key = |seen: &'a Seen| Some((alias(seen), seen.role, seen.spki_sha256));
        let names = |seen: &'a Seen| (!seen.names.is_empty()).then_some((alias(seen), seen.role, &seen.names));
        match_by(gone, new, Lineage::NamesAndKey, |seen| names(seen).zip(key(seen)), &mut found);
        match_by(gone, new, Lineage::Names, names, &mut found);
        match_by(gone, new, Lineage::Key, key, &mut found);
    }
    match_some_names(gone, new, &mut found);
    found
}

fn match_by<'a, K: Hash + Eq>(
    gone: &mut Vec<&'a Seen>,
    new: &mut Vec<&'a Seen>,
    by: Lineage,
    key: impl Fn(&'a Seen) -> Option<K>,
    found: &mut Vec<(&'a Seen, &'a Seen, Lineage)>,
) {
    let mut waiting: HashMap<K, VecDeque<&'a Seen>> = HashMap::new();
    for seen in gone.iter().copied() {
        if let Some(key) = key(seen) {
            waiting.entry(key).or_default().push_back(seen);
        }
    }
    let before = found.len();
    new.retain(|seen| {
        let old = key(seen).and_then(|key| waiting.get_mut(&key)).and_then(VecDeque::pop_front);
        found.extend(old.map(|old| (old, *seen, by)));
        old.is_none()
    });
    without(gone, &found[before..]);
}

fn match_some_names<'a>(
    gone: &mut Vec<&'a Seen>,
    new: &mut Vec<&'a Seen>,
    found: &mut Vec<(&'a Seen, &'a Seen, Lineage)>,
) {
    let mut by_name: HashMap<(Role, &str), VecDeque<usize>> = HashMap::new();
    for (i, seen) in gone.iter().enumerate() {
        seen.names.iter().for_each(|name| by_name.entry((seen.role, name.as_str())).or_default().push_back(i));
    }
    let before = found.len();
    let mut used = vec![false; gone.len()];
    new.retain(|seen| {
        let old = seen.names.iter().find_map(|name| {
            let waiting = by_name.get_mut(&(seen.role, name.as_str()))?;
            while waiting.front().is_some_and(|i| used[*i]) {
                waiting.pop_front();
            }
            waiting.pop_front()
        });
        if let Some(i) = old {
            used[i] = true;
            found.push((gone[i], *seen, Lineage::SomeNames));
        }
        old.is_none()
    });
    without(gone, &found[before..]);
}

fn without(gone: &mut Vec<&Seen>, found: &[(&Seen, &Seen, Lineage)]) {
    let used: std::collections::HashSet<*const Seen> = found.iter().map(|(old, ..)| std::ptr::from_ref(*old)).collect();
    gone.retain(|seen| !used.contains(&std::ptr::from_ref(*seen)));
}

/// One certificate in several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Which.
    pub sha256: Digest,
    /// Where: two or more, sorted.
    pub places: Vec<Place>,
}

/// The certificates that stand in more than one place, by fingerprint.
pub fn duplicates(seen: &[Seen]) -> Vec<Duplicate> {
    let mut places: BTreeMap<Digest, BTreeSet<&Place>> = BTreeMap::new();
    for seen in seen {
        places.entry(seen.sha256).or_default().insert(&seen.place);
    }
    let several = places.into_iter().filter(|(_, places)| places.len() > 1);
    several.map(|(sha256, places)| Duplicate { sha256, places: places.into_iter().cloned().collect() }).collect()
}
