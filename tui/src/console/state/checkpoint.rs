//! A checkpoint on the screen, for a phone or to be copied.

use countersign_shared::protocol::CheckpointResult;

use crate::console::action::Refusal;

/// The checkpoint that is shown.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// What the daemon signed.
    pub seen: Option<Box<CheckpointResult>>,
    /// Why there is nothing.
    pub refused: Option<Refusal>,
    /// True where it is shown as text.
    pub as_text: bool,
    /// True where the code is drawn dark on the ground of a light terminal, in the terminal's own colours.
    pub dark: bool,
    /// Lines of the text above the window.
    pub scroll: usize,
}
