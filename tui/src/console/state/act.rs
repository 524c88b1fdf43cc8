//! What a review leads to.

use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::Verb;

/// What a person is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Decide.
    Decide(Verdict),
    /// Take one's own request back.
    Withdraw,
    /// End somebody's request, as an admin or by a role with request.void.
    Void,
    /// Leave a remark.
    Comment,
}

impl Act {
    /// As a button and a title begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decide(Verdict::Approve) => "Approve",
            Self::Decide(Verdict::Reject) => "Reject",
            Self::Withdraw => "Withdraw",
            Self::Void => "Void",
            Self::Comment => "Comment",
        }
    }

    /// The third person, for the hint beside the button.
    pub const fn does(self) -> &'static str {
        match self {
            Self::Decide(Verdict::Approve) => "approves",
            Self::Decide(Verdict::Reject) => "rejects",
            Self::Withdraw => "withdraws",
            Self::Void => "voids",
            Self::Comment => "comments",
        }
    }

    /// What `you_may` has to list; `None` for a decision, which `you` answers for.
    pub const fn verb(self) -> Option<Verb> {
        match self {
            Self::Decide(_) => None,
            Self::Withdraw => Some(Verb::Withdraw),
            Self::Void => Some(Verb::Void),
            Self::Comment => Some(Verb::Comment),
        }
    }

    /// What is said where the text is missing; `None` where it may stay empty.
    pub const fn text_needed(self) -> Option<&'static str> {
        match self {
            Self::Decide(Verdict::Approve) | Self::Withdraw => None,
            Self::Decide(Verdict::Reject) => Some("A rejection needs a note."),
            Self::Void => Some("Voiding needs a reason."),
            Self::Comment => Some("There is no text yet."),
        }
    }

    /// True where it holds for exactly the content seen: a change of that content stops it. A remark is about the
    /// request whatever its version.
    pub const fn is_bound(self) -> bool {
        !matches!(self, Self::Comment)
    }
}

/// Who can do what besides deciding, for a person who cannot.
pub const fn who_may(verb: Verb) -> &'static str {
    match verb {
        Verb::Withdraw => "Only who asked can withdraw it, in their own login session, while it is pending.",
        Verb::Amend => "Only who asked can amend it, in their own login session, while it is pending.",
        Verb::Void => "Only an admin, or a role with request.void, can void it, while it is pending.",
        Verb::Comment => "Remarks on it are not open to you.",
    }
}
