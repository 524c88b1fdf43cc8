//! `audit.evidence` through the socket, and what the check of a bundle says of it: as it came, and after each change.

mod documented;
mod tampered;
mod witnessed;

use countersign_proof::checkpoint::Log;
use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::frame::MAX_FRAME;
use countersign_shared::protocol::method::{
    AuditCheckpoint, AuditErase, AuditEvidence, AuditList, CertificateRevoke, RequestAmend, RequestApprove,
    RequestComment, RequestReject, RequestVoid,
};
use countersign_shared::protocol::{
    AuditAction, CommentParams, ErasableText, EraseParams, EvidencePage, EvidenceParams, ListAuditParams,
    MAX_EVIDENCE_ATTEMPTS, NoParams, RequestSummary, RevokeParams,
};
use countersign_shared::revocation::RevocationReason;
use countersign_verify::evidence::bundle::Ending;
use countersign_verify::evidence::{Examined, examine};
use countersign_verify::offline::{Against, Report};

use crate::delegation::{ERIN, delegating, hand};
use crate::policy_change::{BY_THE_GROUP, propose};
use crate::support::{
    ALICE, BOB, CAROL, Caller, DAVE, Host, MALLORY, amending, can_be_people, ending, on, policy, policy_with, until,
};

/// What happened on a host, by name.
pub struct Scene {
    pub host: Host,
    /// Commented on, amended, approved by two of whom one used the say of another, issued, and then revoked.
    pub issued: RequestSummary,
    pub rejected: RequestSummary,
    pub voided: RequestSummary,
    /// Another policy, in force.
    pub changed: RequestSummary,
    pub revoked: RequestSummary,
}

pub fn scene() -> Scene {
    let base = format!("{}{BY_THE_GROUP}", delegating(2, ""));
    let host = Host::serving(&base);
    let (mut alice, mut bob, mut carol, mut erin) =
        (host.user(ALICE), host.user(BOB), host.user(CAROL), host.user(ERIN));
    let request = alice.request(&["web1.corp.example", "www.corp.example"]);
    let comment = CommentParams { id: request.id.clone(), text: "<b>|why \u{202e}so many names?\u{1b}[2J".into() };
    bob.call::<RequestComment>(&comment);
    let mut amend = amending(&request);
    amend.reason = Some("a new server, and its alias".into());
    let issued = alice.call::<RequestAmend>(&amend).request;
    hand(&mut bob, "erin");
    erin.call::<RequestApprove>(&on(&issued));
    carol.call::<RequestApprove>(&on(&issued));
    alice.wait(&issued.id);

    let rejected = alice.request(&["web2.corp.example"]);
    bob.call::<RequestReject>(&on(&rejected));
    let voided = alice.request(&["web3.corp.example"]);
    carol.call::<RequestVoid>(&ending(&voided, Some("asked for twice")));
    let job = alice.submit(&["one.dev.test.example"]).job;
    alice.wait(&job.id);

    let changed = propose(&mut carol, &base.replace("max_validity = \"30d\"", "max_validity = \"31d\"")).request;
    bob.approve(&changed);
    let revoke = RevokeParams {
        certificate_id: issued.certificate_id.clone(),
        serial: None,
        reason: RevocationReason::KeyCompromise,
        note: Some("the key was on a stick that is lost".into()),
        ticket: None,
    };
    let revoked = alice.call::<CertificateRevoke>(&revoke).request.expect("people have to agree");
    bob.approve(&revoked);
    carol.approve(&revoked);
    alice.wait(&revoked.id);
    until("it is revoked", || {
        host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'certificate_revoked'") == 1
    });
    Scene { host, issued, rejected, voided, changed, revoked }
}

pub fn of_request(request: &RequestSummary) -> EvidenceParams {
    EvidenceParams { request: Some(request.id.to_string()), ..EvidenceParams::default() }
}

