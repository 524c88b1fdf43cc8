//! Jobs.

use countersign_shared::protocol::Job;

use super::fields::Fields;
use super::style::of_job;
use super::table::{Cell, table};
use super::{View, text, when};

/// A page of jobs.
pub(in crate::cli) fn list(jobs: &[Job], view: View) -> String {
    if jobs.is_empty() {
        return "no jobs\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = jobs
        .iter()
        .map(|job| {
            vec![
                Cell::new(job.id.as_str()),
                Cell::toned(job.state.as_str(), of_job(job.state)),
                Cell::new(job.certificate_id.as_str()),
                Cell::new(when::age(job.created_at, view.now)),
                Cell::new(job.error.as_ref().map_or("-".to_owned(), |error| error.safe().to_string())),
            ]
        })
        .collect();
    table(&["ID", "STATE", "CERTIFICATE", "AGE", "ERROR…"], &rows, view.style)
}

/// One job.
pub(in crate::cli) fn one(job: &Job, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields
        .add("job", format!("{} ({})", job.id, job.kind))
        .toned("state", of_job(job.state), job.state.as_str())
        .add("certificate", job.certificate_id.as_str())
        .add("request", job.request_id.as_ref().map_or("none: unattended profile", |id| id.as_str()))
        .add("profile", text::safe(&job.profile_id))
        .add("made", when::with_distance(job.created_at, view.now));
    if let Some(time) = job.finished_at {
        fields.add("ended", when::with_distance(time, view.now));
    }
    if let Some(error) = &job.error {
        fields.add("error", error.safe().to_string());
    }
    fields.finish()
}
