//! `jobs`: the work, one step at a time.

use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::{JobKind, JobState};
use countersign_shared::protocol::{Job, ListJobsParams, PersonRef};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::page::{Conditions, Window, cut};
use super::{InOrder, one, parsed, parsed_if};
use crate::alerts::Efforts;
use crate::store::sight::Sight;

/// A job as the gate and the executor need it.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// What callers see of it.
    pub job: Job,
    /// What will be signed.
    pub submission_id: i64,
    /// The ledger record that allows it; absent while it awaits approval.
    pub record_seq: Option<u64>,
    /// The serial number reserved when it was claimed.
    pub serial: Option<String>,
    /// Who asked.
    pub requester: PersonRef,
}

/// A job that is made now.
pub struct NewJob<'a> {
    /// `job-…`
    pub id: &'a JobId,
    /// What it does.
    pub kind: JobKind,
    /// `awaiting_approval` or `pending`.
    pub state: JobState,
    /// For which certificate.
    pub certificate_id: &'a CertificateId,
    /// Under which profile.
    pub profile_id: &'a str,
    /// Under which request.
    pub request_id: Option<&'a RequestId>,
    /// What will be signed.
    pub submission_id: i64,
    /// The ledger record that allows it.
    pub record_seq: Option<u64>,
    /// The failed job that it takes the place of.
    pub retry_of: Option<&'a JobId>,
    /// Who asked.
    pub requester: &'a PersonRef,
    /// Now.
    pub created_at: Timestamp,
}

/// Stores a new one.
pub fn insert(connection: &Connection, new: &NewJob<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, kind, state, certificate_id, profile_id, request_id, submission_id, record_seq,
                 retry_of, requester_uid, requester_account, requester_person, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            new.id.as_str(),
            new.kind.as_str(),
            new.state.as_str(),
            new.certificate_id.as_str(),
            new.profile_id,
            new.request_id.map(RequestId::as_str),
            new.submission_id,
            new.record_seq,
            new.retry_of.map(JobId::as_str),
            new.requester.uid,
            new.requester.account,
            new.requester.person,
            new.created_at.to_string(),
        ])?;
    Ok(())
}

/// Reads one.
pub fn get(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM jobs j WHERE id = ?1"))?
        .query_row([id.as_str()], read)
        .optional()
}

/// The job that a request came to: its own, or the newest retry.
pub fn newest_of_request(connection: &Connection, id: &RequestId) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM jobs j WHERE request_id = ?1 ORDER BY row DESC LIMIT 1"))?
        .query_row([id.as_str()], read)
        .optional()
}

/// The newest job that retries this one, directly or through others; itself where there is none.
pub fn newest_retry(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!(
            "WITH RECURSIVE line (id) AS (SELECT ?1 UNION SELECT j.id FROM jobs j JOIN line l ON j.retry_of = l.id)
             SELECT {COLUMNS} FROM jobs j JOIN line USING (id) ORDER BY j.row DESC LIMIT 1"
        ))?
        .query_row([id.as_str()], read)
        .optional()
}

/// The job that is under way to a version of a certificate.
pub fn open_for(connection: &Connection, certificate: &CertificateId) -> rusqlite::Result<Option<JobId>> {
    connection
        .prepare_cached(
            "SELECT id FROM jobs WHERE certificate_id = ?1 AND state IN ('awaiting_approval', 'pending', 'running')
                 AND kind <> 'revoke'",
        )?
        .query_row([certificate.as_str()], |row| parsed(row, "id"))
        .optional()
}

/// Another job that was freed by the same ledger record and has not failed.
pub fn other_under_record(connection: &Connection, seq: u64, id: &JobId) -> rusqlite::Result<Option<JobId>> {
    connection
        .prepare_cached(
            "SELECT id FROM jobs WHERE record_seq = ?1 AND id <> ?2 AND state IN ('pending', 'running', 'completed') LIMIT 1",
        )?
        .query_row(params![seq, id.as_str()], |row| parsed(row, "id"))
        .optional()
}

/// The newest job for a certificate, whatever has become of it.
pub fn newest_for(connection: &Connection, certificate: &CertificateId) -> rusqlite::Result<Option<JobId>> {
    connection
        .prepare_cached("SELECT id FROM jobs WHERE certificate_id = ?1 ORDER BY row DESC LIMIT 1")?
        .query_row([certificate.as_str()], |row| parsed(row, "id"))
        .optional()
}

