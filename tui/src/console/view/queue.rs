//! The queue: a row for each request, and below it what the row has no room for.

use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::RequestSummary;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::cells::{left, right, shown};
use super::paint::{Ink, bar, lines, row};
use super::words;
use crate::console::state::{Link, State};
use crate::console::theme::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    State,
    Names,
    Requester,
    Profile,
    Environment,
    Age,
    Left,
    Risks,
    Id,
    Reason,
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::State => "STATUS",
            Self::Names => "NAMES",
            Self::Requester => "REQUESTER",
            Self::Profile => "PROFILE",
            Self::Environment => "ENVIRONMENT",
            Self::Age => "AGE",
            Self::Left => "LEFT",
            Self::Risks => "RISKS",
            Self::Id => "REQUEST",
            Self::Reason => "JUSTIFICATION",
        }
    }
}

/// The columns that fit, with their widths; a space stands between two.
fn columns(room: usize) -> Vec<(Column, usize)> {
    use Column::*;
    let fixed: &[(Column, usize)] = match room {
        0..80 => &[(State, 9), (Requester, 9), (Age, 4), (Left, 4), (Risks, 10)],
        80..112 => &[(State, 9), (Requester, 12), (Profile, 7), (Age, 4), (Left, 4), (Risks, 14)],
        112..160 => {
            &[(State, 9), (Requester, 12), (Profile, 8), (Environment, 11), (Age, 4), (Left, 4), (Risks, 20), (Id, 17)]
        }
        _ => {
            &[(State, 9), (Requester, 16), (Profile, 12), (Environment, 12), (Age, 4), (Left, 4), (Risks, 30), (Id, 17)]
        }
    };
    let used: usize = fixed.iter().map(|(_, width)| width + 1).sum();
    let free = room.saturating_sub(used + 3);
    let mut all = fixed.to_vec();
    if room >= 160 {
        all.insert(1, (Names, free / 2));
        all.push((Reason, free - free / 2 - 1));
    } else {
        all.insert(1, (Names, free));
    }
    all
}

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect, preview: Rect) {
    let columns = columns(usize::from(area.width));
    let headings: Vec<String> = columns.iter().map(|(column, width)| left(column.title(), *width)).collect();
    lines(buffer, row(area, 0), &[ink.line(Role::Dim, format!("  {}", headings.join(" ")))]);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let window = state.queue.list.window(usize::from(body.height));
    for (y, id) in (0..).zip(window) {
        let Some(request) = state.queue.rows.get(id) else { continue };
        let selected = state.queue.list.selected() == Some(id);
        let line = request_row(state, ink, request, &columns, selected);
        lines(buffer, row(body, y), &[line]);
        if selected {
            buffer.set_style(row(body, y), ink.style(Role::Selected));
        }
    }
    if window.is_empty() {
        let below = Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body };
        lines(buffer, below, &ink.paragraph(&nothing(state), usize::from(area.width)));
    }
    draw_preview(state, ink, buffer, preview);
}

fn nothing(state: &State) -> String {
    let queue = &state.queue;
    if let Some(refusal) = &queue.refused {
        let hint = if refusal.hint.is_empty() { String::new() } else { format!(" ({})", shown(&refusal.hint)) };
        return format!("You may not list requests: {}{hint}. The audit history is on 3.", shown(&refusal.message));
    }
    match &state.link {
        Link::Connecting => return "Connecting to the daemon …".into(),
        Link::Offline { .. } if !queue.loaded => return "Nothing was loaded before the connection was lost.".into(),
        Link::Offline { .. } | Link::Online => {}
    }
    if !queue.loaded {
        return "Loading …".into();
    }
    match (queue.filter.text().is_empty(), queue.state) {
        (false, _) => "No request holds this text. Esc shows all of them again.".into(),
        (true, None) => "There is no request yet.".into(),
        (true, Some(state)) => format!("No request is {state}. s shows other states."),
    }
}

