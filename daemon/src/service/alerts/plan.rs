//! `alert.plan`: the whole matrix of each certificate, without sending anything.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{
    AlertPlanPage, AlertPlanParams, AlertState, Outlook, PlannedAlert, PlannedCertificate, PlannedChannel,
};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::Connection as Sqlite;

use super::{sight_of, wire_channel, wire_severity};
use crate::alerts::matrix::{self, Cell, Reach, matrix};
use crate::alerts::rows::{Watched, past};
use crate::alerts::stage::DAY;
use crate::alerts::{AlertPlan, Stage, State, Target, Validity};
use crate::ipc::Connection;
use crate::notify::Reaches;
use crate::policy::{Channel, Policy};
use crate::service::Service;
use crate::service::decide::not_found;
use crate::store::rows::alerts::{self, After, WatchedRow};
use crate::store::rows::certificates;
use crate::store::rows::page::Window;
use crate::store::sight::Sight;
use crate::store::transaction::Failure;
use crate::tell::{certificate, expiry};

/// Cells and accounts that a page has, about: an answer is one line of 1 MiB at most.
const MOST: usize = 4000;

/// What a profile's renewal policy says of alerts, and that policy's id; what holds without one.
pub(super) fn rules_of<'p>(policy: &'p Policy, profile: Option<&str>) -> (AlertPlan, Option<&'p str>) {
    let named = profile.and_then(|id| policy.profile(id)).and_then(|profile| profile.rules().renewal_policy.as_deref());
    match named.and_then(|id| policy.renewal_policy(id)) {
        Some(rules) => (AlertPlan::of(rules), Some(&rules.id)),
        None => (AlertPlan::default(), None),
    }
}

/// A page of certificates with their matrices.
pub async fn plan(
    service: &Service,
    connection: &Connection,
    params: AlertPlanParams,
) -> Result<AlertPlanPage, ApiError> {
    let window = Window::new(params.limit, None)?;
    let after = params.cursor.as_deref().map(cursor).transpose()?.unwrap_or_default();
    let policy = service.policy.now();
    let actor = service.with_says(service.actor(connection)?).await?;
    let sight = sight_of(&actor, &policy)?;
    let (now, reaches) = (service.line.wall(), service.channels.now());
    let until = params.days.map(|days| {
        let until = now.unix_millis().saturating_add(i64::from(days).saturating_mul(DAY));
        Timestamp::from_unix_millis(until).ok_or_else(|| ApiError::invalid("`days` is beyond the end of time"))
    });
    let until = until.transpose()?;
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let limit = (&after, window.limit + 1);
            let rows = alerts::watched(&snapshot, params.certificate.as_ref(), until, limit, &sight)?;
            if let (Some(id), [], None) = (&params.certificate, rows.as_slice(), until) {
                return Err(unwatched(&snapshot, id, &sight)?.into());
            }
            let mut page = Page { policy: &policy, reaches: &reaches, now, plans: BTreeMap::new() };
            let result = page.of(&snapshot, rows, window.limit as usize)?;
            drop(page);
            snapshot.finish()?;
            Ok(result)
        })
        .await
}

/// Why a certificate that was named has no matrix.
fn unwatched(connection: &Sqlite, id: &CertificateId, sight: &Sight) -> Result<ApiError, Failure> {
    if certificates::get(connection, id, sight)?.is_none() {
        return Ok(not_found(id));
    }
    let message = format!("{id} has no version that anybody has to look after");
    Ok(ApiError::new(ErrorKind::Conflict, message)
        .hint("it was never issued, or was dealt with: countersign show tells"))
}

/// The end and the id that a page ended with.
fn cursor(raw: &str) -> Result<After, ApiError> {
    let given = raw.split_once(' ').filter(|(end, id)| end.parse::<Timestamp>().is_ok() && id.len() <= 64);
    let (not_after, id) = given
        .ok_or_else(|| ApiError::invalid("`cursor` is not one that a page gave").hint("pass next_cursor unchanged"))?;
    Ok(After { not_after: not_after.to_owned(), id: id.to_owned() })
}

/// What a page is made by.
struct Page<'a> {
    policy: &'a Policy,
    reaches: &'a Reaches,
    now: Timestamp,
    /// Made once for each profile: its alerts, its renewal policy, and the accounts of its operators.
    plans: BTreeMap<Option<String>, (AlertPlan, Option<&'a str>, Vec<Untrusted>)>,
}

