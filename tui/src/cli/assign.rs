//! `assign`: whose a found certificate is.

use clap::Args;
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::AssignParams;
use countersign_shared::protocol::method::CertificateAssign;

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct AssignArgs {
    /// The certificate, which was found and not issued here
    #[arg(value_name = "mc-…")]
    id: CertificateId,
    /// Whose it is from now on: an account of the daemon's host, or uid:N
    #[arg(value_name = "ACCOUNT")]
    owner: String,
}

pub(super) fn run(args: &AssignArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = AssignParams { certificate_id: args.id.clone(), owner: args.owner.as_str().into() };
    context.answer::<CertificateAssign>(&params, render::inventory::assigned)?;
    Ok(0)
}
