//! How the ledger stands, in one row: the last checkpoint and anchor, and the last verification or how far it is.

use countersign_shared::protocol::{AnchorVerdict, StatusResult, VerificationProgress};
use countersign_shared::time::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{shown, width};
use super::paint::{Ink, lines};
use super::words;
use crate::console::state::{State, Verification};
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    let mut line = Line::from(ink.span(Role::Plain, " "));
    for (role, text) in pieces(state, room) {
        if line.width() + width(&text) > room {
            continue;
        }
        line.spans.extend([ink.span(role, text), ink.span(Role::Plain, "  ")]);
    }
    lines(buffer, area, &[line]);
}

/// The word for what an anchor says.
pub const fn verdict_word(verdict: AnchorVerdict) -> &'static str {
    match verdict {
        AnchorVerdict::Equal => "EQUAL",
        AnchorVerdict::Ahead => "AHEAD",
        AnchorVerdict::Different => "DIFFERENT",
    }
}

/// How it is drawn.
pub const fn verdict_role(verdict: AnchorVerdict) -> Role {
    match verdict {
        AnchorVerdict::Equal => Role::Good,
        AnchorVerdict::Ahead | AnchorVerdict::Different => Role::Alarm,
    }
}

/// `43%, 3211264 of 7400000 records, 812000 a second`. The rate is the daemon's own, by its own clock.
pub fn progress(daemon: &StatusResult, at: &VerificationProgress) -> String {
    let millis = u64::try_from(daemon.now.unix_millis() - at.since.unix_millis()).unwrap_or(0);
    let rate = at.done.saturating_mul(1000).checked_div(millis).filter(|_| millis >= 1000);
    let rate = rate.map_or_else(String::new, |rate| format!(", {rate} a second"));
    format!("{}%, {} of {} records{rate}", percent(at), at.done, at.of)
}

/// 0 to 100.
pub fn percent(at: &VerificationProgress) -> u64 {
    at.done.saturating_mul(100).checked_div(at.of).unwrap_or(100).min(100)
}

fn pieces(state: &State, room: usize) -> Vec<(Role, String)> {
    let mut pieces = Vec::new();
    let daemon = state.daemon.as_ref();
    if let Some((role, text)) = verification(state, room) {
        pieces.push((role, text));
    }
    let Some(daemon) = daemon else { return pieces };
    let wide = room >= 100;
    // Behind the verification, which goes past it: it is known, and stays.
    match daemon.acknowledged_damage {
        0 => {}
        known if wide => pieces.push((Role::Warn, format!("{known} damaged, ACKNOWLEDGED"))),
        known => pieces.push((Role::Warn, format!("{known} ACKNOWLEDGED"))),
    }
    let records = |size: u64| if wide { format!("{size} records") } else { size.to_string() };
    pieces.push(match daemon.last_anchor {
        Some(mark) => {
            let (role, word) = (verdict_role(mark.verdict), verdict_word(mark.verdict));
            (role, format!("anchor of {} {word} {}", records(mark.size), ago(state, mark.at)))
        }
        None => (Role::Warn, if wide { "no anchor came back yet (t)".into() } else { "no anchor yet (t)".into() }),
    });
    pieces.push(match daemon.last_checkpoint {
        Some(mark) => (Role::Plain, format!("checkpoint of {} {}", records(mark.size), ago(state, mark.at))),
        None => (Role::Plain, "no checkpoint yet (c)".into()),
    });
    let failing: Vec<String> = daemon.checkpoint_failing.iter().map(|one| shown(&one.place)).collect();
    if !failing.is_empty() {
        pieces.push((Role::Warn, format!("checkpoints FAIL: {}", failing.join(", "))));
    }
    if wide && let Some(limits) = daemon.anchor_limits {
        let age = limits.max_age.map(|age| age.to_string());
        let records = limits.max_records.map(|records| format!("{records} records"));
        let limits: Vec<String> = age.into_iter().chain(records).collect();
        pieces.push((Role::Dim, format!("limit {}", limits.join(", "))));
    }
    pieces
}

/// `3h ago`
fn ago(state: &State, at: Timestamp) -> String {
    match words::steady_age(state.now, at) {
        now if state.now.unix_millis() - at.unix_millis() < words::IN_SECONDS => now,
        age => format!("{age} ago"),
    }
}

fn verification(state: &State, room: usize) -> Option<(Role, String)> {
    let daemon = state.daemon.as_ref();
    if let Some((daemon, at)) = daemon.and_then(|daemon| Some((daemon, daemon.verification.as_ref()?))) {
        let text = if room >= 120 { progress(daemon, at) } else { format!("{}%", percent(at)) };
        return Some((Role::Strong, format!("VERIFYING {text}")));
    }
    if state.audit.is_verifying() {
        return Some((Role::Strong, "VERIFYING".into()));
    }
    if let Some(Verification::Done(found)) = &state.audit.verification
        && !found.intact
    {
        return Some((Role::Alarm, " DAMAGED (v) ".into()));
    }
    let last = daemon?.last_verification?;
    let (verified, ago) = (if room >= 100 { "verified " } else { "" }, ago(state, last.at));
    Some(if last.intact {
        (Role::Good, format!("{verified}INTACT {ago}"))
    } else {
        (Role::Alarm, format!(" {verified}DAMAGED {ago} "))
    })
}
