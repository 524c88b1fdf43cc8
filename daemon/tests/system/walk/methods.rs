//! Every method of the protocol, called by everybody with what would be most dangerous.

use std::collections::BTreeSet;

use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::method::{METHODS, RequestVoid, RequestWithdraw};
use countersign_shared::protocol::{
    AmendParams, CommentParams, DecideItem, DecideManyParams, DecideParams, DelegateParams, EndParams, JobIdParams,
    ProposeParams, RequestSummary, SubmitParams, WaitParams,
};
use countersign_shared::time::{Span, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::scene::{Scene, possible};
use crate::policy_change::BY_THE_GROUP;
use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, Caller, DAVE, Host, MALLORY, ask, csr, on};

/// A service account of nobody, without any role.
const SERVICE: u32 = 62_011;

/// Every kind of caller: the account, and who had logged in.
const CALLERS: &[(u32, Option<u32>)] = &[
    (ALICE, None),
    (ALICE, Some(ALICE)),
    (ALICE_ADM, Some(ALICE_ADM)),
    (DAVE, Some(DAVE)),
    (MALLORY, Some(MALLORY)),
    (SERVICE, None),
    (0, None),
    (0, Some(BOB)),
    // By `sudo -u`, from a session of the requester's.
    (BOB, Some(ALICE)),
    (CAROL, Some(ALICE_ADM)),
    (BOB, Some(BOB)),
    (CAROL, Some(CAROL)),
];

/// Who may say yes to a request of alice's.
const OTHERS: &[(u32, Option<u32>)] = &[(BOB, Some(BOB)), (CAROL, Some(CAROL))];

/// How a method is called.
struct Entry {
    name: &'static str,
    /// Whether somebody is to be answered: a walk of refusals alone could be one of misspelt parameters.
    answered: bool,
    params: fn(&RequestSummary) -> Vec<Value>,
}

/// In the order in which they are called: who could lend the requester a vote does so first.
const WALK: &[Entry] = &[
    Entry { name: "delegation.grant", answered: true, params: delegate },
    Entry { name: "delegation.list", answered: true, params: empty },
    Entry { name: "request.approve", answered: true, params: decide },
    Entry { name: "request.decide", answered: true, params: decide_many },
    Entry { name: "request.reject", answered: true, params: decide },
    Entry { name: "request.submit", answered: true, params: submit },
    Entry { name: "request.amend", answered: true, params: amend },
    Entry { name: "request.comment", answered: true, params: comment },
    Entry { name: "request.void", answered: true, params: end_params },
    Entry { name: "request.withdraw", answered: true, params: end_params },
    Entry { name: "request.get", answered: true, params: id },
    Entry { name: "request.list", answered: true, params: empty },
    Entry { name: "request.wait", answered: true, params: wait },
    // No job has failed.
    Entry { name: "job.retry", answered: false, params: job },
    Entry { name: "job.get", answered: true, params: job },
    Entry { name: "job.list", answered: true, params: empty },
    Entry { name: "certificate.get", answered: true, params: certificate },
    // What waits was not found.
    Entry { name: "certificate.assign", answered: false, params: assign },
    // What waits has no version that could be renewed, or that could have expired.
    Entry { name: "certificate.renew", answered: false, params: renew },
    Entry { name: "certificate.retire", answered: false, params: retire },
    Entry { name: "certificate.revoke", answered: false, params: revoke },
    Entry { name: "certificate.list", answered: true, params: |_| vec![json!({}), json!({ "source": "all" })] },
    Entry { name: "certificate.import", answered: true, params: import },
    Entry { name: "profile.list", answered: true, params: empty },
    Entry { name: "profile.get", answered: true, params: |_| vec![json!({ "id": "p-web" })] },
    Entry { name: "policy.get", answered: true, params: empty },
    Entry { name: "policy.check", answered: true, params: |_| vec![json!({ "document": free() })] },
    Entry { name: "policy.propose", answered: true, params: propose },
    Entry { name: "delegation.revoke", answered: false, params: |_| vec![json!({ "id": "dg-0000000000000" })] },
    Entry { name: "alert.list", answered: true, params: empty },
    // Nothing was issued, and nothing is dead.
    Entry { name: "alert.test", answered: false, params: alert_test },
    Entry { name: "alert.requeue", answered: true, params: requeue },
    Entry { name: "alert.plan", answered: true, params: empty },
    Entry { name: "audit.list", answered: true, params: empty },
    Entry { name: "audit.get", answered: false, params: |_| vec![json!({ "event_id": "ev-0000000000000" })] },
    Entry { name: "audit.count", answered: true, params: empty },
    Entry { name: "audit.evidence", answered: true, params: evidence },
    Entry { name: "audit.export", answered: true, params: export },
    Entry {
        name: "audit.archive",
        answered: true,
        params: |_| vec![json!({ "until_seq": 2 }), json!({ "number": 1 })],
    },
    Entry { name: "audit.archives", answered: true, params: empty },
    Entry { name: "audit.verify", answered: true, params: empty },
    Entry { name: "audit.checkpoint", answered: true, params: empty },
    Entry { name: "audit.proof", answered: true, params: |_| vec![json!({ "seq": 0 }), json!({ "from": 0 })] },
    // A checkpoint that nobody signed.
    Entry { name: "audit.anchor", answered: false, params: |_| vec![json!({ "octets": "x\n" })] },
    Entry { name: "audit.anchors", answered: true, params: empty },
    Entry {
        name: "audit.repair",
        answered: true,
        params: |_| vec![json!({}), json!({ "damage_sha256": "0".repeat(64) })],
    },
    Entry {
        name: "audit.erase",
        answered: false,
        params: |_| vec![json!({ "seq": 0, "what": "note", "reason": "x" })],
    },
    Entry { name: "daemon.status", answered: true, params: empty },
    Entry { name: "daemon.whoami", answered: true, params: empty },
    Entry { name: "daemon.metrics", answered: true, params: empty },
    Entry { name: "rpc.discover", answered: true, params: empty },
    // Nobody chooses who they are where it matters.
    Entry { name: "demo.act_as", answered: false, params: |_| vec![json!({ "person": "bob" })] },
    Entry { name: "events.subscribe", answered: true, params: empty },
];

