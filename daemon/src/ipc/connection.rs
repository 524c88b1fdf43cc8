//! What belongs to one connection.

use std::sync::{Mutex, PoisonError};

use countersign_shared::error::ApiError;

use crate::identity::Caller;
use crate::identity::directory::Directory;
use crate::identity::peer::Peer;

/// One connection: its peer, and the person that it acts as on a demo daemon.
pub struct Connection {
    /// Who connected; to be attested at each call that depends on it.
    pub peer: Peer,
    demo_person: Mutex<Option<String>>,
}

impl Connection {
    /// A connection that acts as nobody but its peer.
    pub fn new(peer: Peer) -> Self {
        Self { peer, demo_person: Mutex::new(None) }
    }

    /// Attests the peer now, see [`Peer::attest`].
    pub fn attest(&self, directory: &dyn Directory, with_groups: bool) -> Result<Caller, ApiError> {
        let mut caller = self.peer.attest(directory, with_groups)?;
        caller.demo_person = self.demo_person();
        Ok(caller)
    }

    /// The person chosen with `demo.act_as`.
    pub fn demo_person(&self) -> Option<String> {
        self.demo_person.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Chooses the acting person of the calls that follow. Whether that is allowed is the caller's to judge.
    pub fn act_as(&self, person: Option<String>) {
        *self.demo_person.lock().unwrap_or_else(PoisonError::into_inner) = person;
    }
}
