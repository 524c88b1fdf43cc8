//! Voices for erasing a text and for acknowledging damage that people sign with their own keys: what is taken, what is refused,
//! what is kept, and what it shows.

use countersign_proof::sshsig::SshSig;
use countersign_shared::decision_text::Salt;
use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditErase, AuditRepair, AuditVerify, PolicyPropose, RequestApprove, RequestComment,
};
use countersign_shared::protocol::{
    CommentParams, DecisionSignature, ErasableText, EraseParams, EraseResult, NoParams, ProposeParams, RepairParams,
    RepairResult, RequestSummary, SignatureDemand, Signing,
};
use countersign_shared::voice_text::{Act, VoiceText};
use countersign_verify::offline::{self, Against};
use rusqlite::Connection;

use crate::evidence;
use crate::signed_decisions::{Keys, another_version, policy_of, rule};
use crate::support::{ALICE, BOB, CAROL, DAVE, Host, can_be_people, on, policy_with, until};
use crate::tampering::root::{rehash, sign_again, unguarded};

const TWO: &str = "[change_control]\nquorum = [{ group = \"pki\", need = 2 }]\n";
const SALT: Salt = Salt::from_bytes([5; 16]);

fn two(keys: &Keys, demand: &str) -> String {
    policy_of(keys, &policy_with(1, "", &format!("{TWO}{demand}")))
}

fn demanded(keys: &Keys) -> String {
    two(keys, "decision_signature = \"ssh\"\n")
}

fn erase(seq: u64, reason: Option<&str>) -> EraseParams {
    let what = ErasableText::Comment;
    EraseParams { seq, what, reason: reason.map(Into::into), show: false, signature: None }
}

/// A comment that is to go, and its record.
fn comment(host: &Host) -> (RequestSummary, u64) {
    let request = host.user(ALICE).request(&["web.corp.example"]);
    let seq = commented(host, &request);
    (request, seq)
}

fn commented(host: &Host, request: &RequestSummary) -> u64 {
    let params = CommentParams { id: request.id.clone(), text: "Zebrafink was on sick leave".into() };
    host.user(ALICE).call::<RequestComment>(&params).remark.seq
}

fn show(host: &Host, uid: u32, seq: u64) -> EraseResult {
    host.user(uid).call::<AuditErase>(&EraseParams { show: true, ..erase(seq, None) })
}

fn of(text: &VoiceText, sshsig: String) -> DecisionSignature {
    DecisionSignature { sshsig, salt: text.salt, size: text.seen.size, root_sha256: text.seen.root }
}

fn text(act: Act, signing: &Signing) -> VoiceText {
    VoiceText::of(act, signing, SALT).unwrap()
}

/// What this person would sign.
fn erasure_text(host: &Host, uid: u32, params: &EraseParams) -> VoiceText {
    let shown = show(host, uid, params.seq);
    text(Act::erasing(&shown, params.reason.clone().unwrap_or_default()), &shown.signing)
}

fn signed_erasure(host: &Host, keys: &Keys, (uid, name): (u32, &str), mut params: EraseParams) -> EraseParams {
    let text = erasure_text(host, uid, &params);
    params.signature = Some(of(&text, keys.sign(name, &text.to_string())));
    params
}

fn offline_rules(host: &Host) -> Vec<String> {
    let report = offline::verify(&host.database(), &Against::default(), &mut |_, _| ()).unwrap();
    report.findings.iter().map(|found| found.rule.clone()).collect()
}

fn is_intact(host: &mut Host) {
    host.stop();
    host.start();
    let status = host.oneself().status();
    assert!(!status.read_only, "{:?}", status.damage);
    assert!(host.user(CAROL).call::<AuditVerify>(&NoParams {}).intact);
    host.stop();
    assert_eq!(offline_rules(host), Vec::<String>::new());
    host.start();
}

