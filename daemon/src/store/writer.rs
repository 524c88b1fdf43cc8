//! The one writer: a thread that owns the only connection that can write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::Damage;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::group::{self, MAX_GROUP};
use super::routing::Routing;
use super::transaction::{Effect, Failure, Transaction};
use super::{Health, integrity};
use crate::clock::TimeLine;
use crate::ledger::Tail;

/// Commands that may wait for the writer before senders wait themselves.
const QUEUE: usize = 1024;
/// A wait that is shorter than this is lost in what the kernel takes to wake a thread.
const SHORTEST_WAIT: Duration = Duration::from_micros(100);
/// One step of waiting for company, at most, however slow a commit was.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// A command in two steps: run inside the group's transaction, answer after its commit.
pub trait Command: Send {
    /// Changes the database; an error undoes this command alone.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Failure>;
    /// Whether it is the one kind of command that is run where damage was found: it says that the damage is known.
    fn mends(&self) -> bool {
        false
    }
    /// Keeps the failure for the answer.
    fn fail(&mut self, failure: Failure);
    /// Tells the caller, once it is known whether the group is durable.
    fn answer(self: Box<Self>, committed: Result<(), ApiError>);
}

struct Call<T, F> {
    steps: Option<F>,
    result: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, ApiError>>,
    health: Health,
    mends: bool,
}

impl<T, F> Command for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        if let Some(steps) = self.steps.take() {
            self.result = Some(Ok(steps(transaction)?));
        }
        Ok(())
    }

    fn mends(&self) -> bool {
        self.mends
    }

    fn fail(&mut self, failure: Failure) {
        self.result = Some(Err(failure));
    }

    fn answer(self: Box<Self>, committed: Result<(), ApiError>) {
        let answer = match (committed, self.result) {
            (_, Some(Err(failure))) => Err(group::describe(failure, &self.health)),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(ApiError::internal("the command was not run")),
        };
        // A caller that went away does not undo what is committed.
        let _ = self.reply.send(answer);
    }
}

/// A handle to the writer; cheap to clone. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Box<dyn Command>>,
    health: Health,
    routing: Routing,
    end: watch::Receiver<Tail>,
}

impl Writer {
    /// Starts the thread. `after_commit` runs on it with the effects of each durable group, before answers go out. Nobody is
    /// told of anything until [`Writer::routing`] is replaced.
    pub fn start(
        connection: Connection,
        tail: Tail,
        line: TimeLine,
        health: Health,
        after_commit: impl FnMut(Vec<Effect>) + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        Self::routed(connection, tail, (line, Routing::default()), health, after_commit)
    }

    /// The same, where somebody else knows already on which channels people are told of what.
    pub fn routed(
        connection: Connection,
        tail: Tail,
        (line, routing): (TimeLine, Routing),
        health: Health,
        after_commit: impl FnMut(Vec<Effect>) + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, commands) = mpsc::channel(QUEUE);
        let (published, end) = watch::channel(tail.clone());
        let (thread_routing, thread_health) = (routing.clone(), health.clone());
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
            let vouched = thread_health.damage().is_none();
            Loop { connection, tail, vouched, line, routing: thread_routing, health: thread_health, published }
                .run(commands, after_commit);
        })?;
        Ok((Self { queue, health, routing, end }, thread))
    }

    /// Runs `steps` in a transaction of the writer; returns once it is durable, or with nothing changed.
    pub async fn write<T, F>(&self, steps: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.health.check()?;
        self.send(steps, false).await
    }

    /// The same where damage was found, for the command that says that it is known. It runs alone, behind the end of the
    /// ledger as the stored edge of the tree has it. The daemon stays read-only until it is started anew.
    pub async fn mend<T, F>(&self, steps: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.send(steps, true).await
    }

    async fn send<T, F>(&self, steps: F, mends: bool) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let gone =
            || ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down").hint("try again in a moment");
        let (reply, answer) = oneshot::channel();
        let call = Call { steps: Some(steps), result: None, reply, health: self.health.clone(), mends };
        self.queue.send(Box::new(call)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// On which channels people are told of what.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// The durable end of the ledger, as of the last commit.
    pub fn tail(&self) -> Tail {
        self.end.borrow().clone()
    }

    /// Changes with every commit that appended to the ledger.
    pub fn watch(&self) -> watch::Receiver<Tail> {
        self.end.clone()
    }

    /// Returns when the thread has ended, which it does not while a handle is held, unless by a fault.
    pub async fn ended(&self) {
        self.queue.closed().await;
    }

    /// How many commands wait.
    pub fn queue_depth(&self) -> usize {
        QUEUE - self.queue.capacity()
    }
}

struct Loop {
    connection: Connection,
    tail: Tail,
    /// Nothing was wrong with the ledger when it was read: the tail is what there was. Otherwise it ends where the first damage
    /// was noticed.
    vouched: bool,
    line: TimeLine,
    routing: Routing,
    health: Health,
    published: watch::Sender<Tail>,
}

/// The group before.
struct Last {
    commands: usize,
    took: Duration,
}

