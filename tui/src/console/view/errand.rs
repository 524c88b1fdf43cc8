//! What is about to be done to a certificate: exactly what it is, what is still missing, and two buttons.

use countersign_shared::protocol::Alert;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{left, shown, wrap};
use super::controls::{Buttons, LABEL, typed};
use super::page::{Entry, entry};
use super::paint::{Ink, lines, window};
use super::{alerts, certificates, words};
use crate::console::layout::layout;
use crate::console::state::{Dossier, Errand, Matter, State, Stop, Task};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 100;
/// Names that the summary lists.
const NAMES: usize = 20;

pub fn draw(state: &State, errand: &Errand, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = room(over.width);
    let above = summary(state, errand, ink, room);
    let below = controls(state, errand, ink, room);
    let height = u16::try_from(above.len() + below.len() + 2).unwrap_or(u16::MAX);
    let frame = if errand.changed.is_some() { Role::Alarm } else { Role::Strong };
    let inside = window(buffer, over, WIDEST, height, &title(errand), ink.style(frame));
    let controls_height = u16::try_from(below.len()).unwrap_or(u16::MAX).min(inside.height);
    let split = inside.height - controls_height;
    let top = Rect { height: split, ..inside };
    lines(buffer, top, above.get(errand.scroll..).unwrap_or_default());
    let hidden = above.len().saturating_sub(errand.scroll + usize::from(split));
    if hidden > 0 && split > 0 {
        let mark = left(&format!("… {} more lines: PageDown", hidden + 1), room);
        buffer.set_string(top.x, top.bottom() - 1, mark, ink.style(Role::Warn));
    }
    lines(buffer, Rect { y: inside.y + split, height: controls_height, ..inside }, &below);
}

fn title(errand: &Errand) -> String {
    match &errand.matter {
        Matter::Certificate { id, .. } => format!("{} {id}", errand.task.name()),
        Matter::Message(message) => format!("{}: message {}", errand.task.name(), message.id),
    }
}

/// Lines of the summary that do not fit above the controls.
pub fn overflow(state: &State, errand: &Errand) -> usize {
    let ink = Ink { colour: false };
    summary(state, errand, ink, room(state.width)).len().saturating_sub(in_sight(state, errand))
}

/// Lines that a page key scrolls.
pub fn page(state: &State, errand: &Errand) -> usize {
    in_sight(state, errand).saturating_sub(1).max(1)
}

fn in_sight(state: &State, errand: &Errand) -> usize {
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    let used = controls(state, errand, Ink { colour: false }, room(state.width)).len() + 2;
    over.saturating_sub(used)
}

fn room(width: u16) -> usize {
    usize::from(width.min(WIDEST)).saturating_sub(4)
}

fn summary(state: &State, errand: &Errand, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut entries = Vec::new();
    if let Some(changed) = &errand.changed {
        entries.push(entry("CHANGED", Role::Alarm, shown(changed)));
    }
    match (&errand.matter, &errand.refused) {
        (Matter::Message(one), _) => entries.extend(message(state, one)),
        (Matter::Certificate { seen: Some(seen), .. }, _) => entries.extend(about(state, errand.task, seen)),
        (Matter::Certificate { .. }, Some(refusal)) => {
            let text = format!("{} {}", shown(&refusal.message), shown(&refusal.hint));
            entries.push(entry("refused", Role::Warn, text.trim()));
        }
        (Matter::Certificate { .. }, None) => entries.push(entry("", Role::Plain, "Loading …")),
    }
    entries.iter().flat_map(|one| ink.labelled(&one.label, one.role, &one.value, room)).collect()
}

/// Exactly which message goes out again.
fn message(state: &State, one: &Alert) -> Vec<Entry> {
    let (role, word) = alerts::standing(one.state);
    let why = if one.detail.is_blank() { String::new() } else { format!(": {}", shown(one.detail.raw())) };
    let mut entries = vec![
        entry("message", Role::Strong, alerts::kind(one)),
        entry("about", Role::Strong, format!("{} ({})", alerts::about(one), shown(&one.resource_id))),
        entry("state", role, format!("{word}{why}")),
        entry("channel", alerts::channel(one).0, alerts::channel(one).1),
        entry("caused", Role::Plain, words::coming(state.now, one.created_at)),
    ];
    if let Some(at) = alerts::threshold(one) {
        entries.insert(2, entry("threshold", Role::Plain, at));
    }
    let text = "it is written anew from what holds then; it is left out where there is nothing to tell any more";
    entries.push(entry("leads to", Role::Plain, text));
    entries
}

