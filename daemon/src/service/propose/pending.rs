//! What the proposed policy does to the requests that wait. Pure.

use std::collections::BTreeMap;

use countersign_shared::protocol::{Finding, FindingLevel};
use countersign_shared::time::Timestamp;

use super::history::{History, MAX, Past};
use crate::identity::directory::Account;
use crate::policy::Policy;
use crate::policy::prove::{Possible, Prover, Waiting};
use crate::service::decide::account_of;

/// Counted over all that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Their profile is gone: whoever approves them, nothing is issued.
    pub gone: usize,
    /// Nobody could approve them any more.
    pub stuck: usize,
    /// Whether anybody could depends on unix groups.
    pub unknown: usize,
    /// They would need more than they were made under.
    pub stricter: usize,
}

/// What is found, in at most four findings.
pub(super) fn findings(policy: &Policy, history: &History, now: Timestamp) -> Vec<Finding> {
    let counts = count(policy, &history.pending, now);
    let mut of = format!("of {} requests that wait", history.pending.len());
    if history.pending_cut {
        of.push_str(&format!(" (the newest {MAX} were looked at)"));
    }
    let one = |number: usize, level, what: &str| {
        let text = format!("{of}, {number} {what}");
        (number > 0).then(|| Finding { level, rule: "pending".into(), subject: String::new(), text })
    };
    let found = [
        one(counts.gone, FindingLevel::Warning, "could not be issued: their profile is gone"),
        one(counts.stuck, FindingLevel::Warning, "could be approved by nobody any more"),
        one(counts.unknown, FindingLevel::Note, "could be approved only by members of unix groups, not known here"),
        one(counts.stricter, FindingLevel::Note, "would need more than they were made under"),
    ];
    found.into_iter().flatten().collect()
}

/// The groups that a vote counts for, and whose it is.
type Approved = Vec<(Account, Vec<String>)>;

pub(super) fn count(policy: &Policy, pending: &[Past], now: Timestamp) -> Counts {
    let prover = Prover::of(policy, now);
    let mut counts = Counts::default();
    // Most of them differ in nothing that matters here.
    let mut known: BTreeMap<(String, String, String), Possible> = BTreeMap::new();
    for past in pending {
        let Some(in_force) = policy.profile(past.profile.id()) else {
            counts.gone += 1;
            continue;
        };
        let mut terms = past.made_under.clone();
        if in_force.rules().requires_approval {
            terms = terms.or_stricter(&policy.terms(in_force, &past.owner, past.is_scheduled()));
        }
        counts.stricter += usize::from(terms != past.made_under);
        let requester = account_of(&past.requester.account, past.requester.uid);
        let approved: Approved = past
            .approvals
            .iter()
            .map(|cast| (account_of(&cast.by.account, cast.by.uid), cast.counts_for.clone()))
            .collect();
        let possible = || {
            let profile = &past.profile;
            prover.could_be_approved(&Waiting { profile, terms: &terms, requester: &requester, approved: &approved })
        };
        let possible = if approved.is_empty() {
            let key = (past.profile.digest().to_string(), format!("{terms:?}"), past.requester.voter());
            *known.entry(key).or_insert_with(possible)
        } else {
            possible()
        };
        match possible {
            Possible::Yes => {}
            Possible::No => counts.stuck += 1,
            Possible::Unknown => counts.unknown += 1,
        }
    }
    counts
}
