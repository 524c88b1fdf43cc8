//! Which ledger records belong to a subject: those about it, those that they name, and so on until nothing is named that is
//! not there.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{MAX_EVIDENCE_ATTEMPTS, MAX_EVIDENCE_RECORDS, MAX_EVIDENCE_REQUESTS};
use countersign_shared::time::Timestamp;
use countersign_verify::acknowledged::Acknowledgements;
use rusqlite::{Connection, params};
use serde::Deserialize;

use crate::store::rows::audit::{self, About};
use crate::store::rows::erasures;
use crate::store::transaction::Failure;

/// What a record says, as far as it names others.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fact {
    pub(super) action: String,
    resource_type: String,
    pub(super) resource_id: String,
    pub(super) details: Named,
}

/// See [`Fact`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    request: Option<String>,
    job: Option<String>,
    pub(super) retry_of: Option<String>,
    allowed_by_seq: Option<u64>,
    delegation: Option<String>,
    pub(super) policy_sha256: Option<String>,
    pub(super) policy_from: Option<String>,
    pub(super) policy_to: Option<String>,
}

/// What was gathered.
pub(super) struct Gathered<'c> {
    connection: &'c Connection,
    /// Only records below this number count.
    below: u64,
    /// Damage that people acknowledged: what rests on it is not proved.
    acknowledged: Acknowledgements,
    pub(super) records: BTreeMap<u64, Fact>,
    pub(super) requests: BTreeSet<String>,
    pub(super) delegations: BTreeSet<String>,
    jobs: BTreeSet<String>,
    /// Objects with more refused attempts than a bundle has.
    flooded: BTreeSet<String>,
    /// Records whose names were not followed yet.
    open: Vec<u64>,
}