pub fn today() -> EvidenceParams {
    let now = countersign_shared::time::Timestamp::from_unix_millis(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64,
    )
    .unwrap();
    let at = |hours: i64| countersign_shared::time::Timestamp::from_unix_millis(now.unix_millis() + hours * 3_600_000);
    EvidenceParams { from: at(-24), to: at(24), ..EvidenceParams::default() }
}

/// All that happened on a host verifies, and the policies in the bundle say the same of it.
pub fn everything_verifies(host: &Host) {
    let found = report(&bundle(&mut host.user(CAROL), today()), &Against::default());
    assert!(found.intact, "{:#?}", found.findings);
}

/// Every line of a bundle, the last included.
pub fn bundle(caller: &mut Caller, mut params: EvidenceParams) -> Vec<String> {
    let (mut lines, mut pages): (Vec<String>, u64) = (Vec::new(), 0);
    loop {
        let page: EvidencePage = caller.call::<AuditEvidence>(&params);
        let octets: usize = page.lines.iter().map(|line| line.get().len() + 1).sum();
        assert!(octets < MAX_FRAME - 4096, "{octets}");
        lines.extend(page.lines.iter().map(|line| line.get().to_owned()));
        pages += 1;
        match page.next_cursor {
            Some(next) => params.cursor = Some(next),
            None => {
                // The head, the checkpoints and the witnesses stand beside what is counted.
                let beside = ["head", "checkpoint", "earlier", "witness"].iter().map(|part| count(&lines, part));
                assert_eq!(lines.len() as u64, page.parts_total + beside.sum::<usize>() as u64, "{pages}");
                return ended(lines);
            }
        }
    }
}

/// The same lines, with the line `end` that they have.
pub fn ended(mut lines: Vec<String>) -> Vec<String> {
    let mut ending = Ending::default();
    lines.iter().for_each(|line| ending.line(line));
    lines.push(ending.end());
    lines
}

/// With the verifier key, taken from outside of the bundle.
pub fn against(host: &Host) -> Against {
    let key = host.user(DAVE).call::<AuditCheckpoint>(&NoParams {}).verifier_key;
    Against { log: Some(Log::of_key(key.parse().unwrap())), ..Against::default() }
}

pub fn file(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

pub fn report(lines: &[String], against: &Against) -> Report {
    let Examined { report, .. } = examine(file(lines).as_bytes(), against).unwrap();
    report
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(&format!("{{\"part\":\"{part}\""))).count()
}

#[test]
fn evidence_of_every_kind_of_request_verifies_and_its_making_is_on_record() {
    if !can_be_people() {
        return;
    }
    let scene = scene();
    let host = &scene.host;
    let (mut dave, key) = (host.user(DAVE), against(host));
    for (request, parts) in [
        (&scene.issued, [("version", 2), ("decision", 2), ("remark", 1), ("delegation", 1), ("certificate", 1)]),
        (&scene.rejected, [("version", 1), ("decision", 1), ("remark", 0), ("delegation", 0), ("certificate", 0)]),
        (&scene.voided, [("version", 1), ("decision", 0), ("remark", 1), ("delegation", 0), ("certificate", 0)]),
        (&scene.changed, [("proposal", 1), ("decision", 1), ("remark", 0), ("version", 0), ("policy", 2)]),
        (&scene.revoked, [("version", 1), ("decision", 2), ("remark", 0), ("delegation", 0), ("certificate", 0)]),
    ] {
        let lines = bundle(&mut dave, of_request(request));
        let found = report(&lines, &key);
        assert!(found.intact, "{}: {found:#?}", request.id);
        for (part, number) in parts {
            assert_eq!(count(&lines, part), number, "{part} of {}", request.primary_name.raw());
        }
        // Without a key from outside it says what that is worth.
        let alone = report(&lines, &Against::default());
        assert!(alone.intact && alone.covered.is_none(), "{alone:?}");
        assert!(alone.notes.iter().any(|note| note.contains("that the bundle itself names")), "{alone:?}");
    }
    let certificate = scene.issued.certificate_id.as_ref().unwrap().to_string();
    let of_certificate = EvidenceParams { certificate: Some(certificate.clone()), ..EvidenceParams::default() };
    let lines = bundle(&mut dave, of_certificate);
    assert!(report(&lines, &key).intact, "{:#?}", report(&lines, &key));
    assert_eq!((count(&lines, "version"), count(&lines, "certificate")), (3, 1));
    let whole = bundle(&mut dave, today());
    let found = report(&whole, &key);
    assert!(found.intact, "{found:#?}");
    assert_eq!((count(&whole, "version"), count(&whole, "certificate"), count(&whole, "policy")), (6, 2, 2));

    // Each making is a record, with who and what.
    let records = ListAuditParams { action: Some(AuditAction::AuditEvidence), ..ListAuditParams::default() };
    let records = dave.call::<AuditList>(&records).events;
    assert_eq!(records.len(), 7);
    assert_eq!(records[1].details["object"], certificate);
    assert_eq!(records[1].details["uid"], DAVE);
    assert!(records[0].details["from"].is_string() && records[0].details["object"].is_null());
    assert_eq!(scene.issued.state, RequestState::Pending);
}

