//! What became of each of many.

use countersign_shared::id::RequestId;

/// One of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which request.
    pub id: RequestId,
    /// Its primary name, as it came from outside.
    pub name: String,
    /// What happened in the daemon's words, or its refusal.
    pub result: Result<String, String>,
}

/// The answer to a decision on many requests, to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// In the order of the review.
    pub outcomes: Vec<Outcome>,
    /// Lines above the window.
    pub scroll: usize,
}

impl Results {
    /// How many the daemon refused.
    pub fn refused(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.result.is_err()).count()
    }
}
