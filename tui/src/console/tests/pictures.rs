//! Pictures of every screen and dialog in four sizes, and hostile text on all of them.

use std::fmt::Write;

use countersign_shared::content::San;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{
    AnchorResult, AnchorVerdict, Attempts, Cosigned, Damage, Difference, Effect as OnControl, Finding, FindingLevel,
    PolicyDifference, Risk, VerifyResult,
};
use countersign_shared::text::is_deceiving;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::samples::{queue, summary, two_person};
use super::*;
use crate::console::state::{Outcome, Results};

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 60), (40, 10)];

/// The screen as text, without the spaces at the ends of lines.
pub(super) fn picture(bench: &Bench) -> String {
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
        ("help", vec![Char('?')]),
        ("palette", vec![Char(':'), Char('a'), Char('c'), Char('t')]),
        ("review_approve", vec![Char('a')]),
        ("review_risky", vec![Down, Down, Down, Char('a')]),
        ("review_reject", vec![Down, Char('r'), Tab, Char('n'), Char('o')]),
    ]
}

/// The same for requests with terms, remarks, amendments, delegations and a change of the policy.
fn scenes_of_two_people() -> Vec<(&'static str, Vec<Key>)> {
    use Key::*;
    vec![
        ("marked", vec![Char(' '), Down, Char(' ')]),
        ("detail_policy", vec![Enter]),
        ("detail_policy_end", vec![Enter, Char('G')]),
        ("detail_terms", vec![Down, Enter]),
        ("detail_terms_end", vec![Down, Enter, Char('G')]),
        ("review_policy", vec![Char('a')]),
        ("review_terms", vec![Down, Char('a')]),
        ("review_delegated", vec![Char('G'), Char('a')]),
        ("review_many", vec![Char('m'), Char('a')]),
        ("review_many_end", vec![Char('m'), Char('a'), PageDown, PageDown, PageDown, PageDown, Tab]),
        ("review_many_reject", vec![Down, Char(' '), Char(' '), Char('r'), Tab, Char('n'), Char('o')]),
        ("void", vec![Down, Char('x')]),
        ("withdraw", vec![Down, Char('w')]),
        ("withdraw_refused", vec![Down, Down, Char('w')]),
        ("comment", vec![Down, Char('c'), BackTab, Char('h'), Char('i')]),
        ("amend", vec![Down, Enter, Char('e')]),
    ]
}

/// Certificates and messages.
fn scenes_of_ends() -> Vec<(&'static str, Vec<Key>)> {
    use Key::*;
    let end = |more: &[Key]| [&[Char('4'), Down, Char('x')], more].concat();
    vec![
        ("certificates", vec![Char('4')]),
        ("certificates_filter", vec![Char('4'), Char('/'), Char('p'), Char('a')]),
        ("certificates_found", vec![Char('4'), Char('s'), Char('s'), Char('s')]),
        ("certificate", vec![Char('4'), Down, Enter]),
        ("certificate_end", vec![Char('4'), Down, Enter, Char('G')]),
        ("certificate_found", vec![Char('4'), Char('s'), Char('s'), Char('s'), Enter]),
        ("revoke", end(&[])),
        ("revoke_reason", end(&[PageDown, PageDown, Tab, Right, Right, Tab, Char('o')])),
        ("revoke_found", vec![Char('4'), Char('x')]),
        ("renew", vec![Char('4'), Down, Char('n')]),
        ("retire", vec![Char('4'), Char('t')]),
        ("alerts", vec![Char('5')]),
        ("alerts_dead", vec![Char('5'), Char('s')]),
        ("alert", vec![Char('5'), Enter]),
        ("requeue", vec![Char('5'), Char('u')]),
        ("requeue_refused", vec![Char('5'), Down, Char('u')]),
    ]
}