/// The rows of the jobs in a state, the oldest first: nothing is read of them, so none can be in the way.
pub fn rows_in_state(connection: &Connection, state: JobState) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT row FROM jobs WHERE state = ?1 ORDER BY row")?;
    let rows = statement.query_map([state.as_str()], |row| row.get(0))?;
    rows.collect()
}

/// The rows of pending jobs whose scheduled start, if they have one, has come at `tick`; and when the next one will.
pub fn rows_to_carry_out(connection: &Connection, tick: i64) -> rusqlite::Result<(Vec<i64>, Option<i64>)> {
    let mut statement = connection.prepare_cached(
        "SELECT j.row, t.not_before_tick FROM jobs j LEFT JOIN approval_requests r ON r.id = j.request_id
         LEFT JOIN request_terms t ON t.request_id = r.id AND t.version = r.version
         WHERE j.state = 'pending' ORDER BY j.row",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<(i64, Option<i64>)>>>()?;
    let has_come = |start: &Option<i64>| start.is_none_or(|start| start <= tick);
    let next = rows.iter().filter(|(_, start)| !has_come(start)).filter_map(|(_, start)| *start).min();
    Ok((rows.into_iter().filter(|(_, start)| has_come(start)).map(|(row, _)| row).collect(), next))
}

/// One by its row, with the id of the issuer that is to sign.
pub fn with_issuer(connection: &Connection, row: i64) -> rusqlite::Result<(JobRow, String)> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, s.content ->> '$.issuer' AS issuer FROM jobs j
             JOIN submissions s ON s.id = j.submission_id WHERE j.row = ?1"
        ))?
        .query_row([row], |row| Ok((read(row)?, row.get("issuer")?)))
}

/// Frees a job that awaited approval; `record_seq` is the record that allows it.
pub fn free(connection: &Connection, id: &JobId, record_seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = 'pending', record_seq = ?2 WHERE id = ?1 AND state = 'awaiting_approval'",
        )?
        .execute(params![id.as_str(), record_seq])
        .and_then(one)
}

/// Cancels a job that awaited approval. Whoever renews looks at the certificate again.
pub fn cancel(connection: &Connection, id: &JobId, at: Timestamp, why: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = 'cancelled', finished_at = ?2, error = ?3 WHERE id = ?1 AND state = 'awaiting_approval'",
        )?
        .execute(params![id.as_str(), at.to_string(), why])
        .and_then(one)?;
    renewal_is_due(connection, id)
}

/// Claims a pending job and reserves its serial number; one that revokes has none.
pub fn claim(connection: &Connection, id: &JobId, at: Timestamp, serial: Option<&str>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = 'running', started_at = ?2, serial = ?3 WHERE id = ?1 AND state = 'pending'",
        )?
        .execute(params![id.as_str(), at.to_string(), serial])
        .and_then(one)
}

/// Completes a running job.
pub fn complete(connection: &Connection, id: &JobId, at: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE jobs SET state = 'completed', finished_at = ?2 WHERE id = ?1 AND state = 'running'")?
        .execute(params![id.as_str(), at.to_string()])
        .and_then(one)
}

/// What was done to get a successor to a version of a certificate: all jobs for one since the one that made it. What a
/// person asked for and did not get says nothing of a renewal that changes nothing: whoever asks for too much, or takes
/// back what they asked for, keeps nobody from renewing.
pub fn efforts(connection: &Connection, certificate: &CertificateId, version: u32) -> rusqlite::Result<Efforts> {
    connection
        .prepare_cached(
            "WITH tried AS (
                 SELECT row, state, finished_at FROM jobs WHERE certificate_id = ?1 AND kind <> 'revoke' AND row >
                     (SELECT j.row FROM certificate_versions v JOIN jobs j ON j.id = v.job_id
                      WHERE v.certificate_id = ?1 AND v.version = ?2)
                     AND (state <> 'cancelled' OR requester_account = ?3))
             SELECT EXISTS (SELECT 1 FROM tried WHERE state IN ('awaiting_approval', 'pending', 'running')) AS open,
                 coalesce((SELECT state FROM tried ORDER BY row DESC LIMIT 1) = 'cancelled', 0) AS refused,
                 (SELECT count(*) FROM tried WHERE state = 'failed') AS failures,
                 (SELECT finished_at FROM tried WHERE state = 'failed' ORDER BY row DESC LIMIT 1) AS failed_at",
        )?
        .query_row(params![certificate.as_str(), version, crate::service::actor::SCHEDULER], |row| {
            Ok(Efforts {
                open: row.get("open")?,
                refused: row.get("refused")?,
                failures: row.get("failures")?,
                failed_at: parsed_if(row, "failed_at")?,
            })
        })
}

