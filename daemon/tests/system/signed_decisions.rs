//! Decisions that people sign with their own keys: what is taken, what is refused, what is kept, and what it shows.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use countersign_shared::decision_text::{DecisionText, NAMESPACE, Salt};
use countersign_shared::digest::Digest;
use countersign_shared::error::{ErrorKind, ErrorObject};
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::{
    AuditVerify, RequestApprove, RequestDecide, RequestGet, RequestReject, RequestSubmit,
};
use countersign_shared::protocol::{
    DecideItem, DecideManyParams, DecideParams, DecisionSignature, NoParams, Outcome, RequestDetail, RequestIdParams,
    RequestSummary, Signed,
};
use data_encoding::BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rusqlite::Connection;

use crate::evidence;
use crate::policy_change::{BY_THE_GROUP, changed};
use crate::support::ledger::Columned;
use crate::support::{ALICE, BOB, CAROL, Caller, DAVE, Host, ask, can_be_people, on, policy_with, until};
use crate::tampering::root::{rehash, sign_again, unguarded};

/// Keys of people, in files.
pub struct Keys(tempfile::TempDir);

impl Keys {
    pub fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        for name in ["bob", "carol"] {
            keys.keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", name]);
        }
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn keygen(&self, arguments: &[&str]) {
        let done = Command::new("ssh-keygen").current_dir(self.0.path()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn line(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim_end().to_owned()
    }

    /// What stock `ssh-keygen` signs, under a namespace.
    fn sign_in(&self, name: &str, text: &str, namespace: &str) -> String {
        std::fs::write(self.path("text"), text).unwrap();
        let _ = std::fs::remove_file(self.path("text.sig"));
        self.keygen(&["-q", "-Y", "sign", "-n", namespace, "-f", name, "text"]);
        std::fs::read_to_string(self.path("text.sig")).unwrap()
    }

    pub fn sign(&self, name: &str, text: &str) -> String {
        self.sign_in(name, text, NAMESPACE)
    }

    /// What stock `ssh-keygen` says of a signature that is kept.
    fn verified(&self, person: &str, signed: &Signed) -> bool {
        self.verifies(person, &signed.key, signed.text.as_ref().unwrap(), &signed.sshsig)
    }

    pub fn verifies(&self, person: &str, key: &str, text: &str, sshsig: &str) -> bool {
        let line = format!("{person} namespaces=\"{NAMESPACE}\" {key}\n");
        std::fs::write(self.path("allowed_signers"), line).unwrap();
        std::fs::write(self.path("kept.sig"), sshsig).unwrap();
        let mut child = Command::new("ssh-keygen")
            .current_dir(self.0.path())
            .args(["-Y", "verify", "-f", "allowed_signers", "-I", person, "-n", NAMESPACE, "-s", "kept.sig"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait().unwrap().success()
    }
}

pub fn policy(keys: &Keys, need: u32, p_web: &str) -> String {
    policy_of(keys, &policy_with(need, p_web, BY_THE_GROUP))
}

/// The same people with their keys, in another policy.
pub fn policy_of(keys: &Keys, document: &str) -> String {
    let with = |text: String, name: &str, uid: u32| {
        let account = format!("accounts = [\"uid:{uid}\"]\n");
        text.replacen(&account, &format!("{account}keys = [\"{}\"]\n", keys.line(name)), 1)
    };
    with(with(document.to_owned(), "bob", BOB), "carol", CAROL)
}

pub const DEMANDED: &str = "decision_signature = \"ssh\"";
const NOTE: &str = "looked at it\nverdict: reject";

pub fn detail(caller: &mut Caller, request: &RequestSummary) -> RequestDetail {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() })
}

/// What the caller would sign.
fn text(detail: &RequestDetail, verdict: Verdict) -> DecisionText {
    DecisionText::of(detail, verdict, NOTE.into(), Salt::from_bytes([9; 16])).unwrap()
}

fn with(text: &DecisionText, sshsig: String) -> DecideParams {
    let seen = &text.seen;
    let signature = DecisionSignature { sshsig, salt: text.salt, size: seen.size, root_sha256: seen.root };
    DecideParams {
        id: text.request.clone(),
        digest: text.content,
        note: Some(text.note.clone()),
        signature: Some(signature),
    }
}

pub fn signed(keys: &Keys, caller: &mut Caller, name: &str, request: &RequestSummary) -> DecideParams {
    let text = text(&detail(caller, request), Verdict::Approve);
    with(&text, keys.sign(name, &text.to_string()))
}

pub fn rule(error: &ErrorObject) -> &str {
    error.data.rule.as_deref().unwrap_or("none")
}

fn is_intact(host: &mut Host) {
    host.stop();
    host.start();
    let status = host.oneself().status();
    assert!(!status.read_only, "{:?}", status.damage);
    assert!(host.user(CAROL).call::<AuditVerify>(&NoParams {}).intact);
}

#[test]
fn a_decision_that_has_to_be_signed_is_taken_signed_alone_and_stock_tools_check_what_is_kept() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&policy(&keys, 1, DEMANDED));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let request = alice.request(&["web.corp.example"]);
    for error in [
        bob.refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden),
        bob.refused::<RequestReject>(&on(&request), ErrorKind::Forbidden),
    ] {
        assert_eq!(rule(&error), "signature_required");
        assert!(error.data.hint.contains(&format!("{} --sign KEY", request.id)), "{}", error.data.hint);
    }
    let params = signed(&keys, &mut bob, "bob", &request);
    let result = bob.call::<RequestApprove>(&params);
    assert_eq!(result.state, RequestState::Approved);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    let decision = detail(&mut alice, &request).decisions.remove(0);
    let kept = decision.signed.unwrap();
    assert_eq!(Some(&kept.sshsig), params.signature.as_ref().map(|signature| &signature.sshsig));
    assert!(keys.verified("bob", &kept));
    assert!(!keys.verified(
        "bob",
        &Signed { text: kept.text.clone().map(|text| text.replace("approve", "reject")), ..kept.clone() }
    ));
    assert!(kept.text.unwrap().contains("\nnote: \"looked at it\\u{a}verdict: reject\"\n"));
    let recorded: (String, String, u64) = {
        let details: String = host.value(&format!("SELECT details FROM audit_events WHERE seq = {}", decision.seq));
        let details: serde_json::Value = serde_json::from_str(&details).unwrap();
        let text = |key: &str| details[key].as_str().unwrap().to_owned();
        assert_eq!(text("signed_root_sha256"), kept.root_sha256.to_string());
        (text("signature_sha256"), text("signed_key"), details["signed_size"].as_u64().unwrap())
    };
    assert_eq!(recorded, (Digest::of(&[kept.sshsig.as_bytes()]).to_string(), kept.key_fingerprint, kept.size));
    drop((alice, bob));
    is_intact(&mut host);
}

