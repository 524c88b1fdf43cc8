//! One managed certificate in full.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{CertificateVersion, FoundCertificate, VersionState};
use data_encoding::BASE64;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::shown;
use super::page::{self, Page};
use super::paint::Ink;
use super::{alerts, certificates, words};
use crate::console::state::{Dossier, State};
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let text = document(state, ink, usize::from(area.width));
    let scroll = state.managed.as_ref().map_or(0, |managed| managed.scroll);
    page::scrolled(ink, buffer, area, &text, scroll);
}

/// Lines that it takes at the state's width.
pub fn height(state: &State) -> usize {
    document(state, Ink { colour: false }, usize::from(state.width)).len()
}

fn document(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let Some(managed) = &state.managed else {
        return vec![
            Line::default(),
            ink.line(Role::Plain, "  No certificate is open. Choose one (4) and press Enter."),
        ];
    };
    match (&managed.seen, &managed.refused) {
        (Some(seen), None) => certificate(state, ink, seen, room),
        (_, Some(refusal)) => {
            let text = format!("{} {}", shown(&refusal.message), shown(&refusal.hint));
            let mut lines = vec![Line::default()];
            lines.extend(ink.labelled(" refused", Role::Warn, text.trim(), room));
            lines
        }
        (None, None) => vec![Line::default(), ink.line(Role::Plain, "  Loading …")],
    }
}

fn certificate(state: &State, ink: Ink, seen: &Dossier, room: usize) -> Vec<Line<'static>> {
    let mut page = Page::new(ink, room);
    standing(state, seen, &mut page);
    names(seen, &mut page);
    places(seen, &mut page);
    requests(state, seen, &mut page);
    alerts(state, seen, &mut page);
    if let Some(one) = &seen.detail.found {
        found(state, one, &mut page);
    }
    chain(seen, &mut page);
    if seen.detail.found.is_none() {
        page.title(&format!("Versions ({})", seen.detail.versions.len()));
    }
    for one in &seen.detail.versions {
        version(state, one, &mut page);
    }
    page.lines
}

fn standing(state: &State, seen: &Dossier, page: &mut Page) {
    let Some(one) = seen.listed() else { return };
    page.add("name", Role::Strong, &words::name(one.name()));
    if let Some(end) = one.end() {
        let (role, left) = words::days_left(state.now, end);
        page.add("ends", role, &format!("{left}, {}", words::moment(end)));
    }
    let (role, word) = certificates::standing(&one);
    match seen.current() {
        Some(version) => page.add("state", role, &format!("{word}, version {}", version.version)),
        None if seen.is_revoked() => page.add("state", Role::Bad, "REVOKED: no version is in force"),
        None => page.add("state", role, &word),
    }
    if let Some((id, environment)) = one.place() {
        let name = seen.profile.as_ref().map_or_else(String::new, |profile| format!(" ({})", shown(&profile.name)));
        page.add("profile", Role::Plain, &format!("{}{name}, {}", shown(id), shown(environment)));
    }
    let owner = one.owner().map_or_else(|| "not known".into(), |owner| words::person(state, owner));
    page.add("owner", Role::Plain, &owner);
    page.add("certificate", Role::Plain, one.id().as_str());
}

fn names(seen: &Dossier, page: &mut Page) {
    if let Some(version) = seen.current() {
        page.title(&format!("Names ({})", version.sans.len()));
        for san in &version.sans {
            page.add(san.kind(), Role::Strong, &words::name(&san.value()));
        }
    }
    if let Some(found) = &seen.detail.found {
        page.title(&format!("Names ({})", found.names_total));
        for name in &found.names {
            page.add("", Role::Strong, &words::name(name));
        }
    }
}

fn places(seen: &Dossier, page: &mut Page) {
    let Some(one) = seen.listed() else { return };
    let places = certificates::places(&one);
    if places.is_empty() {
        return;
    }
    page.title(&format!("Where it is seen ({})", one.places().1));
    for place in places {
        page.add("", Role::Plain, &place);
    }
}

/// What a certificate that was found says of itself; nothing of it was verified.
fn found(state: &State, one: &FoundCertificate, page: &mut Page) {
    page.title("What it says of itself; nothing was verified");
    page.add("subject", Role::Plain, &shown(one.subject.raw()));
    page.add("issuer", Role::Plain, &shown(one.issuer.raw()));
    page.add("authority", if one.ca { Role::Warn } else { Role::Plain }, if one.ca { "YES" } else { "no" });
    page.add("serial", Role::Plain, &format!("{}, {}", shown(&one.serial), shown(&one.key)));
    page.add("valid", Role::Plain, &format!("{} to {}", words::moment(one.not_before), words::moment(one.not_after)));
    if one.usable_until < one.not_after {
        page.add(
            "BUT",
            Role::Warn,
            &format!("an intermediate beside it ends {}", words::coming(state.now, one.usable_until)),
        );
    }
    page.add("known", Role::Plain, &format!("by {}, {}", one.source, words::coming(state.now, one.created_at)));
    let watched = if one.watched { "alerts are raised for it" } else { "NO alerts are raised for it" };
    page.add("watched", if one.watched { Role::Good } else { Role::Warn }, watched);
    if let Some(id) = &one.issued_as {
        page.add("REPLACED", Role::Warn, &format!("it is an old version of {id}, and is still presented"));
    }
    if let Some(next) = &one.successor {
        let id = next.id.as_ref().map_or_else(|| next.sha256.spoken().join(" "), ToString::to_string);
        let by = words::spaced(next.lineage.as_str());
        page.add("successor", Role::Plain, &format!("{id} by {by}, {}", words::coming(state.now, next.at)));
    }
    page.spoken("SHA-256", &one.sha256);
    page.spoken("key SHA-256", &one.spki_sha256);
}

