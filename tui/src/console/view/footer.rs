//! The line for what just happened or is being typed, and the keys that act here.

use countersign_shared::protocol::Verb;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{cut, shown, width};
use super::paint::{Ink, field, lines, row};
use crate::console::keymap::{BINDINGS, Binding, Command, Scope, holds_on};
use crate::console::state::{Act, Dialog, FIELDS, Field, Link, Listed, Screen, State};
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    lines(buffer, row(area, 0), &[said(state, ink, room)]);
    lines(buffer, row(area, 1), &[keys(state, ink, room)]);
}

fn said(state: &State, ink: Ink, room: usize) -> Line<'static> {
    let typed = |filter: &Field| {
        let mut line = field(ink, filter.halves(), room.saturating_sub(10), true);
        line.spans.insert(0, ink.span(Role::Strong, " Filter: "));
        line
    };
    if let Some(filter) = filtering(state) {
        let mut line = typed(filter);
        if state.screen == Screen::Audit {
            let (role, hint) = match &state.audit.wrong {
                Some(wrong) => (Role::Warn, shown(wrong)),
                None => (Role::Dim, FIELDS.to_owned()),
            };
            let free = room.saturating_sub(line.width() + 2);
            if free > 10 {
                line.spans.push(ink.span(role, format!("  {}", cut(&hint, free))));
            }
        }
        return line;
    }
    if state.screen == Screen::Audit
        && let Some(wrong) = &state.audit.wrong
    {
        return ink.line(Role::Warn, cut(&format!(" Filter: {}", shown(wrong)), room));
    }
    if let Some(notice) = &state.notice {
        let role = if notice.good { Role::Good } else { Role::Warn };
        return ink.line(role, cut(&format!(" {}", shown(&notice.text)), room));
    }
    if let Link::Offline { why, .. } = &state.link {
        return ink.line(Role::Warn, cut(&format!(" {}", shown(why)), room));
    }
    Line::default()
}

/// The filter that is being typed.
fn filtering(state: &State) -> Option<&Field> {
    let (typed, filter) = match state.screen {
        Screen::Queue => (state.queue.filtering, &state.queue.filter),
        Screen::Audit => (state.audit.filtering, &state.audit.filter),
        Screen::Certificates => (state.certificates.paged.filtering, &state.certificates.paged.filter),
        Screen::Alerts => (state.alerts.paged.filtering, &state.alerts.paged.filter),
        Screen::Detail | Screen::Record | Screen::Anchors | Screen::Anchor | Screen::Certificate | Screen::Alert => {
            return None;
        }
    };
    typed.then_some(filter)
}

/// The keys that act here.
pub fn keys(state: &State, ink: Ink, room: usize) -> Line<'static> {
    let scope = match &state.dialog {
        Some(Dialog::Review(review)) if review.signature.is_some() => Scope::Signing,
        Some(Dialog::Review(review)) if matches!(review.act, Act::Decide(_)) => Scope::Deciding,
        Some(Dialog::Review(_) | Dialog::Errand(_)) => Scope::Review,
        Some(Dialog::Verification) => Scope::Verification,
        Some(Dialog::Checkpoint(_)) => Scope::Checkpoint,
        Some(Dialog::Proof(_)) => Scope::Proof,
        Some(Dialog::TakeBack(_)) => Scope::TakeBack,
        Some(Dialog::Help { .. } | Dialog::Palette(_) | Dialog::Results(_) | Dialog::Message(_)) | None => {
            state.screen.scope()
        }
    };
    let named = BINDINGS.iter().filter(|binding| holds_on(binding.scope, scope) && is_named(state, binding));
    let named: Vec<(bool, String, String)> = named
        .filter_map(|binding| {
            let leads_on = matches!(binding.command, Some(Command::Help | Command::Quit));
            Some((leads_on, binding.keys.first()?.to_string(), label(state, binding)))
        })
        .collect();
    // What leads on to everything else stays in sight; of the rest, what does not fit is left out.
    let cells = |(_, key, label): &(bool, String, String)| width(key) + 1 + width(label) + GAP;
    let mut free = (room + GAP).saturating_sub(1 + named.iter().filter(|one| one.0).map(cells).sum::<usize>());
    let mut line = Line::from(ink.span(Role::Plain, " "));
    for one in named {
        let needed = cells(&one);
        if !one.0 && needed > free {
            continue;
        }
        free = if one.0 { free } else { free - needed };
        let (_, key, label) = one;
        line.spans.extend([
            ink.span(Role::Strong, key),
            ink.span(Role::Plain, " "),
            ink.span(Role::Dim, label),
            ink.span(Role::Plain, " ".repeat(GAP)),
        ]);
    }
    line
}

/// Cells between two keys.
const GAP: usize = 2;

/// True where the footer names this key: what only some people may do stands there for those alone.
fn is_named(state: &State, binding: &Binding) -> bool {
    let verb = match binding.command {
        Some(Command::Withdraw) => Verb::Withdraw,
        Some(Command::Void) => Verb::Void,
        Some(Command::Comment) => Verb::Comment,
        Some(Command::Amend) => Verb::Amend,
        Some(Command::Retire) => return has_ended(state),
        _ => return !binding.label.is_empty(),
    };
    let seen = state.detail.as_ref().and_then(|detail| detail.seen.as_ref());
    state.screen == Screen::Detail && seen.is_some_and(|seen| seen.you_may.contains(&verb))
}

/// True where the certificate that is shown or selected has ended.
fn has_ended(state: &State) -> bool {
    let end = match state.screen {
        Screen::Certificate => state.managed.as_ref().and_then(|one| one.seen.as_ref()?.listed()?.end()),
        _ => state.certificates.paged.selected().and_then(Listed::end),
    };
    end.is_some_and(|end| end < state.now)
}

/// The label, and where marks stand what it is about.
fn label(state: &State, binding: &Binding) -> String {
    let marks = state.queue.marks.len();
    match binding.command {
        Some(Command::Approve | Command::Reject) if marks > 0 && state.screen == Screen::Queue => {
            format!("{} {marks} marked", binding.label)
        }
        Some(Command::Jump) if holds_on(Scope::Messages, state.screen.scope()) => "what it is about".into(),
        _ => binding.label.to_owned(),
    }
}
