//! What must never happen, whatever happens.

use std::cell::Cell;

use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::{Event, Risk};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::samples::{ended, summary};
use super::*;
use crate::console::state::{Dialog, Focus, Link};

/// One thing that can happen.
#[derive(Clone, Debug)]
enum Step {
    Key(Key),
    Paste(String),
    Armed,
    Answer(usize),
    Change(usize, u8),
    Event(usize),
    Offline,
    Online,
    Resize(u16, u16),
    Tick(i64),
}

fn key() -> impl Strategy<Value = Key> {
    let often = prop::sample::select(vec![
        Key::Char('a'),
        Key::Char('r'),
        Key::Tab,
        Key::Enter,
        Key::Enter,
        Key::Esc,
        Key::Down,
        Key::Up,
        Key::Char('j'),
        Key::BackTab,
    ]);
    let seldom = prop::sample::select(vec![
        Key::PageDown,
        Key::PageUp,
        Key::Home,
        Key::End,
        Key::Left,
        Key::Right,
        Key::Backspace,
        Key::Delete,
        Key::F1,
        Key::Ctrl('r'),
        Key::Ctrl('u'),
        Key::Char('1'),
        Key::Char('2'),
        Key::Char('3'),
        Key::Char('A'),
    ]);
    prop_oneof![4 => often, 1 => seldom, 1 => any::<char>().prop_map(Key::Char)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => key().prop_map(Step::Key),
        4 => Just(Step::Armed),
        8 => (0usize..8).prop_map(Step::Answer),
        1 => prop::sample::select(vec!["*.corp.example", "note\r\n", "\u{1b}[2J"]).prop_map(|text| Step::Paste(text.into())),
        1 => (0usize..3, 0u8..3).prop_map(|(at, how)| Step::Change(at, how)),
        1 => (0usize..3).prop_map(Step::Event),
        1 => Just(Step::Offline),
        2 => Just(Step::Online),
        1 => (0u16..220, 0u16..70).prop_map(|(width, height)| Step::Resize(width, height)),
        1 => (-100_000i64..400_000).prop_map(Step::Tick),
    ]
}

fn change(one: &mut RequestDetail, how: u8) {
    match how {
        0 => one.request.version += 1,
        1 => one.request.digest = countersign_shared::digest::Digest::of(&[b"v", &one.request.version.to_be_bytes()]),
        _ => one.request = ended(one.request.clone(), RequestState::Rejected, "carol (DEMO)"),
    }
}

fn take(bench: &mut Bench, step: Step) {
    match step {
        Step::Key(key) => bench.act(Action::Key(key)),
        Step::Paste(text) => bench.act(Action::Paste(text)),
        Step::Armed => bench.act(Action::Armed),
        Step::Answer(at) => {
            if at < bench.open.len() {
                let effect = bench.open.remove(at);
                if let Some(action) = bench.answer(&effect) {
                    bench.act(action);
                }
            }
        }
        Step::Change(at, how) => change(&mut bench.requests[at], how),
        Step::Event(at) => {
            let record = samples::record(10, AuditAction::ApprovalAmended, bench.requests[at].request.id.as_str());
            let event = Event::Record {
                seq: 10,
                at: record.created_at,
                action: record.action,
                actor: record.actor,
                actor_type: record.actor_type,
                resource_type: record.resource_type,
                resource_id: record.resource_id,
            };
            for generation in 1..200 {
                bench.act(Action::Event { generation, event: event.clone() });
            }
        }
        Step::Offline => bench.act(Action::Disconnected { why: "gone".into() }),
        Step::Online => bench.act(Action::Connected),
        Step::Resize(width, height) => bench.act(Action::Resize { width, height }),
        Step::Tick(seconds) => bench.act(Action::Tick(samples::at(seconds))),
    }
}

/// A decision leaves only from a review that was armed, unchanged, confirmed, online and in focus on its
/// button, for exactly the digest that it shows; and no state fails to be drawn.
#[test]
fn no_decision_without_a_review() {
    let decided = Cell::new(0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..160), |steps| {
        let requests = vec![
            summary(1, "www.corp.example", &[]),
            summary(2, "*.corp.example", &[Risk::Wildcard]),
            summary(3, "mail.corp.example", &[Risk::BareIp]),
        ];
        let mut bench = Bench::with(requests, 80, 24);
        for step in steps {
            let before = bench.state.clone();
            let known = bench.decisions().len();
            let enter = matches!(step, Step::Key(Key::Enter));
            let removing = matches!(step, Step::Answer(_));
            take(&mut bench, step);
            let sent: Vec<Call> = bench.decisions().into_iter().cloned().collect();
            if sent.len() > known && !removing {
                let Some(Dialog::Review(review)) = &before.dialog else { panic!("no review was open") };
                let seen = review.seen.as_ref().expect("content was shown");
                let Some(Call::Decide(verdict, params)) = sent.last() else { panic!("a decision") };
                decided.set(decided.get() + 1);
                prop_assert!(enter && review.focus == Focus::Commit);
                prop_assert!(review.armed && review.changed.is_empty() && !review.sending);
                prop_assert_eq!(&before.link, &Link::Online);
                prop_assert!(!before.too_small());
                prop_assert_eq!(
                    (*verdict, &params.id, params.digest),
                    (review.verdict, &review.id, seen.request.digest)
                );
                prop_assert!(seen.request.state == RequestState::Pending);
                prop_assert!(review.confirmation().is_none_or(|name| review.confirm.text() == name));
                prop_assert!(*verdict == Verdict::Approve || params.note.as_ref().is_some_and(|note| !note.is_blank()));
            }
        }
        let (width, height) = (bench.state.width, bench.state.height);
        let mut terminal = Terminal::new(TestBackend::new(width.max(1), height.max(1))).unwrap();
        terminal.draw(|frame| crate::console::view::draw(&bench.state, frame)).unwrap();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(decided.get() > 0, "the property was never put to the test");
}