/// Exactly which certificate it is about, and what it leads to.
fn about(state: &State, task: Task, seen: &Dossier) -> Vec<Entry> {
    let mut entries = vec![entry("certificate", Role::Strong, words::name(&seen.name()))];
    let listed = seen.listed();
    if let Some(version) = seen.current() {
        let left = words::days_left(state.now, version.not_after).1;
        let ends = format!("version {}, which ends {}, {left}", version.version, words::moment(version.not_after));
        entries.push(match task {
            Task::Revoke => entry("REVOKES", Role::Alarm, ends),
            Task::Retire => entry("retires", Role::Strong, ends),
            Task::Renew | Task::Requeue => entry("renews", Role::Strong, ends),
        });
        entries.push(entry("serial", Role::Plain, shown(&version.serial)));
        entries.push(entry("SHA-256", Role::Plain, version.sha256.spoken().join("  ")));
        let mut names: Vec<String> = version.sans.iter().take(NAMES).map(|san| words::name(&san.value())).collect();
        if let Some(more) = version.sans.len().checked_sub(NAMES + 1) {
            names.push(format!("and {} more (Esc, then Enter shows all)", more + 1));
        }
        entries.push(entry(&format!("names ({})", version.sans.len()), Role::Plain, names.join(", ")));
    } else if let Some(listed) = &listed {
        let (role, word) = certificates::standing(listed);
        entries.push(entry("state", role, word));
        if let Some(end) = listed.end() {
            let (role, left) = words::days_left(state.now, end);
            entries.push(entry("ends", role, format!("{}, {left}", words::moment(end))));
        }
    }
    if let Some(owner) = listed.as_ref().and_then(|one| one.owner()) {
        entries.push(entry("owner", Role::Plain, words::person(state, owner)));
    }
    let places = listed.as_ref().map_or_else(Vec::new, certificates::places);
    if !places.is_empty() {
        entries.push(entry("seen at", Role::Warn, places.join(", ")));
    }
    if task == Task::Retire {
        let text = "no alert about it goes out any more; a later version of it is looked after again";
        entries.push(entry("SILENT", Role::Warn, text));
    } else {
        entries.extend(leads_to(task, seen));
    }
    if task == Task::Revoke && seen.current().is_some() {
        let text = "it cannot be taken back: whoever reads the list refuses the certificate from then on";
        entries.push(entry("FINAL", Role::Warn, text));
    }
    entries.extend(seen.pending().map(|one| {
        let text = format!("{} asks for {}", one.id, words::spaced(one.kind.as_str()));
        entry("pending", Role::Warn, text)
    }));
    entries
}

/// Who has to agree before it happens.
fn leads_to(task: Task, seen: &Dossier) -> Option<Entry> {
    let certificate = seen.detail.certificate.as_ref().filter(|one| one.current.is_some())?;
    let done = match task {
        Task::Revoke => "it ends",
        Task::Renew | Task::Retire | Task::Requeue => "its successor is issued",
    };
    Some(match &seen.profile {
        Some(profile) if profile.requires_approval => {
            let (id, quorum) = (shown(&profile.id), shown(&profile.quorum.join(", then ")));
            entry("leads to", Role::Plain, format!("a request under {id}; {done} when {quorum} agreed"))
        }
        Some(profile) => {
            let text = format!("profile {} asks nobody: {done} as soon as this is sent", shown(&profile.id));
            entry("AT ONCE", if task == Task::Revoke { Role::Bad } else { Role::Warn }, text)
        }
        None => {
            let id = shown(&certificate.profile_id);
            entry("leads to", Role::Warn, format!("what profile {id} says, which cannot be read here"))
        }
    })
}

fn controls(state: &State, errand: &Errand, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = vec![ink.line(Role::Dim, "─".repeat(room))];
    let stops = errand.stops();
    let at = |stop: Stop| errand.focus == stop;
    if stops.contains(&Stop::Reason) {
        text.push(reason(errand, ink, room));
    }
    if let Some(words) = errand.confirmation().filter(|_| stops.contains(&Stop::Confirm)) {
        let asked = format!("This is risky. To go on, type: {}", shown(&words));
        text.extend(wrap(&asked, room).into_iter().map(|line| ink.line(Role::Warn, line)));
        text.push(typed(ink, "type it", errand.confirm.halves(), at(Stop::Confirm), "", room));
    }
    if let Some(pattern) = errand.ticket_pattern().filter(|_| stops.contains(&Stop::Ticket)) {
        let empty = format!("required; matches {}", shown(pattern));
        text.push(typed(ink, "ticket", errand.ticket.halves(), at(Stop::Ticket), &empty, room));
    }
    if stops.contains(&Stop::Note) {
        let empty = if errand.note_needed() { "required; everybody who is asked reads it" } else { "optional" };
        text.push(typed(ink, "note", errand.note.halves(), at(Stop::Note), empty, room));
    }
    let missing = state.decisions_stopped().or_else(|| errand.missing());
    let usable = missing.is_none() && errand.armed;
    // Said once the keys count: before, whatever is typed is thrown away.
    let said = match missing {
        Some(missing) if errand.armed || !errand.is_loaded() => missing,
        None if usable && (at(Stop::Cancel) || at(Stop::Commit)) => format!("y {}", errand.task.does()),
        _ => String::new(),
    };
    let (cancel, commit, name) = (at(Stop::Cancel), at(Stop::Commit), errand.task.name());
    text.extend(Buttons { cancel, commit, name, usable, said: &said }.draw(ink, room));
    text
}

/// The reason that is chosen, between its neighbours.
fn reason(errand: &Errand, ink: Ink, room: usize) -> Line<'static> {
    let focused = errand.focus == Stop::Reason;
    let (role, label) = if focused { (Role::Selected, Role::Strong) } else { (Role::Plain, Role::Dim) };
    let chosen = errand.chosen().map_or_else(|| "not chosen yet".into(), words::spaced);
    let hint = if focused { "  Left and Right choose" } else { "" };
    let mut line = Line::from(vec![ink.span(label, left("because", LABEL)), ink.span(role, format!("< {chosen} >"))]);
    if line.width() + hint.len() <= room {
        line.spans.push(ink.span(Role::Dim, hint));
    }
    line
}
