//! A daemon that follows a script: real frames over a real socket, from samples.

pub mod ends;
#[allow(dead_code, reason = "the pictures use the rest")]
pub mod ledger;
#[allow(dead_code, unused_imports, reason = "the pictures use the rest")]
pub mod samples;

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind, ErrorObject};
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::Method;
use countersign_shared::protocol::{method, *};
use countersign_shared::text::Untrusted;
use serde_json::{Value, json};

/// What the fake daemon holds.
pub struct World {
    pub requests: Vec<RequestDetail>,
    pub records: Vec<AuditEvent>,
    pub subscribers: Vec<UnixStream>,
    /// True while nobody is served.
    pub gone: bool,
    /// Every connection that was made.
    pub connections: Vec<UnixStream>,
    /// Verdicts that arrived, with the person who sent them.
    pub decisions: Vec<(String, String, DecideParams)>,
    /// How many calls were answered.
    pub calls: u64,
    pub status: StatusResult,
    /// Requests that are decided by somebody else while the decision is on its way.
    pub contested: Vec<RequestId>,
    pub ends: ends::Ends,
    /// What checkpoints and proofs are of.
    pub ledger: Vec<AuditRecord>,
    /// Checkpoints that came back, as they came.
    pub anchored: Vec<String>,
}

/// A daemon on a socket of its own.
pub struct FakeDaemon {
    pub world: Arc<Mutex<World>>,
    pub socket: PathBuf,
}

impl FakeDaemon {
    pub fn start(directory: &Path) -> Self {
        let present = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        samples::PRESENT.get_or_init(|| i64::try_from(present).unwrap());
        let requests: Vec<RequestDetail> = samples::queue().into_iter().map(samples::detail).collect();
        let ids: Vec<String> = requests.iter().map(|detail| detail.request.id.to_string()).collect();
        let records = ledger::records(&ids).into_iter().map(|record| record.event).collect();
        let world = World {
            requests,
            records,
            subscribers: Vec::new(),
            connections: Vec::new(),
            gone: false,
            decisions: Vec::new(),
            calls: 0,
            status: samples::status(0, 0),
            contested: Vec::new(),
            ends: ends::Ends::new(),
            ledger: ledger::records(&ids),
            anchored: Vec::new(),
        };
        let world = Arc::new(Mutex::new(world));
        let daemon = Self { world, socket: directory.join("daemon.sock") };
        daemon.listen();
        daemon
    }

    /// Serves, for the first time or again.
    pub fn listen(&self) {
        self.world.lock().unwrap().gone = false;
        let listener = UnixListener::bind(&self.socket).unwrap();
        let shared = Arc::clone(&self.world);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, world) = (stream.unwrap(), Arc::clone(&shared));
                let mut locked = world.lock().unwrap();
                if locked.gone {
                    // It was made before the socket went away.
                    continue;
                }
                locked.connections.push(stream.try_clone().unwrap());
                drop(locked);
                thread::spawn(move || serve(&stream, &world));
            }
        });
    }

    /// Goes away: every connection ends, and no new one is made.
    pub fn vanish(&self) {
        std::fs::remove_file(&self.socket).unwrap();
        let mut world = self.world.lock().unwrap();
        world.gone = true;
        for connection in world.connections.drain(..) {
            // One that the console has closed is gone already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn serve(stream: &UnixStream, world: &Mutex<World>) {
    let mut me = "bob".to_owned();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if line.is_empty() {
            continue;
        }
        let call: Value = serde_json::from_str(&line).unwrap();
        let answer =
            world.lock().unwrap().answer(&mut me, call["method"].as_str().unwrap(), call["params"].clone(), stream);
        let frame = match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": call["id"], "error": ErrorObject::from(error)}),
        };
        if writeln!(&mut &*stream, "{frame}").is_err() {
            return;
        }
    }
}

