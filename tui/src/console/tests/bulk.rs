//! Marks on the queue, and many requests decided together.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::{
    DecideManyParams, DecideManyResult, DecideResult, DecidedItem, MAX_ITEMS, Risk, Votes,
};

use super::samples::{ended, queue, summary};
use super::*;
use crate::console::state::{Focus, NextPage};

const SPACE: Key = Key::Char(' ');

/// Three plain requests, all of them marked, on a screen where their review fits.
fn marked() -> Bench {
    let requests = (1..4).map(|n| summary(n, &format!("www{n}.corp.example"), &[])).collect();
    let mut bench = Bench::with(requests, 120, 40);
    bench.keys(&[SPACE, SPACE, SPACE]);
    bench
}

fn sent(bench: &Bench) -> &DecideManyParams {
    match bench.deeds()[..] {
        [Deed::DecideMany(params)] => params,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_mark_follows_its_request() {
    let mut bench = Bench::with(queue(), 80, 24);
    bench.keys(&[SPACE, Key::Char('j'), SPACE]);
    let marked = bench.state.queue.marked();
    assert_eq!(marked, [0, 2].map(|at| bench.requests[at].request.id.clone()), "space goes one row down");
    bench.keys(&[Key::Char('/')]);
    bench.text("mail");
    bench.keys(&[Key::Enter, Key::Ctrl('r')]);
    bench.settle();
    assert_eq!(bench.state.queue.marked(), marked, "a filter hides rows and keeps marks");
    bench.requests[0].request = ended(bench.requests[0].request.clone(), RequestState::Approved, "carol (DEMO)");
    bench.event(0);
    bench.settle();
    assert_eq!(bench.state.queue.marked(), marked[1..], "what has ended loses its mark");
    bench.keys(&[Key::Esc]);
    assert!(!bench.state.queue.marks.is_empty(), "Esc clears the filter first");
    bench.keys(&[Key::Esc]);
    assert!(bench.state.queue.marks.is_empty());
}

#[test]
fn only_what_is_pending_and_only_so_many_are_marked() {
    let mut bench = Bench::with(queue(), 120, 40);
    bench.keys(&[Key::Char('s')]);
    bench.settle();
    bench.keys(&[Key::Char('G'), Key::Char('k'), SPACE]);
    assert!(bench.state.queue.marks.is_empty(), "the row has ended");
    let last = bench.state.queue.list.count() - 1;
    assert_eq!(bench.state.queue.list.position(), Some(last), "space goes on all the same");
    bench.keys(&[Key::Char('m')]);
    assert_eq!(bench.state.queue.marks.len(), 6, "what is shown and pending");
    bench.keys(&[Key::Char('m')]);
    assert!(bench.state.queue.marks.is_empty());
    let many = (0..150).map(|n| summary(n, "www.corp.example", &[])).collect();
    let mut bench = Bench::with(many, 80, 24);
    bench.keys(&[Key::Char('m')]);
    assert_eq!(bench.state.queue.marks.len(), MAX_ITEMS);
    assert_eq!(bench.state.queue.next, NextPage::End);
    bench.keys(&[Key::Char('G'), SPACE]);
    assert_eq!(bench.state.queue.marks.len(), MAX_ITEMS);
    assert!(bench.state.notice.is_some_and(|notice| !notice.good));
}

#[test]
fn every_item_is_sent_with_the_digest_seen() {
    let mut bench = marked();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    assert_eq!((bench.review().items.len(), bench.review().focus), (3, Focus::Cancel));
    bench.keys(&[Key::Char('y')]);
    let sent = sent(&bench);
    let expected: Vec<_> = bench.requests.iter().map(|one| (one.request.id.clone(), one.request.digest)).collect();
    let items: Vec<_> = sent.items.iter().map(|item| (item.id.clone(), item.digest)).collect();
    assert_eq!((sent.verdict, items), (Verdict::Approve, expected));
    bench.keys(&[Key::Char('y'), Key::Enter]);
    assert_eq!(bench.deeds().len(), 1, "one review sends once");
}

#[test]
fn on_the_detail_marks_do_not_count() {
    let mut bench = marked();
    bench.keys(&[Key::Char('g'), Key::Enter, Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    assert!(matches!(bench.deeds()[..], [Deed::Decide(Verdict::Approve, _)]));
}

#[test]
fn one_rejection_note_is_for_all() {
    let mut bench = marked();
    bench.keys(&[Key::Char('r')]);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty(), "a rejection needs a note");
    bench.keys(&[Key::BackTab]);
    bench.text("not this week");
    bench.keys(&[Key::Enter, Key::Enter]);
    let sent = sent(&bench);
    assert_eq!((sent.verdict, sent.note.as_ref().map(|note| note.raw())), (Verdict::Reject, Some("not this week")));
}

#[test]
fn one_that_changed_stops_them_all() {
    let edits: [fn(&mut RequestDetail); 3] = [
        |one| one.request.version = 2,
        |one| one.request.digest = countersign_shared::digest::Digest::of(&[b"other"]),
        |one| one.request = ended(one.request.clone(), RequestState::Voided, "carol (DEMO)"),
    ];
    for edit in edits {
        let mut bench = marked();
        bench.keys(&[Key::Char('a')]);
        bench.settle();
        edit(&mut bench.requests[1]);
        bench.event(1);
        bench.settle();
        let changed: Vec<bool> = bench.review().items.iter().map(|item| !item.changed.is_empty()).collect();
        assert_eq!(changed, [false, true, false]);
        bench.keys(&[Key::Char('y'), Key::Tab, Key::Tab, Key::Enter]);
        assert!(bench.deeds().is_empty());
    }
}

#[test]
fn events_while_items_are_read_are_not_lost() {
    let mut bench = marked();
    bench.keys(&[Key::Char('a')]);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Each(_), .. })).unwrap();
    let effect = bench.open.remove(at);
    let early = bench.answer(&effect).unwrap();
    for at in [0, 2] {
        bench.requests[at].request.version = 2;
        bench.event(at);
    }
    bench.act(early);
    bench.settle();
    let changed: Vec<bool> = bench.review().items.iter().map(|item| !item.changed.is_empty()).collect();
    assert_eq!(changed, [true, false, true]);
}

