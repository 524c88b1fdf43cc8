//! A checkpoint that comes back: what was given, what it says, and what it said of the ledger.

use countersign_proof::anchor::Anchor;
use countersign_shared::protocol::{AnchorResult, AnchorVerdict};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{cut, shown, wrap};
use super::controls::{Buttons, typed};
use super::page::Page;
use super::paint::{Ink, lines, window};
use super::standing::{verdict_role, verdict_word};
use super::words;
use crate::console::layout::layout;
use crate::console::state::{Place, Stage, State, TakeBack};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 100;
/// Lines of what was given that are in sight.
const GIVEN: usize = 6;

pub fn draw(state: &State, open: &TakeBack, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = room(over.width);
    let (above, below) = (document(state, open, ink, room), controls(open, ink, room));
    let height = u16::try_from(above.len() + below.len() + 2).unwrap_or(u16::MAX);
    let (role, title) = match &open.stage {
        Stage::Given => (Role::Strong, "Take a checkpoint back"),
        Stage::Review(_) => (Role::Strong, "Compare the ledger with this checkpoint"),
        Stage::Told(told) if told.verdict != AnchorVerdict::Equal => (Role::Alarm, "DAMAGE"),
        Stage::Told(_) => (Role::Good, "The checkpoint was compared"),
    };
    let inside = window(buffer, over, WIDEST, height, title, ink.style(role));
    let used = u16::try_from(below.len()).unwrap_or(u16::MAX).min(inside.height);
    let top = Rect { height: inside.height - used, ..inside };
    super::page::scrolled(ink, buffer, top, &above, open.scroll);
    lines(buffer, Rect { y: inside.y + top.height, height: used, ..inside }, &below);
}

/// Lines that are out of sight.
pub fn overflow(state: &State, open: &TakeBack) -> usize {
    document(state, open, Ink { colour: false }, room(state.width)).len().saturating_sub(in_sight(state, open))
}

/// Lines that a page key scrolls.
pub fn page(state: &State, open: &TakeBack) -> usize {
    in_sight(state, open).saturating_sub(1).max(1)
}

fn in_sight(state: &State, open: &TakeBack) -> usize {
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    over.saturating_sub(controls(open, Ink { colour: false }, room(state.width)).len() + 2)
}

fn room(width: u16) -> usize {
    usize::from(width.min(WIDEST)).saturating_sub(4)
}

fn document(state: &State, open: &TakeBack, ink: Ink, room: usize) -> Vec<Line<'static>> {
    match &open.stage {
        Stage::Given => given(open, ink, room),
        Stage::Review(anchor) => review(state, anchor, ink, room),
        Stage::Told(told) => said(told, ink, room),
    }
}

fn given(open: &TakeBack, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let focused = open.place == Place::Text;
    let head = "Paste the signed note, or type the 255 digits of its short form:";
    let mut text: Vec<Line<'static>> = wrap(head, room).into_iter().map(|line| ink.line(Role::Plain, line)).collect();
    // A line feed at the end begins another line.
    let lines: Vec<&str> = open.text.split('\n').collect();
    let hidden = lines.len().saturating_sub(GIVEN);
    if hidden > 0 {
        text.push(ink.line(Role::Dim, format!("  … {hidden} lines above")));
    }
    let last = lines.len() - 1;
    for (n, line) in lines.iter().enumerate().skip(hidden) {
        let cursor = focused && n == last;
        // The end of what is typed stays in sight.
        let shown = shown(line);
        let end = super::cells::width(&shown).saturating_sub(room.saturating_sub(4));
        let mut spans = vec![
            ink.span(if focused { Role::Strong } else { Role::Dim }, "| "),
            ink.span(Role::Plain, if end > 0 { format!("…{}", tail(&shown, room.saturating_sub(5))) } else { shown }),
        ];
        if cursor {
            spans.push(ink.span(Role::Selected, " "));
        }
        text.push(Line::from(spans));
    }
    text.push(Line::default());
    text.push(typed(ink, "or a file", open.path.halves(), open.place == Place::File, "Tab, its name, Enter", room));
    text
}

