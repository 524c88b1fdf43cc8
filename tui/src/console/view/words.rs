//! Times, risks and states in the words of the screen.

use countersign_shared::lifecycle::{RequestKind, RequestState};
use countersign_shared::protocol::{Attempts, PersonRef, RequestSummary, Risk};
use countersign_shared::text::{Untrusted, unicode_form};
use countersign_shared::time::{Span, Timestamp};

use super::cells::shown;
use crate::console::state::State;
use crate::console::theme::Role;

/// Milliseconds below which a time is told in seconds.
pub const IN_SECONDS: i64 = 120_000;

/// A span in one unit and at most four cells: `45s`, `12m`, `30h`, `12d`.
pub fn short(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", (seconds / 86_400).min(999)),
    }
}

/// How long ago.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    short(now.unix_millis() - then.unix_millis())
}

/// How long until; `over` once it has passed.
pub fn time_left(now: Timestamp, then: Timestamp) -> String {
    let left = then.unix_millis() - now.unix_millis();
    if left <= 0 { "over".into() } else { short(left) }
}

/// What is left until an end, in words: `12 d left`, `30 h left`, `EXPIRED 3 d ago`; the nearer, the louder.
pub fn days_left(now: Timestamp, end: Timestamp) -> (Role, String) {
    const DAY: i64 = 86_400;
    let left = (end.unix_millis() - now.unix_millis()).div_euclid(1_000);
    let span = |seconds: i64| match seconds {
        0..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / DAY),
    };
    match left {
        ..0 => (Role::Bad, format!("EXPIRED {} ago", span(-left))),
        0..604_800 => (Role::Bad, format!("{} left", span(left))),
        604_800..2_592_000 => (Role::Warn, format!("{} left", span(left))),
        _ => (Role::Plain, format!("{} left", span(left))),
    }
}

/// A point in time to the second, in UTC.
pub fn moment(at: Timestamp) -> String {
    at.datetime().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A span for people: `90d`, or two units.
pub fn span(span: Span) -> String {
    let exact = span.to_string();
    if exact.len() <= 5 { exact } else { span.rough() }
}

/// A risk in a word or two.
pub const fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Wildcard => "wildcard",
        Risk::CaRequested => "asked to be CA",
        Risk::Ca => "WILL BE A CA",
        Risk::Idn => "look-alike (IDN)",
        Risk::BareIp => "address",
        Risk::NamesAdded => "names added",
        Risk::KeyChanged => "new key",
        Risk::OtherOwner => "not the owner",
        Risk::Bypass => "BYPASS",
        Risk::PolicyLaxer => "LAXER POLICY",
    }
}

/// Risks in a row, those that ask for a second look first and behind a `!`.
pub fn risks(all: &[Risk]) -> String {
    let high = |one: &&Risk| crate::console::state::is_high_risk(**one);
    let words: Vec<&str> =
        all.iter().filter(high).chain(all.iter().filter(|one| !high(one))).map(|one| risk(*one)).collect();
    let sign = if all.iter().any(|one| high(&one)) { "! " } else { "" };
    format!("{sign}{}", words.join(", "))
}

/// How a state is drawn.
pub const fn state_role(state: RequestState) -> Role {
    match state {
        RequestState::Pending => Role::Strong,
        RequestState::Approved => Role::Good,
        RequestState::Rejected => Role::Bad,
        RequestState::Expired | RequestState::Voided => Role::Warn,
        RequestState::Withdrawn => Role::Dim,
    }
}

/// A name, and beside an A-label what a browser would show for it.
pub fn name(raw: &Untrusted) -> String {
    match unicode_form(raw.raw()) {
        Some(form) => format!("{} = {}", shown(raw.raw()), shown(&form)),
        None => shown(raw.raw()),
    }
}

