//! Refused attempts, as counters: what the ledger has on record, exact across restarts.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The rules that a refusal on record can name: the label set is closed.
pub const RULES: &[&str] = &[
    "auto_approve_after",
    "damaged_record",
    "invalid_policy",
    "issuer_unusable",
    "login_mismatch",
    "login_required",
    "no_delegation",
    "no_person",
    "no_quorum",
    "no_role",
    "no_void",
    "no_vote",
    "not_a_demo",
    "not_asked",
    "not_expired",
    "not_requester",
    "not_the_giver",
    "one_vote",
    "profile.eku",
    "profile.ip",
    "profile.justification",
    "profile.key",
    "profile.names",
    "profile.subject",
    "profile.ticket",
    "profile.validity",
    "profile.wildcard",
    "profile_match",
    "rejected_enough",
    "requester_decides",
    "retry_too_late",
    "root_decides_nothing",
    "signature_key",
    "signature_required",
    "signature_seen",
    "signature_wrong",
    "stale_content",
    "stale_policy",
    "unsatisfiable_policy",
    "weak_key",
];
/// What stands for a rule of another version, whose records a ledger may hold.
const OTHER: &str = "other";

/// See the module.
pub struct Attempts {
    refused: IntCounterVec,
    alarms: IntCounter,
}

impl Attempts {
    /// All at zero, every label present.
    pub fn new() -> prometheus::Result<Self> {
        let refused = IntCounterVec::new(
            Opts::new("countersign_refused_attempts_total", "Attempts that a rule stopped, as the ledger has them."),
            &["rule"],
        )?;
        for rule in RULES.iter().chain([&OTHER]) {
            refused.with_label_values(&[*rule]);
        }
        let alarms = IntCounter::new(
            "countersign_attempts_alarms_total",
            "Alarms because rules stopped one human again and again.",
        )?;
        Ok(Self { refused, alarms })
    }

    /// Makes them part of what is shown.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.refused.clone()))?;
        registry.register(Box::new(self.alarms.clone()))
    }

    /// Counts refusals by one rule.
    pub fn refused(&self, rule: &str, count: u64) {
        let label = RULES.iter().find(|known| **known == rule).unwrap_or(&OTHER);
        self.refused.with_label_values(&[*label]).inc_by(count);
    }

    /// Counts alarms.
    pub fn alarmed(&self, count: u64) {
        self.alarms.inc_by(count);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Rules that stop a call before anybody is attested: nothing of them is on record.
    const BEFORE_ATTESTATION: &[&str] = &["peer_changed_user", "peer_gone", "peer_hidden", "peer_unmapped"];

    /// The texts that stand where a rule is named: `.rule("…")`, `refusal("…"`, `forbidden("…"`, `const RULE`, `Refused { rule: "…"`.
    fn named(source: &str, into: &mut Vec<String>) {
        for mark in [".rule(", "refusal(", "forbidden(", "const RULE: &str =", "Refused { rule:"] {
            for after in source.split(mark).skip(1) {
                let word = after.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
                into.extend(word.map(|(word, _)| word.to_owned()));
            }
        }
    }

    fn walk(dir: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                named(&std::fs::read_to_string(&path).unwrap(), into);
            }
        }
    }

    #[test]
    fn every_rule_that_the_program_names_has_its_label() {
        let mut rules = Vec::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut rules);
        let shape = |rule: &str| rule.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.');
        rules.retain(|rule| shape(rule) && !BEFORE_ATTESTATION.contains(&rule.as_str()));
        assert!(rules.len() >= RULES.len(), "{rules:?}");
        for rule in rules {
            assert!(RULES.contains(&rule.as_str()), "{rule} is missing in RULES");
        }
        assert!(RULES.is_sorted());
    }

    #[test]
    fn a_rule_of_another_version_is_counted_too() {
        let attempts = Attempts::new().unwrap();
        attempts.refused("no_vote", 2);
        attempts.refused("a rule of tomorrow", 3);
        let count = |rule| attempts.refused.with_label_values(&[rule]).get();
        assert_eq!((count("no_vote"), count("one_vote"), count(OTHER)), (2, 0, 3));
    }
}
