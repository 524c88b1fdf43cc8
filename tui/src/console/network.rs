//! The daemon's side of the console: one thread makes the calls, one follows the ledger.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, path::PathBuf};

use countersign_shared::error::ErrorKind;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::method::{
    AlertList, AlertRequeue, AuditAnchor, AuditAnchors, AuditCheckpoint, AuditCount_, AuditGet, AuditList, AuditProof,
    AuditVerify, CertificateList, CertificateRenew, CertificateRetire, CertificateRevoke, DaemonStatus, DaemonWhoami,
    RequestApprove, RequestComment, RequestDecide, RequestGet, RequestList, RequestReject, RequestVoid,
    RequestWithdraw,
};
use countersign_shared::protocol::{AuditGetParams, NoParams, ProofParams, RequestIdParams};

mod dossier;

use super::ConsoleOptions;
use super::action::{Action, Answer, Call, Deed, Done, Effect, Refusal};
use super::mailbox::{Closed, Letter, Mailbox};
use crate::client::{Client, ClientError, Stopper};

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a verification may take.
const VERIFICATION: Duration = Duration::from_secs(6 * 3600);
/// The longest pause between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Starts the network; effects go in by the channel, actions come out by the mailbox. It ends when the channel
/// is dropped.
pub fn start(options: &ConsoleOptions, mailbox: Mailbox) -> io::Result<Sender<Effect>> {
    let (sender, effects) = mpsc::channel();
    let mut worker = Worker {
        socket: options.socket.clone(),
        act_as: options.act_as.clone(),
        effects,
        queued: VecDeque::new(),
        mailbox,
        following: None,
    };
    thread::Builder::new().name("calls".into()).spawn(move || worker.run())?;
    Ok(sender)
}

struct Worker {
    socket: PathBuf,
    act_as: Option<String>,
    effects: Receiver<Effect>,
    queued: VecDeque<Effect>,
    mailbox: Mailbox,
    /// Ends the event stream that is followed now.
    following: Option<Stopper>,
}

/// Why the worker stops serving a connection.
enum End {
    /// The connection is gone or of no use.
    Lost(String),
    /// The console wants it made anew.
    Again,
    /// The console is closed.
    Over,
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Over
    }
}

impl Worker {
    fn run(&mut self) {
        let mut tries = 0;
        let mut first = true;
        loop {
            let begun = Instant::now();
            let end = match self.connect() {
                Ok(client) => {
                    first = false;
                    self.serve(client, &mut tries)
                }
                // Only at the start: later the daemon has already let this person act.
                Err(error) if first && refuses_person(&error) => {
                    match self.mailbox.post(Letter::Fatal(refusal(error))) {
                        Ok(()) | Err(Closed) => return,
                    }
                }
                Err(error) => End::Lost(error.to_string()),
            };
            let pause = match end {
                End::Over => return,
                End::Again if begun.elapsed() > Duration::from_secs(1) => continue,
                End::Again => Duration::from_secs(1),
                End::Lost(why) => {
                    if self.tell(Action::Disconnected { why }).is_err() {
                        return;
                    }
                    let pause = Duration::from_secs(1 << tries.min(4)).min(LONGEST_PAUSE);
                    tries += 1;
                    pause
                }
            };
            if self.rest(pause).is_err() {
                return;
            }
        }
    }

    fn tell(&self, action: Action) -> Result<(), Closed> {
        self.mailbox.post(Letter::Action(action))
    }

    fn connect(&self) -> Result<Client, ClientError> {
        let mut client = Client::connect(&self.socket)?;
        client.set_timeout(Some(TIMEOUT));
        if let Some(person) = &self.act_as {
            client.act_as(person)?;
        }
        Ok(client)
    }

