//! Withdraw, void, remark, amend, delegation and changes of the policy.

use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::{DecideResult, Effect as OnControl, PersonRef, Remark, RemarkKind, Verb, Votes};

use super::samples::{policy_change, queue, two_person};
use super::*;
use crate::console::state::Focus;

fn bench() -> Bench {
    Bench::with(queue(), 80, 24)
}

fn open(bench: &mut Bench, key: char) {
    bench.keys(&[Key::Char(key)]);
    bench.settle();
    assert_eq!(bench.review().focus, Focus::Cancel);
}

#[test]
fn voiding_needs_a_reason() {
    let mut bench = bench();
    open(&mut bench, 'x');
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty());
    bench.keys(&[Key::BackTab]);
    bench.text("wrong host");
    bench.keys(&[Key::Enter, Key::Enter]);
    let [Deed::Void(sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    let id = bench.requests[0].request.id.clone();
    assert_eq!((&sent.id, sent.reason.as_ref().map(|text| text.raw())), (&id, Some("wrong host")));
}

#[test]
fn withdrawing_needs_no_reason_and_a_remark_is_nothing_without_text() {
    let mut one = bench();
    one.requests[0].you_may = vec![Verb::Withdraw];
    open(&mut one, 'w');
    one.keys(&[Key::Char('y')]);
    assert!(matches!(one.deeds()[..], [Deed::Withdraw(_)]));
    let mut two = bench();
    open(&mut two, 'c');
    two.keys(&[Key::Char('y'), Key::BackTab]);
    assert!(two.deeds().is_empty());
    two.text("who owns it?");
    two.keys(&[Key::Enter, Key::Enter]);
    let [Deed::Comment(sent)] = two.deeds()[..] else { panic!("{:?}", two.open) };
    assert_eq!(sent.text.raw(), "who owns it?");
    let remark = Remark {
        kind: RemarkKind::Comment,
        by: PersonRef { account: "bob".into(), person: None, uid: 1 },
        text: "who owns it?".into(),
        version: 1,
        at: samples::at(0),
        seq: 12,
    };
    two.done(Ok(Done::Commented(countersign_shared::protocol::CommentResult { remark })));
    assert!(two.state.dialog.is_none() && two.state.notice.as_ref().is_some_and(|notice| notice.good));
}

#[test]
fn what_the_daemon_does_not_list_cannot_be_sent() {
    for key in ['w', 'x', 'c'] {
        let mut bench = bench();
        bench.requests[0].you_may = Vec::new();
        open(&mut bench, key);
        let why = bench.review().missing();
        assert!(why.is_some_and(|why| why.starts_with("Only") || why.starts_with("Remarks")), "{key}");
        bench.keys(&[Key::BackTab]);
        bench.text("text");
        bench.keys(&[Key::Enter, Key::Enter, Key::Tab, Key::Enter]);
        assert!(bench.deeds().is_empty(), "{key}");
    }
}

#[test]
fn a_change_stops_an_end_and_not_a_remark() {
    for (key, stopped) in [('x', true), ('c', false)] {
        let mut bench = bench();
        open(&mut bench, key);
        bench.requests[0].request.version = 2;
        bench.event(0);
        bench.settle();
        bench.keys(&[Key::BackTab]);
        bench.text("text");
        bench.keys(&[Key::Enter, Key::Enter]);
        assert_eq!(bench.deeds().is_empty(), stopped, "{key}");
    }
}

#[test]
fn what_has_ended_takes_remarks_alone() {
    for (key, opens) in [('w', false), ('x', false), ('c', true)] {
        let mut bench = Bench::with(
            vec![samples::ended(samples::summary(1, "www.corp.example", &[]), RequestState::Voided, "carol")],
            80,
            24,
        );
        bench.keys(&[Key::Char('s')]);
        bench.settle();
        bench.keys(&[Key::Char(key)]);
        assert_eq!(matches!(bench.state.dialog, Some(Dialog::Review(_))), opens, "{key}");
    }
}

#[test]
fn amending_shows_the_command() {
    let mut bench = bench();
    bench.requests[0].you_may = vec![Verb::Amend];
    bench.keys(&[Key::Enter]);
    bench.settle();
    bench.keys(&[Key::Char('e')]);
    let id = bench.requests[0].request.id.clone();
    let Some(Dialog::Message(message)) = &bench.state.dialog else { panic!("{:?}", bench.state.dialog) };
    assert!(message.text.starts_with(&format!("countersign amend {id}")));
    let mut bench = self::bench();
    bench.keys(&[Key::Enter]);
    bench.settle();
    bench.keys(&[Key::Char('e')]);
    let Some(Dialog::Message(message)) = &bench.state.dialog else { panic!("{:?}", bench.state.dialog) };
    assert!(message.text.starts_with("Only who asked"));
}

#[test]
fn offline_nothing_is_opened_or_sent() {
    for key in ['w', 'x', 'c', 'a', 'r'] {
        let mut bench = bench();
        bench.act(Action::Disconnected { why: "gone".into() });
        bench.keys(&[Key::Char(key)]);
        assert!(bench.state.dialog.is_none(), "{key}");
    }
    let mut bench = bench();
    open(&mut bench, 'x');
    bench.keys(&[Key::BackTab]);
    bench.text("wrong");
    bench.act(Action::Disconnected { why: "gone".into() });
    bench.keys(&[Key::Enter, Key::Enter]);
    assert!(bench.deeds().is_empty());
}

#[test]
fn a_laxer_policy_is_typed_out() {
    let mut bench = Bench::with(vec![policy_change(1)], 120, 40);
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    assert_eq!(bench.review().confirmation(), Some(("policy 4 is laxer".into(), 1, 1)));
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty());
    bench.keys(&[Key::Tab]);
    bench.text("policy 4 is laxer");
    bench.keys(&[Key::Enter, Key::Enter]);
    let [Deed::Decide(Verdict::Approve, sent)] = bench.deeds()[..] else { panic!("{:?}", bench.review()) };
    let done = DecideResult {
        id: sent.id.clone(),
        state: RequestState::Approved,
        job: None,
        seq: 12,
        record_sha256: sent.digest,
        votes: Votes { given: 2, needed: 2 },
    };
    bench.done(Ok(Done::Decided(done)));
    assert!(bench.state.notice.is_some_and(|notice| notice.text.ends_with("the proposed policy is in force.")));
    let mut stricter = Bench::with(vec![policy_change(1)], 120, 40);
    stricter.requests[0].request.risks.clear();
    stricter.requests[0].policy_change.as_mut().unwrap().differences.retain(|one| one.effect != OnControl::Laxer);
    stricter.keys(&[Key::Char('a')]);
    stricter.settle();
    assert_eq!(stricter.review().confirmation(), None);
}

#[test]
fn a_say_that_changes_hands_stops_the_review() {
    let mut bench = Bench::with(two_person(), 120, 40);
    let at = bench.requests.iter().position(|one| one.you.delegated_by.is_some()).unwrap();
    while bench.state.queue.list.selected() != Some(&bench.requests[at].request.id) {
        bench.keys(&[Key::Char('j')]);
    }
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.requests[at].you.delegated_by = None;
    bench.event(at);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty() && !bench.review().items[0].changed.is_empty());
}

#[test]
fn the_vote_of_another_is_no_change() {
    let mut bench = bench();
    open(&mut bench, 'a');
    bench.requests[0].votes.given = 1;
    bench.event(0);
    bench.settle();
    let seen = bench.review().items[0].seen.as_ref().unwrap();
    assert_eq!(seen.votes.given, 1);
    bench.keys(&[Key::Char('y')]);
    assert_eq!(bench.deeds().len(), 1);
}
