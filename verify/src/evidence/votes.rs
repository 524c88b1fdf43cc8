//! Decisions beside their records, and whether enough different people agreed to exactly what was done.

use std::collections::BTreeSet;

use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{EvidenceDecision, EvidencePart};

use super::bundle::{Bundle, Record};
use super::{Findings, shown, signature};

pub use super::quorum::{Human, Terms, Vote, tally};

pub(super) fn check(bundle: &Bundle, findings: &mut Findings, notes: &mut Vec<String>) {
    for (line, part) in &bundle.parts {
        if let EvidencePart::Decision(part) = part
            && let Some(record) = bundle.records.get(&part.seq)
        {
            decision(bundle, *line, part, record, findings);
        }
    }
    for seq in allowing(bundle) {
        if let Some(record) = bundle.records.get(&seq) {
            agreement(bundle, seq, record, findings, notes);
        }
    }
}

fn decision(bundle: &Bundle, line: u64, part: &EvidenceDecision, record: &Record, findings: &mut Findings) {
    let place = (line, "decision", Some(part.seq));
    let verdict = match record.action() {
        "approval_approved" => Verdict::Approve.as_str(),
        "approval_rejected" => Verdict::Reject.as_str(),
        _ => "",
    };
    findings.differ(place, ("decision", "verdict"), verdict, part.verdict.as_str());
    findings.differ(place, ("decision", "request"), record.member("resource_id"), &part.object);
    findings.differ(place, ("decision", "version"), record.number("version").unwrap_or_default(), part.version);
    findings.differ(place, ("decision", "digest of its record"), record.text("digest"), part.digest);
    findings.differ(place, ("decision", "account"), record.member("actor"), &part.account);
    findings.differ(place, ("text", "the note of its record"), record.text("note_sha256"), part.said.sha256);
    let made = made(bundle, &part.object, i64::from(part.version));
    match made {
        None => findings.add(line, "decision", Some(part.seq), "missing", "the version that was decided on"),
        Some((_, made)) => {
            findings.differ(place, ("decision", "digest of the version"), made.text("digest"), part.digest);
        }
    }
    signature::check(bundle, line, part, record, findings);
}

/// The record that made a version of a request.
pub(super) fn made<'b>(bundle: &'b Bundle, object: &str, version: i64) -> Option<(u64, &'b Record)> {
    let makes = |record: &Record| {
        matches!(record.action(), "approval_requested" | "approval_amended" | "policy_proposed")
            && record.member("resource_id") == object
            && record.number("version") == Some(version)
    };
    bundle.records.iter().find(|(_, record)| makes(record)).map(|(seq, record)| (*seq, record))
}

/// Records by which something was done or may be: those that ended a request as approved, and those that a certificate, a
/// revocation or a policy names.
fn allowing(bundle: &Bundle) -> BTreeSet<u64> {
    let mut allowing = BTreeSet::new();
    for (seq, record) in &bundle.records {
        match record.action() {
            "approval_approved" if record.text("state") == "approved" || record.flag("auto_approved") => {
                allowing.insert(*seq);
            }
            "certificate_issued" | "certificate_revoked" => allowing.extend(record.seq("allowed_by_seq")),
            "policy_changed" if bundle.proposal(record.text("request")).is_some() => {
                allowing.extend(record.seq("approved_seq"));
            }
            _ => {}
        }
    }
    allowing
}

/// Every vote on a version and digest of a request, up to and with a record.
pub fn votes(bundle: &Bundle, allowed: &Record, up_to: u64, terms: &Terms) -> Vec<Vote> {
    let about = |record: &Record| {
        record.member("resource_id") == allowed.member("resource_id")
            && record.number("version") == allowed.number("version")
            && record.text("digest") == allowed.text("digest")
    };
    let votes = bundle.records.range(..=up_to).filter(|(_, record)| about(record)).filter_map(|(seq, record)| {
        let approves = match record.action() {
            "approval_approved" => true,
            "approval_rejected" => false,
            _ => return None,
        };
        // From before a vote said what it counts for: a quorum had one step.
        let first = || terms.steps.iter().take(1).map(|(group, _)| group.clone()).collect();
        let counts_for = record.list("counts_for").map(|groups| groups.into_iter().map(str::to_owned).collect());
        let by = Human::of(record)?;
        let counts_for = counts_for.unwrap_or_else(first);
        Some(Vote { seq: *seq, by, giver: Human::giver(record), approves, counts_for })
    });
    votes.collect()
}

