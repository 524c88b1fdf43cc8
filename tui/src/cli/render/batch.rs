//! The requests of one batch, each on a line as it is made.

use std::path::Path;

use countersign_shared::protocol::SubmitResult;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::text;
use crate::cli::failure::shown;

/// What came of one file; never broken, however long.
pub(in crate::cli) fn line(result: &SubmitResult, path: &Path) -> String {
    let mut line = match &result.request {
        Some(request) => {
            let name = text::name(&request.primary_name);
            format!("{} {}  {name}  {}", request.id, request.state, shown(path))
        }
        None => format!("{} {}  no approval needed  {}", result.job.id, result.job.state, shown(path)),
    };
    if result.repeated {
        line.push_str("  (was there already)");
    }
    if !result.changes.is_empty() {
        line.push_str(&format!("  ({} differences from the CSR)", result.changes.len()));
    }
    line
}

/// How far a batch came; where it was cut short, how to go on with it.
pub(in crate::cli) fn summary(
    batch: &str,
    made: usize,
    all: usize,
    cut_short: bool,
    not_before: Option<Timestamp>,
) -> String {
    let batch = Untrusted::from(batch);
    let mut text = format!("batch {}: {made} of {all} are there", batch.safe());
    if cut_short {
        let time = not_before.map_or(String::new(), |time| format!(" --not-before {time}"));
        text.push_str(&format!("; run it again with --batch {}{time} for the others", batch.safe()));
    }
    text
}
