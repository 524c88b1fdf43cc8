//! Delivers what was issued where the policy says: remembered with the certificate, tried again after a refusal or
//! a crash, one after the other, so that an older chain never takes the place of a newer one.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::deliver::{DeliverRule, Pair, deliver, deliver_pair};
use crate::made_key::Keys;
use crate::policy::Delivery;
use crate::service::PolicyInForce;
use crate::store::rows::deliveries::{self, Fate, Parcel};
use crate::store::{Health, Readers, Writer};

/// The wait after the first refusal; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How long to leave a database alone that takes nothing now.
const RETRY: Duration = Duration::from_secs(5);

/// See the module.
pub struct Courier {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// May the daemon write?
    pub health: Health,
    /// Rules.
    pub policy: PolicyInForce,
    /// Something was issued that is to be delivered.
    pub issued: Arc<Notify>,
    /// Keys that were made for renewals.
    pub keys: Keys,
}

/// When each certificate that could not be delivered is tried again. A restart tries all of them at once.
type Waits = BTreeMap<String, Waiting>;

#[derive(Clone, Copy)]
struct Waiting {
    version: u32,
    until: Instant,
}

impl Courier {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let mut waits = Waits::new();
        loop {
            let next = match self.deliver_all(&mut waits, &stop).await {
                Ok(()) => waits.values().map(|waiting| waiting.until).min(),
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("deliveries could not be looked at, tried again soon: {error}");
                    Some(Instant::now() + RETRY)
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                () = self.issued.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    async fn deliver_all(&self, waits: &mut Waits, stop: &watch::Receiver<bool>) -> Result<(), ApiError> {
        let open = self.readers.read(|connection| Ok(deliveries::open(connection)?)).await?;
        waits.retain(|certificate, _| open.iter().any(|(id, _)| id == certificate));
        for (certificate, version) in open {
            if *stop.borrow() {
                return Ok(());
            }
            self.health.check()?;
            let waiting = waits.get(&certificate).filter(|waiting| waiting.version == version);
            if waiting.is_some_and(|waiting| waiting.until > Instant::now()) {
                continue;
            }
            let wait = match self.deliver_one(&certificate).await {
                Ok(wait) => wait,
                Err(error) if error.kind == ErrorKind::ReadOnly => return Err(error),
                // It is in the way of no other.
                Err(error) => {
                    tracing::error!(certificate, "a delivery could not be looked at, tried again soon: {error}");
                    Some(FIRST_WAIT)
                }
            };
            match wait {
                Some(wait) => waits.insert(certificate, Waiting { version, until: Instant::now() + wait }),
                None => waits.remove(&certificate),
            };
        }
        Ok(())
    }

    /// Returns how long to wait where it has to be tried again.
    async fn deliver_one(&self, certificate: &str) -> Result<Option<Duration>, ApiError> {
        let id = certificate.to_owned();
        let parcel = self.readers.read(move |connection| Ok(deliveries::get(connection, &id)?)).await?;
        let wait = wait_after(parcel.attempts);
        let (certificate, version, spki) = (parcel.certificate_id.clone(), parcel.version, parcel.spki_sha256);
        let policy = self.policy.now();
        let rule = policy.profile(&parcel.profile_id).and_then(|profile| profile.rules().deliver.clone());
        let fate = match rule {
            _ if !parcel.in_force => Fate::Dropped("it is not in force any more"),
            None if parcel.made_key => Fate::Failed("the policy delivers it and its key nowhere any more".to_owned()),
            None => Fate::Dropped("the policy delivers it nowhere any more"),
            Some(rule) => write(rule, parcel, self.keys.clone()).await,
        };
        if let Fate::Dropped(why) = &fate {
            tracing::info!(%certificate, version, "not delivered: {why}");
        }
        let (noted, id) = (fate.clone(), certificate.clone());
        self.writer
            .write(move |transaction| Ok(deliveries::note(transaction.connection(), &certificate, version, &noted)?))
            .await?;
        if matches!(fate, Fate::Failed(_)) {
            return Ok(Some(wait));
        }
        // Not before the database says so: until then it may have to be delivered again.
        if let Err(error) = self.keys.forget(&id, spki) {
            tracing::error!(certificate = %id, "a key that was delivered could not be forgotten, tried again: {error}");
            self.keys.look();
        }
        Ok(None)
    }
}

/// A certificate that cannot be delivered stands in the store all the same; the log says what is in the way.
async fn write(rule: Delivery, parcel: Parcel, keys: Keys) -> Fate {
    let certificate = parcel.certificate_id.clone();
    match tokio::task::spawn_blocking(move || put(&rule, &parcel, &keys)).await {
        Ok(Ok(path)) => {
            tracing::info!(%certificate, path = %path.display(), "delivered");
            Fate::Done
        }
        Ok(Err(error)) => {
            tracing::error!(%certificate, "issued, and not delivered: {error}");
            Fate::Failed(error)
        }
        Err(_) => {
            tracing::error!(%certificate, "issued, and not delivered: the thread ended");
            Fate::Failed("a fault of the daemon ended the thread that wrote".to_owned())
        }
    }
}

/// The chain, with the key where the daemon made it: never the one without the other.
fn put(rule: &Delivery, parcel: &Parcel, keys: &Keys) -> Result<PathBuf, String> {
    let at = |path: String| DeliverRule { path, owner: rule.owner.clone(), mode: Some(rule.mode) };
    let (chain, certificate) = (at(rule.path.clone()), &parcel.certificate_id);
    if !parcel.made_key {
        return deliver(&chain, certificate, &parcel.chain_pem).map_err(|error| error.to_string());
    }
    let key = keys.read(certificate, parcel.spki_sha256);
    let key_pem = key
        .map_err(|error| format!("the key that was made for it cannot be read: {error}"))?
        .ok_or("the key that was made for it is not here any more: have it renewed (countersign renew)")?;
    let pair =
        Pair { chain: &chain, chain_pem: &parcel.chain_pem, key: &at(rule.key_place()), key_pem: key_pem.as_str() };
    deliver_pair(&pair, certificate).map_err(|error| error.to_string())
}

/// The wait after a refusal that so many came before.
fn wait_after(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_up_to_an_hour() {
        let minutes: Vec<u64> = (0..8).map(|attempts| wait_after(attempts).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