fn agreement(bundle: &Bundle, seq: u64, record: &Record, findings: &mut Findings, notes: &mut Vec<String>) {
    let object = record.member("resource_id");
    let mut wrong = |rule: &str, text: String| findings.add(record.line, "record", Some(seq), rule, text);
    match record.action() {
        "approval_bypassed" => {
            return notes.push(format!("{}: nobody agreed, the bypass was on (record {seq})", shown(object)));
        }
        "issuance_requested" | "revocation_requested" if !record.text("request").is_empty() => {
            let text = format!(
                "it is about {}, and what was asked for is allowed by who agreed",
                shown(record.text("request"))
            );
            return wrong("quorum", text);
        }
        "issuance_requested" | "revocation_requested" => {
            return notes.push(format!("{}: its profile asked for nobody's approval (record {seq})", shown(object)));
        }
        "approval_approved" if record.flag("auto_approved") => {
            let text = "nobody objected in time, and its profile lets that pass";
            return notes.push(format!("{}: {text} (record {seq})", shown(object)));
        }
        "approval_approved" => {}
        other => return wrong("quorum", format!("{} approves nothing", shown(other))),
    }
    let Some((_, made)) = made(bundle, object, record.number("version").unwrap_or_default()) else {
        return wrong("missing", "the record of the version that was approved".to_owned());
    };
    if made.text("digest") != record.text("digest") {
        return wrong("quorum", "it approves another digest than that of the version".to_owned());
    }
    let (made_under, judged_by) = (Terms::of(made), Terms::of(record));
    let (Some(made_under), Some(judged_by)) = (made_under.or(judged_by.clone()), judged_by) else {
        return notes.push(format!("{}: its records are from before there were terms; not counted", shown(object)));
    };
    if !judged_by.asks_for_as_much_as(&made_under) {
        return wrong("quorum", "it was judged under terms that ask for less than those that it was made under".into());
    }
    let asked = bundle.records.values().find(|asked| {
        matches!(asked.action(), "approval_requested" | "policy_proposed") && asked.member("resource_id") == object
    });
    let Some(asked) = asked else { return wrong("missing", "the record of the request".to_owned()) };
    let late =
        asked.number("deadline_tick").zip(record.number("tick")).is_some_and(|(deadline, tick)| tick >= deadline);
    if late {
        wrong("quorum", "it was approved after its deadline".to_owned());
    }
    let votes = votes(bundle, record, seq, &judged_by);
    let asking: Vec<Human> = [asked, made].into_iter().filter_map(Human::of).collect();
    for vote in &votes {
        if let Some(why) = vote.by.is_nobody() {
            wrong("quorum", format!("the vote of record {} is nobody's: {why}", vote.seq));
        }
        for human in std::iter::once(&vote.by).chain(&vote.giver) {
            if asking.iter().any(|asking| asking.same_as(human)) {
                let name = shown(human.name());
                wrong("quorum", format!("the vote of record {} is by {name}, who asked for it", vote.seq));
            }
        }
        if vote.giver.is_some()
            && let Some(why) = not_handed_over(bundle, vote)
        {
            wrong("delegation", format!("the vote of record {} uses a say that {why}", vote.seq));
        }
    }
    let (given, rejections) = tally(&judged_by, &votes);
    if given < judged_by.places() {
        let text = format!("different people: expected {}, found {given}", judged_by.places());
        wrong("quorum", text);
    }
    if rejections >= judged_by.reject_threshold.min(made_under.reject_threshold).max(1) {
        wrong("quorum", format!("{rejections} people had rejected it, which ends it"));
    }
}

/// Why a vote may not use the say of its giver.
fn not_handed_over(bundle: &Bundle, vote: &Vote) -> Option<&'static str> {
    let record = bundle.records.get(&vote.seq)?;
    let id = record.text("delegation");
    let about = |action: &str| {
        let mut found = bundle
            .records
            .range(..vote.seq)
            .filter(|(_, record)| record.member("resource_id") == id && record.action() == action);
        found.next().map(|(_, record)| record)
    };
    let Some(granted) = about("delegation_granted") else { return Some("nobody had handed over") };
    if about("delegation_ended").is_some() {
        return Some("had gone back to its owner");
    }
    if granted.text("to") != vote.by.person {
        return Some("was handed to somebody else");
    }
    if granted.member("actor") != record.text("giver_account") {
        return Some("was handed over by somebody else");
    }
    let over = granted.number("until_tick").zip(record.number("tick")).is_some_and(|(until, tick)| tick >= until);
    if over {
        return Some("was over");
    }
    let profile = record.text("profile");
    let covers = granted.list("profiles").is_none_or(|profiles| profiles.contains(&profile));
    (!covers).then_some("was not handed over for this profile")
}