/// The ledger, and what comes of it.
fn scenes_of_the_ledger() -> Vec<(&'static str, Vec<Key>)> {
    use Key::*;
    let filter =
        |text: &str| -> Vec<Key> { [Char('3'), Char('/')].into_iter().chain(text.chars().map(Char)).collect() };
    vec![
        ("audit", vec![Char('3')]),
        ("audit_filter", filter("action:approval_ref from:2h")),
        ("audit_filter_wrong", filter("action:appro")),
        ("record", vec![Char('3'), Down, Enter]),
        ("record_end", vec![Char('3'), Down, Enter, Char('G')]),
        ("verification", vec![Char('3'), Char('v')]),
        ("checkpoint", vec![Char('3'), Char('c')]),
        ("checkpoint_text", vec![Char('3'), Char('c'), Tab]),
        ("proof", vec![Char('3'), Char('p')]),
        ("proof_save", vec![Char('3'), Char('p'), Char('s')]),
        ("anchors", vec![Char('3'), Char('a')]),
        ("anchor", vec![Char('3'), Char('a'), Enter]),
        ("take_back", vec![Char('3'), Char('t')]),
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
        let usual = scenes().into_iter().map(|(name, keys)| (name, queue(), keys));
        let two = scenes_of_two_people().into_iter().map(|(name, keys)| (name, two_person(), keys));
        let ends = scenes_of_ends().into_iter().map(|(name, keys)| (name, queue(), keys));
        let audited = scenes_of_the_ledger().into_iter().map(|(name, keys)| (name, queue(), keys));
        for (name, requests, keys) in usual.chain(two).chain(ends).chain(audited) {
            let bench = scene(requests, size, &keys);
            if bench.state.too_small()
                && !["queue", "review_approve", "review_many", "certificates", "revoke", "checkpoint"].contains(&name)
            {
                continue;
            }
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), picture(&bench));
        }
    }
}

/// One that was decided, one that was refused with hostile words.
fn results(bench: &mut Bench) {
    let outcome = |one: &RequestDetail, result: Result<&str, &str>| Outcome {
        id: one.request.id.clone(),
        name: one.request.primary_name.raw().to_owned(),
        result: result.map(str::to_owned).map_err(str::to_owned),
    };
    let mut outcomes: Vec<Outcome> = bench
        .requests
        .iter()
        .map(|one| outcome(one, Ok("approved (1 of 1 votes, record 12); its job is pending")))
        .collect();
    outcomes[0].result = Err("two-person integrity: bob asked for this \u{1b}[2J carol can decide it".into());
    bench.state.dialog = Some(Dialog::Results(Results { outcomes, scroll: 0 }));
}

#[test]
fn results_are_shown_one_by_one() {
    for size in SIZES {
        let mut bench = Bench::with(two_person(), size.0.max(60), size.1.max(15));
        results(&mut bench);
        bench.act(Action::Resize { width: size.0, height: size.1 });
        insta::assert_snapshot!(format!("results_{}x{}", size.0, size.1), picture(&bench));
    }
    let mut long = Bench::with((0..20).map(|n| summary(n, "www.corp.example", &[])).collect(), 80, 24);
    results(&mut long);
    long.keys(&[Key::Char('G')]);
    assert!(picture(&long).contains("ar-01k8z3v5d20019"), "the last one is reached");
    long.keys(&[Key::Char('g')]);
    assert!(picture(&long).contains("more lines"));
}

#[test]
fn alarms_take_the_whole_width() {
    let mut bench = scene(queue(), (80, 24), &[]);
    let daemon = bench.state.daemon.as_mut().unwrap();
    daemon.read_only = true;
    daemon.bypass = true;
    let attempt = |actor: &str, count, rule: &str| Attempts {
        human: if actor == "mallory" { "mallory".into() } else { "uid:61009".into() },
        actor: actor.into(),
        rule: rule.into(),
        count,
        at: samples::at(-60),
        seq: 9,
    };
    daemon.attempts = vec![attempt("mallory", 4, "requester_decides"), attempt("eve\u{202e}", 7, "root_decides")];
    daemon.damage = Some(Damage { seq: Some(7), rule: "edited".into(), text: "the hash differs".into() });
    bench.act(Action::Disconnected { why: "connection refused".into() });
    bench.act(Action::Tick(samples::at(240)));
    insta::assert_snapshot!("alarms_80x24", picture(&bench));
}