#[test]
fn nothing_but_this_persons_signature_of_this_very_decision_counts() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let host = Host::serving(&policy(&keys, 1, DEMANDED));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let (request, other) = (alice.request(&["web.corp.example"]), alice.request(&["other.corp.example"]));
    let seen = detail(&mut bob, &request);
    let right = text(&seen, Verdict::Approve);
    let by = |name: &str, text: &DecisionText| with(&right, keys.sign(name, &text.to_string()));
    let at = |size: u64, root: Digest| {
        let mut text = right.clone();
        (text.seen.size, text.seen.root) = (size, root);
        with(&text, keys.sign("bob", &text.to_string()))
    };
    let size = right.seen.size;
    let asked: u64 = host.value(&format!("SELECT requested_seq FROM approval_requests WHERE id = '{}'", request.id));
    let garbage = |text: &str| with(&right, text.to_owned());
    let foreign = text(&detail(&mut bob, &other), Verdict::Approve);
    let table = [
        ("somebody else's key", "signature_key", by("carol", &right)),
        ("another verdict", "signature_wrong", by("bob", &DecisionText { verdict: Verdict::Reject, ..right.clone() })),
        ("another note", "signature_wrong", by("bob", &DecisionText { note: "".into(), ..right.clone() })),
        ("another request", "signature_wrong", by("bob", &foreign)),
        ("another version", "signature_wrong", by("bob", &DecisionText { version: 2, ..right.clone() })),
        ("another person", "signature_wrong", by("bob", &DecisionText { person: "carol".into(), ..right.clone() })),
        ("another policy", "signature_wrong", by("bob", &DecisionText { policy: Digest::of(&[]), ..right.clone() })),
        ("another namespace", "signature_wrong", with(&right, keys.sign_in("bob", &right.to_string(), "file"))),
        ("garbage", "signature_wrong", garbage("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")),
        ("nothing", "signature_wrong", garbage("")),
        ("very much", "signature_wrong", garbage(&"A".repeat(200_000))),
        ("a ledger that does not go so far", "signature_seen", at(size + 1000, right.seen.root)),
        ("a ledger that was never so", "signature_seen", at(size, Digest::of(&[b"other"]))),
        ("the root of another size", "signature_seen", at(size - 1, right.seen.root)),
    ];
    for (what, expected, params) in table {
        let error = bob.refused::<RequestApprove>(&params, ErrorKind::Forbidden);
        assert_eq!(rule(&error), expected, "{what}: {}", error.message);
    }
    for early in [0, asked] {
        let error = bob.refused::<RequestApprove>(&at(early, right.seen.root), ErrorKind::StaleContent);
        assert_eq!(rule(&error), "signature_seen");
    }
    let mut salted = by("bob", &right);
    salted.signature.as_mut().unwrap().salt = Salt::from_bytes([8; 16]);
    assert_eq!(rule(&bob.refused::<RequestApprove>(&salted, ErrorKind::Forbidden)), "signature_wrong");
    // Carol shows what bob signed.
    let error = host.user(CAROL).refused::<RequestApprove>(&by("bob", &right), ErrorKind::Forbidden);
    assert_eq!(rule(&error), "signature_key");
    assert_eq!(host.value::<u64>("SELECT count(*) FROM decision_signatures"), 0);
    // All of these are on record, and the right one is taken still.
    assert_eq!(bob.call::<RequestApprove>(&by("bob", &right)).state, RequestState::Approved);
}

