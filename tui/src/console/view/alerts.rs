//! Messages: a row for each, newest first, and below it what the row has no room for.

use countersign_shared::protocol::{Alert, AlertSeverity, AlertState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::cells::{left, right, shown};
use super::paint::{Ink, bar, lines, row};
use super::{listing, words};
use crate::console::state::State;
use crate::console::theme::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    State,
    Kind,
    About,
    Channel,
    Threshold,
    Attempts,
    Age,
    Severity,
    Object,
    Detail,
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Kind => "KIND",
            Self::About => "ABOUT",
            Self::Channel => "CHANNEL",
            Self::Threshold => "AT",
            Self::Attempts => "TRIES",
            Self::Age => "AGE",
            Self::Severity => "SEVERITY",
            Self::Object => "OBJECT",
            Self::Detail => "WHY",
        }
    }
}

/// The columns that fit, with their widths; a space stands between two.
fn columns(room: usize) -> Vec<(Column, usize)> {
    use Column::*;
    let mut all = match room {
        0..80 => vec![(State, 7), (Kind, 16), (Channel, 9), (Age, 4)],
        80..112 => vec![(State, 7), (Kind, 17), (Channel, 9), (Threshold, 8), (Attempts, 5), (Age, 4)],
        112..160 => {
            vec![
                (State, 7),
                (Kind, 22),
                (Channel, 10),
                (Threshold, 8),
                (Attempts, 5),
                (Age, 4),
                (Severity, 13),
                (Object, 17),
            ]
        }
        _ => {
            vec![
                (State, 7),
                (Kind, 26),
                (Channel, 10),
                (Threshold, 8),
                (Attempts, 5),
                (Age, 4),
                (Severity, 13),
                (Object, 18),
            ]
        }
    };
    let used: usize = all.iter().map(|(_, width)| width + 1).sum();
    let free = room.saturating_sub(used + 3);
    if room >= 160 {
        all.insert(2, (About, free / 2));
        all.push((Detail, free - free / 2 - 1));
    } else {
        all.insert(2, (About, free));
    }
    all
}

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect, preview: Rect) {
    let columns = columns(usize::from(area.width));
    let headings: Vec<String> = columns.iter().map(|(column, width)| left(column.title(), *width)).collect();
    let what = listing::Listing { headings: headings.join(" "), nothing: nothing(state) };
    what.draw(&state.alerts.paged, ink, buffer, area, |one, selected| line(state, ink, one, &columns, selected));
    draw_preview(state, ink, buffer, preview);
}

fn nothing(state: &State) -> String {
    listing::nothing(state, &state.alerts.paged, "alerts").unwrap_or_else(|| {
        match (state.alerts.paged.filter.text().is_empty(), state.alerts.state) {
            (false, _) => "No message holds this text. Esc shows all of them again.".into(),
            (true, None) => "Nobody has been told anything yet.".into(),
            (true, Some(wanted)) => format!("No message is {wanted}. s shows other states."),
        }
    })
}

