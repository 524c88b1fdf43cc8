//! What a report is made of, before it is Markdown or HTML. Every text in it was made safe to show; that it means nothing to
//! the format that it is written in is for the format's own module to see to.

/// Whether the evidence shows anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is wrong, beside a key from outside.
    Verified,
    /// Nothing is wrong, beside the key that the bundle itself names.
    Alone,
    /// Something is wrong.
    Wrong,
}

impl Verdict {
    /// The words that stand above everything else.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Verified => "VERIFIED",
            Self::Alone => "NOT PROVED: IT AGREES WITH ITSELF, AND NO KEY WAS GIVEN FROM OUTSIDE",
            Self::Wrong => "NOT VERIFIED: DO NOT RELY ON THIS",
        }
    }
}

/// A report.
#[derive(Debug)]
pub(super) struct Page {
    /// What it is of.
    pub(super) title: String,
    /// Whether the evidence verifies.
    pub(super) verdict: Verdict,
    /// What that means, and what is wrong.
    pub(super) because: Vec<String>,
    /// The rest.
    pub(super) blocks: Vec<Block>,
}

/// A piece of a report.
#[derive(Debug)]
pub(super) enum Block {
    /// A heading of the second level.
    Heading(String),
    /// A heading of the third level.
    Subheading(String),
    /// A paragraph.
    Text(String),
    /// Names and what belongs to them.
    Fields(Vec<(&'static str, String)>),
    /// Columns and rows.
    Table(Vec<&'static str>, Vec<Vec<String>>),
    /// Lines as they are.
    Exact(Vec<String>),
}
