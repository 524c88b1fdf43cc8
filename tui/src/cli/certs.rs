//! `certs`: managed certificates, newest first.

use clap::Args;
use countersign_shared::protocol::ListCertificatesParams;
use countersign_shared::protocol::method::CertificateList;

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::render;

#[derive(Debug, Args)]
pub(super) struct CertsArgs {
    /// Only under this profile
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Only in this environment
    #[arg(long)]
    environment: Option<String>,
    /// Only with this text in the id or the primary name
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    page: Page,
}

pub(super) fn run(args: &CertsArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = ListCertificatesParams {
        profile: args.profile.clone(),
        environment: args.environment.clone(),
        text: args.text.clone(),
        limit: args.page.limit,
        cursor: args.page.cursor.clone(),
    };
    let page = context.answer::<CertificateList>(&params, |page, view| {
        render::certificate::list(&page.certificates, view)
    })?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}
