//! `comment`: a remark on a request, for everybody who decides it.

use clap::Args;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::CommentParams;
use countersign_shared::protocol::method::RequestComment;

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct CommentArgs {
    /// The request
    #[arg(value_name = "ar-…")]
    id: RequestId,
    /// The remark, at most 4 KiB
    #[arg(value_name = "TEXT")]
    text: String,
}

pub(super) fn run(args: &CommentArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = CommentParams { id: args.id.clone(), text: args.text.as_str().into() };
    context.answer::<RequestComment>(&params, |result, view| render::life::remarked(&args.id, result, view))?;
    Ok(0)
}