fn value(params: impl Serialize) -> Value {
    serde_json::to_value(params).unwrap()
}

fn empty(_: &RequestSummary) -> Vec<Value> {
    vec![json!({})]
}

fn id(request: &RequestSummary) -> Vec<Value> {
    vec![json!({ "id": request.id })]
}

/// The right content, other content, the job's id and the certificate's in place of the request's.
fn decide(request: &RequestSummary) -> Vec<Value> {
    let (job, certificate) = (request.job_id.as_ref().unwrap(), request.certificate_id.as_ref().unwrap());
    vec![
        value(DecideParams { digest: Digest::of(&[b"other"]), ..on(request) }),
        json!({ "id": job, "digest": request.digest, "note": "yes" }),
        json!({ "id": certificate, "digest": request.digest, "note": "yes" }),
        json!({ "id": request.id, "digest": request.digest, "note": "yes", "uid": BOB, "login_uid": BOB, "person": "bob" }),
        value(on(request)),
    ]
}

fn decide_many(request: &RequestSummary) -> Vec<Value> {
    let item = |digest| DecideItem { id: request.id.clone(), digest, signature: None };
    let many = |items| value(DecideManyParams { verdict: Verdict::Approve, items, note: None });
    vec![
        many(vec![item(Digest::of(&[b"other"])), item(Digest::of(&[b"another"]))]),
        many(vec![item(request.digest), item(request.digest)]),
        many(vec![item(request.digest)]),
    ]
}

fn submit(request: &RequestSummary) -> Vec<Value> {
    let name = request.primary_name.raw();
    let under = |profile: &str| SubmitParams { profile: Some(profile.to_owned()), ..ask(&[name]) };
    vec![
        value(ask(&[name])),
        value(ask(&["another.corp.example", name])),
        // Under the profile that asks nobody, and under one that says of itself what it is.
        value(under("p-dev")),
        value(SubmitParams { idempotency_key: Some(request.id.to_string()), ..under("p-web") }),
        value(SubmitParams { not_before: Some(Timestamp::EPOCH), ..under("p-web") }),
        json!({ "csr": csr(&[name]), "requires_approval": false, "state": "approved" }),
    ]
}

fn amend(request: &RequestSummary) -> Vec<Value> {
    let amended = |digest| AmendParams {
        id: request.id.clone(),
        digest,
        csr: Some(csr(&[request.primary_name.raw()])),
        reason: None,
        ticket: None,
        valid_for: None,
        not_before: None,
    };
    vec![value(amended(Digest::of(&[b"other"]))), value(amended(request.digest))]
}

