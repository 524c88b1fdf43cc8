//! Equal shares: how many of a thing one holder has at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The shares of all holders; a holder that has nothing costs nothing.
#[derive(Debug)]
pub struct Shares<K: Eq + Hash> {
    each: usize,
    holders: Mutex<HashMap<K, Holder>>,
}

#[derive(Debug)]
struct Holder {
    places: Arc<Semaphore>,
    /// Those that have a place or wait for one.
    interested: usize,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash + Clone> {
    // Fields are dropped in this order: a holder is forgotten only when it has its places back, or a new one of the
    // same name could have more than its share.
    _place: OwnedSemaphorePermit,
    _interest: Interest<K>,
}

#[derive(Debug)]
struct Interest<K: Eq + Hash + Clone> {
    shares: Arc<Shares<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// Holders have `each` places at once.
    pub fn new(each: usize) -> Self {
        Self { each, holders: Mutex::new(HashMap::new()) }
    }

    /// Waits for a place. `None` cannot happen as long as the shares exist.
    pub async fn take(self: &Arc<Self>, key: K) -> Option<Share<K>> {
        let (places, interest) = self.interest(key);
        let place = places.acquire_owned().await.ok()?;
        Some(Share { _place: place, _interest: interest })
    }

    /// A place, where there is one now.
    pub fn try_take(self: &Arc<Self>, key: K) -> Option<Share<K>> {
        let (places, interest) = self.interest(key);
        let place = places.try_acquire_owned().ok()?;
        Some(Share { _place: place, _interest: interest })
    }

    fn interest(self: &Arc<Self>, key: K) -> (Arc<Semaphore>, Interest<K>) {
        let mut holders = self.lock();
        let new = || Holder { places: Arc::new(Semaphore::new(self.each)), interested: 0 };
        let holder = holders.entry(key.clone()).or_insert_with(new);
        holder.interested += 1;
        (holder.places.clone(), Interest { shares: self.clone(), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Holder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Drop for Interest<K> {
    fn drop(&mut self) {
        let mut holders = self.shares.lock();
        if let Some(holder) = holders.get_mut(&self.key) {
            holder.interested -= 1;
            if holder.interested == 0 {
                holders.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_holder_has_its_share_waits_for_more_and_is_forgotten() {
        let shares = Arc::new(Shares::new(2));
        let (one, two) = (shares.take(7).await.unwrap(), shares.take(7).await.unwrap());
        assert!(shares.try_take(7).is_none());
        let other = shares.try_take(8).unwrap();
        let waiting = tokio::spawn({
            let shares = shares.clone();
            async move { shares.take(7).await.unwrap() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(one);
        let three = waiting.await.unwrap();
        assert!(shares.try_take(7).is_none());
        drop((two, three, other));
        assert!(shares.lock().is_empty());
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let shares = Arc::new(Shares::new(1));
        let held = shares.take(7).await.unwrap();
        let waiting = tokio::spawn({
            let shares = shares.clone();
            async move { shares.take(7).await }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        drop(held);
        assert!(shares.lock().is_empty());
    }
}
