//! What a verification goes past: damage that a quorum of people acknowledged, exactly. Where it collects, everything that
//! could be acknowledged.

use std::collections::BTreeSet;

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Damage, DamageFound};
use countersign_verify::acknowledged::{Acknowledgements, Entry};
use countersign_verify::survey::{Found, MAX_FOUND};
use rusqlite::Connection;

/// See the module.
#[derive(Default)]
pub struct Sieve {
    collects: bool,
    known: Option<Acknowledgements>,
    /// Records that are damaged.
    damaged: BTreeSet<u64>,
    /// Sizes at which somebody wants to know the root.
    wanted: Vec<u64>,
    found: Vec<DamageFound>,
}

impl Sieve {
    /// One that goes past whatever people could acknowledge, and keeps it. The look keeps the root at each of the sizes
    /// `wanted`.
    pub fn collecting(wanted: Vec<u64>) -> Self {
        Self { collects: true, wanted, ..Self::default() }
    }

    /// What it went past that nobody has acknowledged yet.
    pub fn into_found(self) -> Vec<DamageFound> {
        self.found
    }

    /// The sizes at which the look has to keep the root.
    pub(super) fn sizes(&mut self, connection: &Connection) -> rusqlite::Result<Vec<u64>> {
        let of_anchors: Vec<u64> = self.known(connection)?.sizes().collect();
        Ok(self.wanted.iter().copied().chain(of_anchors).collect())
    }

    /// Whether there is any use in going on behind damage.
    pub(super) fn goes_on(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        Ok(self.collects || !self.known(connection)?.is_empty())
    }

    fn known(&mut self, connection: &Connection) -> rusqlite::Result<&Acknowledgements> {
        if self.known.is_none() {
            let known = Acknowledgements::read(connection)?;
            self.damaged.extend(known.records());
            self.known = Some(known);
        }
        Ok(self.known.get_or_insert_default())
    }

    fn take(&mut self, entry: &Entry, text: &str) -> bool {
        let room = self.collects && self.found.len() < MAX_FOUND;
        if room {
            self.found.push(DamageFound {
                seq: entry.seq,
                rule: entry.rule.clone(),
                text: text.to_owned(),
                expected_sha256: entry.expected,
                found_sha256: entry.found,
            });
        }
        room
    }

    /// Records that a survey found; what is not gone past is returned. The record of a policy that was adopted is never gone
    /// past: everything, the acknowledgement included, is judged by what it says.
    pub(super) fn records(&mut self, connection: &Connection, found: &[Found]) -> rusqlite::Result<Option<Damage>> {
        for found in found {
            let entry = Entry::of(found);
            self.known(connection)?;
            self.damaged.insert(found.seq);
            let damage = |text: String| Damage { seq: Some(found.seq), rule: found.rule.clone(), text };
            let mut policy = connection.prepare_cached("SELECT 1 FROM policies WHERE seq = ?1")?;
            if policy.exists([found.seq])? {
                return Ok(Some(damage(format!("{}; a policy was adopted by this record", found.text))));
            }
            if self.known(connection)?.by(&entry).is_none() && !self.take(&entry, &found.text) {
                return Ok(Some(damage(found.text.clone())));
            }
        }
        Ok(None)
    }

    /// A row of state about the object `id`. It can be acknowledged where it follows from a damaged record: the object names
    /// one. What no record explains otherwise is gone past by nobody.
    pub(super) fn state(
        &mut self,
        connection: &Connection,
        id: &str,
        damage: Damage,
    ) -> rusqlite::Result<Option<Damage>> {
        self.rests_on(connection, damage, |sieve| sieve.names_a_damaged_record(connection, id))
    }

    /// A row that stands beside one record, and follows from it alone.
    pub(super) fn of_record(
        &mut self,
        connection: &Connection,
        seq: u64,
        damage: Damage,
    ) -> rusqlite::Result<Option<Damage>> {
        self.rests_on(connection, damage, |sieve| Ok(sieve.damaged.contains(&seq)))
    }