/// Who was told of it, and what became of that.
fn alerts(state: &State, seen: &Dossier, page: &mut Page) {
    let Some(told) = &seen.alerts else { return };
    page.title(&format!("Alerts (the newest {})", told.len()));
    if told.is_empty() {
        page.add("", Role::Plain, "none yet");
    }
    for one in told {
        let (role, word) = alerts::standing(one.state);
        let at = alerts::threshold(one).map_or_else(String::new, |at| format!(" at {at}"));
        let why = if one.detail.is_blank() { String::new() } else { format!(": {}", shown(one.detail.raw())) };
        let (channel, age) = (alerts::channel(one).1, words::age(state.now, one.created_at));
        page.add(&word, role, &format!("{}{at} on {channel}, {age} ago{why}", alerts::kind(one)));
    }
}

/// What was asked for it, what waits first.
fn requests(state: &State, seen: &Dossier, page: &mut Page) {
    let Some(requests) = &seen.requests else { return };
    page.title(&format!("Requests ({} pending)", seen.pending().count()));
    if requests.is_empty() {
        page.add("", Role::Plain, "none that you may see");
    }
    let (pending, ended): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.decided_at.is_none());
    for (at, one) in pending.into_iter().chain(ended).enumerate() {
        let key = if at == 0 { " (o opens it)" } else { "" };
        let who = words::account(state, &one.requester.account);
        let kind = words::spaced(one.kind.as_str());
        let age = words::age(state.now, one.created_at);
        page.add(
            &one.state.to_string(),
            words::state_role(one.state),
            &format!("{}, {kind} by {who}, {age} ago{key}", one.id),
        );
    }
}

/// What is served with it, and whether its first certificate is the one in force.
fn chain(seen: &Dossier, page: &mut Page) {
    let Some(pem) = &seen.detail.chain_pem else { return };
    let leaf = seen.current().map(|version| version.sha256).or(seen.detail.found.as_ref().map(|found| found.sha256));
    let prints = fingerprints(pem);
    page.title(&format!("Chain ({})", prints.len()));
    match prints.first().copied().flatten() {
        Some(first) if Some(first) == leaf => page.add("leaf", Role::Good, "is this certificate: the same SHA-256"),
        _ => page.add("leaf", Role::Alarm, "is ANOTHER certificate, or cannot be read"),
    }
    for print in prints.iter().skip(1) {
        match print {
            Some(print) => page.spoken("issuer", print),
            None => page.add("issuer", Role::Warn, "cannot be read"),
        }
    }
}

/// SHA-256 of each certificate in a PEM text; none for what is no base64.
fn fingerprints(pem: &str) -> Vec<Option<Digest>> {
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let body = |block: &str| {
        let text = block.split("-----END").next().unwrap_or_default();
        text.chars().filter(|c| !c.is_whitespace()).collect::<String>()
    };
    blocks.map(|block| Some(Digest::of(&[&BASE64.decode(body(block).as_bytes()).ok()?]))).collect()
}

fn version(state: &State, one: &CertificateVersion, page: &mut Page) {
    let role = match one.state {
        VersionState::Active => Role::Good,
        VersionState::Superseded => Role::Dim,
        VersionState::Quarantined | VersionState::Revoked => Role::Bad,
    };
    let from = format!("{} to {}", words::moment(one.not_before), words::moment(one.not_after));
    page.add(&format!("version {}", one.version), role, &format!("{}, {from}", one.state));
    if let Some(revoked) = &one.revoked {
        let why = words::spaced(revoked.reason.as_str());
        page.add("REVOKED", Role::Bad, &format!("{}, {why}", words::coming(state.now, revoked.at)));
    }
    page.add("serial", Role::Plain, &format!("{}, {}, {}", shown(&one.serial), one.key, one.job_id));
    page.spoken("SHA-256", &one.sha256);
    page.spoken("key SHA-256", &one.spki_sha256);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_known_by_its_octets() {
        let block = |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let pem = block("TUE=\r") + &block("TQ\n==") + &block("?");
        assert_eq!(fingerprints(&pem), [Some(Digest::of(&[b"MA"])), Some(Digest::of(&[b"M"])), None]);
        assert_eq!(fingerprints("no PEM"), []);
    }
}