impl Page<'_> {
    fn of(&mut self, connection: &Sqlite, rows: Vec<WatchedRow>, limit: usize) -> Result<AlertPlanPage, Failure> {
        let mut certificates: Vec<PlannedCertificate> = Vec::new();
        let (mut named, mut weight, mut more) = (BTreeSet::new(), 0, false);
        for row in rows {
            if certificates.len() == limit || weight > MOST {
                more = true;
                break;
            }
            let planned = self.certificate(connection, row, &mut named)?;
            weight += planned.alerts.len() + planned.accounts.len();
            certificates.push(planned);
        }
        let channels = named.into_iter().map(|channel: Channel| PlannedChannel {
            channel: wire_channel(channel),
            configured: self.reaches.contains_key(&channel),
            to: self.reaches.get(&channel).cloned().unwrap_or_default(),
        });
        let next_cursor = certificates.last().filter(|_| more).map(|last| format!("{} {}", last.not_after, last.id));
        Ok(AlertPlanPage { channels: channels.collect(), certificates, next_cursor })
    }

    fn certificate(
        &mut self,
        connection: &Sqlite,
        row: WatchedRow,
        named: &mut BTreeSet<Channel>,
    ) -> Result<PlannedCertificate, Failure> {
        let subject = certificate::subject(connection, row.id.as_str())?;
        let owner = subject.owner.as_ref().and_then(|owner| expiry::address(self.policy, owner)).map(Untrusted::from);
        let (policy, now, reaches) = (self.policy, self.now, self.reaches);
        let (plan, renewal_policy, operators) =
            self.plans.entry(row.profile_id.clone()).or_insert_with_key(|profile| {
                let (plan, id) = rules_of(policy, profile.as_deref());
                let operators = policy.operators(profile.as_deref().unwrap_or_default(), now);
                (plan, id, operators.iter().map(|account| Untrusted::new(account.to_string())).collect())
            });
        let watched = Watched {
            certificate_id: row.id.to_string(),
            version: row.version,
            validity: Validity { not_before: row.not_before, not_after: row.not_after },
            profile_id: row.profile_id.clone().unwrap_or_default(),
            seq: row.seq,
        };
        let past = past(connection, &watched, Some(Stage::new(i32::MAX)))?;
        let reach = |channel| match reaches.contains_key(&channel) {
            true => Reach::To(Vec::new()),
            false => Reach::NotConfigured,
        };
        let cells = matrix(plan, row.not_after, &past, now, reach);
        named.extend(cells.iter().filter_map(|cell| match cell.target {
            Target::Channel(channel) => Some(channel),
            Target::Unknown(_) | Target::Nobody => None,
        }));
        let by = |channel| cells.iter().any(|cell| cell.target == Target::Channel(channel));
        Ok(PlannedCertificate {
            name: subject.names.into_iter().next(),
            version: row.version,
            not_after: row.not_after,
            days_left: expiry::days_left(row.not_after, now),
            renewal_policy: renewal_policy.map(str::to_owned),
            mail: owner.filter(|_| by(Channel::Email)),
            accounts: if by(Channel::Wall) { operators.clone() } else { Vec::new() },
            alerts: cells.into_iter().map(planned).collect(),
            profile_id: row.profile_id,
            id: row.id,
        })
    }
}

fn planned(cell: Cell) -> PlannedAlert {
    let (channel, unknown_channel) = match cell.target {
        Target::Channel(channel) => (Some(wire_channel(channel)), None),
        Target::Unknown(name) => (None, Some(name)),
        Target::Nobody => (None, None),
    };
    let (outlook, state) = match cell.outlook {
        matrix::Outlook::Raised(state) => (Outlook::Raised, Some(wire_state(state))),
        matrix::Outlook::Due => (Outlook::Due, None),
        matrix::Outlook::Ahead => (Outlook::Ahead, None),
        matrix::Outlook::Passed => (Outlook::Passed, None),
    };
    let (threshold, severity) = (cell.stage.days(), wire_severity(cell.severity));
    PlannedAlert { threshold, at: cell.at, severity, channel, unknown_channel, outlook, state }
}

const fn wire_state(state: State) -> AlertState {
    match state {
        State::Queued => AlertState::Queued,
        State::Failed => AlertState::Failed,
        State::Sent => AlertState::Sent,
        State::Dead => AlertState::Dead,
        State::Skipped => AlertState::Skipped,
    }
}
