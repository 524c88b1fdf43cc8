//! `approval_requests`: one row each, changed only while it is pending.

mod queue;

use std::collections::BTreeSet;

use countersign_shared::content::San;
use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::{RequestKind, RequestState};
use countersign_shared::protocol::{PersonRef, Risk};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{InOrder, json, parsed, to_json};
pub use queue::{page, summary};

/// A request as decisions and the reaper need it.
#[derive(Clone, Debug)]
pub struct RequestRow {
    /// `ar-…`
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
    /// The work that it blocks; none for a change of the policy, which takes force at once.
    pub work: Option<Work>,
    /// The current version.
    pub version: u32,
    /// Its content digest.
    pub digest: Digest,
    /// Under which profile.
    pub profile_id: String,
    /// Who asked.
    pub requester: PersonRef,
    /// Who had logged in then.
    pub requester_login: Login,
    /// The ledger record of the request itself.
    pub requested_seq: u64,
    /// People that have to agree.
    pub votes_needed: u32,
    /// When it was made, on the time line.
    pub created_tick: i64,
    /// When it expires, on the time line.
    pub deadline_tick: i64,
    /// When it ended.
    pub decided_at: Option<Timestamp>,
    /// Who ended it.
    pub decided_by: Option<String>,
}

/// What a request for a certificate blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// For which certificate.
    pub certificate_id: CertificateId,
    /// The job.
    pub job_id: JobId,
    /// The current version's submission.
    pub submission_id: i64,
}

/// Who had logged in to a session: through `su` and `sudo`, the human behind it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Login {
    /// The login uid; `None` where nobody had (services, containers).
    pub uid: Option<u32>,
    /// The name of its account then.
    pub account: Option<String>,
    /// The person of the policy that it belonged to then.
    pub person: Option<String>,
}

/// A request that is made now.
pub struct NewRequest<'a> {
    /// `ar-…`
    pub id: &'a RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// The work that it blocks; none for a change of the policy.
    pub work: Option<&'a Work>,
    /// The content digest.
    pub digest: Digest,
    /// Under which profile.
    pub profile_id: &'a str,
    /// The profile's environment.
    pub environment: &'a str,
    /// Who asks.
    pub requester: &'a PersonRef,
    /// Who has logged in.
    pub requester_login: &'a Login,
    /// The login session.
    pub requester_session: Option<u32>,
    /// The name it is known by.
    pub primary_name: &'a Untrusted,
    /// Every SAN.
    pub sans: &'a [San],
    /// What deserves a second look.
    pub risks: &'a [Risk],
    /// People that have to agree.
    pub votes_needed: u32,
    /// Now.
    pub created_at: Timestamp,
    /// The deadline by the wall clock as it stands now.
    pub expires_at: Timestamp,
    /// Now, on the time line.
    pub created_tick: i64,
    /// The deadline, on the time line.
    pub deadline_tick: i64,
    /// Its ledger record.
    pub seq: u64,
}

/// SANs that a row of the queue shows.
pub const NAMES_SHOWN: usize = 5;

/// The first SANs, as a row of the queue keeps them.
pub(super) fn shown(sans: &[San]) -> rusqlite::Result<String> {
    to_json(&&sans[..sans.len().min(NAMES_SHOWN)])
}

/// Stores a new one, pending.
pub fn insert(connection: &Connection, new: &NewRequest<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO approval_requests (id, kind, state, certificate_id, job_id, submission_id, version, digest,
                 profile_id, environment, requester_uid, requester_account, requester_person, requester_login_uid,
                 requester_login_account, requester_login_person, requester_session, primary_name, names, names_total,
                 risks, votes_needed, created_at, expires_at, created_tick, deadline_tick, requested_seq, seq)
             VALUES (?1, ?2, 'pending', ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?25)",
        )?
        .execute(params![
            new.id.as_str(),
            new.kind.as_str(),
            new.work.map(|work| work.certificate_id.as_str()),
            new.work.map(|work| work.job_id.as_str()),
            new.work.map(|work| work.submission_id),
            new.digest.to_string(),
            new.profile_id,
            new.environment,
            new.requester.uid,
            new.requester.account,
            new.requester.person,
            new.requester_login.uid,
            new.requester_login.account,
            new.requester_login.person,
            new.requester_session,
            new.primary_name.raw(),
            shown(new.sans)?,
            new.sans.len(),
            to_json(&new.risks)?,
            new.votes_needed,
            new.created_at.to_string(),
            new.expires_at.to_string(),
            new.created_tick,
            new.deadline_tick,
            new.seq,
        ])?;
    Ok(())
}

/// Reads one.
pub fn get(connection: &Connection, id: &RequestId) -> rusqlite::Result<Option<RequestRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM approval_requests WHERE id = ?1"))?
        .query_row([id.as_str()], read)
        .optional()
}

/// The pending one for a version of a certificate.
pub fn pending_for(connection: &Connection, certificate: &CertificateId) -> rusqlite::Result<Option<RequestId>> {
    connection
        .prepare_cached(
            "SELECT id FROM approval_requests WHERE certificate_id = ?1 AND state = 'pending'
                 AND kind <> 'cert_revocation'",
        )?
        .query_row([certificate.as_str()], |row| parsed(row, "id"))
        .optional()
}

/// Those that wait under one profile, oldest first. For the few that changes of the policy are.
pub fn pending_under(connection: &Connection, profile: &str) -> rusqlite::Result<Vec<RequestRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM approval_requests INDEXED BY requests_by_state
             WHERE state = 'pending' AND profile_id = ?1 ORDER BY row"
    ))?;
    let rows = statement.query_map([profile], read)?;
    rows.collect()
}