impl World {
    fn answer(&mut self, me: &mut String, name: &str, params: Value, stream: &UnixStream) -> Result<Value, ApiError> {
        self.calls += 1;
        match name {
            method::DemoActAs::NAME => {
                let wanted: ActAsParams = serde_json::from_value(params).unwrap();
                *me = wanted.person;
                to_value(samples::whoami(me))
            }
            method::DaemonWhoami::NAME => to_value(samples::whoami(me)),
            method::DaemonStatus::NAME => {
                let pending = self.requests.iter().filter(|one| one.request.state == RequestState::Pending).count();
                let size = u64::try_from(self.records.len()).unwrap();
                let counted = samples::status(u64::try_from(pending).unwrap(), size);
                let (read_only, bypass) = (self.status.read_only, self.status.bypass);
                to_value(StatusResult { read_only, bypass, alerts: Some(self.ends.counts()), ..counted })
            }
            method::RequestList::NAME if me == "dave" => Err(forbidden("dave may not list requests")),
            method::RequestList::NAME => {
                let wanted: ListRequestsParams = serde_json::from_value(params).unwrap();
                let fits = |one: &&RequestDetail| {
                    wanted.state.is_none_or(|state| state == one.request.state)
                        && (wanted.certificate.is_none() || wanted.certificate == one.request.certificate_id)
                        && wanted
                            .text
                            .as_ref()
                            .is_none_or(|text| one.request.primary_name.raw().contains(text.as_str()))
                };
                let requests = self.requests.iter().filter(fits).map(|one| one.request.clone()).collect();
                let as_of_seq = u64::try_from(self.records.len()).unwrap();
                to_value(RequestPage { requests, next_cursor: None, as_of_seq })
            }
            method::RequestGet::NAME => {
                let wanted: RequestIdParams = serde_json::from_value(params).unwrap();
                let found = self.requests.iter().find(|one| one.request.id == wanted.id);
                let mut found = found.cloned().ok_or_else(|| ApiError::new(ErrorKind::NotFound, "no such request"))?;
                if me == "alice" {
                    found.you = MayDecide { allowed: false, rule: None, why: SELF.into(), delegated_by: None };
                }
                to_value(found)
            }
            method::RequestApprove::NAME | method::RequestReject::NAME => {
                to_value(self.decide(me, name, serde_json::from_value(params).unwrap())?)
            }
            method::RequestDecide::NAME => {
                let many: DecideManyParams = serde_json::from_value(params).unwrap();
                to_value(DecideManyResult { items: self.decide_many(me, many) })
            }
            method::RequestVoid::NAME => {
                let params: EndParams = serde_json::from_value(params).unwrap();
                self.end(me, params, RequestState::Voided)
            }
            method::RequestComment::NAME => {
                let params: CommentParams = serde_json::from_value(params).unwrap();
                let remark = self.remark(me, RemarkKind::Comment, params.text);
                let added = remark.clone();
                self.change(&params.id, |one| one.remarks.push(added));
                to_value(CommentResult { remark })
            }
            method::AuditList::NAME => {
                let events = self.records.iter().rev().cloned().collect();
                let as_of_seq = u64::try_from(self.records.len()).unwrap();
                to_value(AuditPage { events, next_cursor: None, as_of_seq })
            }
            method::AuditGet::NAME => {
                let wanted: AuditGetParams = serde_json::from_value(params).unwrap();
                to_value(self.ledger[usize::try_from(wanted.seq.unwrap()).unwrap()].clone())
            }
            method::AuditCheckpoint::NAME => to_value(ledger::checkpoint(&self.ledger)),
            method::AuditProof::NAME => {
                let wanted: ProofParams = serde_json::from_value(params).unwrap();
                let Ok(proof) = ledger::proof(&self.ledger, wanted.seq.unwrap());
                to_value(proof)
            }
            method::AuditAnchors::NAME => to_value(ledger::anchors(&self.ledger)),
            method::AuditAnchor::NAME => {
                let given: AnchorParams = serde_json::from_value(params).unwrap();
                self.anchored.push(given.octets);
                to_value(AnchorResult {
                    verdict: AnchorVerdict::Equal,
                    text: "the records up to there are those that were anchored".into(),
                    size: 6,
                    root_sha256: Digest::of(&[b"root"]),
                    cosigned_by: Vec::new(),
                    added: true,
                    unanchored: 1,
                })
            }
            method::AuditVerify::NAME => {
                let records = u64::try_from(self.records.len()).unwrap();
                to_value(VerifyResult {
                    intact: true,
                    records,
                    root_sha256: Digest::of(&[b"root"]),
                    damage: None,
                    acknowledged: Vec::new(),
                })
            }
            method::EventsSubscribe::NAME => {
                let wanted: SubscribeParams = serde_json::from_value(params).unwrap();
                let from_seq = wanted.from_seq.unwrap_or(0);
                for record in self.records.iter().filter(|record| record.seq >= from_seq) {
                    writeln!(&mut &*stream, "{}", frame_of(record)).unwrap();
                }
                self.subscribers.push(stream.try_clone().unwrap());
                to_value(SubscribeResult { from_seq })
            }
            method::CertificateList::NAME => to_value(self.ends.list()),
            method::CertificateGet::NAME => to_value(self.ends.detail()),
            method::CertificateRevoke::NAME => to_value(self.ends.revoke(serde_json::from_value(params).unwrap())),
            method::AlertList::NAME => to_value(self.ends.told(&serde_json::from_value(params).unwrap())),
            method::AlertRequeue::NAME => to_value(self.ends.requeue()),
            other => Err(ApiError::invalid(format!("unknown method {other}"))),
        }
    }