#[test]
fn an_erasure_that_has_to_be_signed_is_agreed_to_signed_alone_and_stock_tools_check_it() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&demanded(&keys));
    let (request, seq) = comment(&host);
    let before: i64 = host.value("SELECT count(*) FROM audit_events");
    let shown = show(&host, BOB, seq);
    assert_eq!(shown.signing.demand, Some(SignatureDemand::Ssh));
    assert_eq!((shown.signing.keys.len(), shown.voices.len(), shown.erased_seq), (1, 0, None));
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events"), before, "to look is nobody's voice");

    let params = erase(seq, Some("article 17\nvoice: acknowledge"));
    let refused = host.user(BOB).refused::<AuditErase>(&params, ErrorKind::Forbidden);
    assert_eq!(rule(&refused), "signature_required");
    let command = format!("countersign audit erase {seq} --what comment --sign KEY");
    assert!(refused.data.hint.contains(&command), "{}", refused.data.hint);

    let first = host.user(BOB).call::<AuditErase>(&signed_erasure(&host, &keys, (BOB, "bob"), params.clone()));
    assert_eq!((first.voices.len(), first.erased_seq), (1, None));
    let by_carol = signed_erasure(&host, &keys, (CAROL, "carol"), erase(seq, None));
    let second = host.user(CAROL).call::<AuditErase>(&by_carol);
    assert!(second.erased_seq.is_some(), "{second:?}");

    let told: i64 = host.value(
        "SELECT count(*) FROM audit_events a JOIN voice_signatures s ON s.seq = a.seq
         WHERE a.action = 'erasure_asked' AND a.details ->> '$.signed_key' = s.key_fingerprint
           AND a.details ->> '$.signed_size' = s.size",
    );
    assert_eq!(told, 2);

    // In the evidence of the request, where the text is and stock tools check it.
    let lines = evidence::bundle(&mut host.user(DAVE), evidence::of_request(&request));
    let key = evidence::against(&host);
    assert!(evidence::report(&lines, &key).intact, "{:#?}", evidence::report(&lines, &key).findings);
    let voices: Vec<&String> = lines.iter().filter(|line| line.starts_with("{\"part\":\"voice\"")).collect();
    assert_eq!(voices.len(), 2);
    let part: serde_json::Value = serde_json::from_str(voices[0]).unwrap();
    let signed = part["signature"]["text"].as_str().unwrap();
    assert!(signed.contains("\nreason: \"article 17\\u{a}voice: acknowledge\"\n"), "{signed}");
    let sshsig = part["signature"]["sshsig"].as_str().unwrap();
    let bob = keys.line("bob");
    assert!(keys.verifies("bob", &bob, signed, sshsig));
    assert!(!keys.verifies("bob", &bob, &signed.replace("comment", "note"), sshsig));

    // Whatever is changed of it, or taken out, is found.
    for change in [
        |line: &str| line.replace("article 17", "article 18"),
        |line: &str| line.replace("\"index\":0", "\"index\":1"),
        |_: &str| String::new(),
    ] {
        let changed: Vec<String> = lines[..lines.len() - 1]
            .iter()
            .map(|line| if line == voices[0] { change(line) } else { line.clone() })
            .filter(|line| !line.is_empty())
            .collect();
        let found = evidence::report(&evidence::ended(changed), &key);
        assert!(
            found.findings.iter().any(|found| matches!(found.rule.as_str(), "signature" | "missing")),
            "{:#?}",
            found.findings
        );
    }
    is_intact(&mut host);
}

#[test]
fn nothing_but_this_persons_signature_of_this_very_voice_counts() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let host = Host::serving(&demanded(&keys));
    let (request, seq) = comment(&host);
    let other = commented(&host, &request);
    let params = erase(seq, Some("article 17"));
    let right = erasure_text(&host, BOB, &params);
    let by = |name: &str, text: &VoiceText| of(&right, keys.sign(name, &text.to_string()));
    let at = |size: u64, root: Digest| {
        let mut text = right.clone();
        (text.seen.size, text.seen.root) = (size, root);
        of(&text, keys.sign("bob", &text.to_string()))
    };
    let garbage = |sshsig: &str| of(&right, sshsig.to_owned());
    let acknowledges = Act::Acknowledge { damage_sha256: Digest::of(&[b"x"]), damage: Vec::new() };
    let size = right.seen.size;
    let table = [
        ("somebody else's key", "signature_key", by("carol", &right)),
        ("another reason", "signature_wrong", by("bob", &erasure_text(&host, BOB, &erase(seq, Some("another"))))),
        ("another text", "signature_wrong", by("bob", &erasure_text(&host, BOB, &erase(other, Some("article 17"))))),
        ("another act", "signature_wrong", by("bob", &VoiceText { act: acknowledges, ..right.clone() })),
        ("another account", "signature_wrong", by("bob", &VoiceText { account: "x".into(), ..right.clone() })),
        ("a state that never was", "signature_seen", at(size, Digest::of(&[b"x"]))),
        ("a state to come", "signature_seen", at(size + 1000, right.seen.root)),
        ("from before the text", "signature_seen", at(seq, right.seen.root)),
        ("garbage", "signature_wrong", garbage("garbage")),
        ("nothing", "signature_wrong", garbage("")),
        ("half of it", "signature_wrong", garbage(&by("bob", &right).sshsig[..200])),
        ("another salt", "signature_wrong", DecisionSignature { salt: Salt::from_bytes([6; 16]), ..by("bob", &right) }),
    ];
    for (what, expected, signature) in table {
        let kind = if what == "from before the text" { ErrorKind::StaleContent } else { ErrorKind::Forbidden };
        let signed = EraseParams { signature: Some(signature), ..params.clone() };
        let refused = host.user(BOB).refused::<AuditErase>(&signed, kind);
        assert_eq!(rule(&refused), expected, "{what}: {refused:?}");
    }
    // Who has no key at all, and whose voice it is not.
    let refused = host.user(ALICE).refused::<AuditErase>(&params, ErrorKind::Forbidden);
    assert!(refused.data.hint.contains("none; have one added"), "{}", refused.data.hint);
    let as_carol = EraseParams { signature: Some(by("bob", &right)), ..params.clone() };
    assert_eq!(rule(&host.user(CAROL).refused::<AuditErase>(&as_carol, ErrorKind::Forbidden)), "signature_key");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'erasure_asked'"), 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM voice_signatures"), 0);
    // The right one counts all the same.
    host.user(BOB).call::<AuditErase>(&EraseParams { signature: Some(by("bob", &right)), ..params });
}

