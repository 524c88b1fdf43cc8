//! What would have become of the requests that people approved, had the proposed policy been in force. Pure.

use std::collections::BTreeMap;

use countersign_shared::content::San;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{Finding, FindingLevel};
use countersign_shared::time::Timestamp;

use super::history::{BACK, History, MAX, Past};
use crate::gate::quorum::{Ballot, Tally};
use crate::gate::two_person::{Party, different_people, own_session};
use crate::policy::{ANYBODY, Permission, Permissions, Policy, Profile, Terms};
use crate::service::decide::account_of;

/// Reasons that are listed.
const REASONS: usize = 8;

/// Why a request would have gone another way; in the order in which they are looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Otherwise {
    /// Its profile is not there.
    ProfileGone,
    /// Its requester could not ask under it.
    MayNotAsk,
    /// A name that the profile does not carry.
    NameOutside,
    /// So many people short of a group.
    Short(u32, String),
    /// Nobody would have been asked.
    Unattended,
}

/// What is found, in at most two findings.
pub(super) fn findings(policy: &Policy, history: &History, now: Timestamp) -> Vec<Finding> {
    let total = history.approved.len();
    if total == 0 {
        return Vec::new();
    }
    let mut reasons: BTreeMap<Otherwise, usize> = BTreeMap::new();
    for past in &history.approved {
        if let Some(otherwise) = judge(policy, past, now) {
            *reasons.entry(otherwise).or_default() += 1;
        }
    }
    let unattended = reasons.remove(&Otherwise::Unattended).unwrap_or(0);
    let mut of = format!("of {total} requests that people approved in the last {BACK}");
    if history.approved_cut {
        of.push_str(&format!(" (the newest of at most {MAX} were looked at)"));
    }
    let unknown = if policy.needs_unix_groups() { "; members of unix groups are not known here" } else { "" };
    let failed: usize = reasons.values().sum();
    let mut found = Vec::new();
    if failed == 0 {
        let text = format!("{of} each would have been approved by the votes that it had{unknown}");
        found.push(finding(FindingLevel::Note, "replay", text));
    } else {
        let mut listed: Vec<(usize, &Otherwise)> = reasons.iter().map(|(why, count)| (*count, why)).collect();
        listed.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let mut words: Vec<String> = listed.iter().take(REASONS).map(|(count, why)| why.in_words(*count)).collect();
        if listed.len() > REASONS {
            words.push(format!("and {} other reasons", listed.len() - REASONS));
        }
        let text = format!("{of}, {failed} would not have been: {}{unknown}", words.join(", "));
        found.push(finding(FindingLevel::Warning, "replay", text));
    }
    if unattended > 0 {
        let text = format!("{of}, {unattended} would have needed nobody");
        found.push(finding(FindingLevel::Warning, "replay", text));
    }
    found
}

/// One request under another policy; none where the votes that it had would have been enough.
pub(super) fn judge(policy: &Policy, past: &Past, now: Timestamp) -> Option<Otherwise> {
    let Some(profile) = policy.profile(past.profile.id()) else { return Some(Otherwise::ProfileGone) };
    let may_ask = |party: &Party| {
        let account = account_of(&party.account, party.uid);
        Permissions::of(policy, &account, now).allows(Permission::Submit(profile.id()))
    };
    // Whether somebody asks by way of a unix group is not known here, and counts as that they may.
    if !past.is_scheduled() && !policy.needs_unix_groups() && !may_ask(&past.requester) {
        return Some(Otherwise::MayNotAsk);
    }
    if past.sans.iter().any(|san| !carries(profile, san)) {
        return Some(Otherwise::NameOutside);
    }
    if !profile.rules().requires_approval {
        return Some(Otherwise::Unattended);
    }
    let terms = policy.terms(profile, &past.owner, past.is_scheduled());
    let ballots = ballots(policy, profile, &terms, past, now);
    let tally = Tally::of(&terms, &ballots);
    let short = terms.steps.iter().zip(&tally.filled).find_map(|(step, filled)| {
        let missing = step.need.saturating_sub(u32::try_from(filled.len()).unwrap_or(u32::MAX));
        (missing > 0).then(|| Otherwise::Short(missing, step.group.clone()))
    });
    short.filter(|_| !tally.is_complete())
}

/// The votes as the policy would count them. A group that an escalation brings in counts as brought in.
fn ballots(policy: &Policy, profile: &Profile, terms: &Terms, past: &Past, now: Timestamp) -> Vec<Ballot> {
    let requester = past.requester.resolved(policy);
    let ballot = |cast: &crate::gate::Cast| {
        let voter = cast.by.resolved(policy);
        own_session(&voter).ok()?;
        different_people(&requester, &voter, &[]).ok()?;
        // Whose right it was, where it had been handed over.
        let right = cast.giver.as_ref().unwrap_or(&cast.by);
        let account = account_of(&right.account, right.uid);
        if !Permissions::of(policy, &account, now).allows(Permission::Decide(profile.id())) {
            return None;
        }
        let mine = policy.groups_of(terms.groups(), &account);
        let everywhere = policy.is_admin(&account, now)
            || !policy.groups_of(profile.rules().escalation_groups(), &account).is_empty();
        let fills = |group: &&str| everywhere || *group == ANYBODY || mine.iter().any(|own| own == group);
        Some(Ballot {
            voter: voter.voter(),
            giver: cast.giver.as_ref().map(|giver| giver.resolved(policy).voter()),
            verdict: Verdict::Approve,
            counts_for: terms.groups().filter(fills).map(str::to_owned).collect(),
        })
    };
    past.approvals.iter().filter_map(ballot).collect()
}

fn carries(profile: &Profile, san: &San) -> bool {
    let rules = profile.rules();
    let given = match san {
        San::Dns(name) => rules.allow_wildcards || !name.raw().starts_with("*."),
        San::Ip(_) => rules.allow_ip,
        _ => true,
    };
    given && rules.names.iter().any(|pattern| pattern.covers(san))
}

impl Otherwise {
    fn in_words(&self, count: usize) -> String {
        let have = if count == 1 { "has" } else { "have" };
        let need = if count == 1 { "needs" } else { "need" };
        match self {
            Self::ProfileGone => format!("{count} {have} a profile that is gone"),
            Self::MayNotAsk => format!("{count} {have} a requester who may not ask"),
            Self::NameOutside => format!("{count} {have} a name outside"),
            Self::Short(people, group) if group == ANYBODY => format!("{count} {need} {people} more operators"),
            Self::Short(people, group) => format!("{count} {need} {people} more of group {group}"),
            Self::Unattended => format!("{count} {need} nobody"),
        }
    }
}

fn finding(level: FindingLevel, rule: &str, text: String) -> Finding {
    Finding { level, rule: rule.to_owned(), subject: String::new(), text }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
