//! What must never happen, whatever happens.

use std::cell::Cell;

use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::{AnchorParams, Risk, Verb};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use proptest::test_runner::TestRunner;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::samples::{ended, summary};
use super::*;
use crate::console::state::{Act, Dialog, Focus, Link, Place, Stage, Stop, Task};

/// One thing that can happen.
#[derive(Clone, Debug)]
enum Step {
    Key(Key),
    Paste(String),
    Armed,
    Answer(usize),
    /// Everything that was asked is answered, and drawn.
    Settle,
    /// What the review asks for is typed, where its field is in focus.
    Obey,
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
        Key::Char('y'),
        Key::Char(' '),
        Key::PageDown,
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
        Key::Char('4'),
        Key::Char('5'),
        Key::Char('t'),
        Key::Char('v'),
        Key::Char('p'),
        Key::Char('i'),
        Key::Char('s'),
        Key::Char('n'),
        Key::Char('u'),
        Key::Char('o'),
        Key::Char('A'),
        Key::Char('m'),
        Key::Char('w'),
        Key::Char('x'),
        Key::Char('c'),
        Key::Char('e'),
        Key::Ctrl('d'),
    ]);
    prop_oneof![4 => often, 1 => seldom, 1 => any::<char>().prop_map(Key::Char)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => key().prop_map(Step::Key),
        4 => Just(Step::Armed),
        4 => (0usize..8).prop_map(Step::Answer),
        8 => Just(Step::Settle),
        2 => Just(Step::Obey),
        1 => prop::sample::select(vec!["*.corp.example", "note\r\n", "\u{1b}[2J"]).prop_map(|text| Step::Paste(text.into())),
        1 => (0usize..5, 0u8..3).prop_map(|(at, how)| Step::Change(at, how)),
        1 => (0usize..5).prop_map(Step::Event),
        1 => Just(Step::Offline),
        2 => Just(Step::Online),
        1 => (0u16..220, 0u16..70).prop_map(|(width, height)| Step::Resize(width, height)),
        1 => (-100_000i64..400_000).prop_map(Step::Tick),
    ]
}

/// Reviews of many, and text that is needed, are seldom come by: some runs begin with them.
fn beginning() -> impl Strategy<Value = Vec<Step>> {
    let keys =
        |keys: &str| -> Vec<Step> { keys.chars().map(|c| Step::Key(Key::Char(c))).chain([Step::Settle]).collect() };
    let text = |key: &str| [keys(key), vec![Step::Key(Key::BackTab), Step::Obey]].concat();
    prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(keys("a")),
        2 => Just(keys(" jj a")),
        1 => Just(keys("ma")),
        2 => Just(text("  r")),
        1 => Just(text("x")),
        1 => Just(text("c")),
        1 => Just(keys("5u")),
        1 => Just([keys("3t"), vec![Step::Paste(note()), Step::Settle]].concat()),
        1 => Just([keys("4"), keys("jn")].concat()),
        2 => Just(
            [keys("4"), keys("jx"), [Key::Tab, Key::Right, Key::Enter].map(Step::Key).to_vec(), vec![Step::Obey]].concat()
        ),
    ]
}

/// A checkpoint of another ledger, which can be looked at all the same.
fn note() -> String {
    ledger::checkpoint(&ledger::records(&["ar-01k8z3v5d20001".to_owned()])).note
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
        Step::Settle => bench.settle(),
        Step::Obey => {
            let asked = match &bench.state.dialog {
                Some(Dialog::Review(review)) if review.focus == Focus::Confirm => review.confirmation(),
                Some(Dialog::Review(review)) if review.focus == Focus::Note => Some(("a note".into(), 1, 1)),
                Some(Dialog::Errand(errand)) if errand.focus == Stop::Confirm => {
                    errand.confirmation().map(|words| (words, 1, 1))
                }
                _ => None,
            };
            if let Some((words, ..)) = asked {
                bench.act(Action::Paste(words));
            }
        }
        Step::Change(at, how) => change(&mut bench.requests[at], how),
        Step::Event(at) => {
            if (1..1000).any(|one| bench.state.calls.is_awaited(Slot::Events, one)) {
                bench.event(at);
            }
        }
        Step::Offline => bench.act(Action::Disconnected { why: "gone".into() }),
        Step::Online => bench.act(Action::Connected),
        Step::Resize(width, height) => bench.act(Action::Resize { width, height }),
        Step::Tick(seconds) => bench.act(Action::Tick(samples::at(seconds))),
    }
}

