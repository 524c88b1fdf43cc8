//! A checkpoint over the whole screen: a code that a phone reads, or its text.

use countersign_proof::note::Note;
use countersign_proof::qr::{self, Drawing};
use countersign_proof::short::ShortForm;
use countersign_shared::protocol::CheckpointResult;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use super::anchors::note;
use super::cells::{shown, wrap};
use super::paint::{Ink, lines, row};
use super::{footer, header, page, words};
use crate::console::state::{Checkpoint, State};
use crate::console::theme::Role;

/// Columns that what stands beside the code needs.
const BESIDE: usize = 24;

pub fn draw(state: &State, open: &Checkpoint, ink: Ink, buffer: &mut Buffer, area: Rect) {
    Clear.render(area, buffer);
    let body = Rect { height: area.height.saturating_sub(1), ..area };
    lines(buffer, row(area, area.height.saturating_sub(1)), &[footer::keys(state, ink, usize::from(area.width))]);
    let code = open.seen.as_ref().filter(|_| !open.as_text).and_then(|seen| code(seen, body));
    let Some((drawing, whole)) = code else {
        let text = document(state, open, ink, usize::from(body.width));
        return page::scrolled(ink, buffer, body, &text, open.scroll);
    };
    let of = if open.dark { qr::Ink::Dark } else { qr::Ink::Light };
    let style = ink.style(if open.dark { Role::Plain } else { Role::Code });
    for (y, line) in (body.top()..body.bottom()).zip(drawing.render(of).lines()) {
        buffer.set_string(body.x, y, line, style);
    }
    let columns = u16::try_from(drawing.columns()).unwrap_or(u16::MAX);
    let beside = Rect { x: body.x + columns + 1, width: body.width.saturating_sub(columns + 1), ..body };
    if usize::from(beside.width) >= BESIDE
        && let Some(seen) = &open.seen
    {
        lines(buffer, beside, &about(state, seen, whole, ink, beside));
    }
}

/// Lines that are out of sight; none where the code is shown.
pub fn overflow(state: &State, open: &Checkpoint) -> usize {
    let body = Rect { x: 0, y: 0, width: state.width, height: state.height.saturating_sub(1) };
    if !open.as_text && open.seen.as_ref().is_some_and(|seen| code(seen, body).is_some()) {
        return 0;
    }
    let text = document(state, open, Ink { colour: false }, usize::from(state.width));
    text.len().saturating_sub(usize::from(body.height))
}

/// The whole note where there is room for it, else its short form, else nothing; true for the whole note.
fn code(seen: &CheckpointResult, body: Rect) -> Option<(Drawing, bool)> {
    let fits =
        |drawing: &Drawing| drawing.columns() <= usize::from(body.width) && drawing.rows() <= usize::from(body.height);
    let whole = Note::parse(seen.note.as_bytes()).ok().and_then(|note| qr::draw_note(&note).ok());
    if let Some(drawing) = whole.filter(fits) {
        return Some((drawing, true));
    }
    let short = seen.short.as_ref()?.parse::<ShortForm>().ok()?;
    qr::draw_short(&short).ok().filter(fits).map(|drawing| (drawing, false))
}

/// What stands beside the code.
fn about(state: &State, seen: &CheckpointResult, whole: bool, ink: Ink, area: Rect) -> Vec<Line<'static>> {
    let room = usize::from(area.width).saturating_sub(1);
    let mut text = Vec::new();
    for (role, alarm) in header::alarms(state).into_iter().filter(|(role, _)| *role == Role::Alarm) {
        let word: String = alarm.trim_start().split("  ").next().unwrap_or_default().to_owned();
        text.push(ink.line(role, format!(" {word} ")));
    }
    let mut add = |label: &str, value: &str, role: Role| {
        text.push(ink.line(Role::Dim, label.to_owned()));
        text.extend(wrap(value, room).into_iter().map(|line| ink.line(role, line)));
    };
    add("signed checkpoint of", &format!("{} records", seen.size), Role::Strong);
    add("made", &words::moment(seen.made_at), Role::Plain);
    add("ledger", &shown(&seen.origin), Role::Plain);
    let since = seen.unanchored_since.map_or_else(String::new, |at| format!(", {}", words::steady_age(state.now, at)));
    add("not anchored yet", &format!("{} records{since}", seen.unanchored), Role::Plain);
    add("root", &seen.root_sha256.spoken().join(" "), Role::Plain);
    let what = if whole { "the whole note" } else { "the short form, 255 digits" };
    add("the code holds", what, Role::Plain);
    if area.height > 28 {
        text.push(Line::default());
        text.extend(wrap(KEEP, room).into_iter().map(|line| ink.line(Role::Plain, line)));
        text.push(Line::default());
        text.extend(note(ink, &seen.note, room));
    }
    text
}

const KEEP: &str = "Read it with a phone and keep it where root of this host does not reach. Brought back (t), it shows whether \
                    anything before it was changed.";

/// As text: the note's exact lines, the key and the short form.
fn document(state: &State, open: &Checkpoint, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut page = page::Page::new(ink, room);
    for (role, alarm) in header::alarms(state).into_iter().filter(|(role, _)| *role == Role::Alarm) {
        page.lines.extend(wrap(alarm.trim(), room).into_iter().map(|line| ink.line(role, line)));
    }
    let Some(seen) = &open.seen else {
        let text = match &open.refused {
            Some(refusal) => format!("No checkpoint: {} {}", shown(&refusal.message), shown(&refusal.hint)),
            None => "Being signed …".into(),
        };
        page.lines.push(Line::default());
        page.lines.extend(ink.paragraph(&text, room));
        return page.lines;
    };
    if !open.as_text {
        page.lines.extend(ink.paragraph("The code needs 45 columns and 24 rows; this is the text.", room));
    }
    page.title("The signed note");
    page.lines.extend(note(ink, &seen.note, room));
    page.title("The key that signed it, which whoever checks it has to know beforehand");
    page.lines.extend(note(ink, &seen.verifier_key, room));
    if let Some(short) = seen.short.as_ref().and_then(|short| short.parse::<ShortForm>().ok()) {
        page.title("The short form");
        page.lines.extend(note(ink, &short.grouped().join("\n"), room));
    }
    page.title("In a shell");
    page.lines.extend(note(ink, "countersign audit checkpoint --out FILE", room));
    page.lines
}
