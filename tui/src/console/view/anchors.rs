//! Checkpoints that came back, and one of them.

use countersign_shared::protocol::{AnchorRow, AnchorVerdict};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{left, right, shown, wrap};
use super::listing::{Listing, nothing};
use super::page::{self, Page};
use super::paint::{Ink, bar, lines, row};
use super::standing::{verdict_role, verdict_word};
use super::words;
use crate::console::state::State;
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect, preview: Rect) {
    let line = |one: &AnchorRow, selected: bool| anchor(state, ink, one, selected);
    let listing = Listing {
        headings: format!(
            "{} {} {} {} BY",
            right("RECORDS", RECORDS),
            left("VERDICT", VERDICT),
            left("CAME BACK", TIME),
            right("SIGNED", SIGNED)
        ),
        nothing: nothing(state, &state.anchors, "anchors").unwrap_or_else(|| {
            "No checkpoint came back yet. c shows one for a phone; kept elsewhere and taken back (t), it shows that nothing \
             before it was changed."
                .into()
        }),
    };
    listing.draw(&state.anchors, ink, buffer, area, line);
    bar(buffer, row(preview, 0), ink.style(Role::Dim), &"─".repeat(usize::from(preview.width)));
    if let Some(one) = state.anchors.selected() {
        let mut page = Page::new(ink, usize::from(preview.width));
        about(state, &mut page, one);
        let body = Rect { y: preview.y + 1, height: preview.height.saturating_sub(1), ..preview };
        lines(buffer, body, &page.lines);
    }
}

const RECORDS: usize = 10;
const VERDICT: usize = 9;
const TIME: usize = 16;
const SIGNED: usize = 6;

fn anchor(state: &State, ink: Ink, one: &AnchorRow, selected: bool) -> Line<'static> {
    let at = one.added_at.datetime().format("%Y-%m-%d %H:%M").to_string();
    Line::from(vec![
        ink.span(Role::Plain, if selected { "> " } else { "  " }),
        ink.span(Role::Strong, right(&one.size.to_string(), RECORDS) + " "),
        ink.span(verdict_role(one.verdict), left(verdict_word(one.verdict), VERDICT)),
        ink.span(Role::Plain, format!(" {} ", left(&at, TIME))),
        ink.span(Role::Plain, right(&signatures(one).len().to_string(), SIGNED) + " "),
        ink.span(Role::Plain, words::account(state, &one.added_by)),
    ])
}

/// The names of the keys whose signatures are known to be right: the lines behind the empty one.
fn signatures(one: &AnchorRow) -> Vec<String> {
    let lines = one.note.split_once("\n\n").map_or("", |(_, lines)| lines).lines();
    lines.filter_map(|line| line.split(' ').nth(1)).map(shown).collect()
}

fn about(state: &State, page: &mut Page, one: &AnchorRow) {
    let said = match one.verdict {
        AnchorVerdict::Equal => "the first records are those that were anchored",
        AnchorVerdict::Ahead => "DAMAGE: more records were anchored than there were",
        AnchorVerdict::Different => "DAMAGE: other records were anchored than those that there were",
    };
    let verdict = format!("{}: {said}", verdict_word(one.verdict));
    page.add("verdict", verdict_role(one.verdict), &verdict);
    page.add("covers", Role::Strong, &format!("the first {} records", one.size));
    let by = words::account(state, &one.added_by);
    page.add(
        "came back",
        Role::Plain,
        &format!("{}, by {by}, record {}", words::coming(state.now, one.added_at), one.seq),
    );
    page.add("signed by", Role::Plain, &signatures(one).join(", "));
    page.spoken("root", &one.root_sha256);
}

/// One in full.
pub fn draw_open(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let text = document(state, ink, usize::from(area.width));
    let scroll = state.anchor.as_ref().map_or(0, |open| open.scroll);
    page::scrolled(ink, buffer, area, &text, scroll);
}

/// Lines that it takes at the state's width.
pub fn height(state: &State) -> usize {
    document(state, Ink { colour: false }, usize::from(state.width)).len()
}

fn document(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let Some(open) = &state.anchor else {
        return vec![Line::default(), ink.line(Role::Plain, "  No anchor is open. Choose one (a) and press Enter.")];
    };
    let mut page = Page::new(ink, room);
    about(state, &mut page, &open.seen);
    page.title("The note, with the signatures that are known to be right");
    page.lines.extend(note(ink, &open.seen.note, room));
    page.lines
}

/// The lines of a note, each broken where it has to be.
pub fn note(ink: Ink, note: &str, room: usize) -> Vec<Line<'static>> {
    let lines = note.lines().flat_map(|line| wrap(&shown(line), room.saturating_sub(4)));
    lines.map(|line| ink.line(Role::Plain, format!("  {line}"))).collect()
}
