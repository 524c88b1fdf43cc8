//! What leaves the host and comes back: checkpoints, proofs and anchors, on a real socket.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::cosignature::Cosigner;
use countersign_proof::note::{KeyName, VerifierKey};
use countersign_proof::request::Continuation;
use countersign_proof::tree::empty_root;
use countersign_proof::witness::{Head, Refusal, judge};
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{AuditAnchor, AuditAnchors, AuditCheckpoint, AuditProof, AuditVerify};
use countersign_shared::protocol::{
    AnchorParams, AnchorResult, AnchorVerdict, CheckpointResult, ListAnchorsParams, NoParams, ProofParams,
};

use crate::support::{ALICE, BOB, DAVE, Host, MALLORY, can_be_people, policy, until};

pub fn checkpoint(host: &Host) -> CheckpointResult {
    host.user(DAVE).call::<AuditCheckpoint>(&NoParams {})
}

pub fn anchor(host: &Host, octets: &str) -> AnchorResult {
    host.user(DAVE).call::<AuditAnchor>(&AnchorParams { octets: octets.to_owned() })
}

fn log_of(checkpoint: &CheckpointResult) -> Log {
    Log::of_key(checkpoint.verifier_key.parse().unwrap())
}

fn growth(host: &Host, from: u64) -> Continuation {
    let result = host.user(DAVE).call::<AuditProof>(&ProofParams { from: Some(from), ..Default::default() });
    Continuation::parse(result.continuation.unwrap().as_bytes()).unwrap()
}

#[test]
fn a_checkpoint_is_signed_once_for_each_size_and_an_idle_ledger_does_not_grow() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    host.user(ALICE).request(&["web1.corp.example"]);
    let first = checkpoint(&host);
    assert_eq!(first.size, host.oneself().status().ledger_size);
    assert_eq!(checkpoint(&host), first);
    let signed = SignedCheckpoint::parse(first.note.as_bytes()).unwrap();
    assert_eq!(log_of(&first).verify(&signed).unwrap().len(), 1);
    assert_eq!((signed.checkpoint().root(), signed.checkpoint().size()), (first.root_sha256, first.size));
    assert_eq!(signed.checkpoint().origin(), host.oneself().status().origin);
    let mut nobody = host.user(MALLORY);
    nobody.refused::<AuditCheckpoint>(&NoParams {}, ErrorKind::Forbidden);
    nobody.refused::<AuditProof>(&ProofParams { seq: Some(0), ..Default::default() }, ErrorKind::Forbidden);
    nobody.refused::<AuditAnchor>(&AnchorParams { octets: first.note.clone() }, ErrorKind::Forbidden);
    nobody.refused::<AuditAnchors>(&ListAnchorsParams::default(), ErrorKind::Forbidden);
    // Each start signs what there is to sign by itself, unless it did a moment ago.
    host.stop();
    host.start();
    let second = checkpoint(&host);
    assert!(second.size > first.size);
    assert_eq!(second.verifier_key, first.verifier_key);
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
}

