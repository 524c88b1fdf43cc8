//! Decisions that are signed in the console: nothing is signed that was not seen, and nothing is sent that was not signed.

use countersign_shared::decision_text::{DecisionText, Salt};
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{DecisionSignature, SignatureDemand, Signing};

use super::pictures::picture;
use super::samples::{queue, two_person};
use super::*;
use crate::console::state::Focus;

pub const SALT: Salt = Salt::from_bytes([7; 16]);

fn signing(demand: Option<SignatureDemand>) -> Signing {
    Signing {
        demand,
        person: Some("bob".into()),
        account: "bob".into(),
        keys: vec!["SHA256:bob".into()],
        policy_sha256: countersign_shared::digest::Digest::of(&[b"policy"]),
        origin: "ca.example/ledger".into(),
        size: 7,
        root_sha256: countersign_shared::digest::Digest::of(&[b"root"]),
    }
}

/// A request with what is needed to sign a decision on it.
pub fn sample() -> RequestDetail {
    let mut detail = super::samples::detail(queue().remove(0));
    detail.signing = Some(signing(None));
    detail
}

/// A queue on which decisions are signed as demanded.
fn bench(requests: Vec<RequestSummary>, demand: Option<SignatureDemand>, size: (u16, u16)) -> Bench {
    let mut bench = Bench::with(requests, size.0, size.1);
    for one in &mut bench.requests {
        one.signing = Some(signing(demand));
    }
    bench
}

fn usual() -> Bench {
    bench(queue(), Some(SignatureDemand::Fido2), (200, 60))
}

fn press(bench: &mut Bench, keys: &[Key]) {
    for key in keys {
        bench.keys(&[*key]);
        bench.settle();
    }
}

/// The texts that went to be signed, and with which key; they are taken out of what is open.
fn sent(bench: &mut Bench) -> Option<(u64, Vec<String>, String)> {
    let at = bench.open.iter().position(|one| matches!(one, Effect::Sign { .. }))?;
    let Effect::Sign { generation, texts, key } = bench.open.remove(at) else { return None };
    Some((generation, texts.iter().map(|one| one.text().to_owned()).collect(), key))
}

fn signature(sshsig: &str) -> DecisionSignature {
    let signing = signing(None);
    DecisionSignature { sshsig: sshsig.into(), salt: SALT, size: signing.size, root_sha256: signing.root_sha256 }
}

/// Answers every read; nothing is drawn yet.
fn answer(bench: &mut Bench) {
    while let Some(at) = bench.open.iter().position(|effect| bench.answer(effect).is_some()) {
        let effect = bench.open.remove(at);
        let answer = bench.answer(&effect).unwrap();
        bench.act(answer);
    }
}

fn come_back(bench: &mut Bench, generation: u64, signed: Result<Vec<DecisionSignature>, &str>) {
    let answer = Answer::Signed(signed.map_err(str::to_owned));
    bench.act(Action::Answered { generation, answer });
}

#[test]
fn exactly_what_was_shown_is_signed_and_sent() {
    let mut bench = usual();
    press(&mut bench, &[Key::Char('r'), Key::Tab]);
    bench.text("not this host");
    press(&mut bench, &[Key::Tab, Key::Char('y')]);
    let expected = DecisionText::of(&bench.requests[0], Verdict::Reject, "not this host".into(), SALT).unwrap();
    let drawn = picture(&bench);
    for line in expected.to_string().lines() {
        assert!(drawn.contains(line), "{line} is not shown:\n{drawn}");
    }
    assert!(bench.deeds().is_empty() && sent(&mut bench).is_none(), "only shown so far");
    press(&mut bench, &[Key::Char('y')]);
    let (generation, texts, key) = sent(&mut bench).unwrap();
    assert_eq!((texts, key.as_str()), (vec![expected.to_string()], "~/.ssh/id_ed25519_sk"));
    assert!(bench.deeds().is_empty(), "nothing is sent before it is signed");
    come_back(&mut bench, generation, Ok(vec![signature("armored")]));
    let [Deed::Decide(Verdict::Reject, params)] = &bench.deeds()[..] else { panic!("{:?}", bench.deeds()) };
    assert_eq!(params.signature, Some(signature("armored")));
    assert_eq!(params.digest, bench.requests[0].request.digest);
    assert_eq!(params.note.as_ref().map(|note| note.raw()), Some("not this host"));
}