/// The newest job for a version of a certificate, where it is for this key.
pub fn newest_for_key(
    connection: &Connection,
    certificate: &CertificateId,
    spki_sha256: Digest,
) -> rusqlite::Result<Option<JobRow>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs j JOIN submissions s ON s.id = j.submission_id
             WHERE j.row = (SELECT max(row) FROM jobs WHERE certificate_id = ?1 AND kind <> 'revoke')
                 AND s.content ->> '$.spki_sha256' = ?2"
        ))?
        .query_row(params![certificate.as_str(), spki_sha256.to_string()], read)
        .optional()
}

/// Fails a running job. Whoever renews looks at the certificate again.
pub fn fail(connection: &Connection, id: &JobId, at: Timestamp, why: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET state = 'failed', finished_at = ?2, error = ?3 WHERE id = ?1 AND state = 'running'",
        )?
        .execute(params![id.as_str(), at.to_string(), why])
        .and_then(one)?;
    renewal_is_due(connection, id)
}

/// Lets the renewal of a job's certificate be looked at now: by whatever clock, since the one that the job ended by may
/// be set right before anybody looks.
fn renewal_is_due(connection: &Connection, id: &JobId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE expiry_watch SET renew_at = ?2
             WHERE certificate_id = (SELECT certificate_id FROM jobs WHERE id = ?1 AND kind <> 'revoke')",
        )?
        .execute(params![id.as_str(), Timestamp::EPOCH.to_string()])?;
    Ok(())
}

/// A page, newest first.
pub fn page(
    connection: &Connection,
    filter: &ListJobsParams,
    window: Window,
    sight: &Sight,
) -> rusqlite::Result<(Vec<Job>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("row < ?", window.before);
    conditions.and_if("state = ?", filter.state.map(|state| state.as_str()));
    conditions.and_if("profile_id = ?", filter.profile.clone());
    conditions.and_if("certificate_id = ?", filter.certificate.as_ref().map(ToString::to_string));
    sight.limit_jobs(&mut conditions);
    let sql = format!("SELECT {COLUMNS} FROM jobs j{} ORDER BY row DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| {
        let (number, row) = read_numbered(row)?;
        Ok((number, row.job))
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, Job)>>>()?;
    let next = cut(&mut rows, window.limit);
    Ok((rows.into_iter().map(|(_, job)| job).collect(), next))
}

/// Whether somebody may see a job.
pub fn visible(connection: &Connection, id: &JobId, sight: &Sight) -> rusqlite::Result<bool> {
    let mut conditions = Conditions::default();
    conditions.and("id = ?", id.as_str().to_owned());
    sight.limit_jobs(&mut conditions);
    let sql = format!("SELECT count(*) FROM jobs{}", conditions.sql());
    connection.prepare_cached(&sql)?.query_row(conditions.values().as_slice(), |row| Ok(row.get::<_, i64>(0)? > 0))
}

/// How many jobs there are in each state.
pub fn counts(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut statement = connection.prepare_cached("SELECT state, count(*) FROM jobs GROUP BY state")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// In the order in which [`read`] takes them, the row's number last.
const COLUMNS: &str = "j.id, j.kind, j.state, j.certificate_id, j.request_id, j.profile_id, j.error, j.created_at,
     j.finished_at, j.submission_id, j.record_seq, j.serial, j.requester_account, j.requester_person, j.requester_uid,
     j.row";

fn read(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(read_numbered(row)?.1)
}

fn read_numbered(row: &Row<'_>) -> rusqlite::Result<(i64, JobRow)> {
    let mut row = InOrder::of(row);
    let job = JobRow {
        job: Job {
            id: row.parsed()?,
            kind: row.parsed()?,
            state: row.parsed()?,
            certificate_id: row.parsed()?,
            request_id: row.parsed_if()?,
            profile_id: row.get()?,
            error: row.get::<Option<String>>()?.map(Untrusted::new),
            created_at: row.parsed()?,
            finished_at: row.parsed_if()?,
        },
        submission_id: row.get()?,
        record_seq: row.get()?,
        serial: row.get()?,
        requester: PersonRef { account: row.get()?, person: row.get()?, uid: row.get()? },
    };
    Ok((row.get()?, job))
}
