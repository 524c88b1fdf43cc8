//! Who is here, how the daemon is, which screen this is, and every alarm.

use countersign_shared::protocol::{AlertState, Damage, StatusResult};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{cut, shown, width};
use super::paint::{Ink, bar, lines, row};
use super::words;
use crate::console::state::{Alarm, Link, Paged, Queue, Row, Screen, State};
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    let (link_role, link) = link(state);
    let who = cut(&who(state, room >= 100), room / 3);
    // What must be in sight whatever the width comes before what is left out where it has no room.
    let mut left = vec![(false, Role::Strong, "countersign".to_owned()), (true, Role::Plain, who)];
    if let Some(daemon) = &state.daemon {
        let role = if daemon.pending > 0 { Role::Strong } else { Role::Plain };
        left.push((false, role, format!("{} pending", daemon.pending)));
        let dead = daemon.alerts.map_or(0, |alerts| alerts.dead);
        left.extend((dead > 0).then(|| (false, Role::Alarm, format!(" {dead} dead "))));
        left.push(unanchored(state, daemon, room));
        if daemon.policy_file_differs {
            left.push((false, Role::Warn, "policy file differs from the policy in force".into()));
        }
        if room >= 120 {
            let oldest = daemon.oldest_pending_at.map(|at| format!("oldest {}", words::age(state.now, at)));
            left.extend(oldest.map(|text| (false, Role::Plain, text)));
            left.push((false, Role::Dim, format!("attested by {}", shown(&daemon.attestation))));
            left.push((false, Role::Dim, format!("version {}", shown(&daemon.version))));
        }
    }
    lines(buffer, row(area, 0), &[spread(ink, left, (link_role, link), room)]);
    lines(
        buffer,
        row(area, 1),
        &[spread(
            ink,
            tabs(state).into_iter().map(|(role, text)| (true, role, text)).collect(),
            (Role::Dim, count(state)),
            room,
        )],
    );
    for (y, (role, text)) in (2..).zip(alarms(state)) {
        bar(buffer, row(area, y), ink.style(role), &text);
    }
}

/// How many records are anchored nowhere else, and for how long the oldest has been.
fn unanchored(state: &State, daemon: &StatusResult, room: usize) -> (bool, Role, String) {
    let (role, word) = if daemon.anchor_overdue { (Role::Alarm, "UNANCHORED") } else { (Role::Plain, "unanchored") };
    let count = if room >= 120 {
        format!("{} of {} records {word}", daemon.unanchored, daemon.ledger_size)
    } else {
        format!("{} {word}", daemon.unanchored)
    };
    let age = daemon.unanchored_since.map(|at| words::steady_age(state.now, at));
    let age =
        age.map_or_else(String::new, |age| if room >= 120 { format!(", oldest {age}") } else { format!(" {age}") });
    let text = if daemon.anchor_overdue { format!(" {count}{age} ") } else { count + &age };
    (true, role, text)
}

/// Pieces from the left, two cells apart, and one at the right edge. A piece that does not fit is left out, those that may be
/// first: half a number would be another number.
fn spread(ink: Ink, pieces: Vec<(bool, Role, String)>, end: (Role, String), room: usize) -> Line<'static> {
    let end_text = cut(&end.1, room);
    let mut free = room.saturating_sub(width(&end_text) + 3);
    let mut fits = vec![false; pieces.len()];
    for needed in [true, false] {
        for (fits, (_, _, text)) in fits.iter_mut().zip(&pieces).filter(|(_, piece)| piece.0 == needed) {
            let cells = width(text) + 2;
            *fits = cells <= free;
            free -= if *fits { cells } else { 0 };
        }
    }
    let mut line = Line::from(ink.span(Role::Plain, " "));
    for ((_, role, text), _) in pieces.into_iter().zip(fits).filter(|(_, fits)| *fits) {
        line.spans.push(ink.span(role, text));
        line.spans.push(ink.span(Role::Plain, "  "));
    }
    let gap = room.saturating_sub(line.width() + width(&end_text) + 1);
    line.spans.push(ink.span(Role::Plain, " ".repeat(gap)));
    line.spans.push(ink.span(end.0, end_text));
    line
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
        Screen::Record | Screen::Anchors | Screen::Anchor => Screen::Audit,
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
        Screen::Record => state.audit.open.as_ref().map_or_else(String::new, |open| format!("record {}", open.row.seq)),
        Screen::Anchors => listed("anchors", &state.anchors),
        Screen::Anchor => state.anchor.as_ref().map_or_else(String::new, |open| format!("anchor {}", open.seen.seq)),
        Screen::Audit => records(state),
    }
}

/// How many records there are, or pass the filter: exactly where the daemon counted them.
fn records(state: &State) -> String {
    let audit = &state.audit;
    if audit.refused.is_some() {
        return "not open to you".into();
    }
    if audit.wrong.is_some() {
        return "the filter says nothing yet".into();
    }
    let loaded = audit.list.count();
    let more = if audit.cursor.is_some() || audit.anew { "+" } else { "" };
    let all = state.daemon.as_ref().map(|daemon| daemon.ledger_size).filter(|_| audit.query.is_all());
    let count = match all.or(audit.count) {
        Some(count) => count.to_string(),
        None => format!("{loaded}{more}"),
    };
    let filter = audit.filter.text();
    let filter = if filter.is_empty() { String::new() } else { format!(" with {}", shown(filter)) };
    format!("{count} records{filter}")
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

/// Each alarm that is up, in one row.
pub fn alarms(state: &State) -> Vec<(Role, String)> {
    state.alarms().into_iter().map(|alarm| (role(alarm), said(state, alarm))).collect()
}

const fn role(alarm: Alarm) -> Role {
    match alarm {
        Alarm::Demo => Role::Demo,
        _ => Role::Alarm,
    }
}

fn said(state: &State, alarm: Alarm) -> String {
    let daemon = state.daemon.as_ref();
    let damage = |damage: &Damage| {
        let place = damage.seq.map_or_else(String::new, |seq| format!(" at record {seq}"));
        format!("{}{place}: {}", shown(&damage.rule), shown(&damage.text))
    };
    match alarm {
        Alarm::ReadOnly => {
            let found = daemon.and_then(|daemon| daemon.damage.as_ref()).map_or_else(String::new, damage);
            format!(" READ-ONLY  Nothing is decided. Damage: {found}. v on Audit (3) verifies.")
        }
        Alarm::Damaged => {
            let found = state.audit.found_damage().and_then(|found| found.damage.as_ref());
            format!(" DAMAGED  {}", found.map_or_else(|| "the verification found damage".into(), damage))
        }
        Alarm::Unanchored => {
            let count = daemon.map_or(0, |daemon| daemon.unanchored);
            let since = daemon.and_then(|daemon| daemon.unanchored_since);
            let since =
                since.map_or_else(String::new, |at| format!(", the oldest {}", words::steady_age(state.now, at)));
            format!(" UNANCHORED  {count} records are anchored nowhere else{since}: past the limit. c on Audit (3).")
        }
        Alarm::Bypass => " BYPASS  Requests are approved by system-bypass, without people.".into(),
        Alarm::Attempts => {
            let attempts = daemon.map_or(&[][..], |daemon| &daemon.attempts);
            let who: Vec<String> = attempts
                .iter()
                .map(|one| format!("{} ({}, {})", words::human(state, one), one.count, shown(&one.rule)))
                .collect();
            format!(" ATTEMPTS  repeated refused attempts: {}", who.join(", "))
        }
        Alarm::Demo => " DEMO  A throw-away daemon: nothing here is real. A switches the acting person.".into(),
    }
}
