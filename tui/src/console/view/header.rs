//! Who is here, how the daemon is, which screen this is, and every alarm.

use countersign_shared::protocol::AlertState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{cut, shown, width};
use super::paint::{Ink, bar, lines, row};
use super::words;
use crate::console::state::{Link, Paged, Queue, Row, Screen, State};
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    let (link_role, link) = link(state);
    let who = cut(&who(state, room >= 100), room / 2);
    let mut left = vec![(Role::Strong, "countersign".to_owned()), (Role::Plain, who)];
    if let Some(daemon) = &state.daemon {
        left.push((if daemon.pending > 0 { Role::Strong } else { Role::Plain }, format!("{} pending", daemon.pending)));
        let dead = daemon.alerts.map_or(0, |alerts| alerts.dead);
        left.extend((dead > 0).then(|| (Role::Alarm, format!(" {dead} dead "))));
        let unanchored = if room >= 120 {
            format!("{} of {} records unanchored", daemon.unanchored, daemon.ledger_size)
        } else {
            format!("{} unanchored", daemon.unanchored)
        };
        let since = daemon.unanchored_since.map(|at| format!(", oldest {}", words::age(state.now, at)));
        let role = if daemon.anchor_overdue { Role::Alarm } else { Role::Plain };
        left.push((
            role,
            format!("{unanchored}{}", since.filter(|_| room >= 120 || daemon.anchor_overdue).unwrap_or_default()),
        ));
        if daemon.policy_file_differs {
            left.push((Role::Warn, "policy file differs from the policy in force".into()));
        }
        if room >= 120 {
            let oldest = daemon.oldest_pending_at.map(|at| format!("oldest {}", words::age(state.now, at)));
            left.extend(oldest.map(|text| (Role::Plain, text)));
            left.push((Role::Dim, format!("attested by {}", shown(&daemon.attestation))));
            left.push((Role::Dim, format!("version {}", shown(&daemon.version))));
        }
    }
    lines(buffer, row(area, 0), &[spread(ink, left, (link_role, link), room)]);
    lines(buffer, row(area, 1), &[spread(ink, tabs(state), (Role::Dim, count(state)), room)]);
    for (y, (role, text)) in (2..).zip(alarms(state)) {
        bar(buffer, row(area, y), ink.style(role), &text);
    }
}

/// Pieces from the left, two cells apart, and one at the right edge. A piece that does not fit is left out: half
/// a number would be another number.
fn spread(ink: Ink, pieces: Vec<(Role, String)>, end: (Role, String), room: usize) -> Line<'static> {
    let end_text = cut(&end.1, room);
    let free = room.saturating_sub(width(&end_text) + 2);
    let mut used = 1;
    let mut spans = vec![ink.span(Role::Plain, " ")];
    for (role, text) in pieces {
        let needed = width(&text) + 2;
        if used + needed > free {
            continue;
        }
        used += needed;
        spans.push(ink.span(role, text));
        spans.push(ink.span(Role::Plain, "  "));
    }
    spans.push(ink.span(Role::Plain, " ".repeat(room.saturating_sub(used + width(&end_text) + 1))));
    spans.push(ink.span(end.0, end_text));
    Line::from(spans)
}

fn who(state: &State, with_roles: bool) -> String {
    let roles = |all: &[String]| if with_roles { roles(all) } else { String::new() };
    match &state.me {
        None => "not known yet".into(),
        Some(me) if state.demo() => {
            let name = me.person.as_deref().unwrap_or(&me.account);
            format!("DEMO acting as {}{}", shown(name), roles(&me.roles))
        }
        Some(me) => format!("{} (uid {}){}", shown(&me.account), me.uid, roles(&me.roles)),
    }
}

fn roles(roles: &[String]) -> String {
    if roles.is_empty() { ", no role".into() } else { format!(", {}", shown(&roles.join(", "))) }
}

fn link(state: &State) -> (Role, String) {
    match &state.link {
        Link::Connecting => (Role::Warn, "connecting".into()),
        Link::Online => (Role::Good, "online".into()),
        Link::Offline { since, .. } => (Role::Alarm, format!(" OFFLINE for {} ", offline_age(state, *since))),
    }
}

/// In whole minutes, so that an idle console draws nothing.
fn offline_age(state: &State, since: countersign_shared::time::Timestamp) -> String {
    let millis = state.now.unix_millis() - since.unix_millis();
    if millis < words::IN_SECONDS { "a moment".into() } else { words::short(millis) }
}