#[test]
fn before_the_first_answer_there_is_a_frame() {
    let state = State::new(samples::at(0), 80, 24, true);
    let (certificates, alerts) = (Vec::new(), Vec::new());
    let (requests, records, progress) = (Vec::new(), Vec::new(), None);
    let bench =
        Bench { state, requests, certificates, alerts, records, progress, acknowledged: 0, page: 1, open: Vec::new() };
    assert!(picture(&bench).contains("Connecting to the daemon"));
}

#[test]
fn sixteen_colours_or_none() {
    let usual = scenes().into_iter().map(|(_, keys)| (queue(), keys));
    let two = scenes_of_two_people().into_iter().map(|(_, keys)| (two_person(), keys));
    let ends = scenes_of_ends().into_iter().map(|(_, keys)| (queue(), keys));
    let audited = scenes_of_the_ledger().into_iter().map(|(_, keys)| (queue(), keys));
    for (requests, keys) in usual.chain(two).chain(ends).chain(audited) {
        for colour in [true, false] {
            let mut bench = scene(requests.clone(), (120, 40), &keys);
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

/// Hostile text in everything that two-person integrity adds.
fn poison(one: &mut RequestDetail, text: &str) {
    let row = &mut one.request;
    if row.batch.is_some() {
        row.batch = Some(text.into());
    }
    one.you.delegated_by = Some(text.into());
    for step in &mut one.terms.steps {
        step.group = text.into();
        step.filled_by = vec![text.into()];
    }
    for escalation in &mut one.terms.escalations {
        escalation.groups = vec![text.into()];
    }
    for remark in &mut one.remarks {
        remark.text = text.into();
        remark.by.account = text.into();
    }
    for amendment in &mut one.amendments {
        amendment.differences =
            vec![Difference { field: text.into(), before: Some(text.into()), after: Some(text.into()) }];
        one.decisions.append(&mut amendment.decisions);
    }
    for decision in &mut one.decisions {
        decision.note = text.into();
        decision.by.account = text.into();
        decision.delegated_by = Some(text.into());
        decision.counts_for = vec![text.into()];
    }
    if let Some(change) = &mut one.policy_change {
        let difference = PolicyDifference {
            table: text.into(),
            id: text.into(),
            key: text.into(),
            before: Some(text.into()),
            after: Some(text.into()),
            effect: OnControl::Laxer,
        };
        let (rule, subject) = (text.to_owned(), text.to_owned());
        change.differences = vec![difference];
        change.findings = vec![Finding { level: FindingLevel::Error, rule, subject, text: text.into() }];
        change.document = text.repeat(3);
    }
}

/// No line is wider than the screen.
fn assert_fits(shown: &str, size: (u16, u16), name: &str) {
    let too_wide = shown.lines().find(|line| unicode_width::UnicodeWidthStr::width(*line) > usize::from(size.0));
    assert_eq!(too_wide, None, "{name}");
}

#[test]
fn hostile_text_stays_text_where_two_people_decide() {
    for text in HOSTILE {
        for size in SIZES {
            for (name, keys) in scenes_of_two_people() {
                let mut bench = Bench::with(two_person(), size.0.max(60), size.1.max(15));
                for one in &mut bench.requests {
                    poison(one, text);
                }
                for key in keys {
                    bench.keys(&[key]);
                    bench.settle();
                }
                bench.act(Action::Paste(text.into()));
                bench.act(Action::Resize { width: size.0, height: size.1 });
                assert_fits(&picture(&bench), size, name);
            }
        }
    }
}

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
                assert_fits(&picture(&bench), size, name);
            }
        }
    }
}

#[test]
fn hostile_text_stays_text_where_certificates_end() {
    for text in HOSTILE {
        for size in SIZES {
            for (name, keys) in scenes_of_ends() {
                let mut bench = Bench::with(queue(), size.0.max(60), size.1.max(15));
                super::managed::poison(&mut bench.certificates, &mut bench.alerts, text);
                for key in keys {
                    bench.keys(&[key]);
                    bench.settle();
                }
                bench.act(Action::Paste(text.into()));
                bench.act(Action::Resize { width: size.0, height: size.1 });
                assert_fits(&picture(&bench), size, name);
            }
        }
    }
}

