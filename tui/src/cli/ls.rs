//! `ls`: requests, newest first, a page at a time.

use clap::Args;
use countersign_shared::id::CertificateId;
use countersign_shared::lifecycle::{RequestKind, RequestState};
use countersign_shared::protocol::method::RequestList;
use countersign_shared::protocol::{ListRequestsParams, MAX_LIMIT};

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Only in this state: pending, approved, rejected, expired, voided, withdrawn
    #[arg(long)]
    state: Option<RequestState>,
    /// Only under this profile
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Only for this certificate
    #[arg(long, value_name = "ID")]
    certificate: Option<CertificateId>,
    /// Only by this account or person
    #[arg(long, value_name = "NAME")]
    requester: Option<String>,
    /// Only in this environment
    #[arg(long)]
    environment: Option<String>,
    /// Only of this batch
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    /// Only of this kind: cert_issuance, cert_renewal, cert_revocation, policy_change, ca_operation
    #[arg(long)]
    kind: Option<RequestKind>,
    /// Only with this text in the id, a name, the reason, the ticket or the requester
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    page: Page,
}

/// Which page of a list.
#[derive(Debug, Args)]
pub(super) struct Page {
    /// Rows on the page, 1 to 500; 100 where it is left out
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
    pub(super) limit: Option<u32>,
    /// Where the page begins, as the page before said
    #[arg(long)]
    pub(super) cursor: Option<String>,
}

pub(super) fn run(args: &LsArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = ListRequestsParams {
        state: args.state,
        profile: args.profile.clone(),
        certificate: args.certificate.clone(),
        requester: args.requester.clone(),
        environment: args.environment.clone(),
        batch: args.batch.clone(),
        kind: args.kind,
        text: args.text.clone(),
        limit: args.page.limit,
        cursor: args.page.cursor.clone(),
    };
    let page = context.answer::<RequestList>(&params, |page, view| render::request::list(&page.requests, view))?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}

/// Says how to read on.
pub(super) fn more(cursor: Option<&str>, context: &mut Context) {
    if let Some(cursor) = cursor {
        let cursor = countersign_shared::text::Untrusted::from(cursor);
        context.out().note(&format!("there is more: add --cursor {}", cursor.safe()));
    }
}