#[test]
fn a_voice_from_before_the_demand_counts_no_more_and_can_be_given_again() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&two(&keys, ""));
    let (_, seq) = comment(&host);
    host.user(BOB).call::<AuditErase>(&erase(seq, Some("article 17")));
    assert_eq!(show(&host, CAROL, seq).voices.len(), 1);
    let params = ProposeParams { document: demanded(&keys), reason: "sign".into(), base_sha256: None };
    let proposed = host.user(CAROL).call::<PolicyPropose>(&params).request;
    host.user(ALICE).call::<RequestApprove>(&on(&proposed));
    host.user(BOB).call::<RequestApprove>(&on(&proposed));
    assert_eq!(show(&host, CAROL, seq).voices.len(), 0);
    let by_carol = signed_erasure(&host, &keys, (CAROL, "carol"), erase(seq, Some("article 17")));
    assert_eq!(host.user(CAROL).call::<AuditErase>(&by_carol).erased_seq, None);
    let by_bob = signed_erasure(&host, &keys, (BOB, "bob"), erase(seq, None));
    assert!(host.user(BOB).call::<AuditErase>(&by_bob).erased_seq.is_some());
    is_intact(&mut host);
}

/// A stopped host with a damaged record.
fn damaged(keys: &Keys) -> Host {
    let mut host = Host::serving(&demanded(keys));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.user(BOB).call::<RequestApprove>(&on(&request));
    host.user(ALICE).wait(&request.id);
    host.stop();
    host.tamper("UPDATE audit_events SET actor = 'uid:1' WHERE action = 'approval_approved'");
    host
}

fn look(host: &Host, uid: u32) -> RepairResult {
    host.user(uid).call::<AuditRepair>(&RepairParams::default())
}

fn signed_repair(host: &Host, keys: &Keys, (uid, name): (u32, &str)) -> RepairParams {
    let shown = look(host, uid);
    let text = text(Act::acknowledging(&shown), &shown.signing);
    let signature = of(&text, keys.sign(name, &text.to_string()));
    RepairParams { damage_sha256: Some(shown.damage_sha256), signature: Some(signature) }
}

