//! What is known of a policy before anybody agrees to it: what it changes, what is proved of it, and what it would have
//! done to the requests that there are.

use std::sync::Arc;

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Effect, Finding, PolicyDifference};
use countersign_shared::time::Timestamp;

use super::history::History;
use super::{pending, replay};
use crate::policy::{self, Policy};

/// Differences that are kept; a document that makes more is compared with a tool for that.
const MAX_DIFFERENCES: usize = 1000;

/// With what a document is compared.
pub struct Study {
    /// The policy in force.
    pub base: Arc<Policy>,
    /// The moment at which grants hold or do not.
    pub now: Timestamp,
    /// The requests that it would have been applied to, where the caller may see them.
    pub history: Option<History>,
    /// Whether the caller may see what the policy in force says.
    pub compare: bool,
}

/// A document that is a policy.
pub struct Studied {
    /// What it was compared with.
    pub base_sha256: Digest,
    /// The policy.
    pub policy: Policy,
    /// What its parser found worth a look.
    pub warnings: Vec<String>,
    /// What it changes; empty where that is not for the caller.
    pub differences: Vec<PolicyDifference>,
    /// What is proved of it, errors first.
    pub findings: Vec<Finding>,
}

impl Study {
    /// Studies a document, or gives every error of it.
    pub fn of(&self, document: &str) -> Result<Studied, Vec<String>> {
        let (policy, warnings) = Policy::parse(document)?;
        let mut differences = Vec::new();
        let mut findings = policy::prove::prove(&policy, self.now);
        if self.compare {
            let all = policy::differences(&self.base, &policy);
            if let Some(more) = all.len().checked_sub(MAX_DIFFERENCES).filter(|more| *more > 0) {
                findings.push(cut(more, all.iter().skip(MAX_DIFFERENCES).any(|d| d.effect == policy::Effect::Laxer)));
            }
            differences = all.into_iter().take(MAX_DIFFERENCES).map(shown).collect();
        }
        if let Some(history) = &self.history {
            findings.extend(replay::findings(&policy, history, self.now));
            findings.extend(pending::findings(&policy, history, self.now));
        }
        Ok(Studied { base_sha256: self.base.sha256(), policy, warnings, differences, findings })
    }
}

impl Studied {
    /// Whether anything lets more through than the policy in force. What was not listed counts as such.
    pub fn is_laxer(&self) -> bool {
        self.differences.len() >= MAX_DIFFERENCES || self.differences.iter().any(|d| d.effect == Effect::Laxer)
    }
}

/// A finding with what it is about.
pub fn in_a_line(finding: &Finding) -> String {
    match finding.subject.as_str() {
        "" => finding.text.clone(),
        subject => format!("{subject}: {}", finding.text),
    }
}

fn cut(more: usize, laxer: bool) -> Finding {
    let what = if laxer { ", some of which let more through" } else { "" };
    let text = format!("{more} differences are not listed{what}: compare the documents");
    let level = countersign_shared::protocol::FindingLevel::Warning;
    Finding { level, rule: "differences".into(), subject: String::new(), text }
}

fn shown(difference: policy::PolicyDifference) -> PolicyDifference {
    let policy::PolicyDifference { table, id, key, before, after, effect } = difference;
    let effect = match effect {
        policy::Effect::Stricter => Effect::Stricter,
        policy::Effect::Laxer => Effect::Laxer,
        policy::Effect::Neutral => Effect::Neutral,
    };
    PolicyDifference { table, id, key, before, after, effect }
}
