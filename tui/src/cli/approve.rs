//! `approve` and `reject`: one person's say on exactly the content of one digest.

use std::io::{self, Write as _};

use clap::Args;
use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::method::{RequestApprove, RequestGet, RequestReject};
use countersign_shared::protocol::{DecideParams, RequestDetail, RequestIdParams};
use countersign_shared::text::Untrusted;

use super::context::Context;
use super::failure::Failure;
use super::render;
use crate::client::Client;

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The request
    #[arg(value_name = "ar-…")]
    id: RequestId,
    /// A note, at most 4 KiB
    #[arg(long)]
    note: Option<String>,
    /// The content digest that you saw. Without it a terminal shows the request and asks; a script agrees to
    /// the content as it is now
    #[arg(long, value_name = "SHA256")]
    digest: Option<Digest>,
}

#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    /// The request
    #[arg(value_name = "ar-…")]
    id: RequestId,
    /// Why, at most 4 KiB
    #[arg(long)]
    note: String,
    /// The content digest that you saw; without it as for `approve`
    #[arg(long, value_name = "SHA256")]
    digest: Option<Digest>,
}

pub(super) fn approve(args: &ApproveArgs, context: &mut Context) -> Result<u8, Failure> {
    decide(Verdict::Approve, &args.id, args.note.as_deref(), args.digest, context)
}

pub(super) fn reject(args: &RejectArgs, context: &mut Context) -> Result<u8, Failure> {
    decide(Verdict::Reject, &args.id, Some(&args.note), args.digest, context)
}

fn decide(
    verdict: Verdict,
    id: &RequestId,
    note: Option<&str>,
    digest: Option<Digest>,
    context: &mut Context,
) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    let digest = match digest {
        Some(digest) => digest,
        None => current_digest(verdict, id, &mut client, context)?,
    };
    let params = DecideParams { id: id.clone(), digest, note: note.map(Untrusted::from) };
    match verdict {
        Verdict::Approve => {
            context.answer_on::<RequestApprove>(&mut client, &params, render::decision::made)?;
        }
        Verdict::Reject => {
            context.answer_on::<RequestReject>(&mut client, &params, render::decision::made)?;
        }
    }
    Ok(0)
}

/// The digest of what the request holds now, confirmed where somebody can be asked.
///
/// Who may not read the request gets a digest that no content has: the attempt still reaches the daemon, which
/// refuses and records it.
fn current_digest(
    verdict: Verdict,
    id: &RequestId,
    client: &mut Client,
    context: &mut Context,
) -> Result<Digest, Failure> {
    match client.call::<RequestGet>(&RequestIdParams { id: id.clone() }) {
        Ok(detail) => {
            if context.interactive() {
                confirm(verdict, &detail, context)?;
            }
            Ok(detail.request.digest)
        }
        Err(error) if matches!(error.refusal(), Some(ErrorKind::Forbidden | ErrorKind::NotFound)) => {
            Ok(Digest::from_bytes([0; 32]))
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows the request and takes the one answer that goes on.
fn confirm(verdict: Verdict, detail: &RequestDetail, context: &mut Context) -> Result<(), Failure> {
    let text = render::request::detail(detail, context.view()?);
    context.out().text(&text)?;
    let wanted = expected_answer(verdict, detail);
    let question = format!(
        "\nType {} to {verdict} exactly this, anything else to stop: ",
        Untrusted::from(wanted).safe()
    );
    let mut stdout = io::stdout().lock();
    let mut answer = String::new();
    stdout
        .write_all(question.as_bytes())
        .and_then(|()| stdout.flush())
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| Failure::internal(format!("cannot ask: {error}")))?;
    if answer.trim() == wanted {
        return Ok(());
    }
    Err(Failure::usage("not confirmed: nothing was decided"))
}

/// `yes`; the name at risk where a request that deserves a second look is approved.
fn expected_answer(verdict: Verdict, detail: &RequestDetail) -> &str {
    let name = detail.request.primary_name.raw().trim();
    let typable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if verdict == Verdict::Approve && !detail.request.risks.is_empty() && typable { name } else { "yes" }
}