fn request_row(
    state: &State,
    ink: Ink,
    request: &RequestSummary,
    columns: &[(Column, usize)],
    selected: bool,
) -> Line<'static> {
    let marked = state.queue.marks.contains(&request.id);
    let mut spans = vec![
        ink.span(Role::Plain, if selected { ">" } else { " " }),
        ink.span(Role::Strong, if marked { "*" } else { " " }),
    ];
    for (column, width) in columns {
        spans.push(cell(state, ink, request, *column, *width));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

fn cell(state: &State, ink: Ink, request: &RequestSummary, column: Column, width: usize) -> Span<'static> {
    let pending = request.decided_at.is_none();
    let (role, text) = match column {
        Column::State => (words::state_role(request.state), request.state.to_string()),
        Column::Names => (Role::Strong, words::names(request)),
        Column::Requester => (Role::Plain, words::account(state, &request.requester.account)),
        Column::Profile => (Role::Plain, shown(&request.profile_id)),
        Column::Environment => (Role::Plain, shown(&request.environment)),
        Column::Age => return ink.span(Role::Plain, right(&words::age(state.now, request.created_at), width)),
        Column::Left => {
            let millis = request.expires_at.unix_millis() - state.now.unix_millis();
            let role = if pending && millis < 3_600_000 { Role::Warn } else { Role::Plain };
            let text = if pending { words::time_left(state.now, request.expires_at) } else { "-".into() };
            return ink.span(role, right(&text, width));
        }
        Column::Risks => {
            let text = words::risks(&request.risks);
            (if text.starts_with('!') { Role::Warn } else { Role::Plain }, text)
        }
        Column::Id => (Role::Dim, request.id.to_string()),
        Column::Reason => (Role::Plain, shown(request.reason.raw())),
    };
    ink.span(role, left(&text, width))
}

/// What the row has no room for.
fn draw_preview(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let Some(request) = state.queue.selected() else { return };
    let room = usize::from(area.width);
    let certificate = request.certificate_id.as_ref().map_or_else(String::new, |id| format!(" {id} "));
    let title = format!(" {}  {} {certificate}", request.id, words::spaced(request.kind.as_str()));
    bar(buffer, row(area, 0), ink.style(Role::Dim), &format!("──{title}{}", "─".repeat(room)));
    let policy = request.kind == RequestKind::PolicyChange;
    let mut names: Vec<String> = request.names.iter().map(|san| words::name(&san.value())).collect();
    let unseen = usize::try_from(request.names_total).unwrap_or(usize::MAX).saturating_sub(names.len());
    if unseen > 0 {
        names.push(format!("and {unseen} more"));
    }
    let mut text = if policy {
        let what = format!(
            "{} in place of the policy in force; Enter shows what it changes",
            words::name(&request.primary_name)
        );
        ink.labelled(" policy", Role::Plain, &what, room)
    } else {
        ink.labelled(" names", Role::Plain, &names.join(", "), room)
    };
    text.truncate(2);
    let who = words::person(state, &request.requester);
    let ticket = request.ticket.as_ref().map_or_else(String::new, |ticket| format!(", ticket {}", shown(ticket.raw())));
    let age = words::age(state.now, request.created_at);
    let ends = match (&request.decided_at, &request.decided_by) {
        (Some(at), Some(by)) => {
            let by = words::account(state, by);
            format!("{} {} ago by {by}", request.state, words::age(state.now, *at))
        }
        (Some(at), None) => format!("{} {} ago", request.state, words::age(state.now, *at)),
        (None, _) => format!("expires in {}", words::time_left(state.now, request.expires_at)),
    };
    let reason = if request.reason.is_blank() { "none given".to_owned() } else { shown(request.reason.raw()) };
    let mut why = ink.labelled(" why", Role::Plain, &reason, room);
    why.truncate(2);
    let risks = words::risks(&request.risks);
    if !risks.is_empty() {
        text.extend(ink.labelled(" risks", Role::Warn, &risks, room).into_iter().take(1));
    }
    text.extend(why);
    let by = format!("{who}, {age} ago, {ends}");
    text.extend(ink.labelled(" by", Role::Plain, &by, room).into_iter().take(1));
    let batch = request.batch.as_ref().map_or_else(String::new, |batch| format!(", batch {}", shown(batch)));
    let start = request.not_before.map_or_else(String::new, |at| format!(", not before {}", words::moment(at)));
    if !policy {
        let environment = shown(&request.environment);
        let place = format!("{}, {environment}{ticket}{batch}{start}", shown(&request.profile_id));
        text.extend(ink.labelled(" profile", Role::Plain, &place, room).into_iter().take(1));
    } else if let Some(ticket) = &request.ticket {
        text.extend(ink.labelled(" ticket", Role::Plain, &shown(ticket.raw()), room).into_iter().take(1));
    }
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
            let names = all.iter().find(|(column, _)| *column == Column::Names).map(|(_, width)| *width);
            assert!(names.is_some_and(|width| width >= 15), "{room}: {names:?}");
        }
    }
}
