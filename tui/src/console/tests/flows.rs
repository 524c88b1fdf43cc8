//! What a person does, step by step, without a terminal.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::Risk;

use super::samples::{ended, queue, summary};
use super::*;
use crate::console::state::{Dialog, Focus, Link, Screen};

fn bench() -> Bench {
    Bench::with(queue(), 80, 24)
}

#[test]
fn approving_takes_three_keys_and_names_the_digest_seen() {
    let mut bench = bench();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    assert_eq!(bench.review().focus, Focus::Cancel);
    bench.keys(&[Key::Tab, Key::Enter]);
    let [Deed::Decide(Verdict::Approve, sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    assert_eq!((sent.digest, &sent.note), (bench.requests[0].request.digest, &None));
    bench.keys(&[Key::Enter, Key::Enter, Key::Esc]);
    assert_eq!(bench.deeds().len(), 1, "one review sends one decision");
}

/// Open, approve, and the key that does it, on one screen of the usual size.
#[test]
fn the_common_case_is_one_screen_and_three_keys() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let mut bench = Bench::with(queue(), size.0, size.1);
        for key in [Key::Enter, Key::Char('a'), Key::Char('y')] {
            assert!(bench.deeds().is_empty());
            bench.keys(&[key]);
            bench.settle();
        }
        let [Deed::Decide(Verdict::Approve, sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
        assert_eq!(sent.digest, bench.requests[0].request.digest);
        assert!(bench.review().read && bench.review().scroll == 0, "all of it was on the screen at once");
    }
}

#[test]
fn what_was_typed_before_the_review_was_drawn_is_lost() {
    let mut bench = bench();
    bench.keys(&[Key::Char('a'), Key::Tab, Key::Enter, Key::Enter]);
    for effect in std::mem::take(&mut bench.open) {
        if let Some(answer) = bench.answer(&effect) {
            bench.act(answer);
        }
    }
    bench.keys(&[Key::Tab, Key::Enter]);
    assert!(bench.deeds().is_empty(), "content is there, but nobody has seen it yet");
    assert_eq!(bench.review().focus, Focus::Cancel);
}

#[test]
fn a_rejection_needs_a_note() {
    let mut bench = bench();
    bench.keys(&[Key::Char('r')]);
    bench.settle();
    bench.keys(&[Key::Tab, Key::Enter, Key::Enter]);
    assert!(bench.deeds().is_empty());
    assert_eq!(bench.review().stops(), [Focus::Note, Focus::Cancel]);
    let mut again = super::flows::bench();
    again.keys(&[Key::Char('r')]);
    again.settle();
    again.keys(&[Key::Tab]);
    again.act(Action::Paste("wrong\r\nowner\r".into()));
    assert!(again.deeds().is_empty(), "a paste is text");
    again.keys(&[Key::Enter, Key::Enter]);
    let [Deed::Decide(Verdict::Reject, sent)] = again.deeds()[..] else { panic!("{:?}", again.open) };
    assert_eq!(sent.note.as_ref().map(|note| note.raw()), Some("wrong owner"));
}

#[test]
fn a_risk_asks_for_its_name() {
    for (name, risk) in [
        ("*.corp.example", Risk::Wildcard),
        ("xn--80ak6aa92e.corp.example", Risk::Idn),
        ("ca.corp.example", Risk::CaRequested),
        ("ca.corp.example", Risk::Ca),
        ("www.corp.example", Risk::OtherOwner),
        ("www.corp.example", Risk::Bypass),
    ] {
        let mut bench = Bench::with(vec![summary(1, name, &[risk])], 80, 24);
        bench.keys(&[Key::Char('a')]);
        bench.settle();
        assert_eq!(bench.review().confirmation(), Some((name.to_owned(), 1, 1)), "{risk}");
        bench.keys(&[Key::Tab]);
        assert_eq!(bench.review().focus, Focus::Confirm);
        bench.text(&name[..name.len() - 1]);
        bench.keys(&[Key::Enter, Key::Enter, Key::Enter, Key::Enter]);
        assert!(bench.deeds().is_empty(), "{risk}");
        let mut bench = Bench::with(vec![summary(1, name, &[risk])], 80, 24);
        bench.keys(&[Key::Char('a')]);
        bench.settle();
        bench.keys(&[Key::Tab]);
        bench.text(name);
        bench.keys(&[Key::Enter, Key::Enter]);
        assert_eq!(bench.deeds().len(), 1, "{risk}");
    }
    for risk in [Risk::BareIp, Risk::NamesAdded, Risk::KeyChanged] {
        let mut bench = Bench::with(vec![summary(1, "www.corp.example", &[risk])], 80, 24);
        bench.keys(&[Key::Char('a')]);
        bench.settle();
        assert_eq!(bench.review().confirmation(), None, "{risk}");
    }
}

#[test]
fn a_change_under_an_open_review_stops_it() {
    let edits: [fn(&mut RequestDetail); 3] = [
        |one| one.request.version = 2,
        |one| one.request.digest = countersign_shared::digest::Digest::of(&[b"other"]),
        |one| one.request = ended(one.request.clone(), RequestState::Approved, "carol (DEMO)"),
    ];
    for edit in edits {
        let mut bench = bench();
        bench.keys(&[Key::Char('a')]);
        bench.settle();
        bench.keys(&[Key::Tab]);
        edit(&mut bench.requests[0]);
        bench.event(0);
        bench.settle();
        assert!(!bench.review().items[0].changed.is_empty());
        assert_eq!(bench.review().focus, Focus::Cancel);
        bench.keys(&[Key::Tab, Key::Tab, Key::Enter, Key::Enter]);
        assert!(bench.deeds().is_empty());
    }
}

#[test]
fn a_request_that_ended_before_it_was_shown_is_not_decided() {
    let mut bench = bench();
    bench.requests[0].request = ended(bench.requests[0].request.clone(), RequestState::Approved, "carol (DEMO)");
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    assert!(bench.review().missing().is_some_and(|why| why.contains("approved")));
    bench.keys(&[Key::Tab, Key::Tab, Key::Enter, Key::Enter, Key::Enter]);
    assert!(bench.deeds().is_empty());
}

#[test]
fn a_refusal_is_shown_in_the_daemons_words() {
    let mut bench = bench();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Tab, Key::Enter]);
    let refusal = Refusal {
        kind: Some(ErrorKind::TwoPersonIntegrity),
        message: "two-person integrity: bob asked".into(),
        hint: "carol can decide it".into(),
        uncertain: false,
    };
    bench.done(Err(refusal));
    let Some(Dialog::Message(message)) = &bench.state.dialog else { panic!("{:?}", bench.state.dialog) };
    assert_eq!(
        (message.text.as_str(), message.hint.as_str()),
        ("two-person integrity: bob asked", "carol can decide it")
    );
}

