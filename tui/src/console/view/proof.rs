//! That a record is in the ledger, in words, and where that is checked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{shown, wrap};
use super::controls::typed;
use super::page::Page;
use super::paint::{Ink, lines, window};
use super::words;
use crate::console::layout::layout;
use crate::console::state::{Proof, Saving, State};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 100;

pub fn draw(state: &State, open: &Proof, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = room(over.width);
    let (above, below) = (document(state, open, ink, room), controls(open, ink, room));
    let height = u16::try_from(above.len() + below.len() + 2).unwrap_or(u16::MAX);
    let wrong = open.seen.as_ref().is_some_and(|seen| seen.shows.is_err());
    let frame = ink.style(if wrong { Role::Alarm } else { Role::Strong });
    let title = format!("Proof of record {}", open.row.seq);
    let inside = window(buffer, over, WIDEST, height, &title, frame);
    let used = u16::try_from(below.len()).unwrap_or(u16::MAX).min(inside.height);
    let top = Rect { height: inside.height - used, ..inside };
    super::page::scrolled(ink, buffer, top, &above, open.scroll);
    lines(buffer, Rect { y: inside.y + top.height, height: used, ..inside }, &below);
}

/// Lines that are out of sight.
pub fn overflow(state: &State, open: &Proof) -> usize {
    let ink = Ink { colour: false };
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    let used = controls(open, ink, room(state.width)).len() + 2;
    document(state, open, ink, room(state.width)).len().saturating_sub(over.saturating_sub(used))
}

fn room(width: u16) -> usize {
    usize::from(width.min(WIDEST)).saturating_sub(4)
}

fn document(state: &State, open: &Proof, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut page = Page::new(ink, room);
    let row = &open.row;
    page.add("record", Role::Strong, &format!("{}, {}", row.seq, row.event_id));
    let who = words::account(state, &row.actor);
    page.add(
        "says",
        Role::Plain,
        &format!("{who}: {}, {}", words::spaced(row.action.as_str()), shown(&row.resource_id)),
    );
    page.spoken("its hash", &row.record_sha256);
    let Some(seen) = &open.seen else {
        let (role, text) = match &open.refused {
            Some(refusal) => (Role::Warn, format!("{} {}", shown(&refusal.message), shown(&refusal.hint))),
            None => (Role::Dim, "Loading …".into()),
        };
        page.add("proof", role, text.trim());
        return page.lines;
    };
    match &seen.shows {
        Ok(shows) => {
            let text = format!("{} hashes lead from it to the root of {} records", shows.hashes, shows.size);
            page.add("proof", Role::Good, &format!("HOLDS: {text}"));
            page.spoken("root", &shows.root);
            let also = shows.also_signed.iter().map(|name| format!(", and by {}", shown(name))).collect::<String>();
            page.add("signed by", Role::Plain, &format!("the ledger {}{also}", shown(&shows.origin)));
            page.add(
                "checked",
                Role::Plain,
                "here, with the key that this daemon names. Whoever doubts this host checks it elsewhere:",
            );
            page.add("", Role::Plain, "countersign audit check-proof FILE --log KEY");
            page.add("KEY", Role::Plain, &shown(&seen.verifier_key));
            page.add("", Role::Dim, "known from before, not from this host; no daemon, no rights, no network");
        }
        Err(why) => {
            page.add("proof", Role::Alarm, &format!("SHOWS NOTHING: {}", shown(why)));
            page.add("next", Role::Plain, "Verify the ledger (v) and compare it with what is anchored elsewhere (t).");
        }
    }
    page.lines
}

fn controls(open: &Proof, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = vec![ink.line(Role::Dim, "─".repeat(room))];
    let said = |role: Role, words: &str| -> Vec<Line<'static>> {
        wrap(words, room).into_iter().map(|line| ink.line(role, line)).collect()
    };
    let Some(Saving { path, exists, sending, wrong }) = &open.saving else {
        let saves = open.seen.as_ref().is_some_and(|seen| seen.shows.is_ok());
        text.extend(said(Role::Dim, if saves { "s saves it to a file, Esc closes this." } else { "Esc closes this." }));
        return text;
    };
    text.push(typed(ink, "file", path.halves(), !sending && !exists, "", room));
    text.extend(match (sending, exists, wrong) {
        (true, ..) => said(Role::Plain, "It is being written."),
        (_, true, _) => said(Role::Warn, "THERE IS such a file. y replaces it, Esc keeps it."),
        (.., Some(why)) => said(Role::Warn, &format!("Not written: {}", shown(why))),
        _ => said(Role::Dim, "Enter writes it, readable by you alone; Esc goes back."),
    });
    text
}