    fn rests_on(
        &mut self,
        connection: &Connection,
        damage: Damage,
        on_a_damaged_record: impl FnOnce(&Self) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Option<Damage>> {
        let found = Some(Digest::of(&[b"countersign-state-v1\0", damage.text.as_bytes()]));
        let entry = Entry { seq: None, rule: damage.rule.clone(), expected: None, found };
        if self.known(connection)?.by(&entry).is_some() {
            return Ok(None);
        }
        let passes = self.collects && on_a_damaged_record(self)? && self.take(&entry, &damage.text);
        Ok((!passes).then_some(damage))
    }

    fn names_a_damaged_record(&self, connection: &Connection, id: &str) -> rusqlite::Result<bool> {
        let damaged: Vec<String> = self.damaged.iter().map(u64::to_string).collect();
        connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM json_each(?2) d WHERE d.value IN (
                    SELECT seq FROM approval_requests WHERE id = ?1
                    UNION ALL SELECT requested_seq FROM approval_requests WHERE id = ?1
                    UNION ALL SELECT seq FROM decisions WHERE request_id = ?1
                    UNION ALL SELECT seq FROM request_terms WHERE request_id = ?1
                    UNION ALL SELECT seq FROM remarks WHERE request_id = ?1
                    UNION ALL SELECT done_seq FROM request_timers WHERE request_id = ?1
                    UNION ALL SELECT record_seq FROM jobs WHERE id = ?1
                    UNION ALL SELECT seq FROM certificate_versions WHERE certificate_id = ?1
                    UNION ALL SELECT seq FROM crl_entries WHERE certificate_id = ?1 OR job_id = ?1
                    UNION ALL SELECT seq FROM crls WHERE issuer = ?1
                    UNION ALL SELECT seq FROM delegations WHERE id = ?1
                    UNION ALL SELECT ended_seq FROM delegations WHERE id = ?1))",
            )?
            .query_row([id, &format!("[{}]", damaged.join(","))], |row| row.get(0))
    }

    /// An anchor that disagrees, brought by the record `seq`. The ledger as it was when that was acknowledged is a part of
    /// what was: `root_at` has the root over its first records, of which there are `size`.
    pub(super) fn anchor(
        &mut self,
        connection: &Connection,
        (seq, note): (u64, Digest),
        size: u64,
        root_at: impl Fn(u64) -> rusqlite::Result<Digest>,
        damage: Damage,
    ) -> rusqlite::Result<Option<Damage>> {
        if self.known(connection)?.of_anchor((seq, note), size, &root_at)? {
            return Ok(None);
        }
        let entry =
            Entry { seq: Some(seq), rule: damage.rule.clone(), expected: Some(note), found: Some(root_at(size)?) };
        let passes = self.take(&entry, &damage.text);
        Ok((!passes).then_some(damage))
    }
}

/// What is looked up of acknowledgements and erasures is what their records say.
const LOOKS: &[(&str, &str)] = &[
    (
        "SELECT d.by_seq FROM acknowledged_damage d LEFT JOIN audit_events a ON a.seq = d.by_seq
         WHERE d.by_seq NOT IN (SELECT seq FROM acknowledged_damage WHERE rule IN ('edited', 'columns', 'missing', 'reordered'))
           AND (a.action IS NOT 'damage_acknowledged' OR (a.details -> '$.damage' ->> d.idx) IS NOT
                (coalesce(d.seq, '-') || ' ' || d.rule || ' ' || coalesce(d.expected, '-') || ' ' || coalesce(d.found, '-')))
         LIMIT 1",
        "acknowledges other damage",
    ),
    (
        "SELECT a.seq FROM audit_events a INDEXED BY audit_by_resource
         WHERE a.resource_id = 'damage' AND a.action = 'damage_acknowledged'
           AND json_array_length(a.details -> '$.damage') IS NOT
               (SELECT count(*) FROM acknowledged_damage d WHERE d.by_seq = a.seq) LIMIT 1",
        "acknowledges more or less damage",
    ),
    (
        "SELECT e.by_seq FROM erasures e LEFT JOIN audit_events a ON a.seq = e.by_seq
         WHERE a.action IS NOT 'text_erased' OR a.details ->> '$.record_seq' IS NOT e.seq
            OR a.details ->> '$.what' IS NOT e.what OR a.details ->> '$.text_sha256' IS NOT e.sha256 LIMIT 1",
        "erased another text",
    ),
];

/// Compares them.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, crate::store::open::OpenError> {
    for (query, what) in LOOKS {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        if let Some(row) = rows.next()? {
            let seq: u64 = row.get(0)?;
            return Ok(Some(Damage { seq: Some(seq), rule: "state".into(), text: format!("this record {what}") }));
        }
    }
    Ok(None)
}