#[test]
fn what_comes_after_a_lost_connection_has_to_be_seen_as_well() {
    let mut bench = marked();
    bench.keys(&[Key::Char('a')]);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Each(_), .. })).unwrap();
    let Effect::Call { generation, call: Call::Each(ids) } = bench.open.remove(at) else { panic!() };
    let lost = Refusal { kind: None, message: "connection lost".into(), hint: String::new(), uncertain: false };
    let read = ids.into_iter().map(|id| (id, Err(lost.clone()))).collect();
    bench.act(Action::Answered { generation, answer: Answer::Each(read) });
    bench.act(Action::Armed);
    bench.act(Action::Disconnected { why: "gone".into() });
    bench.act(Action::Connected);
    while let Some(at) = bench.open.iter().position(|effect| bench.answer(effect).is_some()) {
        let effect = bench.open.remove(at);
        let answer = bench.answer(&effect).unwrap();
        bench.act(answer);
    }
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty(), "content is there, but nobody has seen it yet");
    bench.act(Action::Armed);
    bench.act(Action::Disconnected { why: "gone again".into() });
    bench.act(Action::Connected);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Each(_), .. })).unwrap();
    let Effect::Call { generation, call: Call::Each(ids) } = bench.open.remove(at) else { panic!() };
    let read = ids.into_iter().map(|id| (id, Err(lost.clone()))).collect();
    bench.act(Action::Answered { generation, answer: Answer::Each(read) });
    bench.keys(&[Key::Char('y')]);
    assert_eq!(sent(&bench).items.len(), 3, "what was seen is still what is there to decide");
}

#[test]
fn a_risk_that_comes_late_is_not_skipped() {
    let names = ["*.one.example", "*.two.example"];
    let requests = vec![summary(1, names[0], &[Risk::Wildcard]), summary(2, names[1], &[Risk::Wildcard])];
    let mut bench = Bench::with(requests, 120, 40);
    bench.keys(&[Key::Char('m'), Key::Char('a')]);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Each(_), .. })).unwrap();
    let effect = bench.open.remove(at);
    let Some(Action::Answered { generation, answer: Answer::Each(mut read) }) = bench.answer(&effect) else { panic!() };
    let lost = Refusal { kind: None, message: "connection lost".into(), hint: String::new(), uncertain: false };
    read[0].1 = Err(lost);
    bench.act(Action::Answered { generation, answer: Answer::Each(read) });
    bench.act(Action::Armed);
    bench.keys(&[Key::Tab]);
    bench.text(names[1]);
    bench.keys(&[Key::Enter]);
    bench.act(Action::Disconnected { why: "gone".into() });
    bench.act(Action::Connected);
    bench.settle();
    assert_eq!(bench.review().confirmation(), Some((names[0].into(), 1, 2)));
    assert!(bench.review().confirm.text().is_empty());
}

#[test]
fn each_risk_is_typed_as_it_would_be_alone() {
    let requests = vec![
        summary(1, "*.one.example", &[Risk::Wildcard]),
        summary(2, "www.corp.example", &[]),
        summary(3, "*.two.example", &[Risk::Wildcard]),
    ];
    let mut bench = Bench::with(requests, 120, 40);
    bench.keys(&[Key::Char('m'), Key::Char('a')]);
    bench.settle();
    assert_eq!(bench.review().confirmation(), Some(("*.one.example".into(), 1, 2)));
    bench.keys(&[Key::BackTab, Key::BackTab]);
    assert_eq!(bench.review().focus, Focus::Confirm);
    bench.text("*.one.example");
    bench.keys(&[Key::Enter]);
    assert_eq!(bench.review().confirmation(), Some(("*.two.example".into(), 2, 2)));
    bench.text("*.one.example");
    bench.keys(&[Key::Enter, Key::Enter, Key::Enter]);
    assert!(bench.deeds().is_empty(), "the second is another name");
    bench.keys(&[Key::Ctrl('u')]);
    bench.text("*.two.example");
    bench.keys(&[Key::Enter]);
    assert_eq!(bench.review().focus, Focus::Commit);
    bench.keys(&[Key::Enter]);
    assert_eq!(sent(&bench).items.len(), 3);
}

