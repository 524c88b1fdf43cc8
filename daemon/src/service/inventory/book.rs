//! The inventory within one transaction: sightings, what they change, and a record for each certificate that nobody knew.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AuditAction, Category, FoundBy, PersonRef};
use countersign_shared::text::Untrusted;

use crate::inventory::{Changes, Place, Register, Scan, Seen, Sighting};
use crate::ledger::Draft;
use crate::service::actor::{Actor, SCHEDULER, system_draft};
use crate::store::rows::found::{self, NewFound};
use crate::store::rows::inventory::{self, End, Scope};
use crate::store::rows::inventory_intake::Intake;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};
use crate::x509::found::FoundCertificate;

/// Accounts by uid, as records and rows name them.
pub type Owners = BTreeMap<u32, PersonRef>;

/// Characters of a place or name that a record holds.
const MAX_RECORDED: usize = 512;

/// Who has looked.
#[derive(Clone, Copy)]
pub enum Seer<'a> {
    /// The daemon.
    Scan(&'a Owners),
    /// A caller, who has read the file.
    Importer(&'a Actor),
}

/// See the module.
pub struct Book<'b, 'a> {
    pub(super) transaction: &'b mut Transaction<'a>,
    pub(super) seer: Seer<'b>,
    pub(super) scope: Scope,
    /// What one account may bring in a day.
    pub(super) most: Intake,
    /// Files that were named themselves: authorities in them are looked after as well.
    named: &'b BTreeSet<Place>,
    /// How many sightings of a scan are stored, from the first; the others are in parts of their own, see
    /// [`rest`].
    pub first: usize,
    /// What nobody knew before.
    pub new: BTreeSet<Digest>,
    /// Sightings that ended.
    pub ended: u64,
    moved: bool,
}

impl<'b, 'a> Book<'b, 'a> {
    /// The inventory as `scope` sees it.
    pub fn open(
        transaction: &'b mut Transaction<'a>,
        seer: Seer<'b>,
        scope: Scope,
        named: &'b BTreeSet<Place>,
    ) -> Self {
        Self {
            transaction,
            seer,
            scope,
            most: super::intake::MOST,
            named,
            first: usize::MAX,
            new: BTreeSet::new(),
            ended: 0,
            moved: false,
        }
    }

    /// Ends what stands at places that are looked at no longer.
    pub fn leave_out(&mut self, places: &BTreeSet<Place>) -> Result<(), Failure> {
        let mut touched = BTreeSet::new();
        for place in places {
            for seen in inventory::known(self.transaction.connection(), place, &self.scope)? {
                self.end(place, &seen.sha256, End::LeftOut, &HashSet::new())?;
                touched.insert(seen.sha256);
            }
        }
        self.settle(touched, &BTreeMap::new(), None)
    }

    /// Ends the sightings of a certificate at a place, save those under an alias where it still is.
    fn end(&mut self, place: &Place, sha256: &Digest, end: End, still: &Still<'_>) -> Result<(), Failure> {
        let (connection, now) = (self.transaction.connection(), self.transaction.now());
        for (row, alias) in inventory::open_at(connection, place, &self.scope, sha256)? {
            if !still.contains(&(place, alias.as_ref().map(Untrusted::raw), *sha256)) {
                inventory::end(connection, row, end, now)?;
                self.ended += 1;
            }
        }
        Ok(())
    }

    /// Begins, ends or moves the watch of each certificate as it stands now; makes those known that are new.
    fn settle(
        &mut self,
        touched: BTreeSet<Digest>,
        seen: &BTreeMap<Digest, &Sighting>,
        scan: Option<&Scan>,
    ) -> Result<(), Failure> {
        for sha256 in touched {
            let standing = inventory::standing(self.transaction.connection(), &sha256)?;
            if let Some(stored) = found::stored(self.transaction.connection(), &sha256)? {
                self.moved |= found::settle(self.transaction.connection(), &stored, &standing)?;
                continue;
            }
            let wanted = match standing.issued {
                None => standing.counts,
                Some(_) => standing.usable_until.is_some(),
            };
            let sighting = seen.get(&sha256);
            let certificate = scan.and_then(|scan| scan.certificates.get(&sha256));
            if let (true, Some(sighting), Some(certificate)) = (wanted, sighting, certificate) {
                self.make_known(sighting, certificate, &standing)?;
            }
        }
        if std::mem::take(&mut self.moved) {
            self.transaction.after_commit(Effect::Watched);
            self.transaction.watch_ended();
        }
        Ok(())
    }

    fn make_known(
        &mut self,
        sighting: &Sighting,
        certificate: &FoundCertificate,
        standing: &inventory::Standing,
    ) -> Result<(), Failure> {
        let id = self.transaction.fresh_certificate()?;
        let (source, owner) = match self.seer {
            Seer::Scan(owners) => (FoundBy::Scan, sighting.owner_uid.map(|uid| owner(owners, uid))),
            Seer::Importer(actor) => (FoundBy::Import, Some(actor.person_ref())),
        };
        let usable_until = standing.usable_until.unwrap_or(sighting.usable_until);
        let draft = self
            .draft(&id)
            .text("sha256", certificate.sha256)
            .text("serial", recorded(&certificate.serial_hex))
            .text("source", source)
            .text("place", recorded(&sighting.place.to_string()))
            .text("primary_name", recorded(certificate.primary_name().raw()))
            .text("issuer", recorded(certificate.issuer.raw()))
            .text("not_after", certificate.not_after)
            .text("usable_until", usable_until)
            .number_if("owner_uid", sighting.owner_uid)
            .text_if("issued_as", standing.issued.as_ref().map(|(id, _)| id));
        let record = self.transaction.record(draft)?;
        let new = NewFound {
            id: &id,
            sha256: &certificate.sha256,
            source,
            owner: owner.as_ref(),
            usable_until,
            standing,
            at: self.transaction.now(),
            seq: record.seq,
        };
        found::insert(self.transaction.connection(), &new)?;
        self.moved |= standing.usable_until.is_some();
        self.new.insert(certificate.sha256);
        Ok(())
    }

    fn draft(&self, id: &countersign_shared::id::CertificateId) -> Draft {
        let action = AuditAction::CertificateImported;
        match self.seer {
            Seer::Scan(_) => system_draft(SCHEDULER, action, Category::CertLifecycle, "certificate", id),
            Seer::Importer(actor) => actor.draft(action, Category::CertLifecycle, "certificate", id),
        }
    }
}

/// What is still there: place, alias and fingerprint.
type Still<'a> = HashSet<(&'a Place, Option<&'a str>, Digest)>;

impl Register for Book<'_, '_> {
    type Error = Failure;

    /// Where `scan.covered` names single places, as it does for each part of a scan that is taken in.
    fn known(&self, scan: &Scan) -> Result<Vec<Seen>, Failure> {
        let mut known = Vec::new();
        for place in &scan.covered {
            known.extend(inventory::known(self.transaction.connection(), place, &self.scope)?);
        }
        Ok(known)
    }

    fn record(&mut self, scan: &Scan, changes: &Changes) -> Result<(), Failure> {
        let now = self.transaction.now();
        let stored = scan.sightings.get(..self.first).unwrap_or(&scan.sightings);
        for certificate in needed(scan, stored, changes) {
            inventory::keep(self.transaction.connection(), certificate, now)?;
        }
        let alias = |sighting: &'_ Sighting| sighting.alias.clone();
        let aliases: Vec<Option<Untrusted>> = scan.sightings.iter().map(alias).collect();
        let still: Still<'_> = scan
            .sightings
            .iter()
            .zip(&aliases)
            .map(|(sighting, alias)| (&sighting.place, alias.as_ref().map(Untrusted::raw), sighting.sha256))
            .collect();
        let mut touched = BTreeSet::new();
        // Whom each place belongs to now.
        let uids: BTreeMap<&Place, Option<u32>> =
            scan.sightings.iter().map(|sighting| (&sighting.place, sighting.owner_uid)).collect();
        for change in &changes.succeeded {
            let uid = uids.get(&change.place).copied().flatten();
            self.end(&change.place, &change.from, End::Succeeded(change.to, change.by, uid), &still)?;
            touched.insert(change.from);
            if change.goes_back {
                let place = change.place.to_string();
                tracing::warn!(place = %Untrusted::new(place).safe(), "a certificate was replaced by one that ends earlier");
            }
        }
        for seen in &changes.gone {
            self.end(&seen.place, &seen.sha256, End::Gone, &still)?;
            touched.insert(seen.sha256);
        }
        for seen in &changes.unknown {
            let connection = self.transaction.connection();
            for (row, alias) in inventory::open_at(connection, &seen.place, &self.scope, &seen.sha256)? {
                if !still.contains(&(&seen.place, alias.as_ref().map(Untrusted::raw), seen.sha256)) {
                    inventory::lose_sight(connection, row)?;
                }
            }
        }
        let mut seen: BTreeMap<Digest, &Sighting> = BTreeMap::new();
        for sighting in stored {
            let counts = sighting.role == crate::inventory::Role::Leaf || self.named.contains(&sighting.place);
            let by = (self.scope.seen_by(), counts);
            inventory::sight(self.transaction.connection(), sighting, by, now)?;
            if counts {
                seen.entry(sighting.sha256).or_insert(sighting);
            }
            touched.insert(sighting.sha256);
        }
        // What is there under an alias of a later part is settled by that: until then it would seem to be gone.
        for sighting in scan.sightings.get(self.first..).unwrap_or_default() {
            touched.remove(&sighting.sha256);
        }
        self.settle(touched, &seen, Some(scan))
    }
}

/// The certificates of sightings, and those that took the place of others.
fn needed<'s>(
    scan: &'s Scan,
    sightings: &[Sighting],
    changes: &Changes,
) -> impl Iterator<Item = &'s FoundCertificate> + use<'s> {
    let seen = sightings.iter().flat_map(|sighting| sighting.chain.iter().chain([&sighting.sha256]));
    let wanted: BTreeSet<Digest> = seen.copied().chain(changes.succeeded.iter().map(|change| change.to)).collect();
    wanted.into_iter().filter_map(|sha256| scan.certificates.get(&sha256))
}

