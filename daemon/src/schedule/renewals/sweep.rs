//! Forgets keys that nobody needs any more: their renewal was refused, has failed for good, or another took its place.

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::lifecycle::JobState;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::Renewals;
use super::step::{Act, decide};
use crate::alerts::{kept, rows};
use crate::made_key::Keys;
use crate::policy::Policy;
use crate::store::rows::{deliveries, jobs};
use crate::store::transaction::Failure;

impl Renewals {
    /// Forgets them. One that is delivered is forgotten by whoever delivers it.
    pub(super) async fn forget_keys(&self) -> Result<(), ApiError> {
        let failed = |error| ApiError::new(ErrorKind::Unavailable, format!("the keys of renewals: {error}"));
        let kept = self.keys.list().map_err(failed)?;
        if kept.is_empty() {
            return Ok(());
        }
        let (policy, keys, tick, line) = (self.policy.now(), self.keys.clone(), self.line.tick(), self.line.clone());
        let read = move |connection: &Connection| {
            let moment = (kept::now(connection, &line)?, tick);
            let mut idle = Vec::new();
            for key in kept {
                if !is_needed(connection, moment, &policy, &keys, &key)? {
                    idle.push(key);
                }
            }
            Ok(idle)
        };
        for (certificate, spki) in self.readers.read(read).await? {
            self.keys.forget(&certificate, spki).map_err(failed)?;
            tracing::info!(%certificate, "a key that was made for its renewal is forgotten: it is of no use any more");
        }
        Ok(())
    }
}

/// A certificate may still be issued for it, or is to be delivered with it.
fn is_needed(
    connection: &Connection,
    moment: (Timestamp, i64),
    policy: &Policy,
    keys: &Keys,
    (certificate, spki): &(CertificateId, Digest),
) -> Result<bool, Failure> {
    if deliveries::waits_with_key(connection, certificate, *spki)? {
        return Ok(true);
    }
    let Some(newest) = jobs::newest_for_key(connection, certificate, *spki)? else { return Ok(false) };
    match newest.job.state {
        JobState::AwaitingApproval | JobState::Pending | JobState::Running => Ok(true),
        JobState::Completed | JobState::Cancelled => Ok(false),
        JobState::Failed => match rows::get(connection, certificate.as_str())? {
            None => Ok(false),
            Some(watched) => {
                let act = decide(connection, moment, policy, keys, &watched)?;
                Ok(matches!(act, Act::Plan(Some(_)) | Act::Again(_)))
            }
        },
    }
}
