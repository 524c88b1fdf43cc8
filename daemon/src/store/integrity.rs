//! What is checked before the daemon decides anything: the file, the schema, the ledger, and that the state
//! stands where the ledger says it does.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use super::migrations::schema_difference;
use super::open::{OpenError, is_corruption};
use super::settings::{apply_to_reader, reader_flags};
use crate::ledger::leaf_hash;
use crate::ledger::verify::{Progress, Verified, stored_frontier, verify_from, verify_past};
use crate::ledger::{Frontier, Tail};

mod anchors;
mod found;
mod installation;
mod lists;
mod pending;
mod proposals;
mod sieve;
mod signatures;
mod texts;
mod versions;
pub mod written;

use anchors::Kept;
pub use sieve::Sieve;
use signatures::Heads;

/// Looks at everything: at the records from `begin` on, where an earlier look of this process ended, or from the first.
/// Says now and then how many of how many records it is past. An error is a database that cannot be read at all.
pub fn check(connection: &Connection, begin: Tail, progress: &mut Progress<'_>) -> Result<Verified, OpenError> {
    check_through(connection, begin, &mut Sieve::default(), progress)
}

/// The same, past what `sieve` lets through.
pub fn check_through(
    connection: &Connection,
    begin: Tail,
    sieve: &mut Sieve,
    progress: &mut Progress<'_>,
) -> Result<Verified, OpenError> {
    let changed = schema(connection)?;
    let read =
        Kept::read(connection, true).and_then(|kept| Ok((kept, Heads::read(connection)?, sieve.sizes(connection)?)));
    let ((kept, heads, also), unreadable) = match read {
        Ok(read) => (read, None),
        Err(error) if is_corruption(&error) => return Err(error.into()),
        Err(error) => {
            let text = format!("what was signed of the ledger cannot be read: {error}");
            (Default::default(), Some(Damage { seq: None, rule: "state".into(), text }))
        }
    };
    let sizes: Vec<u64> = kept.sizes().into_iter().chain(heads.sizes()).chain(also).collect();
    let (passed, mut file) = beside(connection, || verify_from(connection, begin.clone(), &sizes, progress));
    let mut verified = match (passed, changed.clone()) {
        (Ok(verified), _) => verified,
        // A table that is gone cannot be read, and that is what is wrong with it.
        (Err(_), Some(damage)) => return Ok(Verified { damage: Some(damage), ..unknown() }),
        (Err(error), None) => return Err(error.into()),
    };
    // Nothing is gone past where the tables are not what they should be.
    if verified.damage.is_some() && changed.is_none() && sieve.goes_on(connection)? {
        let (past, found) = verify_past(connection, begin, &sizes)?;
        let beyond = sieve.records(connection, &found)?;
        verified = Verified { damage: beyond.or(past.damage), ..past };
        // The other look ended where the first pass did.
        file = None;
    }
    if verified.damage.is_none() {
        verified.damage = match file {
            Some(found) => found?,
            None => database(connection)?,
        };
        verified.damage = verified.damage.or(changed).or(unreadable);
    }
    if verified.damage.is_none() {
        verified.damage = anchors::compare(&kept, &heads, connection, &verified, sieve)?;
    }
    // Each looks at what the one before has found in order.
    type Look = fn(&Connection, &mut Sieve) -> Result<Option<Damage>, OpenError>;
    let looks: [Look; 12] = [
        |connection, _| installation::policy(connection),
        |connection, _| installation::demo(connection),
        |connection, _| sieve::check(connection),
        state,
        |connection, _| proposals::check(connection),
        |connection, _| pending::check(connection),
        texts::check,
        versions::check,
        |connection, _| lists::check(connection),
        |connection, _| found::check(connection),
        |connection, _| anchors::check(connection),
        signatures::check,
    ];
    for look in looks {
        if verified.damage.is_none() {
            verified.damage = look(connection, sieve)?;
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
    Verified { tail: Tail::from_parts(Digest::of(&[]), Frontier::default()), damage: None, roots: Default::default() }
}

type Looked = Result<Option<Damage>, OpenError>;

/// Runs the pass over the records, and beside it SQLite's own look at the file, which reads all of it once more: on a thread
/// and a connection of its own, where there is a file and both can be had. Who gets `None` of it has to look by himself.
///
/// Where the pass finds damage, that is what is told, and the other look ends there.
fn beside(
    connection: &Connection,
    pass: impl FnOnce() -> rusqlite::Result<Verified>,
) -> (rusqlite::Result<Verified>, Option<Looked>) {
    let reader = |path: &str| {
        let reader = Connection::open_with_flags(path, reader_flags()).ok()?;
        apply_to_reader(&reader).ok().map(|()| reader)
    };
    let Some(second) = connection.path().filter(|path| !path.is_empty()).and_then(reader) else {
        return (pass(), None);
    };
    let interrupt = second.get_interrupt_handle();
    std::thread::scope(|scope| {
        let look = std::thread::Builder::new().name("file".to_owned()).spawn_scoped(scope, move || database(&second));
        let passed = pass();
        if !passed.as_ref().is_ok_and(|verified| verified.damage.is_none()) {
            interrupt.interrupt();
        }
        // A thread that could not be had, or that ended by itself, is no look.
        (passed, look.ok().and_then(|look| look.join().ok()))
    })
}

fn database(connection: &Connection) -> Looked {
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
            (r.state = 'pending' AND a.action IN ('approval_requested', 'policy_proposed'))
         OR (r.state = 'pending' AND a.action IN ('approval_amended', 'approval_commented', 'approval_escalated'))
         OR (r.state = 'pending' AND a.action = 'approval_rejected' AND a.details ->> '$.state' = 'pending')
         OR (r.state IN ('pending', 'approved') AND a.action = 'approval_approved' AND a.details ->> '$.state' = r.state)
         OR (r.state = 'approved' AND a.action = 'approval_bypassed')
         OR (r.state = 'rejected' AND a.action = 'approval_rejected'
             AND coalesce(a.details ->> '$.state', r.state) = r.state)
         OR (r.state = 'expired' AND a.action = 'approval_expired')
         OR (r.state = 'voided' AND a.action = 'approval_voided')
         OR (r.state = 'withdrawn' AND a.action = 'approval_withdrawn')) LIMIT 1",
        "request",
    ),
    // Who asked, by every name, and until when, stand in the record of the request. The daemon itself has no uid there.
    (
        "SELECT r.id, 'names another requester' FROM approval_requests r
         LEFT JOIN audit_events a ON a.seq = r.requested_seq
         WHERE a.action IS NOT (CASE r.kind WHEN 'policy_change' THEN 'policy_proposed' ELSE 'approval_requested' END)
            OR a.resource_id IS NOT r.id OR a.actor IS NOT r.requester_account
            OR coalesce(a.details ->> '$.uid', iif(a.actor_type = 'System', 0, NULL)) IS NOT r.requester_uid OR a.details ->> '$.person' IS NOT r.requester_person
            OR a.details ->> '$.login_uid' IS NOT r.requester_login_uid
            OR a.details ->> '$.login_person' IS NOT r.requester_login_person
            OR a.details ->> '$.tick' IS NOT r.created_tick
            OR (a.details ->> '$.deadline_tick' IS NOT NULL AND (a.details ->> '$.deadline_tick' IS NOT r.deadline_tick
                OR a.details ->> '$.expires_at' IS NOT r.expires_at))
            OR (r.version = 1 AND (a.details ->> '$.digest' IS NOT r.digest
                OR a.details ->> '$.votes_needed' IS NOT r.votes_needed)) LIMIT 1",
        "request",
    ),
    // What deserves a second look stands in the record that made the version; the name and the owner are those of the
    // certificate, and the owner is whoever asked for it first.
    (
        "SELECT r.id, 'shows other risks' FROM approval_requests r
         LEFT JOIN request_terms t ON t.request_id = r.id AND t.version = r.version
         LEFT JOIN audit_events a ON a.seq = coalesce(t.seq, r.requested_seq)
         WHERE a.details -> '$.risks' IS NOT NULL AND a.details -> '$.risks' IS NOT r.risks LIMIT 1",
        "request",
    ),
    (
        "SELECT r.id, 'shows another name' FROM approval_requests r JOIN certificates c ON c.id = r.certificate_id
         WHERE r.primary_name IS NOT c.primary_name OR r.profile_id IS NOT c.profile_id LIMIT 1",
        "request",
    ),
    (
        "SELECT c.id, 'has another owner' FROM certificates c
         JOIN jobs j ON j.row = (SELECT min(f.row) FROM jobs f WHERE f.certificate_id = c.id)
         WHERE c.owner_uid IS NOT j.requester_uid OR c.owner_account IS NOT j.requester_account
            OR c.owner_person IS NOT j.requester_person LIMIT 1",
        "certificate",
    ),
    (
        "SELECT j.id, 'names another requester' FROM jobs j LEFT JOIN approval_requests r ON r.id = j.request_id
         LEFT JOIN audit_events a ON a.seq = j.record_seq
         WHERE (j.request_id IS NOT NULL AND (j.requester_uid IS NOT r.requester_uid
                OR j.requester_account IS NOT r.requester_account OR j.requester_person IS NOT r.requester_person))
            OR (j.request_id IS NULL AND j.retry_of IS NULL AND (
                coalesce(a.details ->> '$.uid', iif(a.actor_type = 'System', 0, NULL)) IS NOT j.requester_uid
                OR j.requester_account IS NOT a.actor OR j.requester_person IS NOT a.details ->> '$.person')) LIMIT 1",
        "job",
    ),
    // No vote goes missing.
    (
        "SELECT a.resource_id, 'lacks the decision of ' || a.actor FROM audit_events a
         WHERE a.action IN ('approval_approved', 'approval_rejected') AND a.actor_type = 'User'
            AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.seq = a.seq) LIMIT 1",
        "request",
    ),
    // A later version is one that an amendment made, and it is the newest of them.
    (
        "SELECT r.id, 'has version ' || r.version FROM approval_requests r
         LEFT JOIN request_terms t ON t.request_id = r.id AND t.version = r.version
         LEFT JOIN audit_events a ON a.seq = t.seq
         WHERE (r.version > 1 AND (a.action IS NOT 'approval_amended' OR a.details ->> '$.digest' IS NOT r.digest
                OR a.details ->> '$.votes_needed' IS NOT r.votes_needed))
            OR EXISTS (SELECT 1 FROM audit_events n INDEXED BY audit_by_resource
                       WHERE n.resource_id = r.id AND n.action = 'approval_amended'
                       AND n.details ->> '$.version' > r.version) LIMIT 1",
        "request",
    ),
    // What a version was made under stands in the record that made it.
    (
        "SELECT t.request_id, 'has other terms in version ' || t.version FROM request_terms t
         LEFT JOIN audit_events a ON a.seq = t.seq
         WHERE a.resource_id IS NOT t.request_id
            OR a.action IS NOT (CASE t.version WHEN 1 THEN (CASE WHEN t.submission_id IS NULL THEN 'policy_proposed' ELSE 'approval_requested' END) ELSE 'approval_amended' END)
            OR a.details ->> '$.version' IS NOT t.version OR a.details ->> '$.digest' IS NOT t.digest
            OR a.details ->> '$.not_before' IS NOT t.not_before
            OR a.details ->> '$.not_before_tick' IS NOT t.not_before_tick OR a.details ->> '$.batch' IS NOT t.batch
            OR a.details -> '$.quorum' IS NOT t.terms -> '$.steps'
            OR a.details -> '$.ordered' IS NOT t.terms -> '$.ordered'
            OR a.details -> '$.reject_threshold' IS NOT t.terms -> '$.reject_threshold' LIMIT 1",
        "request",
    ),
    (
        "SELECT t.request_id, 'was escalated' FROM request_timers t LEFT JOIN audit_events a ON a.seq = t.done_seq
         WHERE t.done_seq IS NOT NULL AND (a.resource_id IS NOT t.request_id
            OR a.details ->> '$.level' IS NOT t.level OR a.details ->> '$.due_tick' IS NOT t.due_tick
            OR a.action IS NOT (CASE t.kind WHEN 'escalate' THEN 'approval_escalated' ELSE a.action END)) LIMIT 1",
        "request",
    ),
    // What time does to a request was said when it was made.
    (
        "SELECT t.request_id, 'is due at another time' FROM request_timers t
         JOIN approval_requests r ON r.id = t.request_id LEFT JOIN audit_events a ON a.seq = r.requested_seq
         WHERE NOT EXISTS (SELECT 1 FROM json_each(a.details -> '$.timers') s
                           WHERE s.value = t.kind || ':' || t.level || ':' || t.due_tick) LIMIT 1",
        "request",
    ),
    (
        "SELECT m.request_id, 'has a remark of ' || m.account FROM remarks m LEFT JOIN audit_events a ON a.seq = m.seq
         WHERE a.resource_id IS NOT m.request_id OR a.actor IS NOT m.account OR a.details ->> '$.uid' IS NOT m.uid
            OR a.details ->> '$.person' IS NOT m.person OR a.details ->> '$.version' IS NOT m.version
            OR a.action IS NOT (CASE m.kind WHEN 'void' THEN 'approval_voided' WHEN 'withdraw' THEN 'approval_withdrawn'
                                ELSE 'approval_commented' END) LIMIT 1",
        "request",
    ),
    // What a human remarked is there, and so is every version with its terms.
    (
        "SELECT a.resource_id, 'has fewer remarks' FROM audit_events a
         WHERE a.action IN ('approval_commented', 'approval_voided', 'approval_withdrawn') AND a.actor_type = 'User'
           AND coalesce(a.details ->> '$.text_sha256', a.details ->> '$.reason_sha256') IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM remarks m WHERE m.seq = a.seq) LIMIT 1",
        "request",
    ),
    (
        "SELECT a.resource_id, 'has fewer versions' FROM audit_events a
         WHERE a.action IN ('approval_requested', 'approval_amended') AND a.details -> '$.quorum' IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM request_terms t WHERE t.seq = a.seq) LIMIT 1",
        "request",
    ),
    (
        "SELECT p.request_id, 'proposes another policy' FROM proposals p
         JOIN approval_requests r ON r.id = p.request_id LEFT JOIN audit_events a ON a.seq = r.requested_seq
         WHERE a.details ->> '$.policy_to' IS NOT p.sha256 OR a.details ->> '$.policy_from' IS NOT p.base_sha256
            OR a.details ->> '$.base_version' IS NOT p.base_version
            OR a.details ->> '$.reason_sha256' IS NOT p.reason_sha256 LIMIT 1",
        "request",
    ),
    (
        "SELECT d.id, 'of ' || d.giver_account FROM delegations d LEFT JOIN audit_events a ON a.seq = d.seq
         LEFT JOIN audit_events e ON e.seq = d.ended_seq
         WHERE a.resource_id IS NOT d.id OR a.action IS NOT 'delegation_granted' OR a.actor IS NOT d.giver_account
            OR a.details ->> '$.uid' IS NOT d.giver_uid OR a.details ->> '$.person' IS NOT d.giver_person
            OR a.details ->> '$.to' IS NOT d.to_person OR a.details ->> '$.until_tick' IS NOT d.until_tick
            OR a.details -> '$.profiles' IS NOT d.profiles OR a.details ->> '$.until' IS NOT d.until_at
            OR (d.ended_at IS NOT NULL AND (e.resource_id IS NOT d.id OR e.action IS NOT 'delegation_ended'
                OR e.actor IS NOT d.ended_by OR e.created_at IS NOT d.ended_at)) LIMIT 1",
        "delegation",
    ),
    // One that ended and was brought back.
    (
        "SELECT d.id, 'holds again' FROM delegations d WHERE d.ended_at IS NULL AND EXISTS (
            SELECT 1 FROM audit_events a INDEXED BY audit_by_resource
            WHERE a.resource_id = d.id AND a.action = 'delegation_ended') LIMIT 1",
        "delegation",
    ),
    // One that ended and was brought back points at a record from before its end, or at a remark from after it.
    (
        "SELECT r.id, 'is pending again' FROM approval_requests r WHERE r.state = 'pending' AND EXISTS (
            SELECT 1 FROM audit_events a INDEXED BY audit_by_resource WHERE a.resource_id = r.id AND a.seq > r.seq AND a.action IN (
                'approval_approved', 'approval_bypassed', 'approval_rejected', 'approval_expired', 'approval_voided',
                'approval_withdrawn', 'approval_amended')) OR r.state = 'pending' AND EXISTS (
            SELECT 1 FROM audit_events a INDEXED BY audit_by_resource WHERE a.resource_id = r.id AND (
                a.action IN ('approval_bypassed', 'approval_expired', 'approval_voided', 'approval_withdrawn')
             OR (a.action IN ('approval_approved', 'approval_rejected')
                 AND a.details ->> '$.state' IS NOT 'pending'))) LIMIT 1",
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
         OR (j.request_id IS NULL AND a.resource_id IS j.id AND a.action IS (CASE j.kind WHEN 'revoke' THEN 'revocation_requested' ELSE 'issuance_requested' END))) LIMIT 1",
        "job",
    ),
    (
        "SELECT j.id, 'is ' || j.state FROM jobs j
         LEFT JOIN certificate_versions v ON v.job_id = j.id AND v.state <> 'quarantined'
         WHERE j.kind <> 'revoke' AND (j.state = 'completed') <> (v.job_id IS NOT NULL) LIMIT 1",
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
         WHERE v.state NOT IN ('quarantined', 'revoked') AND (v.state = 'active') <> (v.version = (SELECT max(n.version)
            FROM certificate_versions n WHERE n.certificate_id = v.certificate_id AND n.state <> 'quarantined')) LIMIT 1",
        "certificate",
    ),
    // What has ended, has ended by a record; and what a record says has ended, has.
    (
        "SELECT v.certificate_id, 'has version ' || v.version || ' ' || v.state FROM certificate_versions v
         LEFT JOIN crl_entries e ON e.certificate_id = v.certificate_id AND e.version = v.version
         LEFT JOIN audit_events a ON a.seq = e.seq
         WHERE (v.state = 'revoked') <> (e.seq IS NOT NULL) OR (e.seq IS NOT NULL AND (
            a.action IS NOT 'certificate_revoked' OR a.resource_id IS NOT v.certificate_id
            OR a.details ->> '$.version' IS NOT v.version OR a.details ->> '$.serial' IS NOT v.serial
            OR a.details ->> '$.issuer' IS NOT v.issuer OR a.details ->> '$.sha256' IS NOT v.sha256
            OR e.serial IS NOT v.serial OR e.issuer IS NOT v.issuer OR a.details ->> '$.reason' IS NOT e.reason
            OR a.details ->> '$.job' IS NOT e.job_id OR a.created_at IS NOT e.revoked_at
            OR a.details ->> '$.not_after' IS NOT e.not_after)) LIMIT 1",
        "certificate",
    ),
    (
        "SELECT a.resource_id, 'has fewer versions that were revoked' FROM audit_events a
         WHERE a.action = 'certificate_revoked' AND NOT EXISTS (SELECT 1 FROM crl_entries e WHERE e.seq = a.seq) LIMIT 1",
        "certificate",
    ),
    (
        "SELECT j.id, 'is ' || j.state FROM jobs j LEFT JOIN crl_entries e ON e.job_id = j.id
         WHERE (j.kind = 'revoke' AND j.state = 'completed') <> (e.job_id IS NOT NULL) LIMIT 1",
        "job",
    ),
    (
        "SELECT c.issuer, 'has list ' || c.number FROM crls c LEFT JOIN audit_events a ON a.seq = c.seq
         WHERE a.action IS NOT 'crl_signed' OR a.resource_id IS NOT c.issuer OR a.details ->> '$.number' IS NOT c.number
            OR a.details ->> '$.sha256' IS NOT c.sha256 OR EXISTS (SELECT 1 FROM audit_events n
                INDEXED BY audit_by_resource WHERE n.resource_id = c.issuer AND n.action = 'crl_signed'
                AND n.seq > c.seq) LIMIT 1",
        "issuer",
    ),
    (
        "SELECT a.resource_id, 'has no list' FROM audit_events a WHERE a.action = 'crl_signed'
            AND NOT EXISTS (SELECT 1 FROM crls c WHERE c.issuer = a.resource_id) LIMIT 1",
        "issuer",
    ),
];

fn state(connection: &Connection, sieve: &mut Sieve) -> Result<Option<Damage>, OpenError> {
    for (query, what) in STATES {
        // The first is the damage, unless it is gone past; nobody reads on behind it.
        let mut statement = connection.prepare(query.strip_suffix(" LIMIT 1").unwrap_or(query))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, claim): (String, String) = (row.get(0)?, row.get(1)?);
            let (object, claim) = (Untrusted::from(id.as_str()), Untrusted::new(claim));
            let text = format!("the {what} {} {} and no ledger record says so", object.safe(), claim.safe());
            let damage = sieve.state(connection, &id, Damage { seq: None, rule: "state".into(), text })?;
            if damage.is_some() {
                return Ok(damage);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrations::{migrate, newest};

    /// What a verification costs grows with the state, not with its square: one table is gone through, the others are
    /// looked up by a key that exists.
    #[test]
    fn no_look_at_the_state_goes_through_two_tables_at_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        for (query, _) in STATES {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let scans = steps.iter().filter(|step| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE")).count();
            let made_for_it = steps.iter().any(|step| step.contains("AUTOMATIC"));
            assert!(scans <= 1 && !made_for_it, "{query}: {steps:#?}");
        }
    }
}