impl Last {
    /// Callers that were answered together ask again together, one a little after the other. On a slow disk the
    /// first of them would take a whole commit for itself while all others wait for the next: so it waits for
    /// them, as long as they keep coming and a fraction of what a commit takes.
    fn wait_for_company(&self, commands: &mut mpsc::Receiver<Box<dyn Command>>, batch: &mut Vec<Box<dyn Command>>) {
        let step = self.took / 16;
        if step < SHORTEST_WAIT {
            return;
        }
        for _ in 0..8 {
            let before = batch.len();
            if before >= self.commands {
                return;
            }
            std::thread::sleep(step.min(LONGEST_WAIT));
            take(commands, batch);
            if batch.len() == before {
                return;
            }
        }
    }
}

/// Takes what has arrived.
fn take(commands: &mut mpsc::Receiver<Box<dyn Command>>, batch: &mut Vec<Box<dyn Command>>) {
    while batch.len() < MAX_GROUP
        && let Ok(next) = commands.try_recv()
    {
        batch.push(next);
    }
}

impl Loop {
    fn run(mut self, mut commands: mpsc::Receiver<Box<dyn Command>>, mut after_commit: impl FnMut(Vec<Effect>)) {
        let mut batch = Vec::with_capacity(MAX_GROUP);
        let mut last = Last { commands: 0, took: Duration::ZERO };
        loop {
            // Those that the last group left come first.
            if batch.is_empty() {
                let Some(first) = commands.blocking_recv() else { break };
                batch.push(first);
            }
            take(&mut commands, &mut batch);
            last.wait_for_company(&mut commands, &mut batch);
            let begin = Instant::now();
            let (ran, outcome) = self.group(&mut batch, &mut after_commit);
            last = Last { commands: batch.len(), took: begin.elapsed() };
            for command in batch.drain(..ran) {
                command.answer(outcome.clone());
            }
        }
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!("folding the log back at the end failed, the next start does it: {error}");
        }
    }

    /// Runs one group; says how many of the commands have their outcome, from the first.
    fn group(
        &mut self,
        batch: &mut [Box<dyn Command>],
        after_commit: &mut impl FnMut(Vec<Effect>),
    ) -> (usize, Result<(), ApiError>) {
        let mut batch = batch;
        if let Err(read_only) = self.health.check() {
            match batch.iter().position(|command| command.mends()) {
                Some(0) => batch = &mut batch[..1],
                first => return (first.unwrap_or(batch.len()), Err(read_only)),
            }
            if let Err(error) = self.find_end() {
                return (batch.len(), Err(error));
            }
        }
        let size = self.tail.size();
        match group::run(&self.connection, &mut self.tail, &self.line, &self.routing.now(), batch, &self.health) {
            Ok(done) => {
                if self.tail.size() != size {
                    self.published.send_replace(self.tail.clone());
                }
                if done.effects.contains(&Effect::TextErased) {
                    self.empty_log();
                }
                tell(after_commit, done.effects);
                (done.commands, Ok(()))
            }
            Err(undone) => {
                self.look_again();
                if let Some((tail, effects)) = undone.unless_durable.map(|group| *group)
                    && tail == self.tail
                    && tail.size() != size
                {
                    // What is durable holds, whatever SQLite reported: a policy that took force is in force.
                    tell(after_commit, effects);
                }
                (batch.len(), Err(undone.error))
            }
        }
    }

    /// Pages as they were before an erasure stand in the log until it is folded back and cut off.
    fn empty_log(&self) {
        let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        if busy.as_ref().ok() != Some(&0) {
            tracing::warn!("a text was erased, and the log of the database is in use: it is cut off at the next stop");
        }
    }

    /// Where damage was found the tail is where the first of it stands. The chain goes on from the hashes that are recorded,
    /// where these are those that this process knows.
    fn find_end(&mut self) -> Result<(), ApiError> {
        let (known, root) = (self.tail.size(), self.tail.frontier().root());
        let mut sieve = integrity::Sieve::collecting(vec![known]);
        let unavailable = |text: String| ApiError::new(ErrorKind::Unavailable, text);
        let verified = integrity::check_through(&self.connection, Tail::default(), &mut sieve, &mut |_, _| ())
            .map_err(|error| unavailable(format!("the ledger cannot be read: {error}")))?;
        if let Some(damage) = verified.damage {
            return Err(unavailable(format!("the end of the ledger is not known ({}): {}", damage.rule, damage.text)));
        }
        if self.vouched && verified.roots.get(&known) != Some(&root) {
            let text =
                format!("this daemon knows {known} records with the root {root}, and those that are there are others");
            return Err(unavailable(text));
        }
        self.tail = verified.tail;
        Ok(())
    }

    /// A commit that failed may still have reached the disk: what the database says now is what counts.
    fn look_again(&mut self) {
        match integrity::read_tail(&self.connection) {
            Ok(Ok(tail)) => {
                self.tail = tail;
                self.published.send_replace(self.tail.clone());
            }
            Ok(Err(damage)) => self.health.raise(damage),
            Err(error) => self.health.raise(Damage {
                seq: None,
                rule: "database".into(),
                text: format!("after a failed commit the ledger cannot be read: {error}"),
            }),
        }
    }
}

/// The group is durable whatever happens here: its answers go out, and the writer goes on.
fn tell(after_commit: &mut impl FnMut(Vec<Effect>), effects: Vec<Effect>) {
    if catch_unwind(AssertUnwindSafe(|| after_commit(effects))).is_err() {
        tracing::error!("a fault of the daemon: not everybody was woken after a commit");
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
