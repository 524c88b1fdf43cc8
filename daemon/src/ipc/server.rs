//! Accepting connections, and letting them end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::ApiError;
use nix::errno::Errno;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::seats::{Seat, Seats};
use super::session::Session;
use super::{Connection, Limits, Listener, Service, answer};
use crate::identity::peer::Peer;

/// Time to wait where the host is short of descriptors or memory: connections that end free some.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until `shutdown` turns true or its sender is dropped; then stops accepting, removes the
/// socket if it is still ours, lets running calls end within [`Limits::drain_time`], and closes the rest.
pub async fn serve<S: Service>(
    listener: Listener,
    service: Arc<S>,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let limits = Arc::new(limits);
    let seats = Seats::new(Arc::clone(&limits));
    let mut connections = JoinSet::new();
    let mut stop = shutdown.clone();
    let mut is_short = false;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task failed");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(socket) => {
                is_short = false;
                if let Some((connection, socket, seat)) = admit(socket, &seats) {
                    let session = Session {
                        socket,
                        connection,
                        seat,
                        service: Arc::clone(&service),
                        limits: Arc::clone(&limits),
                        shutdown: shutdown.clone(),
                    };
                    connections.spawn(session.run());
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                // Once for a shortage, not ten times a second.
                if !is_short {
                    tracing::warn!(%error, "connections cannot be accepted now; trying on");
                }
                is_short = true;
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => {}
                    () = tokio::time::sleep(SHORTAGE_PAUSE) => {}
                }
            }
        }
    }
    listener.close();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_time, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing connections whose calls did not end in time");
        connections.shutdown().await;
    }
}

/// Takes the peer's credentials and a seat. Nothing here waits for the peer.
fn admit(socket: UnixStream, seats: &Arc<Seats>) -> Option<(Arc<Connection>, Arc<UnixStream>, Arc<Seat>)> {
    let socket = Arc::new(socket);
    let peer = match Peer::of(Arc::<UnixStream>::clone(&socket)) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "a connection without credentials was closed");
            return None;
        }
    };
    match seats.take(peer.uid()) {
        Ok(seat) => Some((Arc::new(Connection::new(peer)), socket, seat)),
        Err(error) => {
            tracing::debug!(uid = peer.uid(), %error, "a connection was turned away");
            turn_away(&socket, error);
            None
        }
    }
}

/// One line, if the socket takes it at once; a fresh socket does.
fn turn_away(socket: &UnixStream, error: ApiError) {
    let mut line = Vec::new();
    answer::error(&mut line, None, error);
    // A fresh tokio socket does not know yet that it is writable, so the system is asked directly.
    if let Err(errno) = nix::unistd::write(socket, &line) {
        tracing::debug!(%errno, "the refusal of a connection was not delivered");
    }
}

/// True for an error of one connection, which says nothing about the next. After any other one accepting goes on
/// as well, but not at once, or the loop would only turn.
fn is_passing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EAGAIN))
}
