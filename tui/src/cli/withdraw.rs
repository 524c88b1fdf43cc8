//! `withdraw`: the requester takes a request of their own back.

use clap::Args;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::EndParams;
use countersign_shared::protocol::method::RequestWithdraw;
use countersign_shared::text::Untrusted;

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    /// The request
    #[arg(value_name = "ar-…")]
    id: RequestId,
    /// Why, at most 4 KiB
    #[arg(long)]
    reason: Option<String>,
}

pub(super) fn run(args: &WithdrawArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = EndParams { id: args.id.clone(), reason: args.reason.as_deref().map(Untrusted::from) };
    context.answer::<RequestWithdraw>(&params, render::life::ended)?;
    Ok(0)
}
