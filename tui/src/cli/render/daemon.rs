//! The daemon's state, and who the caller is to it.

use countersign_shared::protocol::{
    AlertsStatus, AnchorLimits, AnchorMark, AnchorVerdict, CheckpointFailing, CheckpointMark, LastVerification,
    StatusResult, VerificationProgress, WhoamiResult,
};

use super::fields::Fields;
use super::style::Tone;
use super::{View, audit, inventory, text, when};

/// State, alarms and sizes. Times are told against the daemon's own clock.
pub(in crate::cli) fn status(status: &StatusResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    alarms(&mut fields, status);
    fields
        .add("daemon", format!("{}, protocol {}", text::safe(&status.version), status.protocol))
        .add("origin", text::safe(&status.origin))
        .add("serving since", when::with_distance(status.started_at, status.now))
        .add("pending", status.pending.to_string());
    if let Some(oldest) = status.oldest_pending_at {
        fields.add("oldest", when::with_distance(oldest, status.now));
    }
    fields.add("ledger", ledger(status)).add("root", status.ledger_root.to_string());
    anchoring(&mut fields, status);
    verification(&mut fields, status);
    fields.add("policy", status.policy_sha256.to_string()).add("attestation", text::safe(&status.attestation));
    if let Some(alerts) = &status.alerts {
        messages(&mut fields, *alerts);
    }
    if let Some(forward) = &status.forward {
        let place = text::safe(&forward.to);
        let stand = format!("{} records in the {place}, {} to be forwarded", forward.forwarded, forward.behind);
        match forward.shortened {
            0 => fields.add("forwarding", stand),
            times => {
                fields.toned("forwarding", Tone::Bad, format!("{stand}; somebody else cut it short {times} times"))
            }
        };
    }
    if let Some(inventory) = &status.inventory {
        fields.add("inventory", inventory::status(inventory, status.now));
    }
    fields.finish()
}

/// What was given up stands out: nobody hears of it by itself.
fn messages(fields: &mut Fields, AlertsStatus { queued, failed, dead }: AlertsStatus) {
    let stand = format!("{queued} queued, {failed} failed and tried again");
    match dead {
        0 => fields.add("messages", stand),
        dead => {
            fields.toned("messages", Tone::Bad, format!("{stand}, {dead} DEAD: countersign alerts ls --state dead"))
        }
    };
}

fn ledger(status: &StatusResult) -> String {
    let since = status.unanchored_since.map(|at| format!(", the oldest from {}", when::distance(at, status.now)));
    let (size, unanchored) = (status.ledger_size, status.unanchored);
    format!("{size} records, {unanchored} not anchored off the host{}", since.unwrap_or_default())
}

/// What was signed last, what came back last, and how much may be missing there.
fn anchoring(fields: &mut Fields, status: &StatusResult) {
    if let Some(CheckpointMark { size, at }) = status.last_checkpoint {
        fields.add("checkpoint", format!("{size} records, signed {}", when::distance(at, status.now)));
    }
    match status.last_anchor {
        Some(AnchorMark { size, verdict, at }) => {
            let tone = if verdict == AnchorVerdict::Equal { Tone::Plain } else { Tone::Bad };
            let came = when::distance(at, status.now);
            fields.toned("anchor", tone, format!("{size} records, {verdict}, brought back {came}"));
        }
        None if status.last_checkpoint.is_some() => {
            fields.add("anchor", "none was ever brought back");
        }
        None => {}
    }
    if let Some(AnchorLimits { max_age, max_records }) = status.anchor_limits {
        let limits = [max_records.map(|most| format!("{most} records")), max_age.map(|age| age.to_string())];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        fields.add("may be unanchored", limits.join(", "));
    }
}

