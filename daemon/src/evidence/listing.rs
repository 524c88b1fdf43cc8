//! The parts of a bundle, named and in their order.

use std::collections::BTreeMap;

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::error::ErrorKind;
use countersign_shared::id::{CertificateId, RequestId};
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::gather::Gathered;
use super::parts;
use crate::store::transaction::Failure;

/// What a bundle is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `ar-…`
    Request(RequestId),
    /// `mc-…`
    Certificate(CertificateId),
    /// From, and before.
    Period(Timestamp, Timestamp),
}

/// A part, by where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A key of checkpoints, by its record.
    Key(u64),
    /// A policy that took force: its record and its version.
    Policy(u64, u32),
    /// A policy that was only proposed: the record, and the request.
    Proposed(u64, String),
    /// A version of a request or an unattended job.
    Version {
        /// Its record.
        seq: u64,
        /// `ar-…` or `job-…`
        object: String,
        /// 1, 2, …
        version: u32,
        /// The row of the submission.
        submission: i64,
    },
    /// A proposal: its record, and its request.
    Proposal(u64, String),
    /// A decision, by its record.
    Decision(u64),
    /// A voice that was signed, by its record and its place among the record's voices.
    Voice(u64, u32),
    /// A remark, by its record.
    Remark(u64),
    /// A delegation, by its id.
    Delegation(String),
    /// A version of a certificate, by its record.
    Certificate(u64),
    /// A record.
    Record(u64),
}

/// The parts.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// In the order of the file.
    pub items: Vec<Item>,
    /// How many of them are records.
    pub records: usize,
    /// How many refused attempts on what the bundle is of are not among them.
    pub attempts_left_out: u64,
}

impl Listing {
    /// The digest that the record of the making has: SHA-256 over a line for each part, as
    /// [`listed`](countersign_shared::protocol::EvidencePart::listed) writes it.
    pub fn digest(&self, connection: &Connection) -> Result<Digest, Failure> {
        let mut text = String::new();
        for item in &self.items {
            let line = match item {
                Item::Key(seq) => format!("key {seq}"),
                Item::Policy(seq, _) | Item::Proposed(seq, _) => format!("policy {seq}"),
                Item::Certificate(seq) => format!("certificate {seq}"),
                Item::Voice(seq, index) => format!("voice {seq} {index}"),
                Item::Record(seq) => format!("record {seq}"),
                other => parts::of_item(connection, other)?.listed().unwrap_or_default(),
            };
            text.push_str(&line);
            text.push('\n');
        }
        Ok(Digest::of(&[text.as_bytes()]))
    }
}

/// Lists the parts of the evidence of a subject, as the ledger was when it had `below` records.
///
/// # Errors
/// `not_found` where there is no such request or certificate, `invalid` where there is more than a bundle holds, `conflict` where
/// it rests on a record whose damage people acknowledged.
pub fn list(connection: &Connection, subject: &Subject, below: u64) -> Result<Listing, Failure> {
    let mut gathered = Gathered::new(connection, below)?;
    match subject {
        Subject::Request(id) => {
            exists(
                connection,
                "SELECT 1 FROM approval_requests WHERE id = ?1 AND requested_seq < ?2",
                id.as_str(),
                below,
            )?;
            gathered.request(id.as_str())?;
        }
        Subject::Certificate(id) => {
            let certificate = "SELECT 1 FROM certificates WHERE id = ?1 AND ?2 > 0";
            exists(connection, certificate, id.as_str(), below)?;
            gathered.certificate(id.as_str())?;
        }
        Subject::Period(from, to) => gathered.period(*from, *to)?,
    }
    gathered.follow()?;
    gathered.erasures()?;
    let mut items = keys(connection, &mut gathered, below)?;
    items.extend(policies(connection, &mut gathered, below)?);
    for request in gathered.requests.clone() {
        of_request(connection, &request, below, &mut items)?;
    }
    unattended(connection, &gathered, &mut items)?;
    delegations(connection, &gathered, below, &mut items)?;
    certificates(connection, &gathered, &mut items)?;
    voices(connection, &gathered, &mut items)?;
    let (records, attempts_left_out) = (gathered.records.len(), gathered.attempts_left_out()?);
    items.extend(gathered.records.into_keys().map(Item::Record));
    Ok(Listing { items, records, attempts_left_out })
}

fn exists(connection: &Connection, sql: &str, id: &str, below: u64) -> Result<(), Failure> {
    let found = connection.prepare_cached(sql)?.exists(params![id, below])?;
    if found { Ok(()) } else { Err(ApiError::new(ErrorKind::NotFound, format!("there is no {id}")).into()) }
}