impl<'c> Gathered<'c> {
    pub(super) fn new(connection: &'c Connection, below: u64) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            below,
            acknowledged: Acknowledgements::read(connection)?,
            records: BTreeMap::new(),
            requests: BTreeSet::new(),
            delegations: BTreeSet::new(),
            jobs: BTreeSet::new(),
            flooded: BTreeSet::new(),
            open: Vec::new(),
        })
    }

    /// Whether it is acknowledged that a record is damaged.
    pub(super) fn is_damaged(&self, seq: u64) -> bool {
        self.acknowledged.is_damaged(seq)
    }

    /// A record, and whatever it names.
    pub(super) fn record(&mut self, seq: u64) -> Result<(), Failure> {
        if self.support(seq)? {
            self.open.push(seq);
        }
        Ok(())
    }

    /// A record that others stand on, without what it names; true where it is new.
    pub(super) fn support(&mut self, seq: u64) -> Result<bool, Failure> {
        if seq >= self.below || self.records.contains_key(&seq) {
            return Ok(false);
        }
        if self.is_damaged(seq) {
            return Err(damaged(seq).into());
        }
        let Some(octets) = audit::record(self.connection, seq)? else { return Ok(false) };
        let fact = serde_json::from_slice(&octets)
            .map_err(|error| ApiError::internal(format!("record {seq} cannot be read: {error}")))?;
        if self.records.len() == MAX_EVIDENCE_RECORDS {
            return Err(too_many(MAX_EVIDENCE_RECORDS, "records").into());
        }
        self.records.insert(seq, fact);
        Ok(true)
    }

    /// Every record about an object; of refused attempts on it the first.
    pub(super) fn about(&mut self, object: &str) -> Result<(), Failure> {
        let most = MAX_EVIDENCE_RECORDS + 1;
        for seq in audit::numbers_about(self.connection, (object, About::Done), self.below, most)? {
            self.record(seq)?;
        }
        let most = MAX_EVIDENCE_ATTEMPTS + 1;
        let mut attempts = audit::numbers_about(self.connection, (object, About::Refused), self.below, most)?;
        if attempts.len() == most {
            attempts.pop();
            self.flooded.insert(object.to_owned());
        }
        attempts.into_iter().try_for_each(|seq| self.record(seq))
    }

    /// How many refused attempts on what was gathered are not among the records.
    pub(super) fn attempts_left_out(&self) -> Result<u64, Failure> {
        let mut left_out = 0;
        for object in &self.flooded {
            let all = audit::count_refused(self.connection, object, self.below)?;
            let is_one = |fact: &&Fact| fact.action == "approval_refused" && fact.resource_id == *object;
            left_out += all.saturating_sub(self.records.values().filter(is_one).count() as u64);
        }
        Ok(left_out)
    }

    /// The records by which texts of the gathered records were erased, and those of the voices for it.
    pub(super) fn erasures(&mut self) -> Result<(), Failure> {
        for seq in self.records.keys().copied().collect::<Vec<u64>>() {
            for by in erasures::of_record(self.connection, seq)? {
                self.support(by)?;
                let Some(about) = self.records.get(&by).map(|fact| fact.resource_id.clone()) else { continue };
                let most = MAX_EVIDENCE_RECORDS + 1;
                for voice in audit::numbers_about(self.connection, (&about, About::Done), by, most)? {
                    self.support(voice)?;
                }
            }
        }
        Ok(())
    }

    /// The records of voices, each of which can be signed.
    pub(super) fn spoken(&self) -> Vec<u64> {
        let speaks = |fact: &Fact| matches!(fact.action.as_str(), "erasure_asked" | "damage_acknowledged");
        self.records.iter().filter(|(_, fact)| speaks(fact)).map(|(seq, _)| *seq).collect()
    }

    /// A request with its records, its jobs and what came of them.
    pub(super) fn request(&mut self, id: &str) -> Result<(), Failure> {
        if !self.requests.insert(id.to_owned()) {
            return Ok(());
        }
        if self.requests.len() > MAX_EVIDENCE_REQUESTS {
            return Err(too_many(MAX_EVIDENCE_REQUESTS, "requests").into());
        }
        self.about(id)?;
        for job in texts(self.connection, "SELECT id FROM jobs WHERE request_id = ?1 ORDER BY row", id)? {
            self.job(&job)?;
        }
        let changed = "SELECT p.seq FROM policies p JOIN audit_events a ON a.seq = p.seq
             WHERE a.action = 'policy_changed' AND a.details ->> '$.request' = ?1 ORDER BY p.version";
        self.each(changed, id)
    }

    /// Every request for a certificate, every job, and every record about it.
    pub(super) fn certificate(&mut self, id: &str) -> Result<(), Failure> {
        let requests = "SELECT id FROM approval_requests WHERE certificate_id = ?1 ORDER BY row";
        for request in texts(self.connection, requests, id)? {
            self.request(&request)?;
        }
        for job in texts(self.connection, "SELECT id FROM jobs WHERE certificate_id = ?1 ORDER BY row", id)? {
            self.job(&job)?;
        }
        self.about(id)
    }

    /// Every record of a time range.
    pub(super) fn period(&mut self, from: Timestamp, to: Timestamp) -> Result<(), Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq FROM audit_events INDEXED BY audit_by_time
             WHERE created_at >= ?1 AND created_at < ?2 AND seq < ?3 LIMIT ?4",
        )?;
        let most = MAX_EVIDENCE_RECORDS + 1;
        let rows = statement
            .query_map(params![from.to_string(), to.to_string(), self.below, most], |row| row.get::<_, u64>(0))?;
        for seq in rows.collect::<rusqlite::Result<BTreeSet<u64>>>()? {
            self.record(seq)?;
        }
        Ok(())
    }

    /// Follows every name until there is none left.
    pub(super) fn follow(&mut self) -> Result<(), Failure> {
        while let Some(fact) = self.open.pop().and_then(|seq| self.records.get(&seq)) {
            let Fact { resource_type, resource_id, details, .. } = fact.clone();
            match resource_type.as_str() {
                "request" => self.request(&resource_id)?,
                "job" => self.job(&resource_id)?,
                "delegation" => self.delegation(&resource_id)?,
                _ => {}
            }
            if let Some(request) = &details.request {
                self.request(request)?;
            }
            for job in details.job.iter().chain(&details.retry_of) {
                self.job(job)?;
            }
            if let Some(seq) = details.allowed_by_seq {
                self.record(seq)?;
            }
            if let Some(delegation) = &details.delegation {
                self.delegation(delegation)?;
            }
        }
        Ok(())
    }

    fn job(&mut self, id: &str) -> Result<(), Failure> {
        if !self.jobs.insert(id.to_owned()) {
            return Ok(());
        }
        self.about(id)?;
        self.each("SELECT seq FROM certificate_versions WHERE job_id = ?1", id)?;
        self.each("SELECT seq FROM crl_entries WHERE job_id = ?1", id)
    }

    fn delegation(&mut self, id: &str) -> Result<(), Failure> {
        if self.delegations.insert(id.to_owned()) {
            self.about(id)?;
        }
        Ok(())
    }

    fn each(&mut self, sql: &str, id: &str) -> Result<(), Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let numbers = statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u64>>>()?;
        numbers.into_iter().try_for_each(|seq| self.record(seq))
    }
}

fn texts(connection: &Connection, sql: &str, id: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([id], |row| row.get(0))?.collect()
}

fn damaged(seq: u64) -> ApiError {
    ApiError::new(
        ErrorKind::Conflict,
        format!("record {seq} is damaged, which people acknowledged: it cannot be proved"),
    )
    .hint("ask for periods before and after it; audit.export takes it out as it stands, with the acknowledgement")
}

fn too_many(most: usize, what: &str) -> ApiError {
    ApiError::invalid(format!("there are more than the {most} {what} that one bundle is of"))
        .hint("take a shorter period, or single requests; audit.export takes all records out")
}