/// Rows of the newest in a state, at most `limit`, and none that was made before `since`.
pub fn newest(
    connection: &Connection,
    state: RequestState,
    since: Option<Timestamp>,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT row, created_at FROM approval_requests INDEXED BY requests_by_state WHERE state = ?1 ORDER BY row DESC",
    )?;
    let mut rows = statement.query([state.as_str()])?;
    let mut newest = Vec::new();
    while newest.len() < limit
        && let Some(row) = rows.next()?
    {
        if since.is_some_and(|since| parsed::<Timestamp>(row, "created_at").is_ok_and(|made| made < since)) {
            break;
        }
        newest.push(row.get("row")?);
    }
    Ok(newest)
}

/// Notes that a vote arrived that does not end it.
pub fn touch(connection: &Connection, id: &RequestId, seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE approval_requests SET seq = ?2 WHERE id = ?1")?
        .execute(params![id.as_str(), seq])?;
    Ok(())
}

/// Ends it: terminal from here on.
pub fn end(
    connection: &Connection,
    id: &RequestId,
    state: RequestState,
    at: Timestamp,
    by: &str,
    seq: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE approval_requests SET state = ?2, decided_at = ?3, decided_by = ?4, seq = ?5 WHERE id = ?1",
        )?
        .execute(params![id.as_str(), state.as_str(), at.to_string(), by, seq])?;
    Ok(())
}

/// Rows of pending requests whose deadline is at or before `tick`, the oldest deadline first, without those that
/// were set `aside`. Nothing else is read of them, so none can be in the way.
pub fn overdue(connection: &Connection, tick: i64, aside: &BTreeSet<i64>, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT row FROM approval_requests WHERE state = 'pending' AND deadline_tick <= ?1
             AND row NOT IN (SELECT value FROM json_each(?2)) ORDER BY deadline_tick LIMIT ?3",
    )?;
    let rows = statement.query_map(params![tick, to_json(aside)?, limit], |row| row.get(0))?;
    rows.collect()
}

/// One by its row.
pub fn by_row(connection: &Connection, row: i64) -> rusqlite::Result<RequestRow> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM approval_requests WHERE row = ?1"))?
        .query_row([row], read)
}

/// The nearest deadline of a pending request that was not set `aside`.
pub fn next_deadline(connection: &Connection, aside: &BTreeSet<i64>) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT deadline_tick FROM approval_requests WHERE state = 'pending'
                 AND row NOT IN (SELECT value FROM json_each(?1)) ORDER BY deadline_tick LIMIT 1",
        )?
        .query_row([to_json(aside)?], |row| row.get(0))
        .optional()
}

/// The rows of pending requests.
pub fn pending_rows(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT row FROM approval_requests WHERE state = 'pending' ORDER BY row")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// What a row of the queue shows of the content.
pub struct Shown {
    /// The first SANs.
    pub names: Vec<San>,
    /// How many there are.
    pub names_total: u32,
    /// The profile's environment.
    pub environment: String,
}

/// What the row of a request shows.
pub fn shown_of(connection: &Connection, id: &RequestId) -> rusqlite::Result<Shown> {
    connection.prepare_cached("SELECT names, names_total, environment FROM approval_requests WHERE id = ?1")?.query_row(
        [id.as_str()],
        |row| {
            Ok(Shown {
                names: json(row, "names")?,
                names_total: row.get("names_total")?,
                environment: row.get("environment")?,
            })
        },
    )
}

/// How many wait: counted row by row, for the start of the process. See [`crate::metrics::Metrics::pending`].
pub fn count_pending(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM approval_requests WHERE state = 'pending'", [], |row| row.get(0))
}

/// How many of one requester wait, up to `limit`. By way of all that wait, which the limits bound, and not of all that
/// the requester ever asked for.
pub fn count_pending_of(connection: &Connection, uid: u32, limit: u32) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM approval_requests INDEXED BY requests_by_state
                 WHERE state = 'pending' AND requester_uid = ?1 LIMIT ?2)",
        )?
        .query_row([uid, limit], |row| row.get(0))
}

/// Since when the oldest waits.
pub fn oldest_pending(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT created_at FROM approval_requests WHERE state = 'pending' ORDER BY row LIMIT 1")?
        .query_row([], |row| parsed(row, "created_at"))
        .optional()
}

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "id, kind, state, certificate_id, job_id, submission_id, version, digest, profile_id,
     requester_account, requester_person, requester_uid, requester_login_uid, requester_login_account,
     requester_login_person, requested_seq, votes_needed, created_tick, deadline_tick, decided_at, decided_by";

fn read(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    let mut row = InOrder::of(row);
    Ok(RequestRow {
        id: row.parsed()?,
        kind: row.parsed()?,
        state: row.parsed()?,
        work: read_work(&mut row)?,
        version: row.get()?,
        digest: row.parsed()?,
        profile_id: row.get()?,
        requester: read_requester(&mut row)?,
        requester_login: Login { uid: row.get()?, account: row.get()?, person: row.get()? },
        requested_seq: row.get()?,
        votes_needed: row.get()?,
        created_tick: row.get()?,
        deadline_tick: row.get()?,
        decided_at: row.parsed_if()?,
        decided_by: row.get()?,
    })
}

fn read_work(row: &mut InOrder<'_, '_>) -> rusqlite::Result<Option<Work>> {
    let (certificate, job, submission) = (row.parsed_if()?, row.parsed_if()?, row.get::<Option<i64>>()?);
    let work = |certificate_id, job_id, submission_id| Work { certificate_id, job_id, submission_id };
    Ok(certificate.zip(job).zip(submission).map(|((certificate, job), submission)| work(certificate, job, submission)))
}

fn read_requester(row: &mut InOrder<'_, '_>) -> rusqlite::Result<PersonRef> {
    Ok(PersonRef { account: row.get()?, person: row.get()?, uid: row.get()? })
}
