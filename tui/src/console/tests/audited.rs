//! The ledger's screens: filters, one record, verification, checkpoints, anchors, proofs.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AnchorResult, AuditAction, Damage, VerificationProgress, VerifyResult};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::pictures::picture;
use super::*;
use crate::console::action::NotSaved;
use crate::console::state::{Link, Place, Screen, Stage, TakeBack, Verification};
use countersign_shared::protocol::AnchorVerdict;

fn on(keys: &str) -> Bench {
    let mut bench = Bench::with(samples::queue(), 100, 30);
    for c in keys.chars() {
        bench.keys(&[if c == '\n' { Key::Enter } else { Key::Char(c) }]);
        bench.settle();
    }
    bench
}

fn asked(bench: &Bench) -> Vec<&Call> {
    let calls = bench.open.iter().filter_map(|effect| match effect {
        Effect::Call { call: call @ (Call::Audit(_) | Call::Count(_)), .. } => Some(call),
        _ => None,
    });
    calls.collect()
}

fn take_back(bench: &Bench) -> &TakeBack {
    match &bench.state.dialog {
        Some(Dialog::TakeBack(open)) => open,
        other => panic!("no checkpoint comes back: {other:?}"),
    }
}

#[test]
fn the_daemon_filters_and_counts_and_what_is_half_typed_asks_nothing() {
    let mut bench = on("3");
    let all = bench.records.len();
    bench.keys(&[Key::Char('/')]);
    bench.text("action:approval_ref");
    let before = asked(&bench).len();
    assert!(matches!(asked(&bench)[..], [.., Call::Audit(_), Call::Count(_)]), "{:?}", bench.open);
    let [.., Call::Audit(params), Call::Count(count)] = asked(&bench)[..] else { panic!() };
    assert_eq!((params.action, count.action), (Some(AuditAction::ApprovalRefused), Some(AuditAction::ApprovalRefused)));
    // What names no action, or several, asks for nothing.
    bench.keys(&[Key::Backspace; 2]);
    assert_eq!(asked(&bench).len(), before);
    bench.text("ef");
    assert_eq!(asked(&bench).len(), before, "it is asked for already");
    bench.settle();
    let refused = bench.records.iter().filter(|one| one.event.action == AuditAction::ApprovalRefused).count();
    assert!(refused > 1 && refused < all);
    assert_eq!(bench.state.audit.list.count(), refused);
    assert!(picture(&bench).contains(&format!("{refused} records with action:approval_ref")));
    bench.text(" mail");
    let Some(Call::Audit(params)) = asked(&bench).into_iter().find(|call| matches!(call, Call::Audit(_))) else {
        panic!()
    };
    assert!(params.text.is_some(), "and the words go to the daemon");
    bench.settle();
    assert_eq!(bench.state.audit.count, None, "a text is not counted");
    bench.keys(&[Key::Ctrl('u')]);
    bench.text("from:never");
    assert!(picture(&bench).contains("a time is"));
    bench.keys(&[Key::Esc]);
    bench.settle();
    assert_eq!((bench.state.audit.list.count(), bench.state.screen), (all, Screen::Audit));
}

#[test]
fn pages_are_joined_and_a_new_record_of_a_filtered_list_leaves_no_gap() {
    let mut bench = Bench::with(samples::queue(), 100, 30);
    bench.records = ledger::records(&vec!["ar-01k8z3v5d20001".to_owned(); 300]);
    bench.page = 50;
    bench.keys(&[Key::Char('3')]);
    bench.settle();
    bench.keys(&[Key::Char('/')]);
    bench.text("actor:mallory");
    bench.keys(&[Key::Enter]);
    bench.settle();
    for _ in 0..3 {
        bench.keys(&[Key::Char('G')]);
        bench.settle();
    }
    let loaded = bench.state.audit.rows.len();
    assert_eq!(loaded, 100, "every third of 300");
    let selected = bench.state.audit.list.selected().copied();
    bench.records = ledger::records(&vec!["ar-01k8z3v5d20001".to_owned(); 303]);
    bench.event(0);
    bench.settle();
    assert_eq!(bench.state.audit.rows.len(), 101);
    assert_eq!(bench.state.audit.list.selected().copied(), selected, "the selection follows the record");
}

