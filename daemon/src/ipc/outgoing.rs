//! What waits for a peer to read it, and what makes more of it while calls run: calls aside and subscriptions.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::frame::CallId;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::seats::{Reserve, no_memory};
use super::{Limits, Reply, answer};

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The peer closed it or broke it.
    Gone,
    /// The peer did not read its answers in time.
    NotRead,
}

/// A call that ran aside, and what it came to.
pub(super) type AsideDone = (CallId, Result<Reply, ApiError>);

/// The sending side of one connection.
pub(super) struct Outgoing {
    queue: Queue,
    /// Calls that run aside; dropped, and with that aborted, when the connection ends.
    pub(super) aside: JoinSet<AsideDone>,
    streams: Vec<mpsc::Receiver<String>>,
    limits: Arc<Limits>,
}

impl Outgoing {
    pub(super) fn new(socket: Arc<UnixStream>, limits: Arc<Limits>, reserve: Reserve) -> Self {
        let queue =
            Queue { socket, octets: Vec::new(), sent: 0, due: 0, due_at: None, write_time: limits.write_time, reserve };
        Self { queue, aside: JoinSet::new(), streams: Vec::new(), limits }
    }

    /// Queues what a call came to.
    pub(super) fn answer(&mut self, id: &CallId, outcome: Result<Reply, ApiError>) {
        match outcome {
            Ok(Reply::Result(text)) => self.result(id, &text),
            Ok(Reply::Stream { .. }) if self.streams.len() >= self.limits.streams => {
                let held = self.streams.len();
                let message = format!("the connection has {held} subscriptions, which is its limit");
                let error = ApiError::new(ErrorKind::RateLimited, message);
                self.refuse(Some(id), error.hint("one subscription carries every event; open another connection"));
            }
            Ok(Reply::Stream { result, events }) => {
                self.result(id, &result);
                self.streams.push(events);
            }
            Err(error) => self.refuse(Some(id), error),
        }
    }

    fn result(&mut self, id: &CallId, text: &str) {
        // The room for the envelope: the largest id, escaped, and the fixed members.
        let limit = self.limits.frame.saturating_sub(1024);
        if text.len() > limit {
            let message = format!("the result has {} octets, over the limit of {limit} for one frame", text.len());
            self.refuse(
                Some(id),
                ApiError::invalid(message).hint("ask for less: a smaller `limit`, a narrower filter"),
            );
        } else if !self.queue.holds(text.len()) {
            self.refuse(Some(id), no_memory("an answer", text.len()));
        } else {
            answer::result(&mut self.queue.octets, id, text);
        }
    }

    /// Queues a refusal; without an id where the frame had none that could be read.
    pub(super) fn refuse(&mut self, id: Option<&CallId>, error: ApiError) {
        answer::error(&mut self.queue.octets, id, error);
    }

    /// True while nothing more may be queued.
    pub(super) fn is_full(&self) -> bool {
        self.queue.waiting() >= self.limits.queued
    }

    /// True while something is still to come or to be sent.
    pub(super) fn is_busy(&self) -> bool {
        self.queue.waiting() > 0 || !self.aside.is_empty() || !self.streams.is_empty()
    }

    /// Ends all subscriptions.
    pub(super) fn end_streams(&mut self) {
        self.streams.clear();
    }

    /// Sends what the peer takes without waiting.
    pub(super) fn flush(&mut self) -> Result<(), Closed> {
        self.queue.flush()
    }

    /// Waits for one thing to happen on the sending side: octets were taken, a call aside ended, an event
    /// came. Never ends where nothing can. May be dropped at any time without loss.
    pub(super) async fn step(&mut self) -> Result<(), Closed> {
        let accepts = !self.is_full();
        let Self { queue, aside, streams, .. } = self;
        let (id, outcome) = tokio::select! {
            biased;
            sent = queue.progress() => return sent,
            Some(done) = aside.join_next(), if accepts => match done {
                Ok(done) => done,
                // It was aborted because its connection ends: calls catch their own panics.
                Err(_) => return Ok(()),
            },
            event = next_event(streams), if accepts => {
                answer::event(&mut queue.octets, &event);
                self.queue_ready_events();
                return Ok(());
            }
        };
        self.answer(&id, outcome);
        Ok(())
    }

    /// Takes the events that are there already, so that a burst is one write.
    fn queue_ready_events(&mut self) {
        for stream in &mut self.streams {
            while self.queue.waiting() < self.limits.queued
                && let Ok(event) = stream.try_recv()
            {
                answer::event(&mut self.queue.octets, &event);
            }
        }
    }
}

/// The next event of any stream; streams that ended are dropped. Waits for ever where there is none.
async fn next_event(streams: &mut Vec<mpsc::Receiver<String>>) -> String {
    poll_fn(|context| {
        let mut at = 0;
        while at < streams.len() {
            match streams[at].poll_recv(context) {
                Poll::Ready(Some(event)) => return Poll::Ready(event),
                Poll::Ready(None) => drop(streams.swap_remove(at)),
                Poll::Pending => at += 1,
            }
        }
        Poll::Pending
    })
    .await
}

/// Octets on their way to a peer.
struct Queue {
    socket: Arc<UnixStream>,
    octets: Vec<u8>,
    sent: usize,
    /// How many of the waiting octets have to be taken until `due_at`. What is queued later gets its own time,
    /// so a busy peer that reads is never taken for one that does not.
    due: usize,
    due_at: Option<Instant>,
    write_time: Duration,
    reserve: Reserve,
}

/// A queue's buffer above this is given back once it is empty.
const KEPT: usize = 64 * 1024;

impl Queue {
    /// Reserves memory for an answer of `octets`. Small ones always pass.
    fn holds(&mut self, octets: usize) -> bool {
        octets <= KEPT || self.reserve.hold(self.waiting() + octets)
    }

    fn waiting(&self) -> usize {
        self.octets.len() - self.sent
    }

    fn flush(&mut self) -> Result<(), Closed> {
        while self.waiting() > 0 {
            match self.socket.try_write(&self.octets[self.sent..]) {
                Ok(0) => return Err(Closed::Gone),
                Ok(taken) => {
                    self.sent += taken;
                    self.due = self.due.saturating_sub(taken);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed::Gone),
            }
        }
        if self.waiting() == 0 {
            self.sent = 0;
            self.octets.clear();
            if self.octets.capacity() > KEPT {
                self.octets = Vec::new();
            }
            self.reserve.hold(0);
            (self.due, self.due_at) = (0, None);
        } else if self.due == 0 {
            self.due = self.waiting();
            self.due_at = Some(Instant::now() + self.write_time);
        }
        if self.sent > KEPT && self.sent > self.octets.len() / 2 {
            self.octets.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Waits until some octets were taken; for ever where none wait.
    async fn progress(&mut self) -> Result<(), Closed> {
        let before = self.waiting();
        if before == 0 {
            std::future::pending::<()>().await;
        }
        loop {
            self.flush()?;
            let Some(due_at) = self.due_at.filter(|_| self.waiting() == before) else {
                return Ok(());
            };
            tokio::select! {
                ready = self.socket.writable() => ready.map_err(|_| Closed::Gone)?,
                () = tokio::time::sleep_until(due_at) => return Err(Closed::NotRead),
            }
        }
    }
}
