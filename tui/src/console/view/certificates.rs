//! Managed certificates: a row for each, soonest to end first, and below it what the row has no room for.

use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::PlaceState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::cells::{left, shown};
use super::paint::{Ink, bar, lines, row};
use super::{listing, words};
use crate::console::state::{Listed, State, Wanted};
use crate::console::theme::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Ends,
    Standing,
    Profile,
    Environment,
    Owner,
    Until,
    Id,
    Where,
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Ends => "DAYS LEFT",
            Self::Standing => "STATE",
            Self::Profile => "PROFILE",
            Self::Environment => "ENVIRONMENT",
            Self::Owner => "OWNER",
            Self::Until => "UNTIL (UTC)",
            Self::Id => "CERTIFICATE",
            Self::Where => "WHERE",
        }
    }
}

/// The columns that fit, with their widths; a space stands between two.
fn columns(room: usize) -> Vec<(Column, usize)> {
    use Column::*;
    let fixed: &[(Column, usize)] = match room {
        0..80 => &[(Ends, 17), (Standing, 10)],
        80..112 => &[(Ends, 17), (Standing, 15), (Profile, 7), (Owner, 9)],
        112..160 => &[(Ends, 17), (Standing, 15), (Profile, 8), (Environment, 11), (Owner, 12), (Id, 17)],
        _ => &[(Ends, 17), (Standing, 15), (Profile, 14), (Environment, 14), (Owner, 20), (Until, 16), (Id, 20)],
    };
    let used: usize = fixed.iter().map(|(_, width)| width + 1).sum();
    let free = room.saturating_sub(used + 3);
    let found = if room >= 160 { free / 2 } else { 0 };
    let mut all = vec![(Name, free - found)];
    all.extend(fixed);
    if found > 1 {
        all.push((Where, found - 1));
    }
    all
}

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect, preview: Rect) {
    let columns = columns(usize::from(area.width));
    let headings: Vec<String> = columns.iter().map(|(column, width)| left(column.title(), *width)).collect();
    let what = listing::Listing { headings: headings.join(" "), nothing: nothing(state) };
    what.draw(&state.certificates.paged, ink, buffer, area, |one, selected| line(state, ink, one, &columns, selected));
    draw_preview(state, ink, buffer, preview);
}

fn nothing(state: &State) -> String {
    listing::nothing(state, &state.certificates.paged, "certificates").unwrap_or_else(|| {
        match (state.certificates.paged.filter.text().is_empty(), state.certificates.wanted) {
            (false, _) => "No certificate has this text in its name or id. Esc shows all of them again.".into(),
            (true, Wanted::All) => "No certificate is managed here yet.".into(),
            (true, wanted) => format!("No certificate is listed as {}. s shows others.", wanted.words()),
        }
    })
}