#[test]
fn a_record_is_shown_with_its_octets_and_a_wrong_hash_is_named() {
    let mut bench = on("3\n");
    let shown = picture(&bench);
    assert!(shown.contains("the hash is that of the octets below") && shown.contains("\"prev\":"), "{shown}");
    bench.records.last_mut().unwrap().record.push(' ');
    bench.keys(&[Key::Ctrl('r')]);
    bench.settle();
    assert!(picture(&bench).contains("DAMAGE: the hash is not that of the octets below"));
    bench.keys(&[Key::Esc]);
    assert_eq!(bench.state.screen, Screen::Audit);
}

#[test]
fn a_verification_is_left_and_goes_on_and_its_progress_is_asked_for() {
    let mut bench = on("3v");
    assert!(picture(&bench).contains("Esc leaves this; it goes on"));
    assert_eq!(bench.open.iter().filter(|one| matches!(one, Effect::Call { call: Call::Verify, .. })).count(), 1);
    bench.progress = Some(VerificationProgress { done: 3_000_000, of: 10_000_000, since: samples::at(-5) });
    bench.act(Action::Tick(samples::at(1)));
    bench.settle();
    let shown = picture(&bench);
    assert!(shown.contains("30%, 3000000 of 10000000 records, 600000 a second"), "{shown}");
    bench.keys(&[Key::Esc, Key::Char('1')]);
    bench.act(Action::Tick(samples::at(2)));
    assert!(
        bench.open.iter().any(|one| matches!(one, Effect::Call { call: Call::Status, .. })),
        "it is asked for still"
    );
    bench.settle();
    // Another v looks at it and begins none.
    bench.keys(&[Key::Char('3'), Key::Char('v')]);
    let begun: Vec<u64> = bench
        .open
        .iter()
        .filter_map(|one| match one {
            Effect::Call { generation, call: Call::Verify } => Some(*generation),
            _ => None,
        })
        .collect();
    assert_eq!(begun.len(), 1);
    // The connection of the calls goes and comes: the verification has its own.
    bench.act(Action::Disconnected { why: "gone".into() });
    bench.act(Action::Connected);
    bench.progress = None;
    bench.settle();
    let damage = Damage { seq: Some(4711), rule: "edited".into(), text: "expected 5F, found 60\u{1b}[2J".into() };
    let found = VerifyResult {
        intact: false,
        records: 5000,
        root_sha256: Digest::of(&[b"r"]),
        damage: Some(damage),
        acknowledged: Vec::new(),
    };
    bench.act(Action::Answered { generation: begun[0], answer: Answer::Verified(Ok(Box::new(found))) });
    let shown = picture(&bench);
    for wanted in ["DAMAGED", "4711", "edited", "expected 5F, found 60"] {
        assert!(shown.contains(wanted), "{wanted} in {shown}");
    }
    for screen in ['1', '2', '3', '4', '5'] {
        bench.keys(&[Key::Esc, Key::Char(screen)]);
        assert!(picture(&bench).contains("DAMAGED  edited at record 4711"), "on {screen}");
    }
    // Nobody asks once a second any more.
    bench.settle();
    bench.act(Action::Tick(samples::at(9)));
    assert!(!bench.open.iter().any(|one| matches!(one, Effect::Call { call: Call::Status, .. })));
}

#[test]
fn a_verification_that_is_lost_is_told() {
    let mut bench = on("3v");
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Verify, .. })).unwrap();
    let Effect::Call { generation, .. } = bench.open.remove(at) else { panic!() };
    let refusal = Refusal { kind: None, message: "the daemon went away".into(), hint: String::new(), uncertain: true };
    bench.act(Action::Answered { generation, answer: Answer::Verified(Err(refusal)) });
    assert!(matches!(bench.state.audit.verification, Some(Verification::Refused(_))));
    assert!(picture(&bench).contains("the daemon went away"));
}

