//! A verification: how far it is, then what it found.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::shown;
use super::paint::{Ink, lines, row, window};
use super::standing::{percent, progress};
use crate::console::state::{State, Verification};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 84;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = usize::from(over.width.min(WIDEST)).saturating_sub(4);
    let text = document(state, ink, room);
    let frame = if state.audit.found_damage().is_some() { Role::Alarm } else { Role::Strong };
    let height = u16::try_from(text.len() + 4).unwrap_or(u16::MAX);
    let inside = window(buffer, over, WIDEST, height, "Verification of the ledger", ink.style(frame));
    lines(buffer, Rect { height: inside.height.saturating_sub(1), ..inside }, &text);
    let last = if state.audit.is_verifying() { "Esc leaves this; it goes on." } else { "Enter or Esc closes this." };
    lines(buffer, row(inside, inside.height.saturating_sub(1)), &[ink.line(Role::Dim, last)]);
}

fn document(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    match &state.audit.verification {
        None => vec![ink.line(Role::Plain, "Nothing was verified here yet.")],
        Some(Verification::Running) => running(state, ink, room),
        Some(Verification::Refused(refusal)) => {
            let mut text = ink.labelled("not made", Role::Warn, &shown(&refusal.message), room);
            text.extend(ink.labelled("", Role::Plain, &shown(&refusal.hint), room));
            text
        }
        Some(Verification::Done(found)) => {
            let mut text = Vec::new();
            let mut add = |label: &str, role, value: &str| text.extend(ink.labelled(label, role, value, room));
            if found.intact {
                add("ledger", Role::Good, "INTACT: records, chain, tree, columns, checkpoints and anchors agree");
            } else {
                add("ledger", Role::Alarm, " DAMAGED: the daemon is read-only, nothing is decided ");
            }
            if let Some(damage) = &found.damage {
                add("record", Role::Strong, &damage.seq.map_or("none in particular".into(), |seq| seq.to_string()));
                add("rule", Role::Strong, &shown(&damage.rule));
                add("found", Role::Plain, &shown(&damage.text));
                add(
                    "next",
                    Role::Plain,
                    "Change nothing on this host and keep its disk as it is; whoever keeps checkpoints elsewhere is told. docs/threat-model.md, \"Damage\"",
                );
            }
            add("looked at", Role::Plain, &format!("{} records", found.records));
            for (n, groups) in found.root_sha256.spoken().chunks(2).enumerate() {
                add(if n == 0 { "root" } else { "" }, Role::Plain, &groups.join("  "));
            }
            text
        }
    }
}

fn running(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let at = state.daemon.as_ref().and_then(|daemon| Some((daemon, daemon.verification?)));
    let (parts, text) = match at {
        None => (0, "The daemon looks at every record, the tree, checkpoints, anchors and the state.".to_owned()),
        Some((_, at)) if at.done >= at.of => {
            (100, format!("{} of {} records; now the state that they explain", at.done, at.of))
        }
        Some((daemon, at)) => (percent(&at), progress(daemon, &at)),
    };
    let full = room.saturating_mul(usize::try_from(parts).unwrap_or(0)) / 100;
    vec![
        Line::from(vec![ink.span(Role::Good, "█".repeat(full)), ink.span(Role::Dim, "░".repeat(room - full))]),
        Line::default(),
        ink.line(Role::Plain, super::cells::cut(&text, room)),
    ]
}