#[test]
fn the_end_of_the_text_is_seen_before_it_is_signed_and_escape_leads_back_one_level() {
    let mut bench = bench(queue(), Some(SignatureDemand::Ssh), (80, 24));
    press(&mut bench, &[Key::Char('a'), Key::PageDown, Key::PageDown, Key::Char('y')]);
    assert!(bench.review().signature.is_some());
    press(&mut bench, &[Key::Char('y'), Key::Enter]);
    assert!(bench.review().signature.is_none(), "the focus is on Cancel");
    press(&mut bench, &[Key::Char('y'), Key::Char('y')]);
    assert!(sent(&mut bench).is_none(), "its end was not seen");
    let missing = bench.review().signature.as_ref().and_then(|open| open.missing());
    assert_eq!(missing, Some("Read to the end first: PageDown."));
    press(&mut bench, &[Key::PageDown, Key::PageDown, Key::PageDown]);
    bench.keys(&[Key::Esc]);
    assert!(bench.review().signature.is_none() && !bench.open.contains(&Effect::Quit));
    bench.settle();
    press(&mut bench, &[Key::Char('y'), Key::PageDown, Key::PageDown, Key::PageDown, Key::Char('y')]);
    assert!(sent(&mut bench).is_some());
}

#[test]
fn what_is_typed_before_the_text_is_drawn_signs_nothing() {
    let mut bench = usual();
    press(&mut bench, &[Key::Char('a')]);
    bench.keys(&[Key::Char('y'), Key::Char('y'), Key::Char('y')]);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Prepare { .. })).unwrap();
    let effect = bench.open.remove(at);
    let prepared = bench.answer(&effect).unwrap();
    bench.act(prepared);
    bench.keys(&[Key::Char('y'), Key::Tab, Key::Enter]);
    assert!(sent(&mut bench).is_none() && bench.deeds().is_empty());
    assert!(bench.review().awaits_eyes());
}

#[test]
fn a_signing_that_failed_leads_back_to_the_review_with_the_reason_and_nothing_is_sent() {
    let mut bench = usual();
    press(&mut bench, &[Key::Char('a'), Key::BackTab]);
    bench.text("as agreed");
    press(&mut bench, &[Key::Tab, Key::Char('y'), Key::Char('y')]);
    let (generation, ..) = sent(&mut bench).unwrap();
    bench.keys(&[Key::Esc, Key::Char('y'), Key::Enter]);
    assert!(bench.review().signature.is_some(), "no key counts while the terminal is away");
    come_back(&mut bench, generation, Err("ssh-keygen was ended"));
    bench.keys(&[Key::Char('y'), Key::Enter, Key::Char('y')]);
    assert!(bench.deeds().is_empty() && sent(&mut bench).is_none());
    let review = bench.review();
    assert_eq!((review.unsigned.as_deref(), review.focus), (Some("ssh-keygen was ended"), Focus::Cancel));
    assert_eq!(review.note.text(), "as agreed", "what was typed is still there");
    bench.settle();
    assert!(picture(&bench).contains("NOT SENT"));
    press(&mut bench, &[Key::Char('y'), Key::Char('y')]);
    assert!(sent(&mut bench).is_some(), "and it can be tried again");
}

#[test]
fn what_changed_while_it_was_signed_is_shown_and_nothing_is_sent() {
    let edits: [fn(&mut RequestDetail); 2] =
        [|one| one.request.version = 2, |one| one.request.digest = countersign_shared::digest::Digest::of(&[b"other"])];
    for edit in edits {
        let mut bench = usual();
        press(&mut bench, &[Key::Char('a'), Key::Char('y'), Key::Char('y')]);
        let (generation, ..) = sent(&mut bench).unwrap();
        edit(&mut bench.requests[0]);
        bench.event(0);
        bench.settle();
        come_back(&mut bench, generation, Ok(vec![signature("armored")]));
        assert!(bench.deeds().is_empty());
        assert!(bench.review().unsigned.as_ref().is_some_and(|why| why.contains("nothing was sent")));
        assert!(picture(&bench).contains("CHANGED"));
        press(&mut bench, &[Key::Char('y'), Key::Char('s')]);
        assert!(bench.deeds().is_empty() && sent(&mut bench).is_none());
    }
}

#[test]
fn a_connection_that_is_lost_meanwhile_sends_nothing_late() {
    let mut bench = usual();
    press(&mut bench, &[Key::Char('a'), Key::Char('y'), Key::Char('y')]);
    let (generation, ..) = sent(&mut bench).unwrap();
    bench.act(Action::Disconnected { why: "gone".into() });
    come_back(&mut bench, generation, Ok(vec![signature("armored")]));
    assert!(bench.deeds().is_empty());
    assert!(bench.review().unsigned.as_ref().is_some_and(|why| why.contains("OFFLINE")));
}