/// How far a verification is, and what the last one came to.
fn verification(fields: &mut Fields, status: &StatusResult) {
    if let Some(VerificationProgress { done, of, since }) = status.verification {
        fields.add("verifying", format!("{done} of {of} records, begun {}", when::distance(since, status.now)));
    }
    if let Some(LastVerification { at, records, intact }) = status.last_verification {
        let (tone, word) = if intact { (Tone::Plain, "intact") } else { (Tone::Bad, "DAMAGED") };
        fields.toned("verified", tone, format!("{word}, {records} records, {}", when::distance(at, status.now)));
    }
}

fn alarms(fields: &mut Fields, status: &StatusResult) {
    if status.read_only {
        let what = status.damage.as_ref().map_or("damage was found".to_owned(), audit::damage);
        fields.toned("READ-ONLY", Tone::Bad, format!("nothing is decided: {what}"));
    }
    if status.acknowledged_damage > 0 {
        let what = format!("{} acknowledged by people: countersign audit verify", status.acknowledged_damage);
        fields.toned("KNOWN DAMAGE", Tone::Bad, what);
    }
    if status.bypass {
        fields.toned("BYPASS", Tone::Bad, "requests are approved at once, by nobody");
    }
    for attempts in &status.attempts {
        let (human, actor) = (text::safe(&attempts.human), text::safe(&attempts.actor));
        let who = if actor.starts_with(&human) { actor } else { format!("{human} ({actor})") };
        let times = format!("{} attempts of {who}", attempts.count);
        let time = when::distance(attempts.at, status.now);
        let line =
            format!("{times} were stopped, last by {} {time} (record {})", text::safe(&attempts.rule), attempts.seq);
        fields.toned("ATTEMPTS", Tone::Bad, line);
    }
    if status.anchor_overdue {
        let since = status.unanchored_since.map(|at| format!(", the oldest from {}", when::distance(at, status.now)));
        let line = format!("{} records are anchored nowhere else{}", status.unanchored, since.unwrap_or_default());
        fields.toned("ANCHOR", Tone::Bad, line);
    }
    for CheckpointFailing { place, since, error } in &status.checkpoint_failing {
        let since = when::distance(*since, status.now);
        let line = format!("none arrive in the place `{}`, first {since}: {}", text::safe(place), text::safe(error));
        fields.toned("CHECKPOINTS", Tone::Bad, line);
    }
    if let Some((forward, since)) =
        status.forward.as_ref().and_then(|forward| forward.failing_since.map(|since| (forward, since)))
    {
        let error = text::safe(forward.error.as_deref().unwrap_or("unknown"));
        let line = format!(
            "{} records are not forwarded, since {}: {error}",
            forward.behind,
            when::distance(since, status.now)
        );
        fields.toned("FORWARD", Tone::Bad, line);
    }
    if status.demo {
        fields.toned("DEMO", Tone::Open, "callers choose who they are");
    }
    if status.policy_file_differs {
        fields.toned("POLICY", Tone::Open, "the policy file differs from the policy in force and has no force itself");
    }
}

/// Who the kernel says the caller is.
pub(in crate::cli) fn whoami(who: &WhoamiResult, view: View) -> String {
    let number = |value: Option<u32>| value.map_or("none".to_owned(), |value| value.to_string());
    let mut fields = Fields::new(view.style);
    if who.demo {
        fields.toned("DEMO", Tone::Open, "chosen by the caller");
    }
    fields
        .add("account", text::safe(&who.account))
        .add("person", who.person.as_deref().map_or("none of the policy's".to_owned(), text::safe))
        .add("uid, gid", format!("{}, {}", who.uid, who.gid))
        .add("process", who.pid.to_string())
        .add("login uid", number(who.login_uid))
        .add("session", number(who.session));
    if who.roles.is_empty() {
        fields.add("roles", "none");
    }
    fields.list("roles", who.roles.iter().map(|role| text::safe(role)));
    if !who.permissions.is_empty() {
        let permissions: Vec<String> = who.permissions.iter().map(|permission| text::safe(permission)).collect();
        fields.add("may", permissions.join(", "));
    }
    if let Some(why) = &who.cannot_decide {
        fields.toned("decides", Tone::Bad, format!("nothing: {}", text::safe(why)));
    }
    fields.finish()
}
