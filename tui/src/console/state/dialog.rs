//! What can lie over a screen.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::AlertState;

use super::{Checkpoint, Errand, Field, Proof, Results, Review, TakeBack};
use crate::console::keymap::Command;

/// The one dialog that is open.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// The keys.
    Help {
        /// Lines above the window.
        scroll: usize,
    },
    /// Every action by name.
    Palette(Palette),
    /// Something about to be done.
    Review(Box<Review>),
    /// Something about to be done to a certificate or a message.
    Errand(Box<Errand>),
    /// A verification, under way or done.
    Verification,
    /// A checkpoint, over the whole screen.
    Checkpoint(Box<Checkpoint>),
    /// That a record is in the ledger.
    Proof(Box<Proof>),
    /// A checkpoint that comes back.
    TakeBack(Box<TakeBack>),
    /// What became of each of many.
    Results(Results),
    /// Something that has to be read.
    Message(Message),
}

/// A message that stays until it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A few words.
    pub title: String,
    /// The daemon's own words.
    pub text: String,
    /// What to do next; may be empty.
    pub hint: String,
}

/// The palette.
#[derive(Clone, Debug)]
pub struct Palette {
    /// What is typed.
    pub filter: Field,
    /// Everything that can be done here.
    pub entries: Vec<PaletteEntry>,
    /// The place in what passes the filter.
    pub selected: usize,
}

/// One action of the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaletteEntry {
    /// In words.
    pub label: String,
    /// The keys that do the same; may be empty.
    pub keys: String,
    /// What it does.
    pub run: Run,
}

/// What an entry of the palette does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// A command of the keymap.
    Command(Command),
    /// Act as this person of the demo.
    ActAs(&'static str),
    /// Show this state of the queue.
    ShowState(Option<RequestState>),
    /// Show messages of this state.
    ShowMessages(Option<AlertState>),
}

impl Palette {
    /// The entries that hold the typed letters in their order, those that begin with them first.
    pub fn shown(&self) -> Vec<&PaletteEntry> {
        let wanted = self.filter.text().to_ascii_lowercase();
        let mut shown: Vec<(u8, &PaletteEntry)> = self
            .entries
            .iter()
            .filter_map(|entry| rank(&entry.label.to_ascii_lowercase(), &wanted).map(|rank| (rank, entry)))
            .collect();
        shown.sort_by_key(|(rank, _)| *rank);
        shown.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// 0 for a prefix, 1 for a part, 2 for letters in order; `None` for no match.
fn rank(label: &str, wanted: &str) -> Option<u8> {
    if label.starts_with(wanted) {
        return Some(0);
    }
    if label.contains(wanted) {
        return Some(1);
    }
    let mut letters = label.chars();
    wanted.chars().all(|c| letters.any(|letter| letter == c)).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_come_before_parts_and_parts_before_letters() {
        for (label, wanted, expected) in [
            ("approve it", "app", Some(0)),
            ("review and approve", "app", Some(1)),
            ("act as another person", "anp", Some(2)),
            ("verify", "x", None),
            ("verify", "", Some(0)),
        ] {
            assert_eq!(rank(label, wanted), expected, "{label} {wanted}");
        }
    }
}