fn line(state: &State, ink: Ink, one: &Listed, columns: &[(Column, usize)], selected: bool) -> Line<'static> {
    let mut spans = vec![ink.span(Role::Plain, if selected { "> " } else { "  " })];
    for (column, width) in columns {
        let (role, text) = cell(state, one, *column);
        spans.push(ink.span(role, left(&text, *width)));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

fn cell(state: &State, one: &Listed, column: Column) -> (Role, String) {
    let place = |which: fn((&str, &str)) -> String| (Role::Plain, one.place().map_or_else(|| "-".into(), which));
    match column {
        Column::Name => (Role::Strong, words::name(one.name())),
        Column::Ends => one.end().map_or((Role::Dim, "-".into()), |end| words::days_left(state.now, end)),
        Column::Standing => listed(state, one),
        Column::Profile => place(|(profile, _)| shown(profile)),
        Column::Environment => place(|(_, environment)| shown(environment)),
        Column::Owner => {
            (Role::Plain, one.owner().map_or_else(|| "-".into(), |who| words::account(state, &who.account)))
        }
        Column::Until => (
            Role::Plain,
            one.end().map_or_else(|| "-".into(), |end| end.datetime().format("%Y-%m-%d %H:%M").to_string()),
        ),
        Column::Id => (Role::Dim, one.id().to_string()),
        Column::Where => (Role::Plain, places(one).first().cloned().unwrap_or_else(|| "-".into())),
    }
}

/// Where it stands by itself.
pub fn standing(one: &Listed) -> (Role, String) {
    match one {
        Listed::Issued(one) => match &one.current {
            Some(version) => (Role::Good, version.state.to_string()),
            None if one.revoked.is_some() => (Role::Bad, "REVOKED".into()),
            None => (Role::Dim, "not in force".into()),
        },
        Listed::Found(one) if one.issued_as.is_some() => (Role::Warn, "found, replaced".into()),
        Listed::Found(one) if !one.there => (Role::Dim, "found, gone".into()),
        Listed::Found(one) if !one.watched => (Role::Plain, "found, unwatched".into()),
        Listed::Found(_) => (Role::Plain, "found".into()),
    }
}

/// Where it stands, and what is asked for it in the requests that are loaded.
fn listed(state: &State, one: &Listed) -> (Role, String) {
    let asked = state.queue.rows.values().filter(|row| row.decided_at.is_none());
    let kinds = asked.filter(|row| row.certificate_id.as_ref() == Some(one.id())).map(|row| row.kind);
    match kinds.max_by_key(|kind| *kind == RequestKind::CertRevocation) {
        Some(RequestKind::CertRevocation) => (Role::Warn, "revoke pending".into()),
        Some(RequestKind::CertRenewal) => (Role::Strong, "renewal pending".into()),
        Some(_) => (Role::Strong, "requested".into()),
        None => standing(one),
    }
}

/// Where it is seen, each with the state of that, and at the end how many more there are.
pub fn places(one: &Listed) -> Vec<String> {
    let (places, total) = one.places();
    let place = |place: &countersign_shared::protocol::FoundPlace| {
        let alias = place.alias.as_ref().map_or_else(String::new, |alias| format!(" alias {}", shown(alias.raw())));
        let state = match place.state {
            PlaceState::Present => String::new(),
            other => format!(" ({})", words::spaced(other.as_str())),
        };
        format!("{}{alias}{state}", shown(place.place.raw()))
    };
    let mut all: Vec<String> = places.iter().map(place).collect();
    let more = usize::try_from(total).unwrap_or(usize::MAX).saturating_sub(places.len());
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

/// What the row has no room for.
fn draw_preview(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let Some(one) = state.certificates.paged.selected() else { return };
    let room = usize::from(area.width);
    let title = format!(" {} ", one.id());
    bar(buffer, row(area, 0), ink.style(Role::Dim), &format!("──{title}{}", "─".repeat(room)));
    let mut text = ink.labelled(" names", Role::Plain, &names(one), room);
    text.truncate(2);
    if let Some(end) = one.end() {
        let (role, left) = words::days_left(state.now, end);
        text.extend(ink.labelled(" ends", role, &format!("{left}, {}", words::moment(end)), room).into_iter().take(1));
    }
    let place = match one {
        Listed::Issued(one) => format!("{}, {}", shown(&one.profile_id), shown(&one.environment)),
        Listed::Found(one) => format!("found here; issuer {}", shown(one.issuer.raw())),
    };
    text.extend(ink.labelled(" profile", Role::Plain, &place, room).into_iter().take(1));
    let owner = one.owner().map_or_else(|| "not known".into(), |owner| words::person(state, owner));
    text.extend(ink.labelled(" owner", Role::Plain, &owner, room).into_iter().take(1));
    let places = places(one);
    if !places.is_empty() {
        text.extend(ink.labelled(" where", Role::Plain, &places.join(", "), room).into_iter().take(1));
    }
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    lines(buffer, body, &text);
}

/// The first names.
fn names(one: &Listed) -> String {
    let all: Vec<String> = match one {
        Listed::Issued(one) => {
            one.current.iter().flat_map(|version| &version.sans).take(50).map(|san| words::name(&san.value())).collect()
        }
        Listed::Found(one) => one.names.iter().take(50).map(words::name).collect(),
    };
    if all.is_empty() { words::name(one.name()) } else { all.join(", ") }
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
            assert!(all.first().is_some_and(|(column, width)| *column == Column::Name && *width >= 15), "{room}");
        }
    }
}