#[test]
fn records_and_growth_are_proved_and_another_implementation_agrees() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let before = checkpoint(&host);
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    host.user(BOB).approve(&request);
    alice.wait(&request.id);
    (2..12).for_each(|number| drop(alice.request(&[&format!("web{number}.corp.example")])));
    let now = checkpoint(&host);

    let of = ProofParams { resource_id: Some(request.id.to_string()), ..Default::default() };
    let proved = host.user(DAVE).call::<AuditProof>(&of);
    assert_eq!((proved.size, proved.records.len()), (now.size, 2));
    for record in &proved.records {
        let proof = RecordProof::parse(record.proof.as_bytes()).unwrap();
        let octets = proof.extra.clone().unwrap();
        let stored: Vec<u8> = host.value(&format!("SELECT record FROM audit_events WHERE seq = {}", record.seq));
        assert_eq!(octets, stored);
        proof.verify(&octets, &log_of(&now)).unwrap();
    }
    let grown = growth(&host, before.size);
    grown.verify(&before.root_sha256).unwrap();
    growth(&host, 0).verify(&empty_root()).unwrap();

    for (params, kind) in [
        (ProofParams { seq: Some(now.size + 5), ..Default::default() }, ErrorKind::NotFound),
        (ProofParams { from: Some(now.size + 5), ..Default::default() }, ErrorKind::NotFound),
        (ProofParams { resource_id: Some("ar-nothing".into()), ..Default::default() }, ErrorKind::NotFound),
        (ProofParams::default(), ErrorKind::Invalid),
        (ProofParams { seq: Some(0), from: Some(0), ..Default::default() }, ErrorKind::Invalid),
    ] {
        host.user(DAVE).refused::<AuditProof>(&params, kind);
    }

    // The commands of docs/checkpoint.md, over what this daemon wrote.
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, octets: &[u8]| std::fs::write(place.path().join(name), octets).unwrap();
    let proof = &proved.records[0];
    let record: Vec<u8> = host.value(&format!("SELECT record FROM audit_events WHERE seq = {}", proof.seq));
    // Without the record in it, as the page has it.
    let bare = RecordProof { extra: None, ..RecordProof::parse(proof.proof.as_bytes()).unwrap() };
    write("checkpoint.note", now.note.as_bytes());
    write("ledger.vkey", format!("{}\n", now.verifier_key).as_bytes());
    write("record", &record);
    write("record.tlog-proof", bare.to_string().as_bytes());
    write("earlier.note", before.note.as_bytes());
    write("next.continuation", grown.to_string().as_bytes());
    write("checkpoint.short", now.short.as_ref().unwrap().as_bytes());
    for (example, says) in [
        ("signature", "Signature Verified Successfully"),
        ("key", "the key id is right"),
        ("record", "the record is in the ledger"),
        ("continuation", "the ledger continues the earlier one"),
        ("short", "the short form is the checkpoint"),
    ] {
        let said = documented(example, place.path());
        assert!(said.contains(says), "{example}: {said}");
    }
    write("record", b"{}");
    assert!(documented("record", place.path()).contains("another record"));
}

/// Runs an example of docs/checkpoint.md in `place`; what it says.
fn documented(name: &str, place: &Path) -> String {
    let page = include_str!("../../../docs/checkpoint.md");
    let (_, rest) = page.split_once(&format!("<!-- example: {name} -->\n```sh\n")).unwrap();
    let script = rest.split("\n```\n").next().unwrap();
    let run = Command::new("bash").args(["-c", script]).current_dir(place).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
}