/// What a scan saw beyond its `first` sightings, in parts of so many. They are what is there, and say of nothing that it is
/// not: that was compared with the whole.
pub fn rest(scan: &Scan, first: usize) -> Vec<Scan> {
    let beyond = scan.sightings.get(first..).unwrap_or_default();
    let part = |sightings: &[Sighting]| Scan {
        taken_at: scan.taken_at,
        certificates: needed(scan, sightings, &Changes::default())
            .map(|certificate| (certificate.sha256, certificate.clone()))
            .collect(),
        sightings: sightings.to_vec(),
        findings: Vec::new(),
        findings_left_out: 0,
        covered: BTreeSet::new(),
        unseen: BTreeSet::new(),
    };
    beyond.chunks(first.max(1)).map(part).collect()
}

fn owner(owners: &Owners, uid: u32) -> PersonRef {
    let unnamed = || PersonRef { account: format!("uid:{uid}"), person: None, uid };
    owners.get(&uid).cloned().unwrap_or_else(unnamed)
}

/// Foreign text as a record holds it: ASCII alone, with the rest written as escapes, and not too long.
fn recorded(raw: &str) -> String {
    raw.chars().flat_map(char::escape_default).take(MAX_RECORDED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_in_a_record_is_ascii_and_ends() {
        assert_eq!(recorded("file:/a b"), "file:/a b");
        assert_eq!(recorded("a\u{308}\u{202e}\n"), "a\\u{308}\\u{202e}\\n");
        assert_eq!(recorded(&"ü".repeat(1000)).len(), MAX_RECORDED);
    }
}
