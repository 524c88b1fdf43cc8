//! Draws the state. Nothing here performs I/O, reads a clock or changes anything.

mod alert;
mod alerts;
mod anchors;
mod audit;
mod cells;
mod certificate;
mod certificates;
mod checkpoint;
mod controls;
mod deciding;
mod detail;
mod difference;
mod errand;
mod footer;
mod header;
mod help;
mod history;
mod item;
mod listing;
mod page;
mod paint;
mod palette;
mod policy;
mod proof;
mod queue;
mod record;
mod results;
mod review;
mod signature;
mod standing;
mod take_back;
mod terms;
mod verification;
mod words;

pub use alert::height as alert_height;
pub use anchors::height as anchor_height;
pub use certificate::height as certificate_height;
pub use checkpoint::overflow as checkpoint_overflow;
pub use detail::height as detail_height;
pub use errand::{overflow as errand_overflow, page as errand_page};
pub use help::{height as help_height, room as help_room};
pub use proof::overflow as proof_overflow;
pub use record::height as record_height;
pub use results::overflow as results_overflow;
pub use review::{overflow as review_overflow, page as review_page};
pub use signature::{overflow as signature_overflow, page as signature_page};
pub use standing::verdict_word;
pub use take_back::{overflow as take_back_overflow, page as take_back_page};

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::layout::{Layout, layout};
use super::state::{Dialog, Link, Message, SMALLEST, Screen, State};
use super::theme::Role;
use cells::wrap;
use paint::{Ink, lines, row, window};

/// Draws one frame.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    draw_into(state, frame.buffer_mut(), area);
}

/// Draws the whole console into this part of a buffer.
fn draw_into(state: &State, buffer: &mut Buffer, area: Rect) {
    let ink = Ink { colour: state.colour };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return too_small(ink, buffer, area);
    }
    let Layout { header, alarms, standing, headings, body, preview, footer } = layout(state);
    let part = |y: u16, height: u16| Rect { y: area.y + y, height, ..area }.intersection(area);
    header::draw(state, ink, buffer, part(0, header + alarms));
    let top = header + alarms + standing;
    let middle = part(top, headings + body + preview);
    standing::draw(state, ink, buffer, part(header + alarms, standing));
    let (list, below) = (part(top, headings + body), part(top + headings + body, preview));
    match state.screen {
        Screen::Queue => queue::draw(state, ink, buffer, list, below),
        Screen::Detail => detail::draw(state, ink, buffer, middle),
        Screen::Audit => audit::draw(state, ink, buffer, list, below),
        Screen::Record => record::draw(state, ink, buffer, middle),
        Screen::Anchors => anchors::draw(state, ink, buffer, list, below),
        Screen::Anchor => anchors::draw_open(state, ink, buffer, middle),
        Screen::Certificates => certificates::draw(state, ink, buffer, list, below),
        Screen::Certificate => certificate::draw(state, ink, buffer, middle),
        Screen::Alerts => alerts::draw(state, ink, buffer, list, below),
        Screen::Alert => alert::draw(state, ink, buffer, middle),
    }
    if matches!(state.link, Link::Offline { .. }) {
        buffer.set_style(middle, ink.style(Role::Dim).remove_modifier(Modifier::BOLD));
    }
    footer::draw(state, ink, buffer, part(top + headings + body + preview, footer));
    let over = part(header, area.height.saturating_sub(header + 1));
    match &state.dialog {
        None => {}
        Some(Dialog::Help { scroll }) => help::draw(state, ink, buffer, over, *scroll),
        Some(Dialog::Palette(open)) => palette::draw(open, ink, buffer, over),
        Some(Dialog::Review(open)) => match &open.signature {
            Some(signature) => signature::draw(state, open, signature, ink, buffer, over),
            None => review::draw(state, open, ink, buffer, over),
        },
        Some(Dialog::Errand(open)) => errand::draw(state, open, ink, buffer, over),
        Some(Dialog::Verification) => verification::draw(state, ink, buffer, over),
        Some(Dialog::Checkpoint(open)) => checkpoint::draw(state, open, ink, buffer, area),
        Some(Dialog::Proof(open)) => proof::draw(state, open, ink, buffer, over),
        Some(Dialog::TakeBack(open)) => take_back::draw(state, open, ink, buffer, over),
        Some(Dialog::Results(results)) => results::draw(state, results, ink, buffer, over),
        Some(Dialog::Message(message)) => draw_message(message, ink, buffer, over),
    }
}

fn draw_message(message: &Message, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let width = over.width.min(76);
    let room = usize::from(width).saturating_sub(4);
    let mut text: Vec<_> = wrap(&cells::shown(&message.text), room);
    if !message.hint.is_empty() {
        text.push(String::new());
        text.extend(wrap(&cells::shown(&message.hint), room));
    }
    let most = usize::from(over.height).saturating_sub(4);
    text.truncate(most);
    let height = u16::try_from(text.len()).unwrap_or(u16::MAX).saturating_add(4);
    let inside = window(buffer, over, width, height, &message.title, ink.style(Role::Warn));
    let drawn: Vec<_> = text.into_iter().map(|line| ink.line(Role::Plain, line)).collect();
    lines(buffer, inside, &drawn);
    let last = row(inside, inside.height.saturating_sub(1));
    lines(buffer, last, &[ink.line(Role::Dim, "Enter or Esc closes this.")]);
}

fn too_small(ink: Ink, buffer: &mut Buffer, area: Rect) {
    let text = format!(
        "This terminal has {} columns and {} rows. The console needs {} and {} to show what a decision is about. \
         Make it larger; q or Ctrl-C leaves.",
        area.width, area.height, SMALLEST.0, SMALLEST.1
    );
    let drawn: Vec<_> =
        wrap(&text, usize::from(area.width)).into_iter().map(|line| ink.line(Role::Plain, line)).collect();
    lines(buffer, area, &drawn);
}

/// True while a time on the screen is told in seconds.
pub fn shows_seconds(state: &State) -> bool {
    let near = |at: countersign_shared::time::Timestamp| {
        (state.now.unix_millis() - at.unix_millis()).abs() < words::IN_SECONDS
    };
    let row = |request: &countersign_shared::protocol::RequestSummary| {
        near(request.created_at)
            || request.decided_at.is_some_and(near)
            || (request.decided_at.is_none() && near(request.expires_at))
    };
    // A verification that somebody looks at is asked about once a second.
    if state.verifying() && (state.audit.is_verifying() || state.screen.is_ledger()) {
        return true;
    }
    match state.screen {
        Screen::Queue => {
            let height = super::layout::list_height(state);
            state.queue.list.window(height).iter().filter_map(|id| state.queue.rows.get(id)).any(row)
        }
        Screen::Detail => {
            state.detail.as_ref().and_then(|detail| detail.seen.as_ref()).is_some_and(|seen| row(&seen.request))
        }
        Screen::Alerts => {
            let height = super::layout::list_height(state);
            let rows = &state.alerts.paged;
            rows.list.window(height).iter().filter_map(|id| rows.rows.get(id)).any(|row| near(row.created_at))
        }
        Screen::Audit
        | Screen::Record
        | Screen::Anchors
        | Screen::Anchor
        | Screen::Certificates
        | Screen::Certificate
        | Screen::Alert => false,
    }
}
