//! The requests that a proposed policy is tried on: those of the last 90 days that people approved, and those that
//! wait.

use countersign_shared::content::San;
use countersign_shared::error::ApiError;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::time::{Span, Timestamp};
use rusqlite::Connection;

use crate::gate::Cast;
use crate::gate::two_person::Party;
use crate::identity::directory::Account;
use crate::policy::{Policy, Profile, Terms};
use crate::service::Service;
use crate::service::actor::SCHEDULER;
use crate::service::decide::{Matter, account_of};
use crate::store::rows::{certificates, requests, submissions};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;

/// How far back.
pub(super) const BACK: Span = Span::from_secs(90 * 86_400);
/// The most requests of each kind, the newest.
pub(super) const MAX: usize = 2000;

/// What was and what is asked for, as far as rules bear on it.
#[derive(Debug, Default)]
pub struct History {
    /// Approved by people.
    pub approved: Vec<Past>,
    /// True where there are more than were read.
    pub approved_cut: bool,
    /// Waiting.
    pub pending: Vec<Past>,
    /// See `approved_cut`.
    pub pending_cut: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Past {
    /// The rules that it was made under.
    pub profile: Profile,
    /// The terms that it was made under.
    pub made_under: Terms,
    /// Its names.
    pub sans: Vec<San>,
    /// Who asked, as attested then.
    pub requester: Party,
    /// Whose certificate it is for.
    pub owner: Account,
    /// Votes for it.
    pub approvals: Vec<Cast>,
    /// How many rejected it.
    pub rejections: usize,
}

impl Past {
    /// True where no human asked.
    pub fn is_scheduled(&self) -> bool {
        self.requester.account == SCHEDULER
    }
}

/// Reads it, for a caller who may see every request.
pub async fn read(service: &Service, uid: u32) -> Result<History, ApiError> {
    let (policy, now) = (service.policy.now(), service.line.wall());
    let since = now.unix_millis().saturating_sub(i64::try_from(BACK.millis()).unwrap_or(i64::MAX));
    let since = Timestamp::from_unix_millis(since.max(0)).unwrap_or(Timestamp::EPOCH);
    let query = move |connection: &Connection| {
        let snapshot = connection.unchecked_transaction()?;
        let mut history = History::default();
        let ids = requests::newest(&snapshot, RequestState::Approved, Some(since), MAX + 1)?;
        history.approved_cut = ids.len() > MAX;
        history.approved = past(&snapshot, &policy, &ids)?;
        let ids = requests::newest(&snapshot, RequestState::Pending, None, MAX + 1)?;
        history.pending_cut = ids.len() > MAX;
        history.pending = past(&snapshot, &policy, &ids)?;
        snapshot.finish()?;
        Ok(history)
    };
    service.readers.read_for(uid, query).await
}

/// Requests for certificates that no system actor decided.
fn past(connection: &Connection, policy: &Policy, rows: &[i64]) -> Result<Vec<Past>, Failure> {
    let mut all = Vec::new();
    for row in rows.iter().take(MAX) {
        let request = requests::by_row(connection, *row)?;
        let Some(work) = request.work.clone() else { continue };
        if request.decided_by.as_deref().is_some_and(|by| by.starts_with("system-")) {
            continue;
        }
        let sans = submissions::sans(connection, work.submission_id)?;
        let owner = certificates::get(connection, &work.certificate_id, &Sight::All)?.map(|found| found.owner);
        let owner = owner.ok_or_else(|| ApiError::internal(format!("the certificate of {} is missing", request.id)))?;
        let matter = Matter::read(connection, policy, request)?;
        let Some(profile) = matter.profile else { continue };
        let (approvals, rejections) = matter.cast.into_iter().partition::<Vec<_>, _>(|c| c.verdict == Verdict::Approve);
        all.push(Past {
            profile: profile.into_owned(),
            made_under: matter.made_under,
            sans,
            requester: matter.requester,
            owner: account_of(&owner.account, owner.uid),
            approvals,
            rejections: rejections.len(),
        });
    }
    Ok(all)
}