fn comment(request: &RequestSummary) -> Vec<Value> {
    vec![value(CommentParams { id: request.id.clone(), text: "approved".into() })]
}

fn end_params(request: &RequestSummary) -> Vec<Value> {
    vec![value(EndParams { id: request.id.clone(), reason: Some("so".into()) })]
}

fn wait(request: &RequestSummary) -> Vec<Value> {
    let timeout = Some(Span::from_millis(1));
    let job = request.job_id.as_ref().unwrap().to_string();
    [request.id.to_string(), job].map(|id| value(WaitParams { id, timeout })).to_vec()
}

fn job(request: &RequestSummary) -> Vec<Value> {
    vec![value(JobIdParams { id: request.job_id.clone().unwrap() }), json!({ "id": request.id })]
}

fn certificate(request: &RequestSummary) -> Vec<Value> {
    vec![json!({ "id": request.certificate_id })]
}

fn renew(request: &RequestSummary) -> Vec<Value> {
    let (id, name) = (&request.certificate_id, request.primary_name.raw());
    vec![
        json!({ "certificate_id": id, "reason": "so" }),
        json!({ "certificate_id": id, "csr": csr(&[name]), "reason": "so" }),
        json!({ "certificate_id": id, "csr": csr(&["another.corp.example"]), "reason": "so", "profile": "p-dev" }),
    ]
}

/// The certificate that waits, whose owner says who has to agree.
fn assign(request: &RequestSummary) -> Vec<Value> {
    let to = |owner: &str| json!({ "certificate_id": request.certificate_id, "owner": owner });
    vec![to(&format!("uid:{BOB}")), to(&format!("uid:{ALICE}")), to("uid:0"), to("root"), to("system-scheduler")]
}

fn retire(request: &RequestSummary) -> Vec<Value> {
    vec![json!({ "certificate_id": request.certificate_id, "reason": "unused" })]
}

/// The certificate that waits, which has no version that could end.
fn revoke(request: &RequestSummary) -> Vec<Value> {
    let id = &request.certificate_id;
    vec![
        json!({ "certificate_id": id, "reason": "key_compromise", "note": "so" }),
        json!({ "certificate_id": id, "serial": "4f", "reason": "superseded", "note": "so" }),
        json!({ "serial": "4f", "reason": "unspecified", "note": "so", "state": "approved" }),
        json!({ "certificate_id": id, "reason": "certificate_hold", "note": "so" }),
    ]
}

fn alert_test(request: &RequestSummary) -> Vec<Value> {
    let trial = |threshold: i32, channel: &str| json!({ "certificate": request.certificate_id, "threshold": threshold, "channel": channel, "timeout": "1s" });
    vec![trial(7, "Email"), trial(7, "Pigeon"), trial(-1, "Email")]
}

fn requeue(_: &RequestSummary) -> Vec<Value> {
    vec![json!({ "id": 1 }), json!({ "all_dead": true }), json!({ "id": 1, "all_dead": true })]
}

/// The request's own name in a certificate from elsewhere; octets that are none; a path of the daemon's own.
fn import(request: &RequestSummary) -> Vec<Value> {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec![request.primary_name.raw().to_owned()];
    let der = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let file = |octets: &[u8]| json!({ "path": "/srv/x.pem", "octets": data_encoding::BASE64.encode(octets) });
    vec![
        json!({ "items": [file(der.der())] }),
        json!({ "items": [file(b"garbage")] }),
        json!({ "items": [{ "path": "/etc/shadow" }] }),
        json!({ "items": [file(der.der())], "profile": "p-dev", "state": "approved" }),
    ]
}