    /// Waits, and turns down what is asked for meanwhile: what a person
    /// does must never go out later than it was done.
    fn rest(&mut self, pause: Duration) -> Result<(), Closed> {
        let until = Instant::now() + pause;
        loop {
            let effect = match self.queued.pop_front() {
                Some(effect) => effect,
                None => match self.effects.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(effect) => effect,
                    Err(RecvTimeoutError::Timeout) => return Ok(()),
                    Err(RecvTimeoutError::Disconnected) => return Err(Closed),
                },
            };
            let Effect::Call { generation, call } = effect else { continue };
            let answer = match call {
                Call::Do(_) => Answer::Done(Err(not_sent())),
                Call::Verify => Answer::Verified(Err(not_sent())),
                _ => continue,
            };
            self.tell(Action::Answered { generation, answer })?;
        }
    }

    fn serve(&mut self, mut client: Client, tries: &mut u32) -> End {
        if self.tell(Action::Connected).is_err() {
            return End::Over;
        }
        loop {
            let Some(effect) = self.next() else { return End::Over };
            match effect {
                // Whoever waits for it goes on working meanwhile.
                Effect::Call { generation, call: Call::Verify } => {
                    if self.verify(generation).is_err() {
                        return End::Over;
                    }
                }
                Effect::Call { generation, call } => {
                    let (answer, lost) = self.answer(&mut client, call);
                    if self.tell(Action::Answered { generation, answer }).is_err() {
                        return End::Over;
                    }
                    if let Some(why) = lost {
                        return End::Lost(why);
                    }
                    *tries = 0;
                }
                Effect::Subscribe { generation, from_seq } => {
                    let told = match self.follow(generation, from_seq) {
                        Ok(()) => Ok(()),
                        Err(_) => self.tell(Action::EventsLost { generation }),
                    };
                    if told.is_err() {
                        return End::Over;
                    }
                }
                Effect::Reconnect => return End::Again,
                Effect::Quit => return End::Over,
                // The loop does these.
                Effect::Save { .. } | Effect::Open { .. } | Effect::Prepare { .. } | Effect::Sign { .. } => {}
            }
        }
    }

    /// The next thing to do. A page that a later one of its kind replaces is not asked for at all.
    fn next(&mut self) -> Option<Effect> {
        loop {
            self.queued.extend(self.effects.try_iter());
            let effect = match self.queued.pop_front() {
                Some(effect) => effect,
                None => self.effects.recv().ok()?,
            };
            self.queued.extend(self.effects.try_iter());
            if !self.queued.iter().any(|later| replaces(later, &effect)) {
                return Some(effect);
            }
        }
    }

    fn answer(&mut self, client: &mut Client, call: Call) -> (Answer, Option<String>) {
        let none = NoParams {};
        match call {
            Call::Status => outcome(client.call::<DaemonStatus>(&none), Answer::Status),
            Call::Whoami => outcome(client.call::<DaemonWhoami>(&none), Answer::Whoami),
            Call::Requests(params) => outcome(client.call::<RequestList>(&params), Answer::Requests),
            Call::Request(id) => outcome(client.call::<RequestGet>(&RequestIdParams { id }), Answer::Request),
            Call::Each(ids) => each(client, ids),
            Call::Do(deed) => outcome(perform(client, deed), Answer::Done),
            Call::Audit(params) => outcome(client.call::<AuditList>(&params), Answer::Audit),
            Call::Count(params) => outcome(client.call::<AuditCount_>(&params), Answer::Counted),
            Call::Record(seq) => {
                let params = AuditGetParams { seq: Some(seq), ..Default::default() };
                outcome(client.call::<AuditGet>(&params), Answer::Record)
            }
            Call::Checkpoint => outcome(client.call::<AuditCheckpoint>(&none), Answer::Checkpoint),
            Call::Prove(seq) => {
                let params = ProofParams { seq: Some(seq), ..Default::default() };
                outcome(client.call::<AuditProof>(&params), Answer::Proved)
            }
            Call::Anchors(params) => outcome(client.call::<AuditAnchors>(&params), Answer::Anchors),
            Call::Verify => outcome(client.call::<AuditVerify>(&none), Answer::Verified),
            Call::Certificates(params) => outcome(client.call::<CertificateList>(&params), Answer::Certificates),
            Call::Certificate(id) => outcome(dossier::read(client, id), Answer::Certificate),
            Call::Alerts(params) => outcome(client.call::<AlertList>(&params), Answer::Alerts),
            Call::ActAs(person) => {
                let result = client.act_as(&person);
                if result.is_ok() {
                    self.act_as = Some(person);
                }
                outcome(result, Answer::ActedAs)
            }
        }
    }

    /// Has the ledger verified, on a connection of its own.
    fn verify(&self, generation: u64) -> Result<(), Closed> {
        let told = move |result| Letter::Action(Action::Answered { generation, answer: Answer::Verified(result) });
        let mut client = match self.connect() {
            Ok(client) => client,
            Err(error) => return self.mailbox.post(told(Err(refusal(error)))),
        };
        client.set_timeout(Some(VERIFICATION));
        let mailbox = self.mailbox.clone();
        let verify = move || {
            let result = client.call::<AuditVerify>(&NoParams {}).map(Box::new).map_err(refusal);
            // The loop may have ended first; then nobody asks.
            let _ = mailbox.post(told(result));
        };
        match thread::Builder::new().name("verification".into()).spawn(verify) {
            Ok(_) => Ok(()),
            Err(error) => self.mailbox.post(told(Err(Refusal { message: error.to_string(), ..not_sent() }))),
        }
    }

    /// Follows the ledger on a connection of its own, in place of any before.
    fn follow(&mut self, generation: u64, from_seq: u64) -> Result<(), ClientError> {
        self.stop_following();
        let mut client = self.connect()?;
        client.subscribe(Some(from_seq))?;
        let lost = |source| ClientError::Lost { path: self.socket.clone(), source };
        let stopper = client.stopper().map_err(lost)?;
        let mailbox = self.mailbox.clone();
        let follow = move || {
            while let Ok(event) = client.next_event() {
                if mailbox.post(Letter::Action(Action::Event { generation, event })).is_err() {
                    return;
                }
            }
            // The loop may have ended first; then nobody asks.
            let _ = mailbox.post(Letter::Action(Action::EventsLost { generation }));
        };
        thread::Builder::new().name("events".into()).spawn(follow).map_err(lost)?;
        self.following = Some(stopper);
        Ok(())
    }

    fn stop_following(&mut self) {
        if let Some(stopper) = self.following.take() {
            // A connection that cannot be shut has ended by itself.
            let _ = stopper.stop();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop_following();
    }
}

