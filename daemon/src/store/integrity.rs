//! What is checked before the daemon decides anything: the file, the schema, the ledger, and that the state
//! stands where the ledger says it does.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use super::migrations::schema_difference;
use super::open::OpenError;
use crate::ledger::frontier::leaf_hash;
use crate::ledger::verify::{Verified, stored_frontier, verify};
use crate::ledger::{Frontier, Tail};

mod installation;
mod versions;

/// Looks at everything. An error is a database that cannot be read at all.
pub fn check(connection: &Connection) -> Result<Verified, OpenError> {
    let mut verified = verify(connection)?;
    if verified.damage.is_none() {
        verified.damage = database(connection)?.or(schema(connection)?);
    }
    // Each looks at what the one before has found in order.
    for look in [installation::policy, installation::demo, state, versions::check] {
        if verified.damage.is_none() {
            verified.damage = look(connection)?;
        }
    }
    Ok(verified)
}

/// The end of the ledger as stored, without reading all of it.
pub fn read_tail(connection: &Connection) -> rusqlite::Result<Result<Tail, Damage>> {
    let malformed = |text: &str| Damage { seq: None, rule: "frontier".into(), text: text.into() };
    let Some(frontier) = stored_frontier(connection)? else {
        return Ok(Err(malformed("the stored tree is malformed")));
    };
    let last: Option<(u64, Vec<u8>)> = connection
        .query_row("SELECT seq, record FROM audit_events ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(match last {
        None if frontier.size() == 0 => Ok(Tail::default()),
        Some((seq, record)) if seq + 1 == frontier.size() => Ok(Tail::from_parts(leaf_hash(&record), frontier)),
        _ => Err(malformed("the stored tree does not end where the records do")),
    })
}

/// The tail of a ledger that could not be read: nothing is known of it.
pub fn unknown() -> Verified {
    Verified { tail: Tail::from_parts(Digest::of(&[]), Frontier::default()), damage: None }
}

fn database(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    let word: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((word != "ok").then(|| Damage {
        seq: None,
        rule: "database".into(),
        text: Untrusted::new(word).safe().to_string(),
    }))
}

fn schema(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    Ok(schema_difference(connection)?.map(|text| Damage { seq: None, rule: "schema".into(), text }))
}

/// Each state that only a ledger record can explain has that record.
const STATES: &[(&str, &str)] = &[
    (
        "SELECT r.id, 'is ' || r.state FROM approval_requests r LEFT JOIN audit_events a ON a.seq = r.seq
         WHERE a.resource_id IS NOT r.id OR NOT (
            (r.state = 'pending' AND a.action = 'approval_requested')
         OR (r.state IN ('pending', 'approved') AND a.action = 'approval_approved' AND a.details ->> '$.state' = r.state)
         OR (r.state = 'approved' AND a.action = 'approval_bypassed')
         OR (r.state = 'rejected' AND a.action = 'approval_rejected')
         OR (r.state = 'expired' AND a.action = 'approval_expired')
         OR (r.state = 'voided' AND a.action = 'approval_voided')
         OR (r.state = 'withdrawn' AND a.action = 'approval_withdrawn')) LIMIT 1",
        "request",
    ),
    // Who asked, by every name, and until when, stand in the record of the request.
    (
        "SELECT r.id, 'names another requester' FROM approval_requests r
         LEFT JOIN audit_events a ON a.seq = r.requested_seq
         WHERE a.action IS NOT 'approval_requested' OR a.resource_id IS NOT r.id OR a.actor IS NOT r.requester_account
            OR a.details ->> '$.uid' IS NOT r.requester_uid OR a.details ->> '$.person' IS NOT r.requester_person
            OR a.details ->> '$.login_uid' IS NOT r.requester_login_uid
            OR a.details ->> '$.login_person' IS NOT r.requester_login_person
            OR a.details ->> '$.tick' IS NOT r.created_tick
            OR a.details ->> '$.votes_needed' IS NOT r.votes_needed
            OR (r.version = 1 AND a.details ->> '$.digest' IS NOT r.digest) LIMIT 1",
        "request",
    ),
    // One that ended and was brought back points at a record from before its end.
    (
        "SELECT r.id, 'is pending again' FROM approval_requests r WHERE r.state = 'pending' AND EXISTS (
            SELECT 1 FROM audit_events a WHERE a.resource_id = r.id AND a.seq > r.seq AND a.action IN (
                'approval_approved', 'approval_bypassed', 'approval_rejected', 'approval_expired', 'approval_voided',
                'approval_withdrawn')) LIMIT 1",
        "request",
    ),
    (
        "SELECT j.id, 'is ' || j.state || ' and its request ' || r.state FROM approval_requests r
         JOIN jobs j ON j.id = r.job_id
         WHERE (j.state = 'awaiting_approval') <> (r.state = 'pending')
            OR (j.state = 'cancelled') <> (r.state IN ('rejected', 'expired', 'voided', 'withdrawn')) LIMIT 1",
        "job",
    ),
    (
        "SELECT d.request_id, 'has a vote of ' || d.account FROM decisions d LEFT JOIN audit_events a ON a.seq = d.seq
         WHERE a.resource_id IS NOT d.request_id
            OR a.action IS NOT (CASE d.verdict WHEN 'approve' THEN 'approval_approved' ELSE 'approval_rejected' END)
            OR a.actor IS NOT d.account OR a.details ->> '$.uid' IS NOT d.uid OR a.details ->> '$.person' IS NOT d.person
            OR a.details ->> '$.version' IS NOT d.version OR a.details ->> '$.digest' IS NOT d.digest LIMIT 1",
        "request",
    ),
    (
        "SELECT j.id, 'is ' || j.state FROM jobs j LEFT JOIN audit_events a ON a.seq = j.record_seq
         WHERE j.record_seq IS NOT NULL AND NOT (
            (j.request_id IS NOT NULL AND a.resource_id IS j.request_id
                AND a.action IN ('approval_approved', 'approval_bypassed'))
         OR (j.request_id IS NULL AND a.resource_id IS j.id AND a.action IS 'issuance_requested')) LIMIT 1",
        "job",
    ),
    (
        "SELECT j.id, 'is ' || j.state FROM jobs j
         LEFT JOIN certificate_versions v ON v.job_id = j.id AND v.state <> 'quarantined'
         WHERE (j.state = 'completed') <> (v.job_id IS NOT NULL) LIMIT 1",
        "job",
    ),
    (
        "SELECT v.certificate_id, 'has version ' || v.version FROM certificate_versions v
         LEFT JOIN audit_events a ON a.seq = v.seq
         WHERE a.resource_id IS NOT v.certificate_id
            OR a.action IS NOT (CASE v.state WHEN 'quarantined' THEN 'job_failed' ELSE 'certificate_issued' END) LIMIT 1",
        "certificate",
    ),
    (
        "SELECT v.certificate_id, 'has version ' || v.version || ' ' || v.state FROM certificate_versions v
         WHERE v.state <> 'quarantined' AND (v.state = 'active') <> (v.version = (SELECT max(n.version)
            FROM certificate_versions n WHERE n.certificate_id = v.certificate_id AND n.state <> 'quarantined')) LIMIT 1",
        "certificate",
    ),
];

fn state(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    for (query, what) in STATES {
        let found: Option<(String, String)> =
            connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((id, claim)) = found {
            let (id, claim) = (Untrusted::new(id), Untrusted::new(claim));
            let text = format!("the {what} {} {} and no ledger record says so", id.safe(), claim.safe());
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    Ok(None)
}
