//! Free texts that people have erased: the digest and the chain stay, the text stands nowhere any more.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditErase, AuditVerify, RequestApprove, RequestComment, RequestGet, RequestReject,
};
use countersign_shared::protocol::{
    CommentParams, DecideParams, ErasableText, EraseParams, NoParams, Outcome, RequestIdParams, RequestSummary,
};
use countersign_verify::offline::{self, Against};

use crate::evidence::{against, bundle, of_request, report};
use crate::signed_decisions::{DEMANDED, Keys, detail, later, policy, signed};
use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, DAVE, Host, ask, can_be_people, policy_with};

const SECRET: &str = "Zebrafink was on sick leave";

fn erase(seq: u64, what: ErasableText, reason: Option<&str>) -> EraseParams {
    EraseParams { seq, what, reason: reason.map(Into::into), show: false, signature: None }
}

fn everywhere(host: &Host) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(host.database().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if let Ok(octets) = std::fs::read(&path)
            && octets.windows(9).any(|window| window == b"Zebrafink")
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_text_goes_from_everywhere_and_its_digest_stays() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(1, "", "[change_control]\nquorum = [{ group = \"pki\", need = 2 }]"));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let mut asked = ask(&["web1.corp.example"]);
    asked.reason = Some(SECRET.into());
    asked.idempotency_key = Some("k1".into());
    let request: RequestSummary =
        alice.call::<countersign_shared::protocol::method::RequestSubmit>(&asked).request.unwrap();
    let comment = CommentParams { id: request.id.clone(), text: SECRET.into() };
    let commented = bob.call::<RequestComment>(&comment).remark.seq;
    let no =
        DecideParams { id: request.id.clone(), digest: request.digest, note: Some(SECRET.into()), signature: None };
    let rejected = bob.call::<RequestReject>(&no).seq;
    let requested: u64 = host.value("SELECT seq FROM audit_events WHERE action = 'approval_requested'");

    for (seq, what) in
        [(requested, ErasableText::Reason), (commented, ErasableText::Comment), (rejected, ErasableText::Note)]
    {
        // Who has no voice, who says no reason, what is not there.
        host.user(DAVE).refused::<AuditErase>(&erase(seq, what, Some("law")), ErrorKind::Forbidden);
        host.user_by(ALICE, BOB).refused::<AuditErase>(&erase(seq, what, Some("law")), ErrorKind::TwoPersonIntegrity);
        bob.refused::<AuditErase>(&erase(seq, what, None), ErrorKind::Invalid);
        bob.refused::<AuditErase>(&erase(0, what, Some("law")), ErrorKind::NotFound);
        let first = alice.call::<AuditErase>(&erase(seq, what, Some("article 17, ticket 12")));
        assert_eq!((first.voices.len(), first.needed, first.erased_seq), (1, 2, None));
        host.user(ALICE_ADM).refused::<AuditErase>(&erase(seq, what, None), ErrorKind::AlreadyDecided);
        let second = host.user(CAROL).call::<AuditErase>(&erase(seq, what, None));
        assert!(second.erased_seq.is_some() && second.text_sha256 == first.text_sha256, "{second:?}");
        bob.refused::<AuditErase>(&erase(seq, what, Some("again")), ErrorKind::Conflict);
    }
    let detail = serde_json::to_string(&alice.call::<RequestGet>(&RequestIdParams { id: request.id.clone() })).unwrap();
    assert!(!detail.contains("Zebrafink") && detail.contains("[erased]"), "{detail}");
    let verified = host.user(DAVE).call::<AuditVerify>(&NoParams {});
    assert!(verified.intact, "{verified:?}");
    // Who had it erased is in the evidence.
    let lines = bundle(&mut host.user(DAVE), of_request(&request));
    let erased = lines.iter().filter(|line| line.contains("\\\"action\\\":\\\"text_erased\\\"")).count();
    assert_eq!(erased, 3);
    assert!(report(&lines, &against(&host)).intact);
    host.stop();
    assert_eq!(everywhere(&host), Vec::<String>::new());
    host.start();
    let status = host.oneself().status();
    assert!(!status.read_only, "{:?}", status.damage);
    host.stop();
    // What no record says was erased is damage.
    host.tamper("DELETE FROM erasures WHERE what = 'note'");
    host.start();
    assert!(host.oneself().status().read_only);
}

#[test]
fn a_text_that_is_only_emptied_is_damage() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(1, "", ""));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.user(BOB).approve(&request);
    let update = "UPDATE decisions SET note = '', note_salt = x''";
    let db = rusqlite::Connection::open(host.database()).unwrap();
    assert!(db.execute(update, []).unwrap_err().to_string().contains("people agreed"));
    drop(db);
    host.stop();
    host.tamper(update);
    host.start();
    let damage = host.oneself().status().damage.unwrap();
    assert!(damage.text.contains("note"), "{damage:?}");
}

#[test]
fn the_note_of_a_signed_decision_goes_once_its_job_has_ended_and_the_signature_can_still_be_checked() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&policy(&keys, 1, DEMANDED));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let issued = alice.request(&["web.corp.example"]);
    let waits = later(&mut alice, &host);
    let [ended, open] = [&issued, &waits].map(|request| {
        let params = signed(&keys, &mut bob, "bob", request);
        bob.call::<RequestApprove>(&params).seq
    });
    assert_eq!(alice.wait(&issued.id).outcome, Outcome::Issued);

    let refused =
        alice.refused::<AuditErase>(&erase(open, ErasableText::Note, Some("article 17")), ErrorKind::Conflict);
    assert!(refused.message.contains("its job has not ended"), "{refused:?}");
    let before = detail(&mut alice, &issued).decisions.remove(0).signed.unwrap();
    alice.call::<AuditErase>(&erase(ended, ErasableText::Note, Some("article 17")));
    let erased = host.user(CAROL).call::<AuditErase>(&erase(ended, ErasableText::Note, None));
    assert!(erased.erased_seq.is_some(), "{erased:?}");
    let after = detail(&mut alice, &issued).decisions.remove(0).signed.unwrap();
    assert_eq!((after.text, &after.sshsig), (None, &before.sshsig));
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);

    drop((alice, bob));
    host.stop();
    let intact = |host: &Host| {
        let report = offline::verify(&host.database(), &Against::default(), &mut |_, _| ()).unwrap();
        (report.intact, report.findings.first().map(|found| found.rule.clone()))
    };
    assert_eq!(intact(&host), (true, None));
    // Without its text the signature is one of the digests in the record, and of no others.
    host.tamper(&format!(
        "UPDATE decision_signatures SET signature = (SELECT signature FROM decision_signatures WHERE seq = {open})
         WHERE seq = {ended}"
    ));
    assert_eq!(intact(&host), (false, Some("signature".into())));
    host.start();
    assert!(host.oneself().status().read_only);
}