/// The primary name and how many more there are; `policy 4, change` for a change of the policy, and `REVOKE` behind the name
/// of what is to end.
pub fn names(row: &RequestSummary) -> String {
    if row.kind == RequestKind::PolicyChange {
        return format!("{}, change", shown(row.primary_name.raw()));
    }
    let more = row.names_total.saturating_sub(1);
    let name = name(&row.primary_name);
    let name = if more == 0 { name } else { format!("{name} +{more}") };
    if row.kind == RequestKind::CertRevocation { format!("{name}, REVOKE") } else { name }
}

/// Somebody by account; on a demo DEMO stands with every name.
pub fn account(state: &State, raw: &str) -> String {
    let name = shown(raw);
    let marked = name.contains("DEMO") || name.starts_with("system-");
    if state.demo() && !marked { format!("{name} (DEMO)") } else { name }
}

/// Who is behind attempts, and by which account where its name does not begin like theirs.
pub fn human(state: &State, attempts: &Attempts) -> String {
    let (human, account) = (shown(&attempts.human), account(state, &attempts.actor));
    if account.starts_with(&human) { account } else { format!("{human} by {account}") }
}

/// Somebody by account, and by person where the two differ.
pub fn person(state: &State, who: &PersonRef) -> String {
    let account = account(state, &who.account);
    match &who.person {
        Some(person) if !account.starts_with(&shown(person)) => format!("{account}, person {}", shown(person)),
        _ => account,
    }
}

/// `1 record`, `12 records`.
pub fn records(count: u64) -> String {
    if count == 1 { "1 record".into() } else { format!("{count} records") }
}

/// How long ago, without seconds: a screen that stands still does not count them.
pub fn steady_age(now: Timestamp, then: Timestamp) -> String {
    let millis = now.unix_millis() - then.unix_millis();
    if millis < IN_SECONDS { "just now".into() } else { age(now, then) }
}

/// In how long and when: `in 3h, 2027-01-15 12:00:00 UTC`; `2h ago, …` once it has passed.
pub fn coming(now: Timestamp, at: Timestamp) -> String {
    let left = at.unix_millis() - now.unix_millis();
    // No seconds: a screen that stands still does not count them.
    let how = match left {
        _ if left.abs() < IN_SECONDS => "about now".into(),
        1.. => format!("in {}", short(left)),
        _ => format!("{} ago", short(-left)),
    };
    format!("{how}, {}", moment(at))
}

/// `dns_names` as `dns names`.
pub fn spaced(word: &str) -> String {
    shown(word).replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (millis, expected) in [
            (-5, "0s"),
            (119_999, "119s"),
            (120_000, "2m"),
            (7_199_000, "119m"),
            (7_200_000, "2h"),
            (172_800_000, "2d"),
            (i64::MAX, "999d"),
        ] {
            assert_eq!(short(millis), expected);
        }
    }

    #[test]
    fn an_end_is_told_in_words_and_louder_as_it_comes() {
        let now = Timestamp::from_unix_millis(1_800_000_000_000).unwrap();
        for (seconds, role, expected) in [
            (90 * 86_400, Role::Plain, "90 d left"),
            (30 * 86_400, Role::Plain, "30 d left"),
            (30 * 86_400 - 1, Role::Warn, "29 d left"),
            (7 * 86_400 - 1, Role::Bad, "6 d left"),
            (2 * 86_400 - 1, Role::Bad, "47 h left"),
            (7_199, Role::Bad, "119 min left"),
            (0, Role::Bad, "0 min left"),
            (-1, Role::Bad, "EXPIRED 0 min ago"),
            (-3 * 86_400, Role::Bad, "EXPIRED 3 d ago"),
        ] {
            let end = Timestamp::from_unix_millis(now.unix_millis() + seconds * 1_000).unwrap();
            assert_eq!(days_left(now, end), (role, expected.to_owned()), "{seconds}");
        }
    }

    #[test]
    fn high_risks_come_first() {
        assert_eq!(risks(&[Risk::NamesAdded, Risk::Wildcard]), "! wildcard, names added");
        assert_eq!(risks(&[Risk::BareIp]), "address");
        assert_eq!(risks(&[]), "");
    }
}
