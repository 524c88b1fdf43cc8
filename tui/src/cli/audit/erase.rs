//! `audit erase`: asks for a free text to be erased, or agrees to it.

use clap::Args;
use countersign_shared::protocol::method::AuditErase;
use countersign_shared::protocol::{ErasableText, EraseParams, EraseResult};
use countersign_shared::text::Untrusted;
use countersign_shared::voice_text::Act;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::sign::SignArgs;
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
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) fn run(args: &EraseArgs, context: &mut Context) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    let reason: Option<Untrusted> = args.reason.as_deref().map(Into::into);
    let mut params = EraseParams { seq: args.record, what: args.what, reason, show: true, signature: None };
    let asks = !args.yes && context.interactive();
    let mut draft = None;
    if asks || args.sign.may_sign() {
        // What it is about, which is nobody's voice yet.
        let shown: EraseResult = client.call::<AuditErase>(&params)?;
        let act = Act::erasing(&shown, params.reason.clone().unwrap_or_default());
        draft = args.sign.voice(act, &shown.signing, "voices for erasing a text")?;
        if asks {
            let mut text = render::repair::erasure(&shown, context.view()?);
            if let Some(draft) = &draft {
                text.push_str(&render::decision::to_sign(&draft.text()));
            }
            context.out().text(&text)?;
            confirm::ask("erase", "have this text erased for good", "nothing was asked for")?;
        }
    }
    params.show = false;
    params.signature = draft.map(|draft| draft.sign()).transpose()?;
    context.answer_on::<AuditErase>(&mut client, &params, render::repair::erasure)?;
    Ok(0)
}