#[test]
fn of_many_each_is_signed_by_itself_and_nobody_has_to_sign_where_nothing_is_demanded() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&policy(&keys, 1, ""));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let requests: Vec<_> = (0..3).map(|n| alice.request(&[&format!("web{n}.corp.example")])).collect();
    let mut items: Vec<DecideItem> = requests
        .iter()
        .map(|request| {
            let DecideParams { id, digest, signature, .. } = signed(&keys, &mut bob, "bob", request);
            DecideItem { id, digest, signature }
        })
        .collect();
    items[1].signature = items[0].signature.clone();
    items[2].signature = None;
    let many = DecideManyParams { verdict: Verdict::Approve, items, note: Some(NOTE.into()) };
    let result = bob.call::<RequestDecide>(&many);
    let rules: Vec<_> =
        result.items.iter().map(|item| item.error.as_ref().map(|error| rule(error).to_owned())).collect();
    assert_eq!(rules, [None, Some("signature_wrong".to_owned()), None]);
    assert_eq!(host.value::<u64>("SELECT count(*) FROM decision_signatures"), 1);
    drop((alice, bob));
    is_intact(&mut host);
}

#[test]
fn a_demand_that_comes_later_takes_the_places_of_votes_that_nobody_signed() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let host = Host::serving(&policy(&keys, 2, ""));
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let [unsigned, first] = ["a", "b"].map(|name| alice.request(&[&format!("{name}.corp.example")]));
    bob.approve(&unsigned);
    let params = signed(&keys, &mut bob, "bob", &first);
    bob.call::<RequestApprove>(&params);
    changed(&host, &policy(&keys, 2, DEMANDED));
    assert_eq!([&unsigned, &first].map(|request| detail(&mut alice, request).votes.given), [0, 1]);
    let params = signed(&keys, &mut carol, "carol", &unsigned);
    assert_eq!(carol.call::<RequestApprove>(&params).state, RequestState::Pending);
    let params = signed(&keys, &mut carol, "carol", &first);
    assert_eq!(carol.call::<RequestApprove>(&params).state, RequestState::Approved);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
}

#[test]
fn a_key_that_the_policy_has_no_more_signs_nothing_that_is_not_issued_yet() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let with_keys = policy(&keys, 1, DEMANDED);
    let host = Host::serving(&with_keys);
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let request = later(&mut alice, &host);
    let params = signed(&keys, &mut bob, "bob", &request);
    bob.call::<RequestApprove>(&params);
    changed(&host, &with_keys.replace(&format!("keys = [\"{}\"]\n", keys.line("bob")), ""));
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Failed);
    assert!(!host.oneself().status().read_only);
}