/// Anything leaves only from a review that was armed, read to its end, unchanged, confirmed, online and acted on
/// at a button, for exactly the digests that it shows; and no state fails to be drawn.
#[test]
fn nothing_leaves_without_a_review() {
    let (alone, together, other, errands) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let anchored = Cell::new(0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&(beginning(), prop::collection::vec(step(), 1..160)), |(beginning, steps)| {
        let requests = vec![
            summary(1, "www.corp.example", &[]),
            summary(2, "*.corp.example", &[Risk::Wildcard]),
            summary(3, "mail.corp.example", &[Risk::BareIp]),
            summary(4, "www4.corp.example", &[]),
            summary(5, "www5.corp.example", &[]),
        ];
        let mut bench = Bench::with(requests, 80, 24);
        // Somebody else's to decide, and an admin's to void.
        bench.requests[2].you.allowed = false;
        bench.requests[1].you_may = vec![Verb::Comment];
        for step in beginning.into_iter().chain(steps) {
            let known = bench.deeds().len();
            let key = if let Step::Key(key) = step { Some(key) } else { None };
            // Nothing but a key sends anything.
            let before = key.map(|_| bench.state.clone());
            let removing = matches!(step, Step::Answer(_));
            take(&mut bench, step);
            let sent: Vec<Deed> = bench.deeds().into_iter().cloned().collect();
            if sent.len() > known && !removing {
                let before = before.expect("a key was pressed");
                prop_assert_eq!(&before.link, &Link::Online);
                prop_assert!(!before.too_small());
                let review = match &before.dialog {
                    Some(Dialog::Review(review)) => review,
                    Some(Dialog::Errand(errand)) => {
                        check_errand(errand, key, sent.last().unwrap())?;
                        errands.set(errands.get() + 1);
                        continue;
                    }
                    Some(Dialog::TakeBack(open)) => {
                        let on = key == Some(Key::Enter) && open.place == Place::Commit || key == Some(Key::Char('y'));
                        prop_assert!(on && open.armed && open.read && !open.sending);
                        prop_assert!(matches!(open.stage, Stage::Review(_)));
                        let expected = Deed::Anchor(AnchorParams { octets: open.octets() });
                        prop_assert_eq!(sent.last(), Some(&expected));
                        anchored.set(anchored.get() + 1);
                        continue;
                    }
                    other => panic!("nothing was under review: {other:?}"),
                };
                let on_button = matches!(review.focus, Focus::Cancel | Focus::Commit);
                prop_assert!(
                    (key == Some(Key::Enter) && review.focus == Focus::Commit)
                        || (key == Some(Key::Char('y')) && on_button)
                );
                prop_assert!(review.armed && review.read && !review.sending);
                prop_assert!(review.items.iter().all(|item| item.changed.is_empty()));
                check(review, sent.last().unwrap())?;
                match sent.last() {
                    Some(Deed::DecideMany(_)) => together.set(together.get() + 1),
                    Some(Deed::Decide(..)) => alone.set(alone.get() + 1),
                    _ => other.set(other.get() + 1),
                }
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
    let counts = [alone.get(), together.get(), other.get(), errands.get(), anchored.get()];
    assert!(counts.iter().all(|count| *count > 0), "the property was never put to the test: {counts:?}");
}

/// What was sent to a certificate or message was armed, read, unchanged, typed out, and is what was shown.
fn check_errand(errand: &Errand, key: Option<Key>, sent: &Deed) -> Result<(), TestCaseError> {
    let on_button = matches!(errand.focus, Stop::Cancel | Stop::Commit);
    prop_assert!(
        (key == Some(Key::Enter) && errand.focus == Stop::Commit) || (key == Some(Key::Char('y')) && on_button)
    );
    prop_assert!(errand.armed && errand.read && !errand.sending && errand.changed.is_none());
    match sent {
        Deed::Revoke(params) => {
            let current = errand.dossier().and_then(|seen| seen.current()).expect("a version was shown");
            prop_assert_eq!(errand.task, Task::Revoke);
            prop_assert_eq!(params.serial.as_ref(), Some(&current.serial));
            prop_assert_eq!(Some(params.reason), errand.reason);
            prop_assert!(errand.confirmation().is_some_and(|words| words == errand.confirm.text()));
        }
        Deed::Renew(params) => {
            prop_assert_eq!((errand.task, Some(&params.certificate_id)), (Task::Renew, errand.certificate()));
        }
        Deed::Retire(params) => {
            prop_assert_eq!((errand.task, Some(&params.certificate_id)), (Task::Retire, errand.certificate()));
            prop_assert_eq!(Some(params.reason), errand.retiring);
            prop_assert!(errand.confirmation().is_some_and(|words| words == errand.confirm.text()));
        }
        Deed::Requeue(params) => {
            prop_assert_eq!((errand.task, params.id, params.all_dead), (Task::Requeue, Some(9), false));
        }
        _ => prop_assert!(false, "sent from an errand"),
    }
    Ok(())
}

/// What was sent is what the review showed.
fn check(review: &Review, sent: &Deed) -> Result<(), TestCaseError> {
    let seen = |id: &RequestId| {
        let item = review.items.iter().find(|item| item.id == *id).expect("it was under review");
        item.seen.as_ref().expect("content was shown")
    };
    let single = || review.single().expect("one request").seen.as_ref().expect("content was shown");
    match sent {
        Deed::Decide(verdict, params) => {
            prop_assert_eq!((Act::Decide(*verdict), params.digest), (review.act, seen(&params.id).request.digest));
            prop_assert_eq!(single().request.state, RequestState::Pending);
            prop_assert!(review.confirmation().is_none_or(|(words, ..)| review.confirm.text() == words));
            prop_assert!(*verdict == Verdict::Approve || params.note.as_ref().is_some_and(|note| !note.is_blank()));
        }
        Deed::DecideMany(params) => {
            prop_assert_eq!(Act::Decide(params.verdict), review.act);
            prop_assert!(review.items.len() > 1 && !params.items.is_empty());
            for item in &params.items {
                let seen = seen(&item.id);
                prop_assert_eq!(item.digest, seen.request.digest);
                prop_assert!(seen.you.allowed, "what is not this person's to decide is left out");
                prop_assert_eq!(seen.request.state, RequestState::Pending);
            }
            let wildcards = params.items.iter().filter(|item| seen(&item.id).request.risks.contains(&Risk::Wildcard));
            let typed = review.confirmed + usize::from(!review.confirm.text().is_empty());
            prop_assert!(params.verdict == Verdict::Reject || typed >= wildcards.count());
            prop_assert!(
                params.verdict == Verdict::Approve || params.note.as_ref().is_some_and(|note| !note.is_blank())
            );
        }
        Deed::Withdraw(params) => {
            prop_assert!(review.act == Act::Withdraw && seen(&params.id).you_may.contains(&Verb::Withdraw));
        }
        Deed::Void(params) => {
            prop_assert!(review.act == Act::Void && seen(&params.id).you_may.contains(&Verb::Void));
            prop_assert!(params.reason.as_ref().is_some_and(|reason| !reason.is_blank()));
        }
        Deed::Revoke(_) | Deed::Renew(_) | Deed::Retire(_) | Deed::Requeue(_) | Deed::Anchor(_) => {
            prop_assert!(false, "sent from a review of requests")
        }
        Deed::Comment(params) => {
            prop_assert!(review.act == Act::Comment && seen(&params.id).you_may.contains(&Verb::Comment));
            prop_assert!(!params.text.is_blank());
        }
    }
    Ok(())
}