#[test]
fn the_decided_row_stays_until_the_selection_leaves_it() {
    let mut bench = bench();
    let id = bench.requests[0].request.id.clone();
    bench.requests[0].request = ended(bench.requests[0].request.clone(), RequestState::Approved, "carol (DEMO)");
    bench.event(0);
    bench.settle();
    assert_eq!(bench.state.queue.selected().map(|row| row.state), Some(RequestState::Approved));
    bench.keys(&[Key::Char('j')]);
    assert_ne!(bench.state.queue.list.selected(), Some(&id));
    assert!(!bench.state.queue.list.window(100).contains(&id));
}

#[test]
fn escape_goes_out_one_level_and_never_leaves() {
    let mut bench = bench();
    bench.keys(&[Key::Enter]);
    assert_eq!(bench.state.screen, Screen::Detail);
    for _ in 0..5 {
        bench.keys(&[Key::Esc]);
    }
    assert_eq!(bench.state.screen, Screen::Queue);
    assert!(!bench.open.contains(&Effect::Quit));
    bench.keys(&[Key::Char('?'), Key::Char('q')]);
    assert!(!bench.open.contains(&Effect::Quit), "q closes the help first");
    bench.keys(&[Key::Char('q')]);
    assert!(bench.open.contains(&Effect::Quit));
}

#[test]
fn offline_keeps_the_data_and_takes_no_decision() {
    let mut bench = bench();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.keys(&[Key::Tab]);
    bench.act(Action::Disconnected { why: "connection refused".into() });
    bench.keys(&[Key::Enter, Key::Esc, Key::Char('a')]);
    assert!(bench.deeds().is_empty());
    assert!(matches!(bench.state.link, Link::Offline { .. }));
    assert_eq!(bench.state.queue.list.count(), 6);
}

#[test]
fn late_answers_change_nothing() {
    let mut bench = bench();
    let stale = Action::Answered { generation: 1, answer: Answer::Whoami(Ok(Box::new(samples::whoami("carol")))) };
    bench.act(stale);
    assert_eq!(bench.state.me.as_ref().and_then(|me| me.person.as_deref()), Some("bob"));
}

