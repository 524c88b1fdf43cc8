//! Messages, what became of them, and the matrix of what would be sent.

use countersign_shared::protocol::{
    Alert, AlertChannel, AlertPlanPage, AlertSeverity, AlertState, Outlook, PlannedAlert, PlannedCertificate,
    PlannedChannel, RequeueResult, TestAlertResult,
};
use countersign_shared::text::Untrusted;

use super::fields::Fields;
use super::style::Tone;
use super::table::{Cell, noted, table};
use super::{View, text, when};

/// A page of messages.
pub(in crate::cli) fn list(alerts: &[Alert], view: View) -> String {
    if alerts.is_empty() {
        return "no messages\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = alerts
        .iter()
        .map(|alert| {
            vec![
                Cell::new(alert.id.to_string()),
                Cell::new(when::age(alert.created_at, view.now)),
                Cell::toned(alert.state.as_str(), tone(alert.state)),
                Cell::new(on(alert.channel, alert.unknown_channel.as_ref())),
                Cell::new(what(alert)),
                Cell::new(text::safe(&alert.resource_id)),
            ]
        })
        .collect();
    let notes: Vec<String> = alerts.iter().map(|alert| note(alert, view)).collect();
    noted(&["ID", "AGE", "STATE", "CHANNEL…", "WHAT…", "ABOUT"], &rows, &notes, view.style)
}

/// `www.corp.example; 2 attempts failed, the next in 3m 0s; the server answered 503`
fn note(alert: &Alert, view: View) -> String {
    let mut parts = Vec::new();
    parts.extend(alert.name.as_ref().map(text::name));
    let attempts = alert.attempts.filter(|_| alert.state == AlertState::Failed);
    parts.extend(attempts.map(|attempts| match attempts {
        1 => "1 attempt failed".to_owned(),
        many => format!("{many} attempts failed"),
    }));
    let next = alert.next_attempt_at.filter(|_| matches!(alert.state, AlertState::Failed | AlertState::Queued));
    parts.extend(next.map(|next| format!("the next attempt {}", when::distance(next, view.now))));
    parts.extend((!alert.detail.is_blank()).then(|| alert.detail.safe().to_string()));
    parts.join("; ")
}

const fn tone(state: AlertState) -> Tone {
    match state {
        AlertState::Sent => Tone::Good,
        AlertState::Queued => Tone::Open,
        AlertState::Failed | AlertState::Dead => Tone::Bad,
        AlertState::Skipped => Tone::Faint,
    }
}

fn on(channel: Option<AlertChannel>, unknown: Option<&Untrusted>) -> String {
    match (channel, unknown) {
        (Some(channel), _) => channel.to_string(),
        (None, Some(name)) => format!("{}, which is no channel", name.safe()),
        (None, None) => "nobody".to_owned(),
    }
}

/// An alert by its threshold, anything else by its kind.
fn what(alert: &Alert) -> String {
    alert.threshold.map_or_else(|| text::safe(&alert.kind), threshold)
}

/// `7 days before`, `at the end`, `3 days after`
fn threshold(days: i32) -> String {
    let plural = if days.abs() == 1 { "" } else { "s" };
    match days {
        0 => "at the end".to_owned(),
        1.. => format!("{days} day{plural} before"),
        _ => format!("{} day{plural} after", days.unsigned_abs()),
    }
}

/// What came of a trial.
pub(in crate::cli) fn tried(result: &TestAlertResult, view: View) -> String {
    let alert = &result.alert;
    let mut fields = Fields::new(view.style);
    let words = match alert.state {
        AlertState::Sent => "the other side accepted it",
        AlertState::Queued | AlertState::Failed => "nobody has answered yet",
        AlertState::Dead => "the other side did not accept it",
        AlertState::Skipped => "nothing was sent",
    };
    fields
        .toned("test", tone(alert.state), words)
        .add("message", alert.id.to_string())
        .add("certificate", text::safe(&alert.resource_id))
        .add("channel", on(alert.channel, alert.unknown_channel.as_ref()));
    if let Some(name) = &alert.name {
        fields.add("name", text::name(name));
    }
    if let Some(severity) = alert.severity {
        fields.add("severity", severity.as_str());
    }
    if !alert.detail.is_blank() {
        fields.add("why", alert.detail.safe().to_string());
    }
    fields.add("ledger", format!("record {}", alert.seq));
    fields.finish()
}

/// How many are tried again.
pub(in crate::cli) fn requeued(result: &RequeueResult, _: View) -> String {
    let left = match result.left {
        0 => String::new(),
        left => format!("; {left} more are dead: ask again"),
    };
    match result.requeued {
        0 => "nothing is dead\n".to_owned(),
        1 => format!("1 message is tried again{left}\n"),
        many => format!("{many} messages are tried again{left}\n"),
    }
}

/// The matrix of each certificate.
pub(in crate::cli) fn plan(page: &AlertPlanPage, view: View) -> String {
    if page.certificates.is_empty() {
        return "no certificate that anybody has to look after\n".to_owned();
    }
    let parts: Vec<String> =
        page.certificates.iter().map(|certificate| matrix(certificate, &page.channels, view)).collect();
    parts.join("\n")
}

fn matrix(certificate: &PlannedCertificate, channels: &[PlannedChannel], view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields.add("certificate", format!("{}, version {}", certificate.id, certificate.version));
    if let Some(name) = &certificate.name {
        fields.add("name", text::name(name));
    }
    let expired = certificate.days_left < 0;
    fields.toned(
        "ends",
        if expired { Tone::Bad } else { Tone::Plain },
        when::with_distance(certificate.not_after, view.now),
    );
    let profile = certificate.profile_id.as_deref().map_or_else(|| "none".to_owned(), text::safe);
    let renewal = certificate.renewal_policy.as_deref().map_or_else(|| "no renewal policy".to_owned(), text::safe);
    fields.add("profile", format!("{profile}, {renewal}"));
    let rows: Vec<Vec<Cell>> = certificate
        .alerts
        .iter()
        .map(|alert| {
            let (outlook, tone) = outlook(alert);
            vec![
                Cell::new(threshold(alert.threshold)),
                Cell::new(when::seconds(alert.at)),
                Cell::new(alert.severity.as_str()),
                Cell::new(on(alert.channel, alert.unknown_channel.as_ref())),
                Cell::toned(outlook, tone),
            ]
        })
        .collect();
    let mut named: Vec<AlertChannel> = Vec::new();
    for channel in certificate.alerts.iter().filter_map(|alert| alert.channel) {
        if !named.contains(&channel) {
            named.push(channel);
        }
    }
    let mut recipients = Fields::new(view.style);
    for channel in named {
        let (tone, text) = to(channel, certificate, channels.iter().find(|known| known.channel == channel));
        recipients.toned(&format!("  {channel}"), tone, text);
    }
    let matrix = table(&["THRESHOLD", "WHEN", "SEVERITY", "CHANNEL…", "WHAT"], &rows, view.style);
    fields.finish() + &matrix + &recipients.finish()
}

fn outlook(alert: &PlannedAlert) -> (String, Tone) {
    match (alert.outlook, alert.state) {
        (Outlook::Raised, Some(state)) => (state.to_string(), tone(state)),
        (Outlook::Due, _) if alert.severity == AlertSeverity::Critical => ("due".to_owned(), Tone::Bad),
        (Outlook::Due, _) => ("due".to_owned(), Tone::Open),
        (Outlook::Passed, _) => ("passed".to_owned(), Tone::Faint),
        (Outlook::Ahead | Outlook::Raised, _) => (alert.outlook.to_string(), Tone::Plain),
    }
}

/// Whom a channel reaches; said loudly where that is nobody.
fn to(named: AlertChannel, certificate: &PlannedCertificate, channel: Option<&PlannedChannel>) -> (Tone, String) {
    let Some(channel) = channel.filter(|channel| channel.configured) else {
        return (Tone::Bad, "not configured: this fails".to_owned());
    };
    let own: &[Untrusted] = match named {
        AlertChannel::Email => certificate.mail.as_slice(),
        AlertChannel::Wall => &certificate.accounts,
        _ => &[],
    };
    let all = own.iter().chain(channel.to.iter().filter(|address| !own.contains(address)));
    let all = all.map(|one| one.safe().to_string()).collect::<Vec<_>>().join(", ");
    if all.is_empty() { (Tone::Bad, "nobody: this fails".to_owned()) } else { (Tone::Plain, all) }
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
