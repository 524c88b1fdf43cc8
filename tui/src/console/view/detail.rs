//! One request in full, in the order in which a decision needs it.

use countersign_shared::content::CertificateContent;
use countersign_shared::lifecycle::{RequestKind, RequestState};
use countersign_shared::protocol::{CheckOutcome, RequestDetail};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::shown;
use super::difference::{changed, differing, differs};
use super::page::{self, Page};
use super::paint::Ink;
use super::{deciding, history, policy, terms, words};
use crate::console::state::State;
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let text = document(state, ink, usize::from(area.width));
    let scroll = state.detail.as_ref().map_or(0, |detail| detail.scroll);
    page::scrolled(ink, buffer, area, &text, scroll);
}

/// Lines that the detail takes at the state's width.
pub fn height(state: &State) -> usize {
    document(state, Ink { colour: false }, usize::from(state.width)).len()
}

fn document(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let Some(detail) = &state.detail else {
        return vec![
            Line::default(),
            ink.line(Role::Plain, "  No request is open. Choose one on the queue (1) and press Enter."),
        ];
    };
    match (&detail.seen, &detail.refused) {
        (Some(seen), None) => request(state, ink, seen, room),
        (_, Some(refusal)) => {
            let text = format!("{} {}", shown(&refusal.message), shown(&refusal.hint));
            let mut lines = vec![Line::default()];
            lines.extend(ink.labelled(" refused", Role::Warn, text.trim(), room));
            lines
        }
        (None, None) => vec![Line::default(), ink.line(Role::Plain, "  Loading …")],
    }
}

fn request(state: &State, ink: Ink, seen: &RequestDetail, room: usize) -> Vec<Line<'static>> {
    let mut page = Page::new(ink, room);
    standing(state, seen, &mut page);
    if let Some(change) = &seen.policy_change {
        page.title(&policy::title(change));
        page.add_all(policy::differences(change));
        page.title(&format!("Findings ({})", change.findings.len()));
        page.add_all(policy::findings(change));
    }
    if let Some(ends) = &seen.revocation {
        page.title("Revocation");
        page.add("REVOKES", Role::Alarm, &format!("version {} of {}", ends.version, ends.certificate_id));
        page.add("because", Role::Strong, &words::spaced(ends.reason.as_str()));
        page.add("serial", Role::Plain, &shown(&ends.serial));
        page.spoken("certificate SHA-256", &ends.sha256);
    }
    if let Some(content) = &seen.content {
        page.title(&format!("Names ({})", content.sans.len()));
        names(seen, content, &mut page);
    }
    let renews = seen.revocation.is_none();
    if renews && (seen.in_force.is_some() || !seen.differences.is_empty()) {
        page.title("Against the certificate in force");
        if seen.differences.is_empty() {
            page.add("", Role::Plain, "no difference but the time");
        }
        for difference in &seen.differences {
            page.add(&differing(difference), Role::Warn, &differs(difference));
        }
        if let Some(version) = seen.in_force.as_ref().and_then(|certificate| certificate.current.as_ref()) {
            page.add(
                "in force",
                Role::Plain,
                &format!("version {}, until {}", version.version, words::moment(version.not_after)),
            );
            page.add("serial", Role::Plain, &shown(&version.serial));
        }
    }
    if renews && seen.csr.is_some() {
        page.title("Against the CSR");
        if seen.changes.is_empty() {
            page.add("", Role::Plain, "as asked for");
        }
    }
    for change in &seen.changes {
        page.add(change.action.as_str(), Role::Warn, &changed(change));
    }
    history::amendments(state, seen, &mut page);
    history::remarks(state, seen, &mut page);
    checks(seen, &mut page);
    if let Some(content) = &seen.content {
        certificate(content, renews, &mut page);
    }
    if let Some(csr) = &seen.csr {
        page.title("CSR");
        page.add("subject", Role::Plain, &shown(csr.subject.raw()));
        page.spoken("CSR SHA-256", &csr.sha256);
    }
    page.title(&terms::title(seen));
    page.add_all(terms::entries(state, seen));
    history::decisions(state, seen, &mut page);
    identifiers(seen, &mut page);
    if let Some(change) = &seen.policy_change {
        policy::document(&seen.request.id, change, &mut page);
    }
    page.lines
}