/// What a camera sees of these cells: two modules in one of them, as its character and colours say.
fn scan(bench: &Bench, dark_ground: bool) -> Option<String> {
    const SCALE: usize = 4;
    let (width, height) = (usize::from(bench.state.width), usize::from(bench.state.height));
    let mut terminal = Terminal::new(TestBackend::new(bench.state.width, bench.state.height)).unwrap();
    terminal.draw(|frame| crate::console::view::draw(&bench.state, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let light = |x: usize, y: usize| {
        let cell = &cells[y / 2 * width + x];
        let (foreground, ground) = match (cell.fg, cell.bg) {
            (Color::White, Color::Black) => (true, false),
            _ => (dark_ground, !dark_ground),
        };
        let block = if y.is_multiple_of(2) { ["\u{2588}", "\u{2580}"] } else { ["\u{2588}", "\u{2584}"] };
        if block.contains(&cell.symbol()) { foreground } else { ground }
    };
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width * SCALE, height * 2 * SCALE, |x, y| {
        if light(x / SCALE, y / SCALE) { 255 } else { 0 }
    });
    picture.detect_grids().iter().find_map(|grid| grid.decode().ok()).map(|(_, text)| text)
}

#[test]
fn a_phone_reads_the_checkpoint_from_the_screen() {
    for (size, whole) in [((80, 24), false), ((60, 24), false), ((120, 40), true), ((200, 60), true)] {
        for colour in [true, false] {
            let mut bench = Bench::with(samples::queue(), size.0, size.1);
            bench.state.colour = colour;
            bench.keys(&[Key::Char('3'), Key::Char('c')]);
            bench.settle();
            let wanted = ledger::checkpoint(&bench.records);
            let wanted = if whole { wanted.note } else { wanted.short.unwrap() };
            // With colours the ground is painted, whatever the terminal's own is; without, it is taken to be dark.
            for ground in [true, false].into_iter().filter(|ground| colour || *ground) {
                assert_eq!(scan(&bench, ground).as_deref(), Some(wanted.as_str()), "{size:?} {colour} {ground}");
            }
            bench.keys(&[Key::Char('i')]);
            assert_eq!(scan(&bench, false).as_deref(), Some(wanted.as_str()), "{size:?} {colour} on a light ground");
            bench.keys(&[Key::Tab]);
            assert_eq!(scan(&bench, true), None);
            assert!(picture(&bench).contains("The signed note"));
        }
    }
    // Too small for any code: the text, at once.
    let mut bench = Bench::with(samples::queue(), 79, 23);
    bench.keys(&[Key::Char('3'), Key::Char('c')]);
    bench.settle();
    assert!(picture(&bench).contains("The code needs 45 columns and 24 rows"));
    bench.keys(&[Key::Esc]);
    assert!(bench.state.dialog.is_none() && bench.state.screen == Screen::Audit);
}

#[test]
fn an_alarm_is_seen_beside_a_checkpoint() {
    let mut bench = on("3c");
    bench.act(Action::Resize { width: 80, height: 24 });
    bench.state.daemon.as_mut().unwrap().read_only = true;
    assert!(picture(&bench).contains("READ-ONLY"));
    bench.keys(&[Key::Tab]);
    assert!(picture(&bench).contains("READ-ONLY"));
}

fn opened(bench: &mut Bench, result: Result<&str, &str>) {
    let at = bench.open.iter().position(|one| matches!(one, Effect::Open { .. })).unwrap();
    let Effect::Open { generation, .. } = bench.open.remove(at) else { panic!() };
    let result = result.map(str::to_owned).map_err(str::to_owned);
    bench.act(Action::Answered { generation, answer: Answer::Opened(result) });
}

#[test]
fn a_checkpoint_that_comes_back_is_looked_at_before_it_is_compared() {
    let mut bench = on("3t");
    let note = ledger::checkpoint(&bench.records).note;
    bench.act(Action::Paste("no note at all".into()));
    assert!(matches!(take_back(&bench).stage, Stage::Given));
    assert!(picture(&bench).contains("Of no use"));
    bench.keys(&[Key::Ctrl('u')]);
    bench.act(Action::Paste(note.replace('\n', "\r\n")));
    assert!(matches!(take_back(&bench).stage, Stage::Review(_)), "{:?}", take_back(&bench).wrong);
    // What was typed before it was drawn does nothing.
    bench.keys(&[Key::Char('y'), Key::Enter]);
    assert!(bench.deeds().is_empty() && take_back(&bench).place == Place::Cancel);
    bench.act(Action::Armed);
    assert!(picture(&bench).contains("[>Cancel<]  [ Compare ]  y compares"));
    bench.keys(&[Key::Char('y')]);
    let [Deed::Anchor(params)] = &bench.deeds()[..] else { panic!("{:?}", bench.deeds()) };
    assert_eq!(params.octets, note, "exactly the note");
    // It cannot be called back, and not sent twice.
    bench.keys(&[Key::Esc, Key::Char('y'), Key::Enter]);
    assert_eq!(bench.deeds().len(), 1);
    let result = AnchorResult {
        verdict: AnchorVerdict::Different,
        text: "record 3 is another one\u{202e}".into(),
        size: 9,
        root_sha256: Digest::of(&[b"x"]),
        cosigned_by: Vec::new(),
        added: true,
        unanchored: 4,
    };
    bench.done(Ok(Done::Anchored(result)));
    let shown = picture(&bench);
    assert!(shown.contains("DIFFERENT: DAMAGE") && shown.contains("record 3 is another one"), "{shown}");
    bench.keys(&[Key::Enter]);
    assert!(bench.state.dialog.is_none());
}

#[test]
fn a_file_or_typed_digits_will_do_and_cancel_is_the_way_out() {
    let mut bench = on("3t");
    let checkpoint = ledger::checkpoint(&bench.records);
    bench.keys(&[Key::Tab, Key::Enter]);
    assert_eq!(take_back(&bench).wrong.as_deref(), Some("Name the file first."));
    bench.text("~/stick/yq.note");
    bench.keys(&[Key::Enter]);
    opened(&mut bench, Err("No such file \u{1b}[2J"));
    assert!(picture(&bench).contains("Of no use: No such file"));
    bench.keys(&[Key::Enter]);
    opened(&mut bench, Ok(&checkpoint.note));
    bench.settle();
    assert!(picture(&bench).contains("there were") && bench.deeds().is_empty());
    bench.keys(&[Key::Esc]);
    assert!(matches!(take_back(&bench).stage, Stage::Given), "one level out");
    bench.keys(&[Key::Ctrl('u')]);
    // Groups of digits, as they are read from a paper.
    let digits = checkpoint.short.unwrap();
    for (n, c) in digits.chars().enumerate() {
        bench.keys(&[Key::Char(c)]);
        if n % 50 == 49 {
            bench.keys(&[Key::Enter]);
        }
    }
    bench.keys(&[Key::BackTab, Key::Enter]);
    assert!(matches!(take_back(&bench).stage, Stage::Review(_)), "{:?}", take_back(&bench).wrong);
    bench.settle();
    bench.keys(&[Key::Enter]);
    assert!(bench.state.dialog.is_none() && bench.deeds().is_empty());
    bench.act(Action::Disconnected { why: "gone".into() });
    bench.keys(&[Key::Char('t')]);
    assert!(bench.state.dialog.is_none() && matches!(bench.state.link, Link::Offline { .. }));
}

fn saved(bench: &mut Bench, result: Result<&str, NotSaved>) -> (String, bool) {
    let at = bench.open.iter().position(|one| matches!(one, Effect::Save { .. })).unwrap();
    let Effect::Save { generation, path, octets, replace } = bench.open.remove(at) else { panic!() };
    assert!(octets.starts_with("c2sp.org/tlog-proof@v1\n"));
    bench.act(Action::Answered { generation, answer: Answer::Saved(result.map(str::to_owned)) });
    (path, replace)
}

#[test]
fn a_proof_is_checked_shown_and_saved_and_no_file_is_replaced_unasked() {
    let mut bench = on("3jp");
    let shown = picture(&bench);
    assert!(shown.contains("HOLDS: ") && shown.contains("countersign audit check-proof FILE --log KEY"), "{shown}");
    bench.keys(&[Key::Char('s'), Key::Enter]);
    let (path, replace) = saved(&mut bench, Err(NotSaved::Exists));
    assert!(path.starts_with("ev-") && path.ends_with(".tlog-proof") && !replace);
    assert!(picture(&bench).contains("THERE IS such a file. y replaces it"));
    bench.keys(&[Key::Enter, Key::Char('n')]);
    assert!(!bench.open.iter().any(|one| matches!(one, Effect::Save { .. })));
    bench.keys(&[Key::Esc, Key::Ctrl('u'), Key::Enter]);
    let (path, _) = saved(&mut bench, Err(NotSaved::Failed("it names no file".into())));
    assert_eq!(path, "");
    bench.text("kept");
    bench.keys(&[Key::Enter]);
    saved(&mut bench, Err(NotSaved::Exists));
    bench.keys(&[Key::Char('y')]);
    assert_eq!(saved(&mut bench, Ok("/home/bob/kept")), ("kept".into(), true));
    assert!(picture(&bench).contains("The proof is in /home/bob/kept."));
    bench.keys(&[Key::Esc]);
    assert!(bench.state.dialog.is_none());
}

#[test]
fn a_proof_of_something_else_shows_nothing_and_is_not_saved() {
    let mut bench = on("3");
    bench.keys(&[Key::Char('p')]);
    let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Prove(_), .. })).unwrap();
    let Effect::Call { generation, .. } = bench.open.remove(at) else { panic!() };
    let Ok(other) = ledger::proof(&bench.records, 0);
    bench.act(Action::Answered { generation, answer: Answer::Proved(Ok(Box::new(other))) });
    assert!(picture(&bench).contains("SHOWS NOTHING"));
    bench.keys(&[Key::Char('s')]);
    assert!(!picture(&bench).contains("Enter writes it"));
}