#[test]
fn another_policy_makes_another_text() {
    let mut bench = usual();
    press(&mut bench, &[Key::Char('a'), Key::Char('y')]);
    bench.requests[0].signing.as_mut().unwrap().policy_sha256 = countersign_shared::digest::Digest::of(&[b"new"]);
    bench.event(0);
    bench.settle();
    assert!(bench.review().signature.is_none() && bench.review().unsigned.is_some());
    press(&mut bench, &[Key::Char('y'), Key::Char('y')]);
    let (_, texts, _) = sent(&mut bench).unwrap();
    let policy = countersign_shared::digest::Digest::of(&[b"new"]);
    assert!(texts[0].contains(&format!("policy: {policy}")));
}

#[test]
fn what_names_a_policy_that_is_old_when_it_comes_back_is_not_sent() {
    type Edit = fn(&mut Signing);
    let edits: [(Edit, bool); 3] = [
        (|_| (), true),
        (|now| (now.size, now.root_sha256) = (8, countersign_shared::digest::Digest::of(&[b"grown"])), true),
        (|now| now.policy_sha256 = countersign_shared::digest::Digest::of(&[b"new"]), false),
    ];
    for (edit, is_sent) in edits {
        let mut bench = usual();
        press(&mut bench, &[Key::Char('a'), Key::Char('y'), Key::Char('y')]);
        let (generation, ..) = sent(&mut bench).unwrap();
        edit(bench.requests[0].signing.as_mut().unwrap());
        bench.event(0);
        bench.settle();
        assert!(bench.review().signature.is_some(), "it goes on while the terminal is away");
        come_back(&mut bench, generation, Ok(vec![signature("armored")]));
        assert_eq!(!bench.deeds().is_empty(), is_sent);
        let why = bench.review().unsigned.clone();
        assert_eq!(why.is_some_and(|why| why.contains("The policy changed")), !is_sent);
    }
}

#[test]
fn what_is_typed_at_a_text_that_is_gone_decides_nothing_without_a_signature() {
    type Edit = fn(&mut RequestDetail);
    let other = |one: &mut RequestDetail| {
        one.signing.as_mut().unwrap().policy_sha256 = countersign_shared::digest::Digest::of(&[b"new"]);
    };
    let dropped: Edit = |one| {
        let signing = one.signing.as_mut().unwrap();
        (signing.policy_sha256, signing.demand) = (countersign_shared::digest::Digest::of(&[b"new"]), None);
    };
    let cases: [(Option<SignatureDemand>, Key, Edit); 2] =
        [(None, Key::Char('s'), other), (Some(SignatureDemand::Ssh), Key::Char('y'), dropped)];
    for (demand, opens, edit) in cases {
        let mut bench = bench(queue(), demand, (200, 60));
        press(&mut bench, &[Key::Char('a'), Key::Tab, opens]);
        assert!(bench.review().signature.is_some());
        edit(&mut bench.requests[0]);
        bench.event(0);
        answer(&mut bench);
        assert!(bench.review().signature.is_none() && !bench.review().armed);
        assert_eq!(bench.review().focus, Focus::Cancel);
        bench.text("~/.ssh/my_key");
        bench.keys(&[Key::Enter, Key::Char('y'), Key::Enter]);
        assert!(bench.deeds().is_empty() && bench.review().signature.is_none(), "nothing counts before it is seen");
        bench.settle();
        assert!(picture(&bench).contains("y shows what has to be signed"));
        bench.text("y");
        assert!(bench.deeds().is_empty() && bench.review().signature.is_some());
    }
}

#[test]
fn whoever_began_to_sign_does_not_decide_without_until_the_review_is_closed() {
    let mut bench = bench(queue(), None, (200, 60));
    press(&mut bench, &[Key::Char('a'), Key::Char('s'), Key::Char('y')]);
    let (generation, ..) = sent(&mut bench).unwrap();
    come_back(&mut bench, generation, Err("ssh-keygen was ended"));
    bench.settle();
    press(&mut bench, &[Key::Char('y')]);
    assert!(bench.deeds().is_empty() && bench.review().signature.is_some(), "a late y leads to the text again");
    press(&mut bench, &[Key::Esc, Key::Tab, Key::Enter]);
    assert!(bench.deeds().is_empty() && bench.review().signature.is_some(), "and so does the button");
    press(&mut bench, &[Key::Esc, Key::Esc, Key::Char('a'), Key::Char('y')]);
    assert!(matches!(&bench.deeds()[..], [Deed::Decide(_, params)] if params.signature.is_none()));
}

