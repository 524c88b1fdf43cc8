//! One connection from its first octet to its last: one task, calls in order, no hop to another task for a call
//! that does not wait for people.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::envelope::{self, Call, Refusal};
use super::frame::{self, Decoded, Decoder};
use super::outgoing::{Closed, Outgoing};
use super::seats::{Reserve, Seat};
use super::{Connection, Limits, Reply, Service};

/// How often a peer that ended its input is looked at for having gone altogether. Only while it still has
/// answers or events to come.
const GONE_CHECK: Duration = Duration::from_secs(1);

/// One connection being served.
pub(super) struct Session<S> {
    pub(super) socket: Arc<UnixStream>,
    pub(super) connection: Arc<Connection>,
    pub(super) seat: Arc<Seat>,
    pub(super) service: Arc<S>,
    pub(super) limits: Arc<Limits>,
    pub(super) shutdown: watch::Receiver<bool>,
}

/// Why no more frames are read.
enum End {
    /// The peer ended its input; it may still read.
    Input,
    /// The peer did not keep to the limits.
    Refused,
    /// The daemon stops.
    Shutdown,
}

impl<S: Service> Session<S> {
    /// Serves the connection until either side ends it.
    pub(super) async fn run(mut self) {
        let mut outgoing = Outgoing::new(Arc::clone(&self.socket), Arc::clone(&self.limits), self.reserve());
        let outcome = match self.serve(&mut outgoing).await {
            Ok(end) => self.finish(end, &mut outgoing).await,
            Err(closed) => Err(closed),
        };
        if outcome == Err(Closed::NotRead) {
            let peer = &self.connection.peer;
            tracing::info!(uid = peer.uid(), pid = peer.pid(), "closed a connection whose peer does not read");
        }
    }

    fn reserve(&self) -> Reserve {
        Reserve::new(Arc::clone(&self.seat))
    }

    async fn serve(&mut self, outgoing: &mut Outgoing) -> Result<End, Closed> {
        let mut decoder = Decoder::new(&self.limits, self.reserve());
        let mut frame_due: Option<Instant> = None;
        loop {
            while outgoing.is_full() {
                outgoing.step().await?;
            }
            if *self.shutdown.borrow() {
                return Ok(End::Shutdown);
            }
            match decoder.next() {
                Some(Decoded::Frame(line)) => {
                    frame_due = None;
                    self.take(line, outgoing).await?;
                    // A peer that pipelines without end shares its thread with the others.
                    tokio::task::consume_budget().await;
                    continue;
                }
                Some(Decoded::Refused(error)) => {
                    frame_due = None;
                    outgoing.refuse(None, error);
                    continue;
                }
                Some(Decoded::Endless(error)) => {
                    outgoing.refuse(None, error);
                    return Ok(End::Refused);
                }
                None => {}
            }
            outgoing.flush()?;
            let within_frame = decoder.is_within_frame();
            if within_frame && frame_due.is_none() {
                frame_due = Some(Instant::now() + self.limits.frame_time);
            }
            match self.receive(&mut decoder, frame_due, outgoing).await? {
                Received::Octets => {}
                Received::Late => {
                    outgoing.refuse(None, frame::slow_frame(&self.limits));
                    return Ok(End::Refused);
                }
                Received::EndOfInput => {
                    if within_frame {
                        outgoing.refuse(None, frame::half_frame());
                    }
                    return Ok(End::Input);
                }
                Received::Shutdown => return Ok(End::Shutdown),
            }
        }
    }

    /// Waits for octets, and sends meanwhile.
    async fn receive(
        &mut self,
        decoder: &mut Decoder,
        frame_due: Option<Instant>,
        outgoing: &mut Outgoing,
    ) -> Result<Received, Closed> {
        // The clock is looked at before the socket: a peer that drips is never found waiting.
        if frame_due.is_some_and(|due| Instant::now() >= due) {
            return Ok(Received::Late);
        }
        loop {
            match read(&self.socket, decoder.room()) {
                Ok(0) => return Ok(Received::EndOfInput),
                Ok(octets) => {
                    decoder.filled(octets);
                    return Ok(Received::Octets);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Closed::Gone),
            }
            tokio::select! {
                biased;
                ready = self.socket.readable() => ready.map_err(|_| Closed::Gone)?,
                step = outgoing.step() => step?,
                // An error means that the sender is gone, and nobody is left to keep the daemon up.
                _ = self.shutdown.wait_for(|stop| *stop) => return Ok(Received::Shutdown),
                () = due(frame_due) => return Ok(Received::Late),
            }
        }
    }

