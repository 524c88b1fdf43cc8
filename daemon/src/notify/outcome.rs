//! What came of an attempt.

use std::time::Duration;

use countersign_shared::text::Untrusted;

/// The most characters of a reason.
pub const MAX_WHY: usize = 400;

/// What came of an attempt to reach one recipient. Reasons are safe to show and carry no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side accepted it.
    Delivered,
    /// It may work later. Also where acceptance is unknown: a repeat carries the same id.
    Temporary {
        /// Why not now.
        why: String,
        /// The earliest moment that the other side named, from now; at most a day.
        retry_after: Option<Duration>,
    },
    /// The same attempt would be refused again.
    Permanent {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// A failure that may pass; `why` may have foreign text in it.
    pub(super) fn later(why: impl Into<String>) -> Self {
        Self::Temporary { why: shown(why), retry_after: None }
    }

    /// A refusal; `why` may have foreign text in it.
    pub(super) fn never(why: impl Into<String>) -> Self {
        Self::Permanent { why: shown(why) }
    }
}

/// Text for a reason: visible, on one line, at most [`MAX_WHY`] characters.
fn shown(why: impl Into<String>) -> String {
    let why = Untrusted::new(why.into()).safe().to_string();
    match why.char_indices().nth(MAX_WHY) {
        Some((end, _)) => format!("{}…", why.get(..end).unwrap_or_default()),
        None => why,
    }
}

/// One recipient and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// An address, an account, or the channel's name where nobody in particular is addressed.
    pub to: Untrusted,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of one attempt on one channel. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    each: Vec<Reached>,
    /// False where the only one of `each` is the channel by its name.
    addressed: bool,
}

impl Receipt {
    /// A receipt for several recipients; for none of them, `channel` is refused.
    pub(crate) fn of(channel: &str, each: Vec<Reached>) -> Self {
        if each.is_empty() {
            Self::whole(channel, Outcome::never("nobody to tell"))
        } else {
            Self { each, addressed: true }
        }
    }

    /// A receipt of a channel that addresses nobody in particular.
    pub(super) fn whole(channel: &str, outcome: Outcome) -> Self {
        Self { each: vec![Reached { to: channel.into(), outcome }], addressed: false }
    }

    /// Whether it says of each recipient what came of it. Not so where the channel addresses nobody in particular, and
    /// where it could not be used at all: such a receipt says nothing of who is still to be reached.
    pub const fn is_addressed(&self) -> bool {
        self.addressed
    }

    /// Each recipient, in the order of the audience.
    pub fn each(&self) -> &[Reached] {
        &self.each
    }

    /// Those who can be tried again: the next attempt goes to them alone.
    pub fn again(&self) -> impl Iterator<Item = &Untrusted> {
        self.each.iter().filter(|one| matches!(one.outcome, Outcome::Temporary { .. })).map(|one| &one.to)
    }

    /// Those who were not reached, whether they can be tried again or not.
    pub fn unreached(&self) -> impl Iterator<Item = &Untrusted> {
        self.each.iter().filter(|one| one.outcome != Outcome::Delivered).map(|one| &one.to)
    }

    /// One outcome of all: `Delivered` where everybody was reached; `Temporary` as long as somebody can be tried
    /// again (with the longest wait); otherwise `Permanent`, whose reason counts those who were reached.
    pub fn outcome(&self) -> Outcome {
        let failed: Vec<&Reached> = self.each.iter().filter(|one| one.outcome != Outcome::Delivered).collect();
        if failed.is_empty() {
            return Outcome::Delivered;
        }
        let mut wait = None;
        let mut temporary = false;
        let mut reasons = Vec::with_capacity(failed.len());
        for one in &failed {
            let why = match &one.outcome {
                Outcome::Delivered => continue,
                Outcome::Temporary { why, retry_after } => {
                    temporary = true;
                    wait = wait.max(*retry_after);
                    why
                }
                Outcome::Permanent { why } => why,
            };
            reasons.push(format!("{}: {why}", one.to.safe()));
        }
        let reached = self.each.len() - failed.len();
        let count =
            if self.each.len() > 1 { format!("{reached} of {} reached; ", self.each.len()) } else { String::new() };
        let why = shown(format!("{count}{}", reasons.join("; ")));
        if temporary { Outcome::Temporary { why, retry_after: wait } } else { Outcome::Permanent { why } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(outcomes: &[Outcome]) -> Receipt {
        let each = outcomes.iter().enumerate();
        let each = each.map(|(i, outcome)| Reached { to: format!("u{i}").into(), outcome: outcome.clone() });
        Receipt::of("Email", each.collect())
    }

    #[test]
    fn one_outcome_of_many() {
        let wait = |seconds| Outcome::Temporary { why: "busy".into(), retry_after: Some(Duration::from_secs(seconds)) };
        let never = Outcome::never("no such user");
        assert_eq!(receipt(&[Outcome::Delivered, Outcome::Delivered]).outcome(), Outcome::Delivered);
        let mixed = receipt(&[Outcome::Delivered, wait(5), never.clone(), wait(9), Outcome::later("x")]);
        assert_eq!(mixed.again().map(Untrusted::raw).collect::<Vec<_>>(), ["u1", "u3", "u4"]);
        let Outcome::Temporary { why, retry_after } = mixed.outcome() else { panic!("{mixed:?}") };
        assert_eq!(why, "1 of 5 reached; u1: busy; u2: no such user; u3: busy; u4: x");
        assert_eq!(retry_after, Some(Duration::from_secs(9)));
        let refused = receipt(&[Outcome::Delivered, never]);
        assert_eq!(refused.outcome(), Outcome::never("1 of 2 reached; u1: no such user"));
        assert_eq!(refused.again().count(), 0);
        assert!(matches!(receipt(&[]).outcome(), Outcome::Permanent { .. }));
    }

    #[test]
    fn reasons_are_short_and_visible() {
        let Outcome::Permanent { why } = Outcome::never(format!("\u{1b}[2J\n{}", "x".repeat(5000))) else { panic!() };
        assert!(why.starts_with("<U+001B>[2J␊xxx"), "{why}");
        assert_eq!(why.chars().count(), MAX_WHY + 1);
    }
}