#[test]
fn the_bypass_and_a_text_that_was_erased_are_said_plainly() {
    if !can_be_people() {
        return;
    }
    let two = "[change_control]\nquorum = [{ group = \"pki\", need = 2 }]";
    let mut host = Host::prepared(&policy_with(1, "", two));
    host.set("COUNTERSIGN_APPROVAL_BYPASS", "true");
    host.start();
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.user(ALICE).wait(&request.id);
    let key = against(&host);
    let found = report(&bundle(&mut host.user(DAVE), of_request(&request)), &key);
    assert!(found.intact && found.notes.iter().any(|note| note.contains("the bypass was on")), "{found:#?}");

    let seq = host.value("SELECT seq FROM audit_events WHERE action = 'approval_requested'");
    let erase = EraseParams {
        seq,
        what: ErasableText::Reason,
        reason: Some("article 17".into()),
        show: false,
        signature: None,
    };
    for uid in [BOB, CAROL] {
        host.user(uid).call::<AuditErase>(&erase);
    }
    let lines = bundle(&mut host.user(DAVE), of_request(&request));
    let erased = lines.iter().find(|line| line.starts_with("{\"part\":\"version\"")).unwrap();
    assert!(erased.contains("\"said\":{\"sha256\":") && !erased.contains("\"salt\""), "{erased}");
    let by = |line: &&String| line.contains("\\\"action\\\":\\\"text_erased\\\"");
    assert_eq!(lines.iter().filter(by).count(), 1, "who erased it");
    assert!(report(&lines, &key).intact);
    let without: Vec<String> = lines[..lines.len() - 1].iter().filter(|line| !by(line)).cloned().collect();
    let found = report(&ended(without), &key);
    assert!(
        found.findings.iter().any(|found| found.rule == "text" && found.text.contains("who erased it")),
        "{found:#?}"
    );
}