    /// Takes up one frame: answers it, or sets it aside.
    async fn take(&mut self, line: &[u8], outgoing: &mut Outgoing) -> Result<(), Closed> {
        let Call { id, method, params } = match envelope::parse(line) {
            Ok(call) => call,
            Err(refusal) => {
                let Refusal { id, error } = *refusal;
                outgoing.refuse(id.as_ref(), error);
                return Ok(());
            }
        };
        if !self.service.runs_aside(&method) {
            let call = unpanicked(self.service.call(&self.connection, &method, params));
            let outcome = beside(call, outgoing).await?;
            outgoing.answer(&id, outcome);
            return Ok(());
        }
        if outgoing.aside.len() >= self.limits.aside {
            let message = format!("{} calls of this connection wait already, which is its limit", self.limits.aside);
            let error = ApiError::new(ErrorKind::RateLimited, message);
            outgoing.refuse(Some(&id), error.hint("wait for one of them to be answered, or open another connection"));
            return Ok(());
        }
        let (service, connection) = (Arc::clone(&self.service), Arc::clone(&self.connection));
        let (method, params) = (method.into_owned(), params.to_owned());
        let mut shutdown = self.shutdown.clone();
        outgoing.aside.spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = unpanicked(service.call(&connection, &method, &params)) => outcome,
                _ = shutdown.wait_for(|stop| *stop) => Err(stopping()),
            };
            (id, outcome)
        });
        Ok(())
    }

    /// Sends what is still to come, as far as the end allows.
    async fn finish(&mut self, mut end: End, outgoing: &mut Outgoing) -> Result<(), Closed> {
        if matches!(end, End::Refused) {
            outgoing.aside.abort_all();
        }
        loop {
            if !matches!(end, End::Input) {
                // Calls aside see a shutdown themselves and answer.
                outgoing.end_streams();
            }
            if !outgoing.is_busy() {
                return Ok(());
            }
            if has_hung_up(&self.socket) {
                return Err(Closed::Gone);
            }
            let stops = tokio::select! {
                biased;
                step = outgoing.step() => { step?; false }
                _ = self.shutdown.wait_for(|stop| *stop), if matches!(end, End::Input) => true,
                () = tokio::time::sleep(GONE_CHECK) => false,
            };
            if stops {
                end = End::Shutdown;
            }
        }
    }
}

enum Received {
    Octets,
    EndOfInput,
    Late,
    Shutdown,
}

/// Runs a call to its end, and sends meanwhile. A call that was begun is finished even where the peer is gone:
/// a decision is never left half way because somebody closed a window.
async fn beside<T>(call: impl Future<Output = T>, outgoing: &mut Outgoing) -> Result<T, Closed> {
    let mut call = pin!(call);
    let closed = loop {
        tokio::select! {
            biased;
            done = &mut call => return Ok(done),
            step = outgoing.step() => if let Err(closed) = step { break closed },
        }
    };
    call.await;
    Err(closed)
}

/// Turns a panic of a call into an answer; it costs the call, not the connection or the daemon.
async fn unpanicked(call: impl Future<Output = Result<Reply, ApiError>>) -> Result<Reply, ApiError> {
    let mut call = pin!(call);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(_) => {
            tracing::error!("a call panicked; the panic message stands above");
            let error = ApiError::internal("the daemon failed in this call");
            Poll::Ready(Err(error.hint("the daemon's log says where; look at the object before trying again")))
        }
    })
    .await
}

/// Reads what is there. Where less came than there was room for, the socket is known to be empty, which spares
/// the read that would only say so (epoll(7), question 9).
fn read(socket: &UnixStream, room: &mut [u8]) -> io::Result<usize> {
    let mut partial = None;
    let outcome = socket.try_io(Interest::READABLE, || {
        let octets = nix::unistd::read(socket, room)?;
        if octets > 0 && octets < room.len() {
            partial = Some(octets);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(octets)
    });
    partial.map_or(outcome, Ok)
}

/// True where the peer has closed both directions. One that only ended its input does not hang up.
fn has_hung_up(socket: &UnixStream) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
        && fds[0].revents().is_some_and(|events| events.intersects(gone))
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn stopping() -> ApiError {
    ApiError::new(ErrorKind::Unavailable, "the daemon is stopping").hint("call again when it is back")
}