#[test]
fn what_is_not_yours_is_left_out() {
    let mut bench = marked();
    bench.requests[0].you.allowed = false;
    bench.requests[0].you.why = "you asked for it".into();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    let sent: Vec<_> = sent(&bench).items.iter().map(|item| item.id.clone()).collect();
    assert_eq!(sent, [1, 2].map(|at| bench.requests[at].request.id.clone()));
    let mut bench = marked();
    for one in &mut bench.requests {
        one.you.allowed = false;
    }
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty() && bench.review().missing().is_some());
}

#[test]
fn what_cannot_be_read_stops_them_and_loses_its_mark() {
    let mut bench = marked();
    let gone = bench.requests.remove(1).request.id;
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    assert!(bench.deeds().is_empty());
    bench.keys(&[Key::Esc]);
    assert!(!bench.state.queue.marks.contains(&gone));
    assert_eq!(bench.state.queue.marks.len(), 2);
}

#[test]
fn a_list_that_does_not_fit_is_read_to_its_end() {
    let many = (0..20).map(|n| summary(n, &format!("www{n}.corp.example"), &[])).collect();
    let mut bench = Bench::with(many, 80, 24);
    bench.keys(&[Key::Char('m'), Key::Char('a')]);
    bench.settle();
    for pages in 0.. {
        bench.keys(&[Key::Char('y'), Key::Tab, Key::Tab]);
        assert!(bench.deeds().is_empty(), "after {pages} pages");
        assert!(bench.review().missing().is_some_and(|why| why.contains("PageDown")));
        bench.keys(&[Key::Tab, Key::PageDown]);
        let ahead = bench.review().at_end;
        bench.keys(&[Key::BackTab, Key::Char('y')]);
        assert!(bench.deeds().is_empty(), "the end has not been drawn yet");
        bench.settle();
        if ahead {
            assert!(pages > 1, "it did not fit");
            break;
        }
    }
    while bench.review().focus != Focus::Cancel {
        bench.keys(&[Key::Tab]);
    }
    bench.keys(&[Key::PageUp, Key::Char('y')]);
    assert_eq!(sent(&bench).items.len(), 20, "once read it stays read");
}

#[test]
fn the_result_of_each_is_shown() {
    let mut bench = marked();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Char('y')]);
    let ids: Vec<RequestId> = bench.requests.iter().map(|one| one.request.id.clone()).collect();
    let decided = |id: &RequestId| DecideResult {
        id: id.clone(),
        state: RequestState::Approved,
        job: None,
        seq: 12,
        record_sha256: countersign_shared::digest::Digest::of(&[b"record"]),
        votes: Votes { given: 1, needed: 1 },
    };
    let refused = ApiError::new(ErrorKind::StaleContent, "the content is another now").hint("look again");
    let items = vec![
        DecidedItem { id: ids[0].clone(), result: Some(decided(&ids[0])), error: None },
        DecidedItem { id: ids[1].clone(), result: None, error: Some(refused.into()) },
        DecidedItem { id: ids[2].clone(), result: Some(decided(&ids[2])), error: None },
    ];
    bench.done(Ok(Done::Many(DecideManyResult { items })));
    let Some(Dialog::Results(results)) = &bench.state.dialog else { panic!("{:?}", bench.state.dialog) };
    let results: Vec<_> = results.outcomes.iter().map(|one| (one.name.as_str(), one.result.clone())).collect();
    let good = Ok("approved (1 of 1 votes, record 12)".to_owned());
    assert_eq!(
        results,
        [
            ("www1.corp.example", good.clone()),
            ("www2.corp.example", Err("the content is another now look again".into())),
            ("www3.corp.example", good),
        ]
    );
    assert_eq!(bench.state.queue.marked(), [ids[1].clone()], "what was refused stays marked");
    bench.keys(&[Key::Char('j'), Key::Enter]);
    assert!(bench.state.dialog.is_none());
}

#[test]
fn another_person_begins_without_marks() {
    let mut bench = marked();
    bench.keys(&[Key::Char('A')]);
    bench.text("carol");
    bench.keys(&[Key::Enter]);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::ActAs(_), .. })).unwrap();
    let Effect::Call { generation, .. } = bench.open.remove(at) else { panic!() };
    bench.act(Action::Answered { generation, answer: Answer::ActedAs(Ok(Box::new(samples::whoami("carol")))) });
    assert!(bench.state.queue.marks.is_empty());
}
