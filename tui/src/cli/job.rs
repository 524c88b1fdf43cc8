//! `job ls|show|retry`.

use clap::{Args, Subcommand};
use countersign_shared::id::{CertificateId, JobId};
use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::method::{JobGet, JobList, JobRetry};
use countersign_shared::protocol::{JobIdParams, ListJobsParams};

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::render;

#[derive(Debug, Subcommand)]
pub(super) enum JobVerb {
    /// List jobs, newest first
    Ls(JobLsArgs),
    /// Show one job
    Show(JobIdArgs),
    /// Make a new job under the same approval in place of a failed one
    Retry(JobIdArgs),
}

#[derive(Debug, Args)]
pub(super) struct JobLsArgs {
    /// Only in this state: awaiting_approval, pending, running, completed, failed, cancelled
    #[arg(long)]
    state: Option<JobState>,
    /// Only under this profile
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Only for this certificate
    #[arg(long, value_name = "ID")]
    certificate: Option<CertificateId>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct JobIdArgs {
    /// The job
    #[arg(value_name = "job-…")]
    id: JobId,
}

pub(super) fn run(verb: &JobVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        JobVerb::Ls(args) => {
            let params = ListJobsParams {
                state: args.state,
                profile: args.profile.clone(),
                certificate: args.certificate.clone(),
                limit: args.page.limit,
                cursor: args.page.cursor.clone(),
            };
            let page =
                context.answer::<JobList>(&params, |page, view| render::job::list(&page.jobs, view))?;
            more(page.next_cursor.as_deref(), context);
        }
        JobVerb::Show(args) => {
            context.answer::<JobGet>(&JobIdParams { id: args.id.clone() }, render::job::one)?;
        }
        JobVerb::Retry(args) => {
            context.answer::<JobRetry>(&JobIdParams { id: args.id.clone() }, render::job::one)?;
        }
    }
    Ok(0)
}
