//! A checkpoint that was kept elsewhere and comes back: pasted, typed or from a file, looked at, then compared.

use countersign_proof::anchor::Anchor;
use countersign_shared::protocol::{AnchorResult, MAX_ANCHOR};

use super::Field;

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The text.
    Text,
    /// The name of a file.
    File,
    /// The button that closes.
    Cancel,
    /// The button that goes on.
    Commit,
}

/// How far it is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// It is being given.
    Given,
    /// It is looked at before it is compared.
    Review(Box<Anchor>),
    /// What it said of the ledger.
    Told(Box<AnchorResult>),
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct TakeBack {
    /// How far it is.
    pub stage: Stage,
    /// What was given.
    pub text: String,
    /// A file to take it from.
    pub path: Field,
    /// Where the keys go; in the review the harmless button at first.
    pub place: Place,
    /// Why what was given is of no use.
    pub wrong: Option<String>,
    /// True while the file is read.
    pub reading: bool,
    /// True while it is on its way.
    pub sending: bool,
    /// True once the review has been drawn whole and everything typed before that is thrown away.
    pub armed: bool,
    /// True while the window reaches to the end.
    pub at_end: bool,
    /// True once the end was drawn.
    pub read: bool,
    /// Lines above the window.
    pub scroll: usize,
}

impl Default for TakeBack {
    fn default() -> Self {
        Self {
            stage: Stage::Given,
            text: String::new(),
            path: Field::default(),
            place: Place::Text,
            wrong: None,
            reading: false,
            sending: false,
            armed: false,
            at_end: false,
            read: false,
            scroll: 0,
        }
    }
}

impl TakeBack {
    /// True where something is on the screen that has to be seen before keys may act on it.
    pub fn awaits_eyes(&self) -> bool {
        matches!(self.stage, Stage::Review(_)) && (!self.armed || (self.at_end && !self.read))
    }

    /// Takes text as it was typed or pasted; lines stay lines, other controls are dropped.
    pub fn insert(&mut self, text: &str) {
        for c in text.replace("\r\n", "\n").chars() {
            let c = if c == '\r' { '\n' } else { c };
            if (c == '\n' || !c.is_control()) && self.text.len() + c.len_utf8() <= MAX_ANCHOR {
                self.text.push(c);
            }
        }
    }

    /// Looks at what was given. A terminal may put spaces before lines or leave the last line feed out; neither is part of
    /// a note.
    pub fn look(&mut self) {
        self.wrong = None;
        match Anchor::parse(self.octets().as_bytes()) {
            Ok(anchor) => {
                self.stage = Stage::Review(Box::new(anchor));
                (self.place, self.scroll) = (Place::Cancel, 0);
                (self.armed, self.at_end, self.read) = (false, false, false);
            }
            Err(_) if self.text.trim().is_empty() => {
                self.wrong = Some("There is nothing yet: paste the note, or the 255 digits.".into());
            }
            Err(why) => self.wrong = Some(why),
        }
    }

    /// What is sent.
    pub fn octets(&self) -> String {
        let lines: Vec<&str> = self.text.trim().lines().map(str::trim).collect();
        lines.join("\n") + "\n"
    }

    /// Back to where it is given.
    pub fn again(&mut self) {
        (self.stage, self.place, self.scroll) = (Stage::Given, Place::Text, 0);
    }

    /// The stops of Tab.
    pub fn stops(&self) -> &'static [Place] {
        match self.stage {
            Stage::Given => &[Place::Text, Place::File, Place::Cancel, Place::Commit],
            Stage::Review(_) if self.read => &[Place::Cancel, Place::Commit],
            Stage::Review(_) | Stage::Told(_) => &[Place::Cancel],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_adds_is_no_part_of_a_note() {
        let mut one = TakeBack::default();
        one.insert("  a\r\nb\r\r\n\u{1b}[0mc  \n\n");
        assert_eq!(one.octets(), "a\nb\n\n[0mc\n");
        one.look();
        assert!(matches!(one.stage, Stage::Given) && one.wrong.is_some());
        let mut empty = TakeBack::default();
        empty.insert(" \n ");
        empty.look();
        assert!(empty.wrong.unwrap().starts_with("There is nothing yet"));
    }

    #[test]
    fn no_more_is_taken_than_the_daemon_takes() {
        let mut one = TakeBack::default();
        one.insert(&"é".repeat(MAX_ANCHOR));
        assert!(one.text.len() <= MAX_ANCHOR);
        one.look();
        assert!(one.wrong.is_some());
    }
}
