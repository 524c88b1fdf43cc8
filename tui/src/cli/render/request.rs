//! Requests: the queue, and a fresh one.

use std::path::Path;

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{RequestSummary, SubmitResult};
use countersign_shared::time::Span;

use super::fields::Fields;
use super::style::{of_job, of_request};
use super::table::{Cell, table};
use super::{View, change, text, when};
use crate::cli::failure::shown;

/// The queue.
pub(in crate::cli) fn list(requests: &[RequestSummary], view: View) -> String {
    if requests.is_empty() {
        return "no requests\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = requests.iter().map(|request| row(request, view)).collect();
    table(&["ID", "STATE", "NAMES…", "PROFILE…", "REQUESTER…", "TIME"], &rows, view.style)
}

fn row(request: &RequestSummary, view: View) -> Vec<Cell> {
    let more = request.names_total.saturating_sub(1);
    let mut names = text::name(&request.primary_name);
    if more > 0 {
        names = format!("{names} +{more}");
    }
    let time = match request.state {
        RequestState::Pending => left(request, view),
        _ => when::distance(request.decided_at.unwrap_or(request.created_at), view.now),
    };
    vec![
        Cell::new(request.id.as_str()),
        Cell::toned(request.state.as_str(), of_request(request.state)),
        Cell::new(names),
        Cell::new(text::safe(&request.profile_id)),
        Cell::new(text::person(&request.requester)),
        Cell::new(time),
    ]
}

/// How long a pending request still waits.
fn left(request: &RequestSummary, view: View) -> String {
    let gap = request.expires_at.unix_millis().saturating_sub(view.now.unix_millis());
    match u64::try_from(gap) {
        Ok(millis) if millis > 0 => format!("{} left", Span::from_millis(millis).rough()),
        _ => "expiring".to_owned(),
    }
}

/// A request that was just made, and what to do next.
pub(in crate::cli) fn submitted(result: &SubmitResult, key: Option<&Path>, view: View) -> String {
    let mut fields = Fields::new(view.style);
    let id = match &result.request {
        Some(request) => {
            fields
                .toned("request", of_request(request.state), format!("{} {}", request.id, request.state))
                .add("names", text::name(&request.primary_name))
                .add("profile", text::safe(&request.profile_id));
            if let Some(batch) = &request.batch {
                fields.add("batch", text::safe(batch));
            }
            if request.state == RequestState::Pending {
                fields.add("expires", when::with_distance(request.expires_at, view.now));
            }
            if let Some(time) = request.not_before {
                fields.add("not before", when::with_distance(time, view.now));
            }
            request.id.as_str()
        }
        None => {
            fields.add("approval", format!("none needed under {}", text::safe(&result.job.profile_id)));
            result.job.id.as_str()
        }
    };
    fields
        .toned("job", of_job(result.job.state), format!("{} {}", result.job.id, result.job.state))
        .add("certificate", result.certificate_id.as_str());
    if let Some(path) = key {
        fields.add("new key", format!("{}, mode 0600: it stays with you", shown(path)));
    }
    if result.repeated {
        fields.add("repeated", "an earlier submission with this idempotency key made it");
    }
    fields.list("from the CSR", result.changes.iter().map(change::from_csr));
    fields.add("next", format!("countersign wait {id} --out FILE"));
    fields.finish()
}