fn line(state: &State, ink: Ink, one: &Alert, columns: &[(Column, usize)], selected: bool) -> Line<'static> {
    let mut spans = vec![ink.span(Role::Plain, if selected { "> " } else { "  " })];
    for (column, width) in columns {
        let (role, text) = cell(state, one, *column);
        let number = matches!(column, Column::Age | Column::Attempts);
        spans.push(ink.span(role, if number { right(&text, *width) } else { left(&text, *width) }));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

fn cell(state: &State, one: &Alert, column: Column) -> (Role, String) {
    match column {
        Column::State => standing(one.state),
        Column::Kind => (Role::Plain, kind(one)),
        Column::About => (Role::Strong, about(one)),
        Column::Channel => channel(one),
        Column::Threshold => (Role::Plain, threshold(one).unwrap_or_else(|| "-".into())),
        Column::Attempts => (Role::Plain, one.attempts.map_or_else(|| "-".into(), |count| count.to_string())),
        Column::Age => (Role::Plain, words::age(state.now, one.created_at)),
        Column::Severity => severity(one),
        Column::Object => (Role::Dim, shown(&one.resource_id)),
        Column::Detail => (Role::Plain, shown(one.detail.raw())),
    }
}

/// A state as a word; what waits for somebody is loud.
pub fn standing(state: AlertState) -> (Role, String) {
    match state {
        AlertState::Queued => (Role::Strong, "queued".into()),
        AlertState::Failed => (Role::Warn, "failed".into()),
        AlertState::Sent => (Role::Good, "sent".into()),
        AlertState::Dead => (Role::Bad, "DEAD".into()),
        AlertState::Skipped => (Role::Dim, "skipped".into()),
    }
}

/// What it tells.
pub fn kind(one: &Alert) -> String {
    match one.kind.as_str() {
        "expiration_alert" => "expiry alert".into(),
        "expiration_alert_test" => "TEST of an alert".into(),
        other => words::spaced(other),
    }
}

/// The name of what it is about; the id where it has none.
pub fn about(one: &Alert) -> String {
    one.name.as_ref().map_or_else(|| shown(&one.resource_id), words::name)
}

/// On what it goes; a name that is no channel is said to be one.
pub fn channel(one: &Alert) -> (Role, String) {
    match (one.channel, &one.unknown_channel) {
        (Some(channel), _) => (Role::Plain, channel.to_string()),
        (None, Some(unknown)) => (Role::Warn, format!("? {}", shown(unknown.raw()))),
        (None, None) => (Role::Warn, "none".into()),
    }
}

/// When it is raised: `30 d`, `3 d past`; none of what is no alert.
pub fn threshold(one: &Alert) -> Option<String> {
    one.threshold.map(|days| if days < 0 { format!("{} d past", days.unsigned_abs()) } else { format!("{days} d") })
}

/// How urgent, as a word.
pub fn severity(one: &Alert) -> (Role, String) {
    match one.severity {
        Some(AlertSeverity::Critical) => (Role::Bad, "CRITICAL".into()),
        Some(AlertSeverity::Warning) => (Role::Warn, "warning".into()),
        Some(AlertSeverity::Informational) => (Role::Plain, "informational".into()),
        None => (Role::Dim, "-".into()),
    }
}

/// What comes of it next.
pub fn next(state: &State, one: &Alert) -> String {
    match (one.state, one.next_attempt_at, one.accepted_at) {
        (_, _, Some(at)) => format!("the other side accepted it {}", words::coming(state.now, at)),
        (_, Some(at), _) => format!("next attempt {}", words::coming(state.now, at)),
        (AlertState::Dead, ..) => "no attempt follows by itself: u sends it again".into(),
        (AlertState::Queued | AlertState::Failed, ..) => "an attempt is under way, or follows at once".into(),
        (AlertState::Sent | AlertState::Skipped, ..) => "no attempt follows".into(),
    }
}

/// What the row has no room for.
fn draw_preview(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let Some(one) = state.alerts.paged.selected() else { return };
    let room = usize::from(area.width);
    let title = format!(" message {}  {} ", one.id, shown(&one.resource_id));
    bar(buffer, row(area, 0), ink.style(Role::Dim), &format!("──{title}{}", "─".repeat(room)));
    let (role, word) = standing(one.state);
    let mut text = ink.labelled(" state", role, &format!("{word}, {}", next(state, one)), room);
    text.truncate(1);
    let why = if one.detail.is_blank() { "nothing was said".into() } else { shown(one.detail.raw()) };
    text.extend(ink.labelled(" why", Role::Plain, &why, room).into_iter().take(2));
    let what = format!("{}, {}", kind(one), about(one));
    text.extend(ink.labelled(" what", Role::Plain, &what, room).into_iter().take(1));
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    lines(buffer, body, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_every_width_and_no_more() {
        for room in 60..300 {
            let all = columns(room);
            let used: usize = 2 + all.iter().map(|(_, width)| width + 1).sum::<usize>();
            assert!(used <= room, "{room}: {used}");
            let about = all.iter().find(|(column, _)| *column == Column::About).map(|(_, width)| *width);
            assert!(about.is_some_and(|width| width >= 15), "{room}: {about:?}");
        }
    }
}