/// True where the daemon will never let this person act.
fn refuses_person(error: &ClientError) -> bool {
    matches!(error.refusal(), Some(ErrorKind::Forbidden | ErrorKind::Invalid | ErrorKind::NotFound))
}

fn replaces(later: &Effect, earlier: &Effect) -> bool {
    let (Effect::Call { call: later, .. }, Effect::Call { call: earlier, .. }) = (later, earlier) else {
        return false;
    };
    matches!(
        (later, earlier),
        (Call::Requests(_), Call::Requests(_))
            | (Call::Audit(_), Call::Audit(_))
            | (Call::Count(_), Call::Count(_))
            | (Call::Anchors(_), Call::Anchors(_))
            | (Call::Certificates(_), Call::Certificates(_))
            | (Call::Alerts(_), Call::Alerts(_))
            | (Call::Status, Call::Status)
    )
}

fn perform(client: &mut Client, deed: Deed) -> Result<Done, ClientError> {
    match deed {
        Deed::Decide(Verdict::Approve, params) => client.call::<RequestApprove>(&params).map(Done::Decided),
        Deed::Decide(Verdict::Reject, params) => client.call::<RequestReject>(&params).map(Done::Decided),
        Deed::DecideMany(params) => client.call::<RequestDecide>(&params).map(Done::Many),
        Deed::Withdraw(params) => client.call::<RequestWithdraw>(&params).map(Done::Ended),
        Deed::Void(params) => client.call::<RequestVoid>(&params).map(Done::Ended),
        Deed::Comment(params) => client.call::<RequestComment>(&params).map(Done::Commented),
        Deed::Revoke(params) => client.call::<CertificateRevoke>(&params).map(Done::Revoked),
        Deed::Renew(params) => client.call::<CertificateRenew>(&params).map(Done::Renewed),
        Deed::Retire(params) => client.call::<CertificateRetire>(&params).map(Done::Retired),
        Deed::Requeue(params) => client.call::<AlertRequeue>(&params).map(Done::Requeued),
        Deed::Anchor(params) => client.call::<AuditAnchor>(&params).map(Done::Anchored),
    }
}

/// Reads requests one after the other. What the daemon refuses holds up none of the others; a connection that is
/// lost ends them all.
fn each(client: &mut Client, ids: Vec<RequestId>) -> (Answer, Option<String>) {
    let mut read = Vec::with_capacity(ids.len());
    let mut lost: Option<Refusal> = None;
    for id in ids {
        let result = match &lost {
            Some(refusal) => Err(refusal.clone()),
            None => client.call::<RequestGet>(&RequestIdParams { id: id.clone() }).map(Box::new).map_err(|error| {
                let gone = error.refusal().is_none();
                let refusal = refusal(error);
                lost = gone.then(|| refusal.clone());
                refusal
            }),
        };
        read.push((id, result));
    }
    (Answer::Each(read), lost.map(|refusal| refusal.message))
}

/// The answer for the console, and why the connection is of no use any more, where it is not.
fn outcome<T>(
    result: Result<T, ClientError>,
    answer: fn(Result<Box<T>, Refusal>) -> Answer,
) -> (Answer, Option<String>) {
    match result {
        Ok(value) => (answer(Ok(Box::new(value))), None),
        Err(error) => {
            let lost = error.refusal().is_none().then(|| error.to_string());
            (answer(Err(refusal(error))), lost)
        }
    }
}

fn not_sent() -> Refusal {
    Refusal {
        kind: None,
        message: "The connection to the daemon was lost before this was sent: nothing happened.".into(),
        hint: "Do it again when the console is online.".into(),
        uncertain: false,
    }
}

fn refusal(error: ClientError) -> Refusal {
    let uncertain = !error.nothing_happened();
    match error {
        ClientError::Refused(object) => {
            Refusal { kind: Some(object.data.kind), message: object.message, hint: object.data.hint, uncertain }
        }
        other => Refusal { kind: None, message: other.to_string(), hint: String::new(), uncertain },
    }
}
