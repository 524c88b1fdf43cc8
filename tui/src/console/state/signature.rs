//! The last step of a decision that is signed: exactly the text, with which key, and whether it may be signed.

use crate::signing::ToSign;

use super::Field;

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The file of the key.
    Key,
    /// The button that goes back to the review.
    Cancel,
    /// The button that signs.
    Commit,
}

/// What is about to be signed.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Exactly the texts, one for each request that is decided; empty until they are made.
    pub texts: Vec<ToSign>,
    /// The file of the key; empty for the first in the agent that the policy knows as this person's.
    pub key: Field,
    /// Where the keys go; the harmless button at first.
    pub hold: Hold,
    /// Lines of the text above its window.
    pub scroll: usize,
    /// True once it has been drawn and everything typed before that is thrown away.
    pub armed: bool,
    /// True while the window reaches to the end of the text.
    pub at_end: bool,
    /// True once the end of the text was drawn.
    pub read: bool,
    /// True while the terminal is with `ssh-keygen`.
    pub away: bool,
}

impl Default for Signature {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            key: Field::default(),
            hold: Hold::Cancel,
            scroll: 0,
            armed: false,
            at_end: false,
            read: false,
            away: false,
        }
    }
}

impl Signature {
    /// True where something is on the screen that has to be seen before keys may act on it.
    pub fn awaits_eyes(&self) -> bool {
        !self.texts.is_empty() && !self.away && (!self.armed || (self.at_end && !self.read))
    }

    /// True until the text was drawn for the first time: whatever is typed before is thrown away.
    pub fn awaits_first_sight(&self) -> bool {
        !self.texts.is_empty() && !self.away && !self.armed
    }

    /// What is still missing before it can be signed; `None` where nothing is.
    pub fn missing(&self) -> Option<&'static str> {
        if self.texts.is_empty() {
            return Some("The text is being made.");
        }
        if self.away {
            return Some("The terminal is with ssh-keygen.");
        }
        (!self.read).then_some("Read to the end first: PageDown.")
    }

    /// The stops of Tab in the order of the dialog.
    pub fn stops(&self) -> Vec<Hold> {
        let mut stops = vec![Hold::Key, Hold::Cancel];
        if self.missing().is_none() {
            stops.push(Hold::Commit);
        }
        stops
    }
}
