//! Pictures of every screen and dialog in four sizes, and hostile text on all of them.

use std::fmt::Write;

use countersign_shared::content::San;
use countersign_shared::protocol::{Damage, Difference, Risk};
use countersign_shared::text::is_deceiving;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::samples::{queue, summary};
use super::*;

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 60), (40, 10)];

/// The screen as text, without the spaces at the ends of lines.
fn picture(bench: &Bench) -> String {
    let mut terminal = Terminal::new(TestBackend::new(bench.state.width, bench.state.height)).unwrap();
    terminal.draw(|frame| crate::console::view::draw(&bench.state, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    for cell in buffer.content() {
        assert!(!cell.symbol().chars().any(is_deceiving), "{:?} in a cell", cell.symbol());
    }
    let mut text = String::new();
    let mut skip = 0;
    for row in buffer.content().chunks(usize::from(bench.state.width)) {
        let mut line = String::new();
        for cell in row {
            if skip == 0 {
                line.push_str(cell.symbol());
                skip = unicode_width::UnicodeWidthStr::width(cell.symbol());
            }
            skip = skip.saturating_sub(1);
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
        skip = 0;
    }
    text
}

/// What can be on the screen, by the keys that lead there.
fn scenes() -> Vec<(&'static str, Vec<Key>)> {
    use Key::*;
    vec![
        ("queue", vec![]),
        ("queue_all", vec![Char('s')]),
        ("queue_filter", vec![Char('/'), Char('m'), Char('a'), Char('i')]),
        ("detail", vec![Down, Enter]),
        ("detail_end", vec![Down, Enter, Char('G')]),
        ("audit", vec![Char('3')]),
        ("help", vec![Char('?')]),
        ("palette", vec![Char(':'), Char('a'), Char('c'), Char('t')]),
        ("review_approve", vec![Char('a')]),
        ("review_risky", vec![Down, Down, Down, Char('a')]),
        ("review_reject", vec![Down, Char('r'), Tab, Char('n'), Char('o')]),
    ]
}

fn scene(requests: Vec<RequestSummary>, size: (u16, u16), keys: &[Key]) -> Bench {
    // The way there needs room; the terminal shrinks at the end.
    let mut bench = Bench::with(requests, size.0.max(60), size.1.max(15));
    for key in keys {
        bench.keys(&[*key]);
        bench.settle();
    }
    bench.act(Action::Resize { width: size.0, height: size.1 });
    bench
}

#[test]
fn every_screen_in_every_size() {
    for size in SIZES {
        for (name, keys) in scenes() {
            let bench = scene(queue(), size, &keys);
            if bench.state.too_small() && name != "queue" && name != "review_approve" {
                continue;
            }
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), picture(&bench));
        }
    }
}

#[test]
fn alarms_take_the_whole_width() {
    let mut bench = scene(queue(), (80, 24), &[]);
    let daemon = bench.state.daemon.as_mut().unwrap();
    daemon.read_only = true;
    daemon.bypass = true;
    daemon.damage = Some(Damage { seq: Some(7), rule: "edited".into(), text: "the hash differs".into() });
    bench.act(Action::Disconnected { why: "connection refused".into() });
    bench.act(Action::Tick(samples::at(240)));
    insta::assert_snapshot!("alarms_80x24", picture(&bench));
}

#[test]
fn before_the_first_answer_there_is_a_frame() {
    let state = State::new(samples::at(0), 80, 24, true);
    let bench = Bench { state, requests: Vec::new(), open: Vec::new() };
    assert!(picture(&bench).contains("Connecting to the daemon"));
}

#[test]
fn sixteen_colours_or_none() {
    for (_, keys) in scenes() {
        for colour in [true, false] {
            let mut bench = scene(queue(), (120, 40), &keys);
            bench.state.colour = colour;
            bench.act(Action::Disconnected { why: "gone".into() });
            let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
            terminal.draw(|frame| crate::console::view::draw(&bench.state, frame)).unwrap();
            for cell in terminal.backend().buffer().content() {
                for one in [cell.fg, cell.bg] {
                    assert!(!matches!(one, Color::Rgb(..) | Color::Indexed(_)), "{one}");
                    assert!(colour || one == Color::Reset, "{one} without colours");
                }
            }
        }
    }
}

const HOSTILE: [&str; 8] = [
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "user\u{202e}gpj.exe",
    "pay\u{200b}pal\u{2060}",
    "日本語のとても長い名前です日本語のとても長い名前です日本語のとても長い名前です",
    "a\u{301}\u{302}\u{303}\u{304}\u{305}",
    "line\r\nline\ttab\0nul",
    "\u{9b}31m\u{feff}\u{e0041}",
    "xn--80ak6aa92e.corp.example",
];

#[test]
fn hostile_text_stays_text() {
    for text in HOSTILE {
        let long = text.repeat(200 / text.chars().count() + 1);
        let mut request = summary(1, &long, &[Risk::Wildcard, Risk::Idn]);
        request.requester.account = text.into();
        request.requester.person = Some(text.into());
        request.profile_id = text.into();
        request.environment = text.into();
        request.reason = long.as_str().into();
        request.ticket = Some(text.into());
        request.names = vec![San::Dns(long.as_str().into()), San::Uri(text.into()), San::Email(text.into())];
        request.names_total = 100;
        for size in SIZES {
            for (name, keys) in scenes() {
                let mut bench = Bench::with(vec![request.clone()], size.0.max(60), size.1.max(15));
                let one = &mut bench.requests[0];
                one.content.as_mut().unwrap().sans = (0..100).map(|n| San::Dns(format!("{n}{text}").into())).collect();
                one.csr.as_mut().unwrap().subject = long.as_str().into();
                one.you.allowed = false;
                one.you.why = text.into();
                one.changes[0].value = text.into();
                one.changes[0].why = text.into();
                one.differences =
                    vec![Difference { field: text.into(), before: Some(text.into()), after: Some(text.into()) }];
                one.who_may_decide = vec![text.into()];
                one.checks[0].text = text.into();
                for key in keys {
                    bench.keys(&[key]);
                    bench.settle();
                }
                bench.act(Action::Paste(text.into()));
                bench.state.tell(false, text);
                bench.act(Action::Resize { width: size.0, height: size.1 });
                let shown = picture(&bench);
                let too_wide =
                    shown.lines().find(|line| unicode_width::UnicodeWidthStr::width(*line) > usize::from(size.0));
                assert_eq!(too_wide, None, "{name}");
            }
        }
    }
}