/// Where it stands, whether you may decide, what is risky, and why it is wanted.
fn standing(state: &State, seen: &RequestDetail, page: &mut Page) {
    let row = &seen.request;
    let by = row.decided_by.as_ref().map_or_else(String::new, |by| format!(" by {}", words::account(state, by)));
    let when = row.decided_at.map_or_else(
        || format!(", {} left until {}", words::time_left(state.now, row.expires_at), words::moment(row.expires_at)),
        |at| format!("{by}, {}", words::moment(at)),
    );
    page.add("status", words::state_role(row.state), &format!("{}{when}", row.state));
    if row.state == RequestState::Pending {
        let votes = format!("{} of {} votes", seen.votes.given, seen.votes.needed);
        if seen.you.allowed {
            let say = deciding::with_whose_say(seen).map_or_else(String::new, |say| format!(" {say}"));
            page.add("you", Role::Good, &format!("may decide{say} (a approves, r rejects); {votes} so far"));
        } else {
            page.add("you", Role::Warn, &format!("may NOT decide: {}", shown(&seen.you.why)));
        }
    }
    if !seen.you_may.is_empty() {
        page.add("may also", Role::Plain, &deciding::verbs(&seen.you_may));
    }
    if !row.risks.is_empty() {
        page.add("risks", Role::Warn, &words::risks(&row.risks));
    }
    page.add(
        "asks",
        Role::Plain,
        &format!("{}, {} ago", words::person(state, &row.requester), words::age(state.now, row.created_at)),
    );
    let reason = if row.reason.is_blank() { "none given".to_owned() } else { shown(row.reason.raw()) };
    page.add("why", Role::Plain, &reason);
    if let Some(ticket) = &row.ticket {
        page.add("ticket", Role::Plain, &shown(ticket.raw()));
    }
    page.add_all(deciding::schedule(state, row));
    if row.kind == RequestKind::PolicyChange {
        let from = seen.policy_change.as_ref().map_or_else(String::new, |change| {
            format!(", in place of policy {}; it takes force when the last vote is given", change.base_version)
        });
        page.add("what", Role::Plain, &format!("{}{from}", shown(row.primary_name.raw())));
        return;
    }
    let what = format!(
        "{} under {} ({}), {}",
        words::spaced(row.kind.as_str()),
        shown(&row.profile_id),
        shown(&seen.profile_name),
        shown(&row.environment)
    );
    page.add("what", Role::Plain, &what);
}

fn names(seen: &RequestDetail, content: &CertificateContent, page: &mut Page) {
    for san in &content.sans {
        let value = san.value();
        let added = seen.differences.iter().any(|difference| {
            difference.field == "san"
                && difference.before.is_none()
                && difference.after.as_ref().is_some_and(|after| after == &value || after.raw() == san.tagged())
        });
        let risky = value.raw().starts_with("*.") || value.raw().contains("xn--");
        let mark = if added { "  (added)" } else { "" };
        let role = if risky || added { Role::Warn } else { Role::Strong };
        page.add(san.kind(), role, &format!("{}{mark}", words::name(&value)));
    }
}

fn checks(seen: &RequestDetail, page: &mut Page) {
    if seen.checks.is_empty() && seen.request.kind == RequestKind::PolicyChange {
        // No profile stands behind it whose rules could be applied.
        return;
    }
    let warned = |check: &&countersign_shared::protocol::Check| check.outcome == CheckOutcome::Warned;
    let passed = seen.checks.iter().filter(|check| !warned(check)).count();
    page.title(&format!("Policy checks ({passed} passed, {} warned)", seen.checks.len() - passed));
    for check in seen.checks.iter().filter(warned).chain(seen.checks.iter().filter(|check| !warned(check))) {
        let (role, word) = match check.outcome {
            CheckOutcome::Passed => (Role::Good, "passed"),
            CheckOutcome::Warned => (Role::Warn, "WARNED"),
        };
        page.add(word, role, &format!("{}: {}", words::spaced(&check.rule), shown(&check.text)));
    }
}

fn certificate(content: &CertificateContent, to_be_issued: bool, page: &mut Page) {
    page.title("Certificate");
    let mut subject: Vec<String> = content.common_name.iter().map(|name| format!("CN={}", words::name(name))).collect();
    subject.extend(
        content
            .subject
            .iter()
            .map(|(attribute, value)| format!("{}={}", words::spaced(attribute.as_str()), shown(value))),
    );
    page.add("subject", Role::Plain, if subject.is_empty() { "empty".into() } else { subject.join(", ") }.as_str());
    page.add(
        "validity",
        Role::Plain,
        &format!(
            "{} from the moment it {}",
            words::span(content.valid_for),
            if to_be_issued { "is issued" } else { "was issued" }
        ),
    );
    page.add("issuer", Role::Plain, &shown(&content.issuer));
    page.add(
        "authority",
        if content.ca { Role::Bad } else { Role::Plain },
        if content.ca { "YES: it can sign other certificates" } else { "no" },
    );
    let usage: Vec<String> = content.key_usage.iter().map(|usage| words::spaced(usage.as_str())).collect();
    page.add("key usage", Role::Plain, &usage.join(", "));
    let usage: Vec<String> = content.extended_key_usage.iter().map(|usage| words::spaced(usage.as_str())).collect();
    page.add("used for", Role::Plain, &usage.join(", "));
    page.add("key", Role::Plain, &content.key.to_string());
    page.spoken("key SHA-256", &content.spki_sha256);
}

fn identifiers(seen: &RequestDetail, page: &mut Page) {
    page.title("Identifiers");
    let row = &seen.request;
    page.add(
        "request",
        Role::Plain,
        &format!("{}, version {}, made {}", row.id, row.version, words::moment(row.created_at)),
    );
    if let Some(id) = &row.certificate_id {
        page.add("certificate", Role::Plain, id.as_str());
    }
    if let Some(job) = &seen.job {
        let error = job.error.as_ref().map_or_else(String::new, |error| format!(": {}", shown(error.raw())));
        page.add("job", Role::Plain, &format!("{}, {}{error}", job.id, words::spaced(job.state.as_str())));
    }
    page.spoken("content", &row.digest);
    page.spoken("policy", &seen.policy_sha256);
}
