//! Keeps the list of what was revoked fresh: signs the next one when a certificate ends, at half the lifetime of the one
//! before, and when the wall clock was set; then writes it where it is published. A list leaves the daemon after it was
//! recorded, never before.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category, Damage};
use countersign_shared::time::{Span, Timestamp};
use tokio::sync::{Notify, watch};

use super::deadline::Alarm;
use crate::clock::TimeLine;
use crate::deliver::{self, DeliverRule};
use crate::issuer::{CrlEntry, CrlOrder};
use crate::policy::{CrlRules, Issuer, IssuerKind};
use crate::service::PolicyInForce;
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::rows::crls::{self, List};
use crate::store::transaction::Failure;
use crate::store::{Health, Readers, Transaction, Writer};
use crate::x509::pem;

/// How long to wait after something that failed.
const RETRY_MILLIS: i64 = 60_000;
/// How often the wall clock is looked at where there is a list: it can be set, and the time line does not follow it.
const LOOK_MILLIS: i64 = 3_600_000;

/// See the module.
pub struct CrlPublisher {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// May the daemon sign?
    pub health: Health,
    /// Issuers, and where their lists go.
    pub policy: PolicyInForce,
    /// Time.
    pub line: TimeLine,
    /// The directory of the lists in the state directory.
    pub directory: PathBuf,
    /// A certificate was revoked.
    pub revoked: Arc<Notify>,
}

/// A list as it stands, with how many entries there are by now.
struct Found {
    newest: Option<List>,
    count: u64,
}

impl CrlPublisher {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        let directory = self.directory.clone();
        match tokio::task::spawn_blocking(move || deliver::remove_left_behind(&directory)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("half a list may be left from before: {error}"),
            Err(_) => tracing::warn!("half a list may be left from before: a fault of the daemon ended the thread"),
        }
        let mut changes = self.policy.watch();
        loop {
            let next = self.publish_all().await;
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.revoked.notified() => {}
                Ok(()) = changes.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Every list of the policy in force; returns when one is to be looked at again. What one issuer lacks is in the way
    /// of no other.
    async fn publish_all(&self) -> Option<i64> {
        let mut next = None;
        for issuer in self.policy.now().issuers() {
            if issuer.kind != IssuerKind::LocalCa {
                continue;
            }
            let again = match self.publish(issuer).await {
                Ok(again) => again,
                // Damage is final: nothing is signed any more, and nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!(issuer = issuer.id, "the list of what was revoked, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            next = [next, again].into_iter().flatten().min();
        }
        next
    }

    async fn publish(&self, issuer: &Issuer) -> Result<Option<i64>, ApiError> {
        self.health.check()?;
        let rules = issuer.crl.clone().unwrap_or_default();
        let id = issuer.id.clone();
        let look = move |connection: &rusqlite::Connection| {
            let snapshot = connection.unchecked_transaction()?;
            let found = Found { newest: crls::newest(&snapshot, &id)?, count: crls::count(&snapshot, &id)? };
            snapshot.finish()?;
            Ok(found)
        };
        let found = self.readers.read(look).await?;
        if found.newest.is_none() && found.count == 0 && issuer.crl.is_none() {
            return Ok(None);
        }
        if found.newest.as_ref().is_some_and(|list| Digest::of(&[&list.der]) != list.sha256) {
            let text = format!("the newest list of {} is not the list that was recorded", issuer.id);
            return Err(self.damaged(text));
        }
        let (tick, wall) = (self.line.tick(), self.line.wall());
        let list = match found.newest {
            Some(list) if is_fresh(&list, found.count, rules.lifetime, tick, wall) => list,
            before => self.sign(issuer, before, rules.lifetime).await?,
        };
        let again = list.due_tick.min(tick.saturating_add(LOOK_MILLIS));
        self.write(issuer, rules, list.der).await?;
        Ok(Some(again))
    }

    /// Signs, records and stores the next list.
    async fn sign(&self, issuer: &Issuer, before: Option<List>, lifetime: Span) -> Result<List, ApiError> {
        let this_update = whole_seconds(self.line.wall());
        let due_tick = self.line.tick().saturating_add(millis(lifetime) / 2);
        // An entry stands in one list at least that was signed after the end of its certificate (RFC 5280 §3.3).
        let since = before.as_ref().map_or(Timestamp::EPOCH, |list| list.this_update.min(this_update));
        let id = issuer.id.clone();
        let read = move |connection: &rusqlite::Connection| {
            let snapshot = connection.unchecked_transaction()?;
            let unexplained = crls::unexplained(&snapshot, &id)?;
            let (entries, count) = (crls::entries(&snapshot, &id, since)?, crls::count(&snapshot, &id)?);
            snapshot.finish()?;
            Ok((unexplained, entries, count))
        };
        let (unexplained, entries, count) = self.readers.read(read).await?;
        if let Some(text) = unexplained {
            return Err(self.damaged(text));
        }
        let order = CrlOrder {
            number: before.map_or(0, |list| list.number).saturating_add(1),
            this_update,
            next_update: later(this_update, lifetime),
            entries: entries
                .into_iter()
                .map(|entry| CrlEntry { serial: entry.serial, reason: entry.reason, revoked_at: entry.revoked_at })
                .collect(),
        };
        let signer = self.policy.whole().issuer(&issuer.id);
        let signer = signer.ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "the issuer is not there"))?;
        let (number, next_update, listed) = (order.number, order.next_update, order.entries.len());
        let signed = tokio::task::spawn_blocking(move || signer.sign_crl(&order)).await;
        let signed = signed.map_err(|_| ApiError::internal("a fault of the daemon ended the thread that signed"))?;
        let der = signed.map_err(|error| ApiError::new(ErrorKind::Unavailable, error.to_string()))?;
        let sha256 = Digest::of(&[&der]);
        let list = List { number, this_update, next_update, due_tick, entries: count, sha256, der };
        let (id, kept) = (issuer.id.clone(), list.clone());
        self.writer.write(move |transaction| store(transaction, &id, &kept, listed)).await?;
        tracing::info!(issuer = issuer.id, number, listed, "the list of what was revoked is signed");
        Ok(list)
    }