/// A request that waits for its moment, some seconds from now.
pub fn later(alice: &mut Caller, host: &Host) -> RequestSummary {
    let now = host.oneself().status().now;
    let start = countersign_shared::time::Timestamp::from_unix_millis(now.unix_millis() + 4000).unwrap();
    let mut params = ask(&["later.corp.example"]);
    params.not_before = Some(start);
    alice.call::<RequestSubmit>(&params).request.unwrap()
}

#[test]
fn the_gate_looks_at_what_is_stored_and_so_does_the_start() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    for sql in [
        "UPDATE decision_signatures SET signature = (SELECT signature FROM decision_signatures ORDER BY seq LIMIT 1)",
        "DELETE FROM decision_signatures",
        "UPDATE decision_signatures SET root = zeroblob(32)",
        "UPDATE decision_signatures SET key = 'ssh-ed25519 AAAA'",
        "UPDATE decisions SET note = 'something else'",
    ] {
        let mut host = Host::serving(&policy(&keys, 1, DEMANDED));
        let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
        let first = alice.request(&["web.corp.example"]);
        let request = later(&mut alice, &host);
        for request in [&first, &request] {
            let params = signed(&keys, &mut bob, "bob", request);
            bob.call::<RequestApprove>(&params);
        }
        assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
        host.tamper(sql);
        until("the gate stays shut", || {
            let failed: u64 = host.value("SELECT count(*) FROM jobs WHERE state = 'failed'");
            failed == 1 || host.oneself().status().read_only
        });
        assert_eq!(host.value::<u64>("SELECT count(*) FROM certificate_versions"), 1, "{sql}");
        drop((alice, bob));
        host.stop();
        host.start();
        let found = host.oneself().status().damage.map(|damage| damage.rule);
        assert!(matches!(found.as_deref(), Some("state" | "signed_decision")), "{sql}: {found:?}");
    }
}

#[test]
fn a_signed_decision_is_an_anchor() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let mut host = Host::serving(&policy(&keys, 1, DEMANDED));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let request = alice.request(&["web.corp.example"]);
    let params = signed(&keys, &mut bob, "bob", &request);
    bob.call::<RequestApprove>(&params);
    alice.wait(&request.id);
    drop((alice, bob));
    host.stop();
    // All hashes right, and every checkpoint signed again: what bob signed is still there, and nobody else can sign it.
    unguarded(&Connection::open(host.database()).unwrap(), |db| {
        rehash(db, u64::MAX >> 1, another_version);
        sign_again(db, &host.state);
    });
    host.start();
    let damage = host.oneself().status().damage.unwrap();
    assert_eq!(damage.rule, "signed_decision", "{}", damage.text);
    let copy = host.path("copy.db");
    host.stop();
    std::fs::copy(host.database(), &copy).unwrap();
    let report = countersign_verify::offline::verify(&copy, &Default::default(), &mut |_, _| {}).unwrap();
    let rules: Vec<_> = report.findings.iter().map(|found| found.rule.as_str()).collect();
    assert_eq!(rules, ["signed_decision"], "{:?}", report.findings);
}

#[test]
fn evidence_has_the_signature_and_a_change_of_it_is_found() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let host = Host::serving(&policy(&keys, 1, DEMANDED));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let request = alice.request(&["web.corp.example"]);
    let params = signed(&keys, &mut bob, "bob", &request);
    bob.call::<RequestApprove>(&params);
    alice.wait(&request.id);
    let key = evidence::against(&host);
    let mut lines = evidence::bundle(&mut host.user(DAVE), evidence::of_request(&request));
    let report = evidence::report(&lines, &key);
    assert!(report.intact, "{report:#?}");
    lines.pop();

    let at = lines.iter().position(|line| line.starts_with("{\"part\":\"decision\"")).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&lines[at]).unwrap();
    let text = whole["signature"]["text"].as_str().unwrap().to_owned();
    let sshsig = whole["signature"]["sshsig"].as_str().unwrap().to_owned();
    assert!(text.contains("\nverdict: approve\n") && text.contains("\nname: dns:web.corp.example\n"), "{text}");
    // As stock tools take it out of the bundle.
    assert!(keys.verifies("bob", &keys.line("bob"), &text, &sshsig));
    assert!(!keys.verifies("bob", &keys.line("bob"), &text.replace("web.corp", "www.corp"), &sshsig));
    for change in [
        serde_json::json!({ "text": text.replace("web.corp", "www.corp"), "sshsig": sshsig }),
        serde_json::json!({ "text": text, "sshsig": sshsig.replacen('A', "B", 1) }),
        serde_json::json!({ "sshsig": sshsig }),
        serde_json::Value::Null,
    ] {
        let mut part = whole.clone();
        match change.is_null() {
            true => drop(part.as_object_mut().unwrap().remove("signature")),
            false => part["signature"] = change.clone(),
        }
        let mut changed = lines.clone();
        changed[at] = part.to_string();
        let report = evidence::report(&evidence::ended(changed), &key);
        assert!(report.findings.iter().any(|found| found.rule == "signature"), "{change}: {report:#?}");
    }
}

