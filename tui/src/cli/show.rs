//! `show`: everything about one request, certificate or job.

use clap::Args;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::protocol::method::{CertificateGet, JobGet, RequestGet};
use countersign_shared::protocol::{CertificateIdParams, JobIdParams, RequestIdParams};

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A request (ar-…), certificate (mc-…) or job (job-…)
    #[arg(value_name = "ID", value_parser = object)]
    id: ObjectId,
    /// Print the policy document that the request proposes, and nothing else
    #[arg(long)]
    document: bool,
}

/// What can be shown.
#[derive(Clone, Debug)]
enum ObjectId {
    Request(RequestId),
    Certificate(CertificateId),
    Job(JobId),
}

fn object(raw: &str) -> Result<ObjectId, String> {
    if raw.starts_with(CertificateId::PREFIX) {
        raw.parse().map(ObjectId::Certificate)
    } else if raw.starts_with(JobId::PREFIX) {
        raw.parse().map(ObjectId::Job)
    } else {
        raw.parse().map(ObjectId::Request)
    }
}

pub(super) fn run(args: &ShowArgs, context: &mut Context) -> Result<u8, Failure> {
    match &args.id {
        ObjectId::Request(id) => {
            let params = RequestIdParams { id: id.clone() };
            let render = if args.document { render::detail::document } else { render::detail::with_commands };
            let detail = context.answer::<RequestGet>(&params, render)?;
            if args.document && detail.policy_change.is_none() {
                return Err(without_document(id.as_str()));
            }
        }
        ObjectId::Certificate(id) if args.document => return Err(without_document(id.as_str())),
        ObjectId::Job(id) if args.document => return Err(without_document(id.as_str())),
        ObjectId::Certificate(id) => {
            let params = CertificateIdParams { id: id.clone() };
            context.answer::<CertificateGet>(&params, render::certificate::detail)?;
        }
        ObjectId::Job(id) => {
            context.answer::<JobGet>(&JobIdParams { id: id.clone() }, render::job::one)?;
        }
    }
    Ok(0)
}

fn without_document(id: &str) -> Failure {
    Failure::usage(format!("{id} proposes no policy")).hint("--document goes with a request of kind policy_change")
}