#[test]
fn damage_is_acknowledged_by_signatures_where_they_are_demanded_and_they_are_checked_ever_after() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = damaged(&keys);
    host.start();
    let shown = look(&host, BOB);
    assert_eq!(shown.signing.demand, Some(SignatureDemand::Ssh));
    let unsigned = RepairParams { damage_sha256: Some(shown.damage_sha256), signature: None };
    let refused = host.user(BOB).refused::<AuditRepair>(&unsigned, ErrorKind::Forbidden);
    assert_eq!(rule(&refused), "signature_required");
    let command = format!("countersign audit repair --acknowledge {} --sign KEY", shown.damage_sha256);
    assert!(refused.data.hint.contains(&command), "{}", refused.data.hint);
    let right = signed_repair(&host, &keys, (BOB, "bob"));
    let signature = right.signature.clone().unwrap();
    for (expected, wrong) in [
        ("signature_key", signed_repair(&host, &keys, (BOB, "carol")).signature),
        ("signature_seen", Some(DecisionSignature { size: signature.size - 1, ..signature.clone() })),
        ("signature_seen", Some(DecisionSignature { root_sha256: Digest::of(&[b"x"]), ..signature.clone() })),
        ("signature_wrong", Some(DecisionSignature { salt: Salt::from_bytes([1; 16]), ..signature.clone() })),
        ("signature_wrong", Some(DecisionSignature { sshsig: "garbage".into(), ..signature.clone() })),
    ] {
        let params = RepairParams { signature: wrong, ..right.clone() };
        let refused = host.user(BOB).refused::<AuditRepair>(&params, ErrorKind::Forbidden);
        assert_eq!(rule(&refused), expected, "{refused:?}");
    }
    assert!(look(&host, BOB).voices.is_empty());
    assert_eq!(host.user(BOB).call::<AuditRepair>(&right).voices.len(), 1);
    // Killed in the middle: voices end with the process, and nothing was written for them.
    host.kill();
    assert_eq!(host.value::<i64>("SELECT count(*) FROM voice_signatures"), 0);
    host.start();
    host.user(BOB).call::<AuditRepair>(&signed_repair(&host, &keys, (BOB, "bob")));
    let by_carol = signed_repair(&host, &keys, (CAROL, "carol"));
    let done = host.user(CAROL).call::<AuditRepair>(&by_carol);
    let seq = done.acknowledged_seq.unwrap();
    until("the daemon ends by itself", || !host.alive());
    host.kill();
    host.start();
    let status = host.oneself().status();
    assert!(!status.read_only, "{:?}", status.damage);
    let listed: i64 =
        host.value(&format!("SELECT json_array_length(details, '$.signatures') FROM audit_events WHERE seq = {seq}"));
    assert_eq!(listed, 2);
    let kept: String = host.value(&format!("SELECT signature FROM voice_signatures WHERE seq = {seq} AND idx = 1"));
    assert_eq!(Some(&kept), by_carol.signature.as_ref().map(|given| &given.sshsig));
    assert!(SshSig::parse(&kept).is_ok());
    assert!(host.user(CAROL).call::<AuditVerify>(&NoParams {}).intact);
    host.stop();
    assert_eq!(offline_rules(&host), Vec::<String>::new());

    let whole = std::fs::read(host.database()).unwrap();
    for sql in [
        "DELETE FROM voice_signatures WHERE idx = 0",
        "UPDATE voice_signatures SET account = 'x' WHERE idx = 0",
        "UPDATE voice_signatures SET salt = zeroblob(16) WHERE idx = 1",
        "UPDATE voice_signatures SET size = size - 1 WHERE idx = 1",
        "UPDATE voice_signatures SET signature = (SELECT signature FROM voice_signatures WHERE idx = 0) WHERE idx = 1",
        "INSERT INTO voice_signatures SELECT seq, 7, account, signature, key, key_fingerprint, salt, origin, size, root
         FROM voice_signatures WHERE idx = 0",
    ] {
        host.tamper(sql);
        let rules = offline_rules(&host);
        assert_eq!(rules.first().map(String::as_str), Some("signature"), "{sql}: {rules:?}");
        host.start();
        let damage = host.oneself().status().damage.unwrap();
        assert!(damage.seq == Some(seq) && damage.text.contains("voice"), "{sql}: {damage:?}");
        host.stop();
        std::fs::write(host.database(), &whole).unwrap();
    }
}

#[test]
fn a_signed_voice_is_an_anchor() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&two(&keys, ""));
    let (_, seq) = comment(&host);
    // Signed where nobody demands it.
    let params = signed_erasure(&host, &keys, (BOB, "bob"), erase(seq, Some("article 17")));
    host.user(BOB).call::<AuditErase>(&params);
    is_intact(&mut host);
    host.stop();
    // All hashes right, and every checkpoint signed again: what bob signed is still there.
    unguarded(&Connection::open(host.database()).unwrap(), |db| {
        rehash(db, u64::MAX >> 1, another_version);
        sign_again(db, &host.state);
    });
    host.start();
    let damage = host.oneself().status().damage.unwrap();
    assert_eq!(
        (damage.rule.as_str(), damage.text.contains("the voice in record")),
        ("signed_decision", true),
        "{damage:?}"
    );
    host.stop();
    assert_eq!(offline_rules(&host), ["signed_decision"]);
}
