//! `void`: an admin ends a pending request, with a reason.

use clap::Args;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::EndParams;
use countersign_shared::protocol::method::RequestVoid;

use super::context::Context;
use super::failure::Failure;
use super::seen::look;
use super::{confirm, render};

#[derive(Debug, Args)]
pub(super) struct VoidArgs {
    /// The request; a terminal shows it and asks
    #[arg(value_name = "ar-…")]
    id: RequestId,
    /// Why, at most 4 KiB
    #[arg(long)]
    reason: String,
}

pub(super) fn run(args: &VoidArgs, context: &mut Context) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    if context.interactive()
        && let Some(detail) = look(&args.id, &mut client)?
    {
        let text = render::detail::request(&detail, context.view()?);
        context.out().text(&text)?;
        confirm::ask("yes", "void exactly this", "nothing was voided")?;
    }
    let params = EndParams { id: args.id.clone(), reason: Some(args.reason.as_str().into()) };
    context.answer_on::<RequestVoid>(&mut client, &params, render::life::ended)?;
    Ok(0)
}
