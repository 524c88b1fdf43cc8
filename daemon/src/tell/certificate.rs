//! A certificate as messages speak of it, and how its renewal stands.

use countersign_shared::content::San;
use countersign_shared::error::ApiError;
use countersign_shared::id::CertificateId;
use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::{Certificate, PersonRef};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database;
use crate::notify::Ending;
use crate::store::rows::found::{self, About};
use crate::store::rows::{certificates, parsed, parsed_if};
use crate::store::sight::Sight;

/// The watched version: what somebody has to look after. None where that was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// 1, 2, …
    pub version: u64,
    /// notAfter.
    pub not_after: Timestamp,
}

/// What is said of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its names, primary first; none where nothing is known of it but its id.
    pub names: Vec<Untrusted>,
    /// Who answers for it.
    pub owner: Option<PersonRef>,
    /// Its profile and environment; empty where it has none.
    pub profile: Option<(String, String)>,
    /// Where it stands, where it was found and not issued here, in sentences.
    pub found: Option<Vec<String>>,
}

/// Reads the watch of a certificate.
pub fn watch(connection: &Connection, id: &str) -> Result<Option<Watch>, ApiError> {
    connection
        .prepare_cached("SELECT version, not_after FROM expiry_watch WHERE certificate_id = ?1")
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| Ok(Watch { version: row.get("version")?, not_after: parsed(row, "not_after")? });
            statement.query_row([id], read).optional()
        })
        .map_err(|error| database(&error))
}

/// Reads what is said of it, whether it was issued here or found. What no table names is alerted all the same, by its id.
pub fn subject(connection: &Connection, id: &str) -> Result<Subject, ApiError> {
    let Ok(id) = id.parse::<CertificateId>() else { return Ok(Subject::default()) };
    let issued = certificates::get(connection, &id, &Sight::All).map_err(|error| database(&error))?;
    if let Some(issued) = issued {
        return Ok(of_issued(issued));
    }
    let about = found::about(connection, &id).map_err(|error| database(&error))?;
    Ok(about.map(of_found).unwrap_or_default())
}

/// Why nobody looks after a version any more.
pub fn ending(connection: &Connection, id: &str, version: u64) -> Result<Ending, ApiError> {
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<String>>("state")?, row.get::<_, Option<bool>>("there")?));
    let (state, there) = connection
        .prepare_cached(
            "SELECT (SELECT state FROM certificate_versions WHERE certificate_id = ?1 AND version = ?2) AS state,
                 (SELECT there FROM found_certificates WHERE id = ?1) AS there",
        )
        .and_then(|mut statement| statement.query_row(params![id, version], read))
        .map_err(|error| database(&error))?;
    Ok(match (state.as_deref(), there) {
        (Some("revoked"), _) => Ending::Revoked,
        (_, Some(false)) => Ending::Gone,
        _ => Ending::Retired,
    })
}

fn of_found(about: About) -> Subject {
    let others = about.names.iter().filter(|name| !name.raw().ends_with(&format!(":{}", about.primary_name.raw())));
    let mut sentences = Vec::new();
    if let Some(place) = about.places.first() {
        let more = match about.places_total.saturating_sub(1) {
            0 => String::new(),
            1 => " and at one more place".to_owned(),
            more => format!(" and at {more} more places"),
        };
        sentences.push(format!("it was found at {}{more}", place.place.safe()));
    }
    sentences.push(match &about.issued_as {
        Some(issued) => {
            format!("it is a version of {issued} that was replaced or revoked: what presents it was not reloaded")
        }
        None => format!("it was issued elsewhere, by {}", about.issuer.safe()),
    });
    if about.usable_until < about.not_after {
        sentences.push("what stands with it in the chain ends before it does".to_owned());
    }
    Subject {
        names: std::iter::once(about.primary_name.clone()).chain(others.cloned()).collect(),
        owner: about.owner,
        profile: None,
        found: Some(sentences),
    }
}

fn of_issued(certificate: Certificate) -> Subject {
    let sans = certificate.current.map(|version| version.sans).unwrap_or_default();
    let others = sans.iter().map(San::value).filter(|name| *name != certificate.primary_name);
    Subject {
        names: std::iter::once(certificate.primary_name.clone()).chain(others).collect(),
        owner: Some(certificate.owner),
        profile: Some((certificate.profile_id, certificate.environment)),
        found: None,
    }
}

/// How far the renewal of a version has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has asked for it.
    None,
    /// A request waits for people.
    Asked(String),
    /// A job is under way.
    UnderWay(String),
    /// People ended the request, or let it pass.
    Ended(String, RequestState),
    /// The job failed.
    Failed(String),
}

/// The newest job for it after the one that made the version.
const NEWEST: &str = "SELECT j.id, j.state, j.request_id, r.state AS request_state
     FROM jobs j LEFT JOIN approval_requests r ON r.id = j.request_id
     WHERE j.certificate_id = ?1 AND j.kind IN ('issue', 'renew') AND j.row > coalesce(
         (SELECT made.row FROM certificate_versions v JOIN jobs made ON made.id = v.job_id
          WHERE v.certificate_id = ?1 AND v.version = ?2), 0)
     ORDER BY j.row DESC LIMIT 1";

/// Reads how far the renewal of a version has come.
pub fn progress(connection: &Connection, id: &str, version: u64) -> Result<Progress, ApiError> {
    let read = |row: &Row<'_>| {
        let (job, request): (String, Option<String>) = (row.get("id")?, row.get("request_id")?);
        let ended: Option<RequestState> = parsed_if(row, "request_state")?;
        Ok(match parsed(row, "state")? {
            JobState::AwaitingApproval => Progress::Asked(request.unwrap_or(job)),
            JobState::Pending | JobState::Running => Progress::UnderWay(job),
            JobState::Failed => Progress::Failed(job),
            JobState::Cancelled => {
                request.zip(ended).map_or(Progress::Failed(job), |(request, state)| Progress::Ended(request, state))
            }
            // A quarantined one is a job that failed; one that is complete made a version that ended since.
            JobState::Completed => Progress::None,
        })
    };
    let newest = connection
        .prepare_cached(NEWEST)
        .and_then(|mut statement| statement.query_row(params![id, version], read).optional());
    Ok(newest.map_err(|error| database(&error))?.unwrap_or(Progress::None))
}

impl Progress {
    /// In words, as one sentence.
    pub fn words(&self) -> String {
        match self {
            Self::None => "nobody has asked for its renewal".to_owned(),
            Self::Asked(request) => format!("its renewal waits for people ({request})"),
            Self::UnderWay(job) => format!("its renewal is under way and has not ended ({job})"),
            Self::Ended(request, state) => format!("the request for its renewal was {state} ({request})"),
            Self::Failed(job) => format!("its last renewal failed ({job})"),
        }
    }

    /// What somebody types about it.
    pub fn command(&self, id: &str) -> String {
        match self {
            Self::Asked(request) => format!("countersign show {request}"),
            Self::UnderWay(job) => format!("countersign wait {job}"),
            Self::None | Self::Ended(..) | Self::Failed(_) => format!("countersign renew {id}"),
        }
    }
}