/// Every key that there was. One whose record is damaged cannot be shown to be the ledger's: it is left out, and whoever has it
/// from outside can name it.
fn keys(connection: &Connection, gathered: &mut Gathered<'_>, below: u64) -> Result<Vec<Item>, Failure> {
    let mut statement = connection.prepare_cached("SELECT seq FROM checkpoint_keys WHERE seq < ?1 ORDER BY id")?;
    let mut numbers = statement.query_map([below], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u64>>>()?;
    numbers.retain(|seq| !gathered.is_damaged(*seq));
    for seq in &numbers {
        gathered.support(*seq)?;
    }
    Ok(numbers.into_iter().map(Item::Key).collect())
}

/// The documents of every policy that a record names, in the order in which they took force; then those that never did.
fn policies(connection: &Connection, gathered: &mut Gathered<'_>, below: u64) -> Result<Vec<Item>, Failure> {
    let mut named: BTreeMap<String, Option<(u64, String)>> = BTreeMap::new();
    for (seq, fact) in &gathered.records {
        let details = &fact.details;
        for sha256 in details.policy_sha256.iter().chain(&details.policy_from) {
            named.entry(sha256.clone()).or_default();
        }
        if let Some(sha256) = &details.policy_to {
            named.entry(sha256.clone()).or_default().get_or_insert((*seq, fact.resource_id.clone()));
        }
    }
    let mut statement = connection
        .prepare_cached("SELECT seq, version FROM policies WHERE sha256 = ?1 AND seq < ?2 ORDER BY version LIMIT 1")?;
    let (mut adopted, mut proposed) = (Vec::new(), Vec::new());
    for (sha256, proposal) in named {
        let found = statement.query_row(params![sha256, below], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match (found, proposal) {
            (Some((seq, version)), _) => adopted.push((seq, version)),
            (None, Some((seq, request))) => proposed.push((seq, request)),
            // A document of a start that was refused, which nothing stood under.
            (None, None) => {}
        }
    }
    for (seq, _) in &adopted {
        gathered.support(*seq)?;
    }
    adopted.sort_unstable();
    proposed.sort_unstable();
    let adopted = adopted.into_iter().map(|(seq, version)| Item::Policy(seq, version));
    Ok(adopted.chain(proposed.into_iter().map(|(seq, request)| Item::Proposed(seq, request))).collect())
}

/// Versions, decisions and remarks, each in the order of the ledger.
fn of_request(connection: &Connection, id: &str, below: u64, items: &mut Vec<Item>) -> Result<(), Failure> {
    let about = params![id, below];
    let proposal: Option<u64> = connection
        .prepare_cached(
            "SELECT r.requested_seq FROM proposals p JOIN approval_requests r ON r.id = p.request_id
             WHERE p.request_id = ?1 AND r.requested_seq < ?2",
        )?
        .query_row(about, |row| row.get(0))
        .optional()?;
    items.extend(proposal.map(|seq| Item::Proposal(seq, id.to_owned())));
    // A request from before there were terms has one version, and its own row says which.
    let mut statement = connection.prepare_cached(
        "SELECT seq, version, submission_id FROM request_terms
         WHERE request_id = ?1 AND seq < ?2 AND submission_id IS NOT NULL
         UNION ALL
         SELECT requested_seq, version, submission_id FROM approval_requests
         WHERE id = ?1 AND requested_seq < ?2 AND submission_id IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM request_terms WHERE request_id = ?1)
         ORDER BY 2",
    )?;
    let versions = statement.query_map(about, |row| {
        Ok(Item::Version { seq: row.get(0)?, object: id.to_owned(), version: row.get(1)?, submission: row.get(2)? })
    })?;
    items.extend(versions.collect::<rusqlite::Result<Vec<Item>>>()?);
    for (sql, item) in [
        (
            "SELECT seq FROM decisions WHERE request_id = ?1 AND seq < ?2 ORDER BY seq",
            Item::Decision as fn(u64) -> Item,
        ),
        ("SELECT seq FROM remarks WHERE request_id = ?1 AND seq < ?2 ORDER BY seq", Item::Remark),
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let numbers = statement.query_map(about, |row| row.get(0))?.collect::<rusqlite::Result<Vec<u64>>>()?;
        items.extend(numbers.into_iter().map(item));
    }
    Ok(())
}

/// What was asked for where nobody had to agree.
fn unattended(connection: &Connection, gathered: &Gathered<'_>, items: &mut Vec<Item>) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT submission_id FROM jobs WHERE id = ?1")?;
    for (seq, fact) in &gathered.records {
        let asks = matches!(fact.action.as_str(), "issuance_requested" | "revocation_requested");
        if !asks || fact.details.retry_of.is_some() {
            continue;
        }
        let submission = statement.query_row([&fact.resource_id], |row| row.get(0)).optional()?;
        let object = fact.resource_id.clone();
        items.extend(submission.map(|submission| Item::Version { seq: *seq, object, version: 1, submission }));
    }
    Ok(())
}

/// What people signed for what was done to the ledger itself.
fn voices(connection: &Connection, gathered: &Gathered<'_>, items: &mut Vec<Item>) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT idx FROM voice_signatures WHERE seq = ?1 ORDER BY idx")?;
    for seq in gathered.spoken() {
        let indices = statement.query_map([seq], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u32>>>()?;
        items.extend(indices.into_iter().map(|index| Item::Voice(seq, index)));
    }
    Ok(())
}

/// Those that there are: an attempt that was refused may name any.
fn delegations(
    connection: &Connection,
    gathered: &Gathered<'_>,
    below: u64,
    items: &mut Vec<Item>,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM delegations WHERE id = ?1 AND seq < ?2")?;
    for id in &gathered.delegations {
        if statement.exists(params![id, below])? {
            items.push(Item::Delegation(id.clone()));
        }
    }
    Ok(())
}

fn certificates(connection: &Connection, gathered: &Gathered<'_>, items: &mut Vec<Item>) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM certificate_versions WHERE certificate_id = ?1 AND seq = ?2")?;
    for (seq, fact) in &gathered.records {
        let made = matches!(fact.action.as_str(), "certificate_issued" | "job_failed");
        if made && statement.exists(params![fact.resource_id, seq])? {
            items.push(Item::Certificate(*seq));
        }
    }
    Ok(())
}