fn tabs(state: &State) -> Vec<(Role, String)> {
    let shown = match state.screen {
        Screen::Certificate => Screen::Certificates,
        Screen::Alert => Screen::Alerts,
        screen => screen,
    };
    let certificates = if state.width < 100 { "4 Certs" } else { "4 Certificates" };
    let tabs = [
        (Screen::Queue, "1 Queue"),
        (Screen::Detail, "2 Detail"),
        (Screen::Audit, "3 Audit"),
        (Screen::Certificates, certificates),
        (Screen::Alerts, "5 Alerts"),
    ];
    let drawn = tabs.into_iter().map(|(screen, title)| {
        if screen == shown {
            (Role::Selected, format!("[{title}]"))
        } else if state.width < 100 {
            (Role::Dim, title.to_owned())
        } else {
            (Role::Dim, format!(" {title} "))
        }
    });
    drawn.collect()
}

fn count(state: &State) -> String {
    match state.screen {
        Screen::Queue if state.queue.refused.is_some() => "not open to you".into(),
        Screen::Queue => {
            let queue = &state.queue;
            let what = queue.state.map_or("all requests", |state| state.as_str());
            let more = if queue.next == crate::console::state::NextPage::End { "" } else { "+" };
            let filter = queue.filter.text();
            let filter = if filter.is_empty() { String::new() } else { format!(" with \"{}\"", shown(filter)) };
            format!("{what}: {}{more}{filter}{}", queue.list.count(), marked(queue))
        }
        Screen::Detail => state.detail.as_ref().map_or_else(String::new, |detail| detail.id.to_string()),
        Screen::Certificates => {
            let list = &state.certificates;
            listed(list.wanted.words(), &list.paged)
        }
        Screen::Certificate => state.managed.as_ref().map_or_else(String::new, |managed| managed.id.to_string()),
        Screen::Alerts => {
            let list = &state.alerts;
            listed(list.state.map_or("all messages", AlertState::as_str), &list.paged)
        }
        Screen::Alert => state.alert.as_ref().map_or_else(String::new, |open| format!("message {}", open.seen.id)),
        Screen::Audit => {
            let audit = &state.audit;
            let more = if audit.cursor.is_some() { "+" } else { "" };
            if audit.filter.text().is_empty() {
                format!("{}{more} records", audit.rows.len())
            } else {
                let filter = shown(audit.filter.text());
                format!("{} of {}{more} loaded records with \"{filter}\"", audit.list.count(), audit.rows.len())
            }
        }
    }
}

/// What is listed, how many rows there are, and what they are filtered by.
fn listed<R: Row>(what: &str, paged: &Paged<R>) -> String {
    if paged.refused.is_some() {
        return "not open to you".into();
    }
    let more = if paged.cursor.is_some() { "+" } else { "" };
    let filter = paged.filter.text();
    let filter = if filter.is_empty() { String::new() } else { format!(" with \"{}\"", shown(filter)) };
    format!("{what}: {}{more}{filter}", paged.list.count())
}

/// How many are marked, and how many of these the filter hides.
fn marked(queue: &Queue) -> String {
    if queue.marks.is_empty() {
        return String::new();
    }
    let shown = queue.list.window(usize::MAX).iter().filter(|id| queue.marks.contains(*id)).count();
    let hidden = queue.marks.len() - shown;
    let hidden = if hidden > 0 { format!(" ({hidden} not shown)") } else { String::new() };
    format!(", {} marked{hidden}", queue.marks.len())
}

fn alarms(state: &State) -> Vec<(Role, String)> {
    let mut alarms = Vec::new();
    if let Some(daemon) = &state.daemon {
        if daemon.read_only {
            let damage = daemon.damage.as_ref().map_or_else(String::new, |damage| {
                let place = damage.seq.map_or_else(String::new, |seq| format!(" at record {seq}"));
                format!("{}{place}: {}. ", shown(&damage.rule), shown(&damage.text))
            });
            alarms.push((
                Role::Alarm,
                format!(" READ-ONLY  Nothing is decided. Damage: {damage}Run countersign audit verify."),
            ));
        }
        if daemon.bypass {
            alarms.push((Role::Alarm, " BYPASS  Requests are approved by system-bypass, without people.".to_owned()));
        }
        if !daemon.attempts.is_empty() {
            let who: Vec<String> = daemon
                .attempts
                .iter()
                .map(|one| format!("{} ({}, {})", words::human(state, one), one.count, shown(&one.rule)))
                .collect();
            alarms.push((Role::Alarm, format!(" ATTEMPTS  repeated refused attempts: {}", who.join(", "))));
        }
    }
    if state.demo() {
        alarms.push((
            Role::Demo,
            " DEMO  A throw-away daemon: nothing here is real. A switches the acting person.".to_owned(),
        ));
    }
    alarms
}
