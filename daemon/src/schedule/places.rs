//! How many jobs are carried out at one time: so many for each issuer, so that one that hangs holds up its own
//! jobs alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Jobs of one issuer that are carried out at one time.
pub const AT_ONCE: usize = 4;

/// A handle; cheap to clone.
#[derive(Clone, Default)]
pub struct Places(Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>);

impl Places {
    /// The places of an issuer.
    pub fn of(&self, issuer: &str) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = all.entry(issuer.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
        places.clone()
    }
}
