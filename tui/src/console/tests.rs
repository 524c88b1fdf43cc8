//! The console as a whole: flows over update, pictures of every screen, and what must never happen.

#[path = "../../tests/console_support/samples.rs"]
#[allow(dead_code, reason = "the terminal tests use the rest")]
mod samples;

#[path = "../../tests/console_support/ledger.rs"]
mod ledger;

mod audited;
mod bulk;
mod deeds;
mod flows;
mod listed;
mod managed;
mod never;
mod pictures;
pub mod signing;

use countersign_shared::error::ErrorKind;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::{
    Alert, AlertPage, AlertState, AlertsStatus, AuditAction, AuditCount, AuditRecord, CertificateOrder,
    CertificatePage, CertificateSource, Event, ListAuditParams, ListCertificatesParams, RequestDetail, RequestPage,
    RequestSummary, VerificationProgress,
};

use super::action::{Action, Answer, Call, Deed, Done, Effect, Prepared, Refusal};
use super::key::Key;
use super::state::{Dialog, Dossier, Errand, Review, Slot, State};
use super::update::update;

/// A console that talks to samples instead of a daemon.
pub struct Bench {
    pub state: State,
    pub requests: Vec<RequestDetail>,
    pub certificates: Vec<Dossier>,
    pub alerts: Vec<Alert>,
    /// The ledger, oldest first.
    pub records: Vec<AuditRecord>,
    /// How far a verification is.
    pub progress: Option<VerificationProgress>,
    /// Pieces of damage that people acknowledged.
    pub acknowledged: u64,
    /// Certificates or records on a page.
    pub page: usize,
    /// Effects that nobody has answered yet.
    pub open: Vec<Effect>,
}

