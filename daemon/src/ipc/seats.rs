//! Who holds how much: connections in all and by user, and memory by user. One user's connections can fill no
//! more than that user's share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_shared::error::{ApiError, ErrorKind};

use super::Limits;

/// What is taken now.
#[derive(Debug)]
pub(super) struct Seats {
    limits: Arc<Limits>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    by_uid: HashMap<u32, Share>,
}

#[derive(Debug, Default)]
struct Share {
    connections: usize,
    octets: usize,
}

/// One connection's seat, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    uid: u32,
}

/// Memory that one side of a connection holds, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserve {
    seat: Arc<Seat>,
    held: usize,
}

impl Seats {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default() })
    }

    /// A seat for a connection of `uid`, or the refusal that the peer gets.
    pub(super) fn take(self: &Arc<Self>, uid: u32) -> Result<Arc<Seat>, ApiError> {
        let mut taken = self.taken();
        if taken.connections >= self.limits.connections {
            let message = format!("the daemon serves {} connections, which is its limit", taken.connections);
            return Err(full(message));
        }
        let share = taken.by_uid.entry(uid).or_default();
        if share.connections >= self.limits.connections_per_uid {
            let open = share.connections;
            return Err(full(format!("uid {uid} has {open} connections open, which is the limit of one user")));
        }
        share.connections += 1;
        taken.connections += 1;
        Ok(Arc::new(Seat { seats: Arc::clone(self), uid }))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.connections -= 1;
        if let Some(share) = taken.by_uid.get_mut(&self.uid) {
            share.connections -= 1;
            if share.connections == 0 {
                taken.by_uid.remove(&self.uid);
            }
        }
    }
}

impl Reserve {
    pub(super) fn new(seat: Arc<Seat>) -> Self {
        Self { seat, held: 0 }
    }

    /// Holds `octets` from now on; false, and no change, where the user's share does not allow more. Holding less
    /// is always possible.
    pub(super) fn hold(&mut self, octets: usize) -> bool {
        if octets == self.held {
            return true;
        }
        let mut taken = self.seat.seats.taken();
        // A seat is counted for as long as it exists, so its user has a share.
        let Some(share) = taken.by_uid.get_mut(&self.seat.uid) else {
            return false;
        };
        let wanted = share.octets - self.held + octets;
        if octets > self.held && wanted > self.seat.seats.limits.memory_per_uid {
            return false;
        }
        share.octets = wanted;
        self.held = octets;
        true
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// The refusal of a frame or an answer for which the user's share has no room.
pub(super) fn no_memory(what: &str, octets: usize) -> ApiError {
    ApiError::new(
        ErrorKind::RateLimited,
        format!("no room for {what} of at least {octets} octets beside what this user's connections hold"),
    )
    .hint("let large frames end and read answers before sending more")
}

fn full(message: String) -> ApiError {
    ApiError::new(ErrorKind::RateLimited, message).hint("close connections that are not used, then connect again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(connections: usize, connections_per_uid: usize) -> Arc<Seats> {
        Seats::new(Arc::new(Limits { connections, connections_per_uid, memory_per_uid: 100, ..Limits::default() }))
    }

    #[test]
    fn seats_are_counted_by_user_and_in_all_and_given_back() {
        let seats = seats(3, 2);
        let one = seats.take(1).unwrap();
        let _two = seats.take(1).unwrap();
        let refused = seats.take(1).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::RateLimited);
        assert!(refused.message.contains("uid 1 has 2"), "{refused}");
        let _three = seats.take(2).unwrap();
        assert!(seats.take(3).unwrap_err().message.contains("serves 3"));
        drop(one);
        assert!(seats.take(3).is_ok());
        assert_eq!(seats.taken().by_uid.len(), 2);
    }

    #[test]
    fn memory_is_shared_by_the_connections_of_a_user_alone() {
        let seats = seats(10, 10);
        let [mut one, mut two, mut other] = [1, 1, 2].map(|uid| Reserve::new(seats.take(uid).unwrap()));
        assert!(one.hold(60) && two.hold(40) && other.hold(100));
        assert!(!two.hold(41) && two.hold(40) && two.hold(30) && one.hold(70) && !one.hold(71));
        drop(one);
        assert!(two.hold(100) && !two.hold(101));
    }
}
