//! What a report is made of, before it is Markdown or HTML. Every text in it was made safe to show; that it means nothing to
//! the format that it is written in is for the format's own module to see to.

/// A report.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What it is of.
    pub(super) title: String,
    /// Whether the evidence verifies.
    pub(super) verified: bool,
    /// What that means, and what is wrong.
    pub(super) verdict: Vec<String>,
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
