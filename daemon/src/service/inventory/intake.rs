//! How much is taken in for one account in a day. Certificates that were found are kept for ever, each with its record in
//! the ledger; without a bound, whoever writes into a directory that is scanned fills the disk of the gate, and the ledger.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use countersign_shared::digest::Digest;

use super::{Book, Seer};
use crate::inventory::{Finding, Place, Problem, Scan, Sighting};
use crate::store::rows::inventory_intake::{Intake, is_kept, is_known, note, taken};
use crate::store::transaction::Failure;

/// What is new in the name of one account within a day, at most; root's is not counted.
pub const MOST: Intake = Intake { sightings: 10_000, octets: 32 << 20 };

impl Book<'_, '_> {
    /// Takes out of a scan what is beyond the measure of the account that it belongs to, counts the rest, and says what
    /// was taken out: one finding for each account. What stood at those places before is not gone, but unknown.
    ///
    /// What is known already passes; nobody comes out of the measure of somebody else.
    pub fn admit(&mut self, scan: &mut Scan) -> Result<Vec<Finding>, Failure> {
        let mut measures: BTreeMap<String, (Intake, bool)> = BTreeMap::new();
        let mut over: BTreeMap<String, Place> = BTreeMap::new();
        let mut counted: HashSet<Digest> = HashSet::new();
        let mut refused = BTreeSet::new();
        for (i, sighting) in scan.sightings.iter().enumerate() {
            let Some(who) = self.who(sighting) else { continue };
            let (connection, now) = (self.transaction.connection(), self.transaction.now());
            if is_known(connection, sighting, self.scope.seen_by())? {
                continue;
            }
            let mut new = Vec::new();
            let mut octets = 0_u64;
            for sha256 in sighting.chain.iter().chain([&sighting.sha256]) {
                if !counted.contains(sha256) && !is_kept(connection, sha256)? {
                    octets += scan.certificates.get(sha256).map_or(0, |certificate| certificate.der.len() as u64);
                    new.push(*sha256);
                }
            }
            let (so_far, moved) = match measures.entry(who.clone()) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let so_far = taken(connection, &who, now)?;
                    entry.insert((so_far, false))
                }
            };
            let then = Intake { sightings: so_far.sightings + 1, octets: so_far.octets + octets };
            if then.sightings > self.most.sightings || then.octets > self.most.octets {
                over.entry(who).or_insert_with(|| sighting.place.clone());
                refused.insert(i);
                continue;
            }
            (*so_far, *moved) = (then, true);
            counted.extend(new);
        }
        for (who, (so_far, _)) in measures.iter().filter(|(_, (_, moved))| *moved) {
            note(self.transaction.connection(), who, self.transaction.now(), *so_far)?;
        }
        take_out(scan, &refused);
        let limit = self.most.sightings;
        let problem = Problem::Limit { of: "new certificates of one account in a day", limit };
        Ok(over.into_values().map(|place| Finding { place, problem: problem.clone() }).collect())
    }

    /// Out of whose measure a sighting comes; nothing where it needs none.
    fn who(&self, sighting: &Sighting) -> Option<String> {
        let uid = match self.seer {
            Seer::Importer(actor) => Some(actor.party.uid),
            Seer::Scan(_) => sighting.owner_uid,
        };
        match uid {
            Some(0) => None,
            Some(uid) => Some(format!("uid:{uid}")),
            None => Some("listeners".to_owned()),
        }
    }
}

fn take_out(scan: &mut Scan, refused: &BTreeSet<usize>) {
    if refused.is_empty() {
        return;
    }
    let sightings = std::mem::take(&mut scan.sightings);
    for (i, sighting) in sightings.into_iter().enumerate() {
        if refused.contains(&i) {
            scan.unseen.insert(sighting.place);
        } else {
            scan.sightings.push(sighting);
        }
    }
    let wanted: HashSet<Digest> =
        scan.sightings.iter().flat_map(|sighting| sighting.chain.iter().chain([&sighting.sha256])).copied().collect();
    scan.certificates.retain(|sha256, _| wanted.contains(sha256));
}