#[test]
fn who_has_no_key_is_told_so_and_signs_nothing() {
    type Edit = fn(&mut Signing);
    let edits: [(Edit, &str); 2] = [
        (|one| one.keys.clear(), "no key of yours that is enough (fido2)"),
        (|one| one.person = None, "bob is no person of the policy"),
    ];
    for (edit, expected) in edits {
        let mut bench = usual();
        edit(bench.requests[0].signing.as_mut().unwrap());
        press(&mut bench, &[Key::Char('a')]);
        assert!(bench.review().missing().is_some_and(|why| why.contains(expected)), "{:?}", bench.review().missing());
        press(&mut bench, &[Key::Char('y'), Key::Char('s'), Key::Tab, Key::Tab, Key::Enter, Key::Enter]);
        assert!(bench.deeds().is_empty() && sent(&mut bench).is_none());
    }
}

#[test]
fn a_decision_is_signed_where_nobody_demands_it_by_a_key_of_its_own() {
    let mut bench = bench(queue(), None, (200, 60));
    press(&mut bench, &[Key::Char('a'), Key::Char('s')]);
    assert!(bench.review().signature.is_some());
    press(&mut bench, &[Key::Char('y')]);
    let (generation, ..) = sent(&mut bench).unwrap();
    come_back(&mut bench, generation, Ok(vec![signature("armored")]));
    assert!(matches!(&bench.deeds()[..], [Deed::Decide(_, params)] if params.signature.is_some()));
    // And without that key it is sent as it always was.
    let mut bench = super::signing::bench(queue(), None, (200, 60));
    press(&mut bench, &[Key::Char('a'), Key::Char('y')]);
    assert!(matches!(&bench.deeds()[..], [Deed::Decide(_, params)] if params.signature.is_none()));
    // A remark is not signed.
    press(&mut bench, &[Key::Char('c'), Key::Char('s')]);
    assert!(sent(&mut bench).is_none());
}

#[test]
fn of_many_each_has_a_signature_of_its_own() {
    let mut bench = bench(two_person(), Some(SignatureDemand::Ssh), (200, 60));
    press(&mut bench, &[Key::Char(' '), Key::Char(' '), Key::Char('r'), Key::Tab]);
    bench.text("no");
    press(&mut bench, &[Key::Tab, Key::PageDown, Key::PageDown, Key::PageDown, Key::Char('y')]);
    press(&mut bench, &[Key::PageDown, Key::PageDown, Key::PageDown, Key::PageDown, Key::Char('y')]);
    let (generation, texts, _) = sent(&mut bench).unwrap();
    assert_eq!(texts.len(), 2);
    come_back(&mut bench, generation, Ok(vec![signature("first")]));
    assert!(bench.deeds().is_empty(), "one of two is none");
    bench.settle();
    press(&mut bench, &[Key::PageDown, Key::PageDown, Key::PageDown, Key::Char('y')]);
    press(&mut bench, &[Key::PageDown, Key::PageDown, Key::PageDown, Key::PageDown, Key::Char('y')]);
    let (generation, ..) = sent(&mut bench).unwrap();
    come_back(&mut bench, generation, Ok(vec![signature("first"), signature("second")]));
    let [Deed::DecideMany(many)] = &bench.deeds()[..] else { panic!("{:?}", bench.deeds()) };
    let signed: Vec<_> = many.items.iter().map(|item| item.signature.as_ref().unwrap().sshsig.as_str()).collect();
    assert_eq!(signed, ["first", "second"]);
}

#[test]
fn pictures_of_what_is_signed() {
    for size in [(80, 24), (120, 40), (200, 60), (40, 10)] {
        let wide = (size.0.max(60), size.1.max(15));
        let mut bench = bench(queue(), Some(SignatureDemand::Ssh), wide);
        let shot = |bench: &mut Bench, name: &str| {
            bench.act(Action::Resize { width: size.0, height: size.1 });
            if !bench.state.too_small() || name == "sign_text" {
                insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), picture(bench));
            }
            bench.act(Action::Resize { width: wide.0, height: wide.1 });
            bench.settle();
        };
        press(&mut bench, &[Key::Char('a')]);
        press(&mut bench, &[Key::PageDown; 12]);
        shot(&mut bench, "sign_review");
        press(&mut bench, &[Key::Char('y')]);
        shot(&mut bench, "sign_text");
        press(&mut bench, &[Key::PageDown; 12]);
        press(&mut bench, &[Key::Tab]);
        shot(&mut bench, "sign_text_end");
        press(&mut bench, &[Key::BackTab, Key::Char('y')]);
        let (generation, ..) = sent(&mut bench).unwrap();
        come_back(&mut bench, generation, Err("ssh-keygen did not sign with ~/.ssh/id: nothing was decided"));
        bench.settle();
        shot(&mut bench, "sign_failed");
    }
}