fn evidence(pending: &RequestSummary) -> Vec<Value> {
    let of = json!({ "request": pending.id.as_str() });
    let bent = json!({ "request": pending.id.as_str(), "cursor": "e-0-1-0" });
    vec![of, bent, json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z" })]
}

fn export(_: &RequestSummary) -> Vec<Value> {
    let range = |more: Value| {
        let mut range = json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z" });
        range.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        range
    };
    vec![range(json!({})), range(json!({ "cursor": "p-0-0" })), range(json!({ "state": "approved" }))]
}

fn delegate(_: &RequestSummary) -> Vec<Value> {
    let to = |to: &str| {
        let duration = Span::from_secs(86_400);
        value(DelegateParams { to: to.to_owned(), duration, profiles: None, reason: None })
    };
    vec![to("alice"), to("bob")]
}

/// A policy under which nobody is asked.
fn free() -> String {
    let asked = "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]";
    let free = crate::support::policy().replacen(asked, "", 1);
    assert!(!free.contains("requires_approval"));
    free + BY_THE_GROUP
}

fn propose(_: &RequestSummary) -> Vec<Value> {
    vec![value(ProposeParams { document: free(), reason: "in the way".into(), base_sha256: None })]
}

/// Ends two requests, one by an admin and one by its requester.
pub fn end(host: &Host, voided: &RequestSummary, withdrawn: &RequestSummary) {
    let why = |request: &RequestSummary| EndParams { id: request.id.clone(), reason: Some("not wanted".into()) };
    host.user(CAROL).call::<RequestVoid>(&why(voided));
    host.user(ALICE).call::<RequestWithdraw>(&why(withdrawn));
}

pub fn in_an_hour() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap() + 3_600_000).unwrap()
}

/// Whether this call is the say of another person, in a session of their own, on exactly what waits.
fn agrees(entry: &Entry, caller: &(u32, Option<u32>), params: &Value, request: &RequestSummary) -> bool {
    let right = match entry.name {
        "request.approve" => *params == value(on(request)),
        // The same item twice is refused as a whole.
        "request.decide" => params["items"] == json!([{ "id": request.id, "digest": request.digest }]),
        _ => false,
    };
    right && OTHERS.contains(caller)
}

#[test]
fn every_method_has_its_entry() {
    let walked: BTreeSet<&str> = WALK.iter().map(|entry| entry.name).collect();
    let built: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!(walked, built, "a method is not walked: say here how it is called at its most dangerous");
    assert_eq!(walked.len(), WALK.len());
}

#[test]
fn no_method_reaches_an_issuer_but_by_the_say_of_another_person() {
    if !possible() {
        return;
    }
    let mut scene = Scene::new();
    let everybody = |scene: &Scene| -> Vec<Caller> {
        CALLERS.iter().map(|(uid, login)| Caller::user(&scene.host.socket, *uid, *login).unwrap()).collect()
    };
    let mut callers = everybody(&scene);
    let mut agreed = 0;
    for entry in WALK {
        let mut answered = 0;
        for (number, at) in CALLERS.iter().enumerate() {
            let count = (entry.params)(&scene.pending).len();
            for position in 0..count {
                if !scene.still_waits() {
                    scene.wait_anew();
                }
                let request = scene.pending.clone();
                let params = (entry.params)(&request).swap_remove(position);
                let what = format!("{} by {at:?} with {params}", entry.name);
                let mut answer = callers[number].attempt_by_name(entry.name, &params).unwrap();
                if answer.as_ref().is_err_and(|error| error.data.kind == ErrorKind::RateLimited) {
                    // A daemon that is started anew does not remember how often it refused whom.
                    callers.clear();
                    scene.host.stop();
                    scene.host.start();
                    callers = everybody(&scene);
                    answer = callers[number].attempt_by_name(entry.name, &params).unwrap();
                }
                if let Err(error) = &answer {
                    assert_ne!(error.data.kind, ErrorKind::RateLimited, "{what}: nothing is shown by {error:?}");
                    assert_ne!(error.data.kind, ErrorKind::Internal, "{what}: {error:?}");
                }
                answered += usize::from(answer.is_ok());
                agreed += usize::from(agrees(entry, at, &params, &request));
                scene.only(agreed, &what);
                let policies = scene.host.value::<i64>("SELECT count(*) FROM policies");
                assert_eq!(policies, 1, "{what}: another policy took force");
                if agrees(entry, at, &params, &request) {
                    scene.was_ordered(&request, agreed);
                }
            }
        }
        assert_eq!(answered > 0, entry.answered, "{}: {answered} calls were answered", entry.name);
    }
    assert!(agreed >= 4);
    // Nothing of it comes later.
    scene.host.stop();
    scene.host.start();
    scene.host.kill();
    scene.host.start();
    assert_eq!(scene.orders().len(), agreed);
    scene.only(agreed, "after all of it");
    assert_eq!(scene.host.oneself().status().damage, None);
}