#[test]
fn an_anchor_covers_what_it_is_of_and_is_on_record() {
    if !can_be_people() {
        return;
    }
    let limits = format!("{}\n[ledger]\nmax_unanchored_records = 1\n", policy());
    let mut host = Host::serving(&limits);
    let before = host.oneself().status();
    assert!(before.anchor_overdue && before.unanchored == before.ledger_size && before.unanchored_since.is_some());
    until("the log says so", || host.log().contains("THE LEDGER IS NOT ANCHORED"));

    let now = checkpoint(&host);
    let taken = anchor(&host, &now.note);
    assert_eq!((taken.verdict, taken.added, taken.unanchored), (AnchorVerdict::Equal, true, 1));
    let after = host.oneself().status();
    // Only the record of the anchor is left, which asks for no further one.
    assert_eq!((after.unanchored, after.unanchored_since, after.anchor_overdue), (1, None, false));
    let record = host.value::<String>("SELECT details FROM audit_events WHERE action = 'anchor_added'");
    assert!(record.contains("\"verdict\":\"equal\"") && record.contains(&now.root_sha256.to_string()), "{record}");

    // The short form is the same checkpoint, and is known already; so is the note with lines that mean nothing.
    let again = anchor(&host, now.short.as_ref().unwrap());
    assert_eq!((again.verdict, again.added), (AnchorVerdict::Equal, false));
    let line = now.note.lines().last().unwrap().replace("countersign/", "somebody/");
    assert!(!anchor(&host, &format!("{}{line}\n", now.note)).added);
    assert_eq!(host.user(DAVE).call::<AuditAnchors>(&ListAnchorsParams::default()).anchors.len(), 1);

    // Not ours, not signed, bent.
    for octets in [
        "else".to_owned(),
        now.note.replace(&format!("\n{}\n", now.size), &format!("\n{}\n", now.size + 1)),
        now.note.replace("countersign/", "another/"),
        "1".repeat(255),
    ] {
        let refused = host.user(DAVE).refused::<AuditAnchor>(&AnchorParams { octets }, ErrorKind::Invalid);
        assert!(!refused.message.is_empty());
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'anchor_added'"), 1);
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
    host.stop();
    host.start();
    assert_eq!(host.oneself().status().damage, None);
}

#[test]
fn a_witness_cosigns_what_grows_and_its_word_is_kept() {
    if !can_be_people() {
        return;
    }
    let cosigner = Cosigner::from_seed(KeyName::new("witness.example").unwrap(), &[9; 32]).unwrap();
    let mut host = Host::prepared(&policy());
    let settings = format!("[checkpoint]\norigin = \"ca.example/ledger\"\nwitnesses = [\"{}\"]\n", cosigner.key());
    std::fs::write(host.path("countersign.toml"), settings).unwrap();
    host.start();
    let first = checkpoint(&host);
    assert_eq!(first.origin, "ca.example/ledger");
    let logs = [log_of(&first)];
    let offered = growth(&host, 0);
    let accepted = judge(&offered, &logs, |_| Head::none()).unwrap();
    let (head, line) = (accepted.head(), accepted.cosign(&cosigner, 1_790_000_000));
    let cosigned = format!("{}{line}\n", offered.signed);

    let taken = anchor(&host, &cosigned);
    assert_eq!((taken.verdict, taken.cosigned_by.len()), (AnchorVerdict::Equal, 1));
    assert!(taken.cosigned_by[0].witness.starts_with("witness.example+"));
    let kept: i64 = host.value("SELECT count(*) FROM checkpoint_signatures");
    assert_eq!(kept, 1);

    // What follows continues what was seen; what was restored from before does not.
    host.stop();
    let old = host.path("old");
    std::fs::copy(host.database(), &old).unwrap();
    host.start();
    let next = growth(&host, head.size);
    let seen = judge(&next, &logs, |_| head).unwrap().head();
    host.stop();
    std::fs::copy(&old, host.database()).unwrap();
    std::fs::remove_file(host.state.join("checkpoint.signed")).unwrap();
    host.start();
    host.user(ALICE).request(&["web1.corp.example"]);
    until("it has grown past", || host.oneself().status().ledger_size >= seen.size);
    while host.oneself().status().ledger_size < seen.size + 2 {
        host.user(ALICE).request(&[&format!("web{}.corp.example", host.oneself().status().ledger_size)]);
    }
    let forked = growth(&host, seen.size);
    assert!(matches!(judge(&forked, &logs, |_| seen), Err(Refusal::NotConsistent { .. })));
    let rolled_back = Continuation { old: head.size, path: Vec::new(), signed: offered.signed.clone() };
    assert!(matches!(judge(&rolled_back, &logs, |_| seen), Err(Refusal::Rollback { .. })));
    // And the daemon itself, when what it signed before the restoration comes back.
    let shown = anchor(&host, &next.signed.to_string());
    assert_eq!(shown.verdict, AnchorVerdict::Different);
    assert_eq!(host.oneself().status().damage.unwrap().rule, "anchor");
    host.user(DAVE).refused::<AuditCheckpoint>(&NoParams {}, ErrorKind::ReadOnly);
}

#[test]
fn a_key_is_followed_by_another() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let first = checkpoint(&host);
    host.stop();
    let (old, new) = (host.state.join("checkpoint.key"), host.path("new.key"));
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&new).status().unwrap();
    assert!(made.success());
    let settings = |host: &Host, text: &str| std::fs::write(host.path("countersign.toml"), text).unwrap();
    let both = format!("[checkpoint]\nkey = \"file:{}\"\nprevious_key = \"file:{}\"\n", new.display(), old.display());
    settings(&host, &both);
    host.start();
    let second = checkpoint(&host);
    assert_ne!(second.verifier_key, first.verifier_key);
    let signed = SignedCheckpoint::parse(second.note.as_bytes()).unwrap();
    for checkpoint in [&first, &second] {
        assert_eq!(log_of(checkpoint).verify(&signed).unwrap().len(), 1);
    }
    let changed = "SELECT details FROM audit_events WHERE action = 'checkpoint_key_changed'";
    let details: String = host.value(changed);
    assert!(details.contains("\"signed_by_both\":true") && details.contains(&first.verifier_key), "{details}");
    // What the old key signed is still an anchor.
    assert_eq!(anchor(&host, &first.note).verdict, AnchorVerdict::Equal);

    host.stop();
    settings(&host, &format!("[checkpoint]\nkey = \"file:{}\"\n", new.display()));
    host.start();
    let third = SignedCheckpoint::parse(checkpoint(&host).note.as_bytes()).unwrap();
    assert_eq!(third.note().signatures().len(), 1);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'checkpoint_key_changed'"), 1);

    // Lost: it is not made anew behind anybody's back. Made by hand, it goes on, and the record says that nobody vouches for it.
    host.stop();
    settings(&host, "");
    std::fs::remove_file(&old).unwrap();
    let said = host.refusal();
    assert!(said.contains("checkpoint.key is missing") && said.contains(&second.verifier_key), "{said}");
    assert!(!old.exists());
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&old).status().unwrap();
    assert!(made.success());
    host.start();
    let last: String = host.value(&format!("{changed} ORDER BY seq DESC LIMIT 1"));
    assert!(last.contains("\"signed_by_both\":false"), "{last}");
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
    host.stop();

    let unknown: VerifierKey = second.verifier_key.parse().unwrap();
    for (text, word) in [
        ("[checkpoint]\norigin = \"another\"\n".to_owned(), "never changes"),
        ("[checkpoint]\nkey = \"file:/nonexistent\"\n".to_owned(), "/nonexistent"),
        (format!("[checkpoint]\nwitnesses = [\"{unknown}\"]\n"), "key of a ledger"),
    ] {
        settings(&host, &text);
        let said = host.refusal();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn what_was_handed_out_before_a_kill_holds_after_it() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let mut handed_out: Vec<CheckpointResult> = Vec::new();
    for round in 0..6_u64 {
        let (socket, mut got) = (host.socket.clone(), Vec::new());
        let counted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| {
                let mut dave = crate::support::Caller::user(&socket, DAVE, None).ok()?;
                let mut alice = crate::support::Caller::user(&socket, ALICE, None).ok()?;
                for number in 0.. {
                    let name = format!("web{round}-{number}.corp.example");
                    alice
                        .attempt::<countersign_shared::protocol::method::RequestSubmit>(&crate::support::ask(&[&name]))?
                        .ok()?;
                    got.push(dave.attempt::<AuditCheckpoint>(&NoParams {})?.ok()?);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Some(())
            });
            until("some are handed out", || counted.load(Ordering::Relaxed) > round);
            host.kill();
            let _ = caller.join().unwrap();
        });
        handed_out.append(&mut got);
        host.start();
        assert_eq!(host.oneself().status().damage, None);
    }
    for pair in handed_out.windows(2) {
        assert!(pair[0].size < pair[1].size || pair[0].note == pair[1].note, "{pair:?}");
    }
    for checkpoint in [&handed_out[0], &handed_out[handed_out.len() - 1]] {
        assert_eq!(anchor(&host, &checkpoint.note).verdict, AnchorVerdict::Equal);
    }
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
}