#[test]
fn the_filter_works_on_what_is_loaded_and_asks_for_the_rest() {
    let mut bench = bench();
    bench.keys(&[Key::Char('/')]);
    bench.text("SHOP");
    assert_eq!(bench.state.queue.list.count(), 6, "the reason of every sample names the shop");
    bench.keys(&[Key::Ctrl('u')]);
    bench.text("mail.");
    assert_eq!(bench.state.queue.list.count(), 1);
    let asked = bench.open.iter().rev().find_map(|effect| match effect {
        Effect::Call { call: Call::Requests(params), .. } => params.text.as_deref(),
        _ => None,
    });
    assert_eq!(asked, Some("mail."));
    bench.keys(&[Key::Char('q'), Key::Enter, Key::Esc]);
    assert!(bench.state.queue.filter.text().is_empty());
    assert!(!bench.open.contains(&Effect::Quit));
}

#[test]
fn an_auditor_lands_on_the_audit_history() {
    let state = State::new(samples::at(0), 80, 24, false);
    let mut bench = Bench {
        state,
        requests: Vec::new(),
        certificates: Vec::new(),
        alerts: Vec::new(),
        records: Vec::new(),
        progress: None,
        acknowledged: 0,
        page: 1,
        open: Vec::new(),
    };
    bench.act(Action::Connected);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Requests(_), .. })).unwrap();
    let Effect::Call { generation, .. } = bench.open.remove(at) else { panic!() };
    let refusal = Refusal {
        kind: Some(ErrorKind::Forbidden),
        message: "dave may not list requests".into(),
        hint: String::new(),
        uncertain: false,
    };
    bench.act(Action::Answered { generation, answer: Answer::Requests(Err(refusal)) });
    bench.settle();
    assert_eq!(bench.state.screen, Screen::Audit);
    assert!(bench.open.iter().any(|effect| matches!(effect, Effect::Subscribe { from_seq: 9, .. })));
}

/// Pages of three, as a daemon with thousands of requests would give them.
#[test]
fn scrolling_near_the_end_loads_the_next_page() {
    let mut bench = Bench::with(Vec::new(), 80, 24);
    bench.open.clear();
    bench.keys(&[Key::Ctrl('r')]);
    let mut asked = Vec::new();
    for page in 0u32..4 {
        let found = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Requests(_), .. }));
        let Effect::Call { generation, call: Call::Requests(params) } = bench.open.remove(found.unwrap()) else {
            panic!()
        };
        asked.push(params.cursor);
        let requests = (0..40).map(|n| summary(page * 40 + n, "www.corp.example", &[])).collect();
        let next_cursor = Some(format!("after-{page}"));
        let answer = Answer::Requests(Ok(Box::new(RequestPage { requests, next_cursor, as_of_seq: 9 })));
        bench.act(Action::Answered { generation, answer });
        let more =
            |bench: &Bench| bench.open.iter().any(|one| matches!(one, Effect::Call { call: Call::Requests(_), .. }));
        assert!(!more(&bench), "nothing more is read while the end is far");
        bench.keys(&[Key::Char('G')]);
        assert!(more(&bench), "page {page}");
    }
    assert_eq!(asked, [None, Some("after-0".into()), Some("after-1".into()), Some("after-2".into())]);
    assert_eq!(bench.state.queue.list.count(), 160);
}

#[test]
fn no_more_rows_are_kept_than_a_limit() {
    let rows = |bench: &mut Bench, count: u32| {
        for number in 0..count {
            let mut row = summary(1, "www.corp.example", &[]);
            row.id = format!("ar-{number:08}").parse().unwrap();
            bench.state.queue.rows.insert(row.id.clone(), row);
        }
        bench.state.queue.next =
            crate::console::state::NextPage::At { state: Some(RequestState::Pending), cursor: Some("more".into()) };
        bench.state.queue.arrange(10);
        bench.keys(&[Key::Char('G')]);
        bench.open.iter().any(|one| matches!(one, Effect::Call { call: Call::Requests(_), .. }))
    };
    let mut bench = Bench::with(Vec::new(), 80, 24);
    assert!(rows(&mut bench, 1_000));
    let mut bench = Bench::with(Vec::new(), 80, 24);
    assert!(!rows(&mut bench, 20_000));
    assert!(bench.state.notice.is_some_and(|notice| notice.text.contains("filter")));
}

#[test]
fn nothing_acts_on_a_screen_that_is_too_small() {
    let mut bench = bench();
    bench.keys(&[Key::Char('a')]);
    bench.settle();
    bench.act(Action::Resize { width: 59, height: 24 });
    bench.keys(&[Key::Tab, Key::Enter]);
    assert!(bench.deeds().is_empty());
}
