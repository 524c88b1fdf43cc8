//! The text that a person signs when they speak for what is done to the ledger itself: that damage is acknowledged, or that a
//! free text is erased. The form is that of a [decision's](crate::decision_text), its first line another, so that neither is
//! ever taken for the other. `docs/signed-decisions.md` has the format line by line.

use std::fmt;

use crate::decision_text::{Salt, Seen, Value};
use crate::digest::Digest;
use crate::protocol::{DamageFound, ErasableText, EraseResult, RepairResult, Signing};
use crate::text::Untrusted;

/// The first line. Another format has another number.
const FIRST: &str = "countersign voice 1";

/// What somebody speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Damage is acknowledged.
    Acknowledge {
        /// The digest over all of it.
        damage_sha256: Digest,
        /// Each piece as the acknowledging record names it: `SEQ RULE EXPECTED FOUND`.
        damage: Vec<String>,
    },
    /// A text is erased.
    Erase {
        /// The record that holds its digest.
        record: u64,
        /// Which text of it.
        what: ErasableText,
        /// The salted digest.
        text_sha256: Digest,
        /// Why, in the words of this voice; empty where it agrees to what another said.
        reason: Untrusted,
    },
}

/// A voice as its text says it. `Display` writes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceText {
    /// For what.
    pub act: Act,
    /// The person of the policy who speaks.
    pub person: String,
    /// By which account.
    pub account: String,
    /// Keeps the reason from being guessed from the digest of the text.
    pub salt: Salt,
    /// SHA-256 of the policy in force.
    pub policy: Digest,
    /// The ledger.
    pub seen: Seen,
}

impl Act {
    /// What a voice that acknowledges all of what was shown says.
    pub fn acknowledging(shown: &RepairResult) -> Self {
        let damage = shown.damage.iter().map(DamageFound::in_a_record).collect();
        Self::Acknowledge { damage_sha256: shown.damage_sha256, damage }
    }

    /// What a voice for the erasure that was shown says.
    pub fn erasing(shown: &EraseResult, reason: Untrusted) -> Self {
        Self::Erase { record: shown.seq, what: shown.what, text_sha256: shown.text_sha256, reason }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Erase { .. } => "erase",
        }
    }
}

impl VoiceText {
    /// What whoever was told this would sign; none where they are no person of the policy.
    pub fn of(act: Act, signing: &Signing, salt: Salt) -> Option<Self> {
        Some(Self {
            act,
            person: signing.person.clone()?,
            account: signing.account.clone(),
            salt,
            policy: signing.policy_sha256,
            seen: Seen { origin: signing.origin.clone(), size: signing.size, root: signing.root_sha256 },
        })
    }
}

impl DamageFound {
    /// As the acknowledging record names it: `SEQ RULE EXPECTED FOUND`, with `-` for what there is none of.
    pub fn in_a_record(&self) -> String {
        let digest = |digest: Option<Digest>| digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
        let seq = self.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        format!("{seq} {} {} {}", self.rule, digest(self.expected_sha256), digest(self.found_sha256))
    }
}

impl fmt::Display for VoiceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}")?;
        let mut line = |key: &str, value: &dyn fmt::Display| writeln!(f, "{key}: {}", Value(&value.to_string()));
        line("voice", &self.act.word())?;
        match &self.act {
            Act::Acknowledge { damage_sha256, damage } => {
                for one in damage {
                    line("damaged", one)?;
                }
                line("damage", damage_sha256)?;
            }
            Act::Erase { record, what, text_sha256, reason } => {
                line("record", record)?;
                line("text", what)?;
                line("text-sha256", text_sha256)?;
                line("reason", &reason.raw())?;
            }
        }
        line("spoken-by", &self.person)?;
        line("account", &self.account)?;
        line("salt", &self.salt)?;
        line("policy", &self.policy)?;
        line("ledger", &self.seen.origin)?;
        line("ledger-size", &self.seen.size)?;
        line("ledger-root", &self.seen.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(act: Act) -> VoiceText {
        VoiceText {
            act,
            person: "bob".into(),
            account: "bob-adm".into(),
            salt: Salt::from_bytes([7; 16]),
            policy: Digest::from_bytes([1; 32]),
            seen: Seen { origin: "host/one".into(), size: 9, root: Digest::from_bytes([2; 32]) },
        }
    }

    fn erase(reason: &str) -> Act {
        let text_sha256 = Digest::from_bytes([3; 32]);
        Act::Erase { record: 17, what: ErasableText::Note, text_sha256, reason: reason.into() }
    }

    #[test]
    fn each_line_says_one_thing_and_no_reason_imitates_one() {
        let hex = |digit: &str| digit.repeat(32);
        let tail = format!(
            "spoken-by: bob\naccount: bob-adm\nsalt: {}\npolicy: {}\nledger: host/one\nledger-size: 9\nledger-root: {}\n",
            "07".repeat(16),
            hex("01"),
            hex("02")
        );
        let erased = text(erase("article 17\nrecord: 18")).to_string();
        let head = format!("countersign voice 1\nvoice: erase\nrecord: 17\ntext: note\ntext-sha256: {}\n", hex("03"));
        assert_eq!(erased, format!("{head}reason: \"article 17\\u{{a}}record: 18\"\n{tail}"));
        let damage = vec![format!("4 edited {} -", hex("05")), "- state - -".to_owned()];
        let act = Act::Acknowledge { damage_sha256: Digest::from_bytes([4; 32]), damage };
        let lines = format!("damaged: \"4 edited {} -\"\ndamaged: \"- state - -\"\ndamage: {}\n", hex("05"), hex("04"));
        assert_eq!(text(act).to_string(), format!("countersign voice 1\nvoice: acknowledge\n{lines}{tail}"));
    }

    #[test]
    fn what_is_left_unsaid_is_said_to_be() {
        assert!(text(erase("")).to_string().contains("\nreason: \"\"\n"));
    }
}