    /// The state says something that the ledger does not: nothing is signed on its account.
    fn damaged(&self, text: String) -> ApiError {
        self.health.raise(Damage { seq: None, rule: "state".into(), text: text.clone() });
        self.health.check().err().unwrap_or_else(|| ApiError::new(ErrorKind::ReadOnly, text))
    }

    /// In the state directory in DER and in PEM, and in DER where the policy says.
    async fn write(&self, issuer: &Issuer, rules: CrlRules, der: Vec<u8>) -> Result<(), ApiError> {
        let (directory, id) = (self.directory.clone(), issuer.id.clone());
        let written = tokio::task::spawn_blocking(move || {
            deliver::open_directory(&directory)?;
            deliver::place_in(&directory, &format!("{id}.crl"), &der)?;
            deliver::place_in(&directory, &format!("{id}.crl.pem"), pem::encode("X509 CRL", &der).as_bytes())?;
            match rules.path {
                Some(path) => deliver::publish(&DeliverRule { path, owner: None, mode: None }, &der),
                None => Ok(()),
            }
        });
        let written = written.await.map_err(|_| ApiError::internal("a fault of the daemon ended the thread"))?;
        written
            .map_err(|error| ApiError::new(ErrorKind::Unavailable, format!("it is signed, and not published: {error}")))
    }
}

/// Whether the newest list says all that there is to say, and will for a while yet by both clocks.
fn is_fresh(list: &List, count: u64, lifetime: Span, tick: i64, wall: Timestamp) -> bool {
    let (begin, end, now) = (list.this_update.unix_millis(), list.next_update.unix_millis(), wall.unix_millis());
    list.entries == count
        && end - begin == millis(lifetime)
        && tick < list.due_tick
        && begin <= now
        && now < begin + millis(lifetime) / 2
}

fn millis(span: Span) -> i64 {
    i64::try_from(span.millis()).unwrap_or(i64::MAX)
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis().div_euclid(1000) * 1000).unwrap_or(at)
}

fn later(at: Timestamp, span: Span) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis().saturating_add(millis(span))).unwrap_or(at)
}

fn store(transaction: &mut Transaction<'_>, issuer: &str, list: &List, listed: usize) -> Result<(), Failure> {
    let number = |number: u64| i64::try_from(number).map_err(|_| ApiError::internal("a number is too large"));
    let draft = system_draft(SCHEDULER, AuditAction::CrlSigned, Category::CertLifecycle, "issuer", issuer)
        .number("number", number(list.number)?)
        .text("sha256", list.sha256)
        .number("entries", number(u64::try_from(listed).unwrap_or(u64::MAX))?)
        .text("this_update", list.this_update)
        .text("next_update", list.next_update);
    let recorded = transaction.record(draft)?;
    crls::replace(transaction.connection(), issuer, list, recorded.seq)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_fresh_for_half_its_life_by_both_clocks_and_while_nothing_is_added() {
        let week = Span::from_secs(7 * 86_400);
        let at = |seconds: i64| Timestamp::from_unix_millis(seconds * 1000).unwrap();
        let begin = 1_790_000_000;
        let half = 7 * 43_200;
        let list = List {
            number: 1,
            this_update: at(begin),
            next_update: later(at(begin), week),
            due_tick: half * 1000,
            entries: 1,
            sha256: Digest::of(&[]),
            der: Vec::new(),
        };
        for (count, lifetime, tick, wall, fresh) in [
            (1, week, 0, begin, true),
            (1, week, half * 1000 - 1, begin + half - 1, true),
            // One more entry; another lifetime.
            (2, week, 0, begin, false),
            (1, Span::from_secs(86_400), 0, begin, false),
            // The time line has come to its end; the wall clock has; the wall clock was set back.
            (1, week, half * 1000, begin, false),
            (1, week, 0, begin + half, false),
            (1, week, 0, begin - 1, false),
        ] {
            assert_eq!(is_fresh(&list, count, lifetime, tick, at(wall)), fresh, "{count} {lifetime} {tick} {wall}");
        }
    }
}