    /// Each by itself, as the daemon does; one whose digest is another is refused and holds up none of the others.
    fn decide_many(&mut self, me: &str, many: DecideManyParams) -> Vec<DecidedItem> {
        let name = match many.verdict {
            Verdict::Approve => method::RequestApprove::NAME,
            Verdict::Reject => method::RequestReject::NAME,
        };
        let mut items = Vec::new();
        for DecideItem { id, digest, signature } in many.items {
            let params = DecideParams { id: id.clone(), digest, note: many.note.clone(), signature };
            items.push(match self.decide(me, name, params) {
                Ok(result) => DecidedItem { id, result: Some(result), error: None },
                Err(error) => DecidedItem { id, result: None, error: Some(error.into()) },
            });
        }
        items
    }

    fn remark(&self, me: &str, kind: RemarkKind, text: Untrusted) -> Remark {
        let seq = u64::try_from(self.records.len()).unwrap();
        Remark { kind, by: samples::person(me), text, version: 1, at: samples::at(0), seq }
    }

    fn end(&mut self, me: &str, params: EndParams, state: RequestState) -> Result<Value, ApiError> {
        let remark = self.remark(me, RemarkKind::Void, params.reason.expect("the console asks for it"));
        let seq = remark.seq;
        self.change(&params.id, |one| {
            one.request = samples::ended(one.request.clone(), state, &format!("{me} (DEMO)"));
            one.job = samples::job(&one.request);
            one.remarks.push(remark);
        });
        let job = self.requests.iter().find(|one| one.request.id == params.id).unwrap().job.clone();
        to_value(EndResult { id: params.id, state, job, seq, record_sha256: Digest::of(&[b"record"]) })
    }

    fn decide(&mut self, me: &str, name: &str, decision: DecideParams) -> Result<DecideResult, ApiError> {
        self.decisions.push((me.to_owned(), name.to_owned(), decision.clone()));
        if me == "alice" {
            let hint = "bob or carol can decide it";
            return Err(ApiError::new(ErrorKind::TwoPersonIntegrity, SELF).hint(hint));
        }
        if self.contested.contains(&decision.id) {
            let hint = "look at it again";
            return Err(ApiError::new(ErrorKind::AlreadyDecided, "carol has rejected it").hint(hint));
        }
        let state = if name == method::RequestApprove::NAME { RequestState::Approved } else { RequestState::Rejected };
        self.change(&decision.id, |one| {
            one.request = samples::ended(one.request.clone(), state, &format!("{me} (DEMO)"));
            one.job = samples::job(&one.request);
        });
        let found = self.requests.iter().find(|one| one.request.id == decision.id).unwrap();
        let seq = u64::try_from(self.records.len()).unwrap();
        Ok(DecideResult {
            id: decision.id,
            state,
            job: found.job.clone(),
            seq,
            record_sha256: Digest::of(&[b"record"]),
            votes: Votes { given: 1, needed: 1 },
        })
    }

    /// Changes a request and tells every subscriber.
    pub fn change(&mut self, id: &RequestId, edit: impl FnOnce(&mut RequestDetail)) {
        edit(self.requests.iter_mut().find(|one| one.request.id == *id).unwrap());
        let id = id.clone();
        self.tell(AuditAction::ApprovalAmended, id.as_str());
    }

    /// A request that somebody else makes.
    pub fn submit(&mut self, request: RequestSummary) {
        let id = request.id.clone();
        self.requests.insert(0, samples::detail(request));
        self.tell(AuditAction::ApprovalRequested, id.as_str());
    }

    fn tell(&mut self, action: AuditAction, about: &str) {
        let seq = u64::try_from(self.records.len()).unwrap();
        let record = samples::record(seq, action, about);
        let frame = frame_of(&record);
        self.records.push(record);
        self.subscribers.retain(|stream| writeln!(&mut &*stream, "{frame}").is_ok());
    }
}

fn frame_of(record: &AuditEvent) -> Value {
    let event = Event::Record {
        seq: record.seq,
        at: record.created_at,
        action: record.action,
        actor: record.actor.clone(),
        actor_type: record.actor_type,
        resource_type: record.resource_type.clone(),
        resource_id: record.resource_id.clone(),
    };
    json!({"jsonrpc": "2.0", "method": "event", "params": event})
}

const SELF: &str = "two-person integrity: alice asked for this and cannot decide it";

fn forbidden(why: &str) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, why)
}

fn to_value(value: impl serde::Serialize) -> Result<Value, ApiError> {
    Ok(serde_json::to_value(value).unwrap())
}