/// The end of the text, in at most so many cells.
fn tail(text: &str, room: usize) -> &str {
    let mut rest = text;
    while super::cells::width(rest) > room {
        let mut all = rest.chars();
        if all.next().is_none() {
            break;
        }
        rest = all.as_str();
    }
    rest
}

fn review(state: &State, anchor: &Anchor, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut page = Page::new(ink, room);
    match anchor {
        Anchor::Note(signed) => {
            let checkpoint = signed.checkpoint();
            page.add("form", Role::Plain, "a signed note");
            page.add("ledger", Role::Strong, &shown(checkpoint.origin()));
            page.add("says", Role::Strong, &format!("there were {} records", checkpoint.size()));
            page.spoken("root", &checkpoint.root());
            let keys: Vec<String> = signed
                .note()
                .signatures()
                .iter()
                .map(|line| format!("{} ({})", shown(line.name().as_str()), line.id()))
                .collect();
            page.add("signed", Role::Plain, &format!("as it says, by {}", keys.join(", ")));
        }
        Anchor::Short(short) => {
            page.add("form", Role::Plain, "the short form, 255 digits");
            page.add("says", Role::Strong, &format!("there were {} records", short.size()));
            page.add("signed", Role::Plain, &format!("as it says, by the key {}", short.key()));
        }
    }
    if let Some(daemon) = &state.daemon {
        page.add("the ledger", Role::Plain, &format!("has {} records now", daemon.ledger_size));
        if anchor.size() > daemon.ledger_size {
            page.add(
                "AHEAD",
                Role::Alarm,
                "it is of more records than there are: if the signature is right, records are missing",
            );
        }
    }
    page.add(
        "leads to",
        Role::Plain,
        "the signatures are checked and the ledger is compared with it; it is kept, and that is a record",
    );
    page.add("if unequal", Role::Warn, "the daemon is READ-ONLY from then on: nothing is decided or issued");
    page.lines
}

fn said(told: &AnchorResult, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut page = Page::new(ink, room);
    let role = verdict_role(told.verdict);
    let meaning = match told.verdict {
        AnchorVerdict::Equal => "the ledger is what was anchored",
        AnchorVerdict::Ahead => "DAMAGE: records that were anchored are missing; the daemon is READ-ONLY",
        AnchorVerdict::Different => "DAMAGE: other records were anchored; the daemon is READ-ONLY",
    };
    page.add("verdict", role, &format!("{}: {meaning}", verdict_word(told.verdict)));
    page.add("because", Role::Plain, &shown(&told.text));
    page.add("covers", Role::Strong, &format!("the first {} records", told.size));
    for one in &told.cosigned_by {
        let at = one.at.map_or_else(String::new, |at| format!(", {}", words::moment(at)));
        page.add("cosigned by", Role::Plain, &format!("{}{at}", shown(&one.witness)));
    }
    page.add("anchor", Role::Plain, if told.added { "kept, and recorded" } else { "known already" });
    page.add("unanchored", Role::Plain, &words::records(told.unanchored));
    page.lines
}

fn controls(open: &TakeBack, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = vec![ink.line(Role::Dim, "─".repeat(room))];
    let (cancel, commit) = (open.place == Place::Cancel, open.place == Place::Commit);
    if let Stage::Told(_) = open.stage {
        text.push(ink.line(Role::Dim, "Enter or Esc closes this."));
        return text;
    }
    if let Some(why) = &open.wrong {
        let why = cut(&shown(why), room * 3);
        text.extend(wrap(&format!("Of no use: {why}"), room).into_iter().map(|line| ink.line(Role::Warn, line)));
    }
    let (name, usable, said) = match &open.stage {
        Stage::Review(_) if open.sending => ("Compare", false, "It is on its way."),
        Stage::Review(_) if open.armed && !open.read => ("Compare", false, "Read to the end first: PageDown."),
        Stage::Review(_) if open.armed => ("Compare", true, "y compares"),
        Stage::Review(_) => ("Compare", false, ""),
        _ if open.reading => ("Look at it", false, "The file is being read."),
        _ => ("Look at it", true, "Tab goes on, Esc closes"),
    };
    text.extend(Buttons { cancel, commit, name, usable, said }.draw(ink, room));
    text
}