#[test]
fn pages_are_the_same_whenever_they_are_read_and_a_bundle_is_bounded() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    host.stop();
    crate::export::grow(&host, 3000);
    host.start();
    let period = |to: &str| EvidenceParams {
        from: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        to: Some(to.parse().unwrap()),
        ..EvidenceParams::default()
    };
    let day = period("2026-02-02T00:00:00Z");
    let key = against(&host);
    let mut dave = host.user(DAVE);
    let first = dave.call::<AuditEvidence>(&day);
    let next = EvidenceParams { cursor: first.next_cursor.clone(), ..day.clone() };
    let second = dave.call::<AuditEvidence>(&next);
    // Somebody else's, of something else, bent.
    host.user(CAROL).refused::<AuditEvidence>(&next, ErrorKind::Invalid);
    let other = EvidenceParams { cursor: first.next_cursor.clone(), ..period("2026-02-03T00:00:00Z") };
    dave.refused::<AuditEvidence>(&other, ErrorKind::Invalid);
    let [made, size] = [first.made_seq, first.made_seq + 1];
    for cursor in ["e-0-1-0".to_owned(), format!("e-{made}-{made}-1"), format!("e-{made}-{size}-99999"), "x".to_owned()]
    {
        dave.refused::<AuditEvidence>(&EvidenceParams { cursor: Some(cursor), ..day.clone() }, ErrorKind::Invalid);
    }
    host.kill();
    host.start();
    let mut dave = host.user(DAVE);
    let again = dave.call::<AuditEvidence>(&next);
    let lines = |page: &EvidencePage| page.lines.iter().map(|line| line.get().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&again), lines(&second), "a page after the daemon was killed");
    let whole = bundle(&mut dave, day.clone());
    assert!(report(&whole, &key).intact);
    assert_eq!(count(&whole, "record"), 3002, "with those of the key and the making");

    host.stop();
    crate::export::grow(&host, 7001);
    host.start();
    let error = host.user(DAVE).refused::<AuditEvidence>(&day, ErrorKind::Invalid);
    assert!(error.message.contains("10000") && error.data.hint.contains("shorter"), "{error:?}");
}

#[test]
fn only_an_auditor_or_an_admin_takes_evidence_out_and_an_attempt_is_on_record() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    for uid in [ALICE, BOB, MALLORY] {
        let error = host.user(uid).refused::<AuditEvidence>(&of_request(&request), ErrorKind::Forbidden);
        assert_eq!(error.data.rule.as_deref(), Some("no_role"));
    }
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
                   AND details ->> '$.verb' = 'audit.evidence' AND details ->> '$.rule' = 'no_role'";
    assert_eq!(host.value::<i64>(refused), 3);
    assert!(report(&bundle(&mut host.user(CAROL), of_request(&request)), &against(&host)).intact);
    for absent in ["ar-0000000000000", "ar-zzzzzzzzzzzzz"] {
        let params = EvidenceParams { request: Some(absent.to_owned()), ..EvidenceParams::default() };
        let error = host.user(DAVE).attempt::<AuditEvidence>(&params).unwrap().unwrap_err();
        assert!(matches!(error.data.kind, ErrorKind::NotFound | ErrorKind::Invalid), "{error:?}");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'audit.evidence'"), 1);
}

/// Two who may not decide, each until nothing more of theirs is taken.
#[test]
fn attempts_of_people_without_a_role_do_not_keep_evidence_from_being_taken_out() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    for uid in [MALLORY, ERIN] {
        let mut nobody = host.user(uid);
        while nobody.attempt::<RequestApprove>(&on(&request)).unwrap().unwrap_err().data.kind != ErrorKind::RateLimited
        {
        }
    }
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'";
    let attempts: u64 = host.value(refused);
    let most = MAX_EVIDENCE_ATTEMPTS as u64;
    assert!(attempts > most, "{attempts}");
    let lines = bundle(&mut host.user(CAROL), of_request(&request));
    let taken = lines.iter().filter(|line| line.contains("\\\"action\\\":\\\"approval_refused\\\"")).count() as u64;
    assert_eq!(taken, most);
    let report = report(&lines, &against(&host));
    assert!(report.intact, "{:?}", report.findings);
    let left_out = attempts - most;
    assert!(
        report.notes.iter().any(|note| note.starts_with(&format!("{left_out} further attempts"))),
        "{:?}",
        report.notes
    );
    let recorded = "SELECT details ->> '$.attempts_left_out' FROM audit_events WHERE action = 'audit.evidence'";
    assert_eq!(host.value::<u64>(recorded), left_out);
}