impl Bench {
    /// Connected, with this queue loaded.
    pub fn with(requests: Vec<RequestSummary>, width: u16, height: u16) -> Self {
        let state = State::new(samples::at(0), width, height, false);
        let requests: Vec<RequestDetail> = requests.into_iter().map(samples::detail).collect();
        let ids: Vec<String> = requests.iter().map(|one| one.request.id.to_string()).collect();
        let (records, progress) = (ledger::records(&ids), None);
        let (certificates, alerts) = (managed::dossiers(), managed::alerts());
        let mut bench = Self {
            state,
            requests,
            certificates,
            alerts,
            records,
            progress,
            acknowledged: 0,
            page: 200,
            open: Vec::new(),
        };
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

    /// What was sent that changes requests.
    pub fn deeds(&self) -> Vec<&Deed> {
        let calls = self.open.iter().filter_map(|effect| match effect {
            Effect::Call { call: Call::Do(deed), .. } => Some(deed),
            _ => None,
        });
        calls.collect()
    }

    /// Takes the deed that was sent out of what is open and answers it.
    pub fn done(&mut self, result: Result<Done, Refusal>) {
        let at = self.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Do(_), .. })).unwrap();
        let Effect::Call { generation, .. } = self.open.remove(at) else { panic!() };
        self.act(Action::Answered { generation, answer: Answer::Done(result.map(Box::new)) });
    }

    /// The review that is open.
    pub fn review(&self) -> &Review {
        match &self.state.dialog {
            Some(Dialog::Review(review)) => review,
            other => panic!("no review is open: {other:?}"),
        }
    }

    /// A record about this request.
    pub fn event(&mut self, at: usize) {
        let id = self.requests[at].request.id.to_string();
        let generation = (1..1000).find(|one| self.state.calls.is_awaited(Slot::Events, *one)).unwrap();
        let record = samples::record(10, AuditAction::ApprovalAmended, &id);
        let event = Event::Record {
            seq: 10,
            at: record.created_at,
            action: record.action,
            actor: record.actor,
            actor_type: record.actor_type,
            resource_type: record.resource_type,
            resource_id: record.resource_id,
        };
        self.act(Action::Event { generation, event });
    }

    fn answer(&self, effect: &Effect) -> Option<Action> {
        if let Effect::Prepare { generation, texts } = effect {
            let prepared = Prepared { salts: vec![signing::SALT; *texts], key: "~/.ssh/id_ed25519_sk".into() };
            return Some(Action::Answered { generation: *generation, answer: Answer::Prepared(Ok(prepared)) });
        }
        let Effect::Call { generation, call } = effect else { return None };
        let pending = self.requests.iter().filter(|one| one.request.decided_at.is_none()).count();
        let answer = match call {
            Call::Status => {
                let count = |state| self.alerts.iter().filter(|one| one.state == state).count() as u64;
                let mut status = samples::status(u64::try_from(pending).unwrap(), 9);
                ledger::stand(&mut status);
                status.verification = self.progress;
                status.acknowledged_damage = self.acknowledged;
                status.alerts = Some(AlertsStatus {
                    queued: count(AlertState::Queued),
                    failed: count(AlertState::Failed),
                    dead: count(AlertState::Dead),
                });
                Answer::Status(Ok(Box::new(status)))
            }
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
            Call::Each(ids) => {
                let none = || Refusal {
                    kind: Some(ErrorKind::NotFound),
                    message: "no such request".into(),
                    hint: String::new(),
                    uncertain: false,
                };
                let find = |id: &RequestId| self.requests.iter().find(|one| one.request.id == *id);
                let each = ids.iter().map(|id| (id.clone(), find(id).cloned().map(Box::new).ok_or_else(none)));
                Answer::Each(each.collect())
            }
            Call::Audit(params) => Answer::Audit(Ok(Box::new(ledger::page(&self.records, params, self.page)))),
            Call::Certificates(params) => Answer::Certificates(Ok(Box::new(self.certificates(params)))),
            Call::Certificate(id) => {
                let found = self.certificates.iter().find(|one| one.id == *id)?;
                Answer::Certificate(Ok(Box::new(found.clone())))
            }
            Call::Alerts(params) => Answer::Alerts(Ok(Box::new(self.alerts(params.state, params.text.as_deref())))),
            Call::Count(params) => {
                let page = ListAuditParams { actor: params.actor.clone(), action: params.action, ..Default::default() };
                let count = ledger::page(&self.records, &page, usize::MAX / 2).events.len() as u64;
                Answer::Counted(Ok(Box::new(AuditCount { count, as_of_seq: 9 })))
            }
            Call::Record(seq) => {
                let found = self.records.get(usize::try_from(*seq).unwrap())?;
                Answer::Record(Ok(Box::new(found.clone())))
            }
            Call::Checkpoint => Answer::Checkpoint(Ok(Box::new(ledger::checkpoint(&self.records)))),
            Call::Prove(seq) => {
                let Ok(proof) = ledger::proof(&self.records, *seq);
                Answer::Proved(Ok(Box::new(proof)))
            }
            Call::Anchors(_) => Answer::Anchors(Ok(Box::new(ledger::anchors(&self.records)))),
            Call::Do(_) | Call::Verify | Call::ActAs(_) => return None,
        };
        Some(Action::Answered { generation: *generation, answer })
    }

    /// A page as the daemon would give it: a cursor counts rows.
    fn certificates(&self, params: &ListCertificatesParams) -> CertificatePage {
        let fits = |one: &&Dossier| {
            let listed = one.listed().unwrap();
            let soon = params
                .expires_within
                .is_none_or(|days| listed.end().is_some_and(|end| end < samples::at(i64::from(days) * 86_400)));
            let source = match params.source {
                None | Some(CertificateSource::Issued) => one.detail.certificate.is_some(),
                Some(CertificateSource::Found) => one.detail.found.is_some(),
                Some(CertificateSource::All) => true,
            };
            soon && source && params.text.as_ref().is_none_or(|text| listed.name().raw().contains(text.as_str()))
        };
        let from: usize = params.cursor.as_ref().map_or(0, |cursor| cursor.parse().unwrap());
        let mut all: Vec<&Dossier> = self.certificates.iter().filter(fits).collect();
        if params.order == Some(CertificateOrder::End) {
            all.sort_by_key(|one| one.listed().unwrap().end().map_or((true, samples::at(0)), |end| (false, end)));
        }
        let page = all.iter().skip(from).take(self.page);
        let next = from + self.page;
        CertificatePage {
            certificates: page.clone().filter_map(|one| one.detail.certificate.clone()).collect(),
            found: page.filter_map(|one| one.detail.found.clone()).collect(),
            next_cursor: (next < all.len()).then(|| next.to_string()),
        }
    }

    fn alerts(&self, state: Option<AlertState>, text: Option<&str>) -> AlertPage {
        let fits = |one: &&Alert| {
            state.is_none_or(|state| state == one.state) && text.is_none_or(|text| one.detail.raw().contains(text))
        };
        AlertPage { alerts: self.alerts.iter().filter(fits).cloned().collect(), next_cursor: None }
    }

    /// The errand that is open.
    pub fn errand(&self) -> &Errand {
        match &self.state.dialog {
            Some(Dialog::Errand(errand)) => errand,
            other => panic!("no errand is open: {other:?}"),
        }
    }
}
