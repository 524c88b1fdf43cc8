//! The console as a whole: flows over update, pictures of every screen, and what must never happen.

#[path = "../../tests/console_support/samples.rs"]
#[allow(dead_code, reason = "the terminal tests use the rest")]
mod samples;

mod flows;
mod never;
mod pictures;

use countersign_shared::protocol::{AuditAction, AuditPage, RequestDetail, RequestPage, RequestSummary};

use super::action::{Action, Answer, Call, Effect};
use super::key::Key;
use super::state::State;
use super::update::update;

/// A console that talks to samples instead of a daemon.
pub struct Bench {
    pub state: State,
    pub requests: Vec<RequestDetail>,
    /// Effects that nobody has answered yet.
    pub open: Vec<Effect>,
}

impl Bench {
    /// Connected, with this queue loaded.
    pub fn with(requests: Vec<RequestSummary>, width: u16, height: u16) -> Self {
        let state = State::new(samples::at(0), width, height, false);
        let requests = requests.into_iter().map(samples::detail).collect();
        let mut bench = Self { state, requests, open: Vec::new() };
        bench.act(Action::Connected);
        bench.settle();
        bench
    }

    pub fn act(&mut self, action: Action) {
        self.open.extend(update(&mut self.state, action));
    }

    pub fn keys(&mut self, keys: &[Key]) {
        for key in keys {
            self.act(Action::Key(*key));
        }
    }

    pub fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.act(Action::Key(Key::Char(c)));
        }
    }

    /// Answers every read and arms the review, as the runtime does after a frame.
    pub fn settle(&mut self) {
        while let Some(at) = self.open.iter().position(|effect| self.answer(effect).is_some()) {
            let effect = self.open.remove(at);
            if let Some(action) = self.answer(&effect) {
                self.act(action);
            }
        }
        self.act(Action::Armed);
    }

    /// Decisions that were sent.
    pub fn decisions(&self) -> Vec<&Call> {
        let calls = self.open.iter().filter_map(|effect| match effect {
            Effect::Call { call, .. } => Some(call),
            _ => None,
        });
        calls.filter(|call| matches!(call, Call::Decide(..))).collect()
    }

    fn answer(&self, effect: &Effect) -> Option<Action> {
        let Effect::Call { generation, call } = effect else { return None };
        let pending = self.requests.iter().filter(|one| one.request.decided_at.is_none()).count();
        let answer = match call {
            Call::Status => Answer::Status(Ok(Box::new(samples::status(u64::try_from(pending).unwrap(), 9)))),
            Call::Whoami => Answer::Whoami(Ok(Box::new(samples::whoami("bob")))),
            Call::Requests(params) => {
                let fits = |one: &&RequestDetail| params.state.is_none_or(|state| state == one.request.state);
                let requests = self.requests.iter().filter(fits).map(|one| one.request.clone()).collect();
                Answer::Requests(Ok(Box::new(RequestPage { requests, next_cursor: None, as_of_seq: 9 })))
            }
            Call::Request(id) => {
                let found = self.requests.iter().find(|one| one.request.id == *id)?;
                Answer::Request(Ok(Box::new(found.clone())))
            }
            Call::Audit(_) => {
                let event = |(one, seq): (&RequestDetail, u64)| {
                    samples::record(seq, AuditAction::ApprovalRequested, one.request.id.as_str())
                };
                let numbered: Vec<(&RequestDetail, u64)> = self.requests.iter().zip(0..).collect();
                let events = numbered.into_iter().rev().map(event).collect();
                Answer::Audit(Ok(Box::new(AuditPage { events, next_cursor: None, as_of_seq: 9 })))
            }
            Call::Decide(..) | Call::Verify | Call::ActAs(_) => return None,
        };
        Some(Action::Answered { generation: *generation, answer })
    }
}