#[test]
fn esc_leads_one_level_out_and_q_leaves_only_with_nothing_open() {
    let mut bench = on("3a");
    assert_eq!(bench.state.screen, Screen::Anchors);
    bench.keys(&[Key::Enter]);
    assert_eq!(bench.state.screen, Screen::Anchor);
    for (key, screen) in [(Key::Char('q'), Screen::Anchors), (Key::Char('q'), Screen::Audit)] {
        bench.keys(&[key]);
        assert_eq!(bench.state.screen, screen);
        assert!(!bench.open.contains(&Effect::Quit));
    }
    bench.keys(&[Key::Enter, Key::Esc, Key::Esc, Key::Esc]);
    assert_eq!(bench.state.screen, Screen::Queue);
    assert!(!bench.open.contains(&Effect::Quit));
}

#[test]
fn what_is_not_anchored_is_in_sight_at_every_width_and_alarms_past_the_limit() {
    for (width, height) in [(60, 15), (80, 24), (120, 40), (200, 60)] {
        for screen in ['1', '2', '3', '4', '5'] {
            let mut bench = Bench::with(samples::queue(), width, height);
            bench.keys(&[Key::Char(screen)]);
            bench.settle();
            let first = picture(&bench).lines().next().unwrap().to_owned();
            assert!(first.contains("unanchored") && first.contains("2h"), "{first}");
            bench.state.daemon.as_mut().unwrap().anchor_overdue = true;
            let shown = picture(&bench);
            assert!(shown.lines().next().unwrap().contains("UNANCHORED"), "{shown}");
            assert!(shown.contains(" UNANCHORED  5 records are anchored nowhere else"), "{shown}");
        }
    }
}
