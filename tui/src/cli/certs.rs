//! `certs`: certificates that were issued, and those that were found, newest first.

use clap::Args;
use countersign_shared::protocol::method::CertificateList;
use countersign_shared::protocol::{CertificateOrder, CertificateSource, ListCertificatesParams};

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
    /// Only those that were issued here
    #[arg(long)]
    issued: bool,
    /// Only those that were found on the host
    #[arg(long, conflicts_with_all = ["issued", "profile", "environment"])]
    found: bool,
    /// Only what ends within so many days, or has ended
    #[arg(long, value_name = "DAYS")]
    expires_within: Option<u32>,
    /// Those that end soonest first
    #[arg(long)]
    by_end: bool,
    #[command(flatten)]
    page: Page,
}

pub(super) fn run(args: &CertsArgs, context: &mut Context) -> Result<u8, Failure> {
    let source = match (args.issued, args.found) {
        (true, _) => CertificateSource::Issued,
        (_, true) => CertificateSource::Found,
        _ => CertificateSource::All,
    };
    let params = ListCertificatesParams {
        profile: args.profile.clone(),
        environment: args.environment.clone(),
        text: args.text.clone(),
        source: Some(source),
        expires_within: args.expires_within,
        order: args.by_end.then_some(CertificateOrder::End),
        limit: args.page.limit,
        cursor: args.page.cursor.clone(),
    };
    let page = context.answer::<CertificateList>(&params, render::certificate::list)?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}