/// An authenticator in software: its key, and its signature with flags that it is told.
struct Authenticator(Ed25519KeyPair);

const FIDO: &str = "sk-ssh-ed25519@openssh.com";

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat()).collect()
}

impl Authenticator {
    fn blob(&self) -> Vec<u8> {
        strings(&[FIDO.as_bytes(), self.0.public_key().as_ref(), b"ssh:"])
    }

    fn sign(&self, text: &str, flags: u8) -> String {
        let hash = Digest::of(&[text.as_bytes()]);
        let parts: [&[u8]; 4] = [NAMESPACE.as_bytes(), b"", b"sha256", hash.as_bytes()];
        let message = [b"SSHSIG".as_slice(), &strings(&parts)].concat();
        let mut tail = vec![flags];
        tail.extend(1u32.to_be_bytes());
        let asserted =
            [Digest::of(&[b"ssh:"]).as_bytes(), tail.as_slice(), Digest::of(&[&message]).as_bytes()].concat();
        let mut signature = strings(&[FIDO.as_bytes(), self.0.sign(&asserted).as_ref()]);
        signature.extend(&tail);
        let mut blob = b"SSHSIG\0\0\0\x01".to_vec();
        blob.extend(strings(&[&self.blob(), parts[0], parts[1], parts[2], &signature]));
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", BASE64.encode(&blob))
    }
}

#[test]
fn a_fido2_key_has_to_be_touched_and_where_it_is_said_has_to_know_its_holder() {
    if !can_be_people() {
        return;
    }
    let keys = Keys::new();
    let authenticator = Authenticator(Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap());
    let fido = format!("{FIDO} {}", BASE64.encode(&authenticator.blob()));
    for (demand, needed) in [("ssh", 1), ("fido2", 1), ("fido2-verified", 5)] {
        let own = format!("keys = [\"{}\"", keys.line("bob"));
        let with_both = format!("{own}, \"{fido} bob@token\"");
        let policy = policy(&keys, 1, &format!("decision_signature = \"{demand}\"")).replace(&own, &with_both);
        let host = Host::serving(&policy);
        let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
        let request = alice.request(&["web.corp.example"]);
        let shown = detail(&mut bob, &request);
        let text = text(&shown, Verdict::Approve);
        assert_eq!(shown.signing.unwrap().keys.len(), if demand == "ssh" { 2 } else { 1 });
        if demand != "ssh" {
            let soft = with(&text, keys.sign("bob", &text.to_string()));
            assert_eq!(rule(&bob.refused::<RequestApprove>(&soft, ErrorKind::Forbidden)), "signature_required");
        }
        let with_flags = |flags| with(&text, authenticator.sign(&text.to_string(), flags));
        assert_eq!(rule(&bob.refused::<RequestApprove>(&with_flags(0), ErrorKind::Forbidden)), "signature_wrong");
        if needed == 5 {
            assert_eq!(
                rule(&bob.refused::<RequestApprove>(&with_flags(1), ErrorKind::Forbidden)),
                "signature_required"
            );
        }
        assert_eq!(bob.call::<RequestApprove>(&with_flags(needed)).state, RequestState::Approved);
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    }
}

/// Another program version than the one that was started, which no state depends on.
pub fn another_version(seq: u64, row: &mut Columned) {
    if seq == 1 {
        assert_eq!(row[4], "daemon_started");
        let mut details: serde_json::Value = serde_json::from_str(&row[8]).unwrap();
        details["version"] = "0.0.9".into();
        row[8] = details.to_string();
    }
}
