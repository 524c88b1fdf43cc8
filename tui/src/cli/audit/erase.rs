//! `audit erase`: asks for a free text to be erased, or agrees to it.

use clap::Args;
use countersign_shared::protocol::method::AuditErase;
use countersign_shared::protocol::{ErasableText, EraseParams};

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::{confirm, render};

#[derive(Debug, Args)]
pub(in crate::cli) struct EraseArgs {
    /// The record that holds the digest of the text, by its sequence number: `audit ls` shows it
    #[arg(value_name = "SEQ")]
    record: u64,
    /// Which text of it: note, reason, comment
    #[arg(long)]
    what: ErasableText,
    /// Why; it is kept, and must not repeat the text. Left out by whoever agrees
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &EraseArgs, context: &mut Context) -> Result<u8, Failure> {
    if !args.yes && context.interactive() {
        confirm::ask("erase", "have this text erased for good", "nothing was asked for")?;
    }
    let reason = args.reason.as_deref().map(Into::into);
    let params = EraseParams { seq: args.record, what: args.what, reason };
    context.answer::<AuditErase>(&params, render::repair::erasure)?;
    Ok(0)
}