/// A checkpoint that came back, under review and after it was compared; a verification on its way and after it; hostile words
/// in what the daemon says.
fn told(bench: &mut Bench, name: &str, text: &str) {
    let anchored = |verdict| AnchorResult {
        verdict,
        text: text.into(),
        size: 9,
        root_sha256: Digest::of(&[b"root"]),
        cosigned_by: vec![Cosigned { witness: text.into(), at: Some(samples::at(-60)) }],
        added: true,
        unanchored: 4,
    };
    let found = |damage| VerifyResult {
        intact: false,
        records: 9,
        root_sha256: Digest::of(&[b"root"]),
        damage,
        acknowledged: Vec::new(),
    };
    bench.acknowledged = if name == "known_damage" { 2 } else { 0 };
    bench.keys(&[Key::Char('3')]);
    bench.settle();
    match name {
        "known_damage" => {
            bench.act(Action::Connected);
            bench.settle();
        }
        "take_back_review" | "take_back_equal" | "take_back_different" => {
            bench.keys(&[Key::Char('t')]);
            bench.act(Action::Paste(super::ledger::checkpoint(&bench.records).note));
            bench.settle();
            if name != "take_back_review" {
                // Where the terminal is small the end has to be seen first.
                bench.keys(&[Key::PageDown, Key::PageDown]);
                bench.settle();
                bench.keys(&[Key::Char('y')]);
                let equal = name == "take_back_equal";
                bench.done(Ok(Done::Anchored(anchored(if equal {
                    AnchorVerdict::Equal
                } else {
                    AnchorVerdict::Different
                }))));
                bench.settle();
            }
        }
        "verification_half" => {
            bench.progress = Some(VerificationProgress { done: 4_321_000, of: 10_000_000, since: samples::at(-5) });
            bench.keys(&[Key::Char('v')]);
            bench.settle();
        }
        _ => {
            bench.keys(&[Key::Char('v')]);
            let at = bench.open.iter().position(|one| matches!(one, Effect::Call { call: Call::Verify, .. })).unwrap();
            let Effect::Call { generation, .. } = bench.open.remove(at) else { panic!() };
            let damage = Damage { seq: Some(4), rule: text.into(), text: text.into() };
            let found = found(Some(damage));
            bench.act(Action::Answered { generation, answer: Answer::Verified(Ok(Box::new(found))) });
            bench.settle();
        }
    }
}

const TOLD: [&str; 6] = [
    "take_back_review",
    "take_back_equal",
    "take_back_different",
    "verification_half",
    "verification_damaged",
    "known_damage",
];

#[test]
fn what_the_ledger_came_to_in_every_size() {
    for size in SIZES.into_iter().filter(|size| size.0 >= 60) {
        for name in TOLD {
            let mut bench = Bench::with(queue(), size.0, size.1);
            told(&mut bench, name, "record 4: expected 5F06, found 61C2");
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), picture(&bench));
        }
    }
}

#[test]
fn hostile_text_stays_text_in_the_ledger() {
    for text in HOSTILE {
        for size in SIZES {
            let small = (size.0.max(60), size.1.max(15));
            for (name, keys) in scenes_of_the_ledger() {
                let mut bench = Bench::with(queue(), small.0, small.1);
                super::ledger::poison(&mut bench.records, text);
                for key in keys {
                    bench.keys(&[key]);
                    bench.settle();
                }
                bench.act(Action::Paste(text.into()));
                bench.act(Action::Resize { width: size.0, height: size.1 });
                assert_fits(&picture(&bench), size, name);
            }
            for name in TOLD {
                let mut bench = Bench::with(queue(), small.0, small.1);
                told(&mut bench, name, text);
                bench.act(Action::Resize { width: size.0, height: size.1 });
                assert_fits(&picture(&bench), size, name);
            }
        }
    }
}
