//! `approve` and `reject`: one person's say on exactly the content of one digest, or of several.

use std::str::FromStr;

use clap::{ArgGroup, Args};
use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::DecideParams;
use countersign_shared::protocol::method::{RequestApprove, RequestReject};
use countersign_shared::text::Untrusted;

use super::context::Context;
use super::decide_many::{self, Items};
use super::failure::Failure;
use super::seen::{UNSEEN, look};
use super::sign::SignArgs;
use super::{confirm, render};

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    which: Which,
    /// A note, at most 4 KiB
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    #[command(flatten)]
    which: Which,
    /// Why, at most 4 KiB
    #[arg(long)]
    note: String,
    #[command(flatten)]
    sign: SignArgs,
}

/// What is decided.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["requests", "batch"])))]
struct Which {
    /// The request, or several: all are shown, then one answer decides them, each by itself. With the content
    /// digest that you saw behind an @ it is not shown again; a script that names none decides on the content
    /// as it is now
    #[arg(value_name = "ar-…[@SHA256]")]
    requests: Vec<Named>,
    /// Every pending request of this batch
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    /// The content digest that you saw of the one request
    #[arg(long, value_name = "SHA256", conflicts_with = "batch")]
    digest: Option<Digest>,
}

/// A request as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Which.
    pub(super) id: RequestId,
    /// The digest that the caller saw.
    pub(super) digest: Option<Digest>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        match raw.split_once('@') {
            Some((id, digest)) => {
                let digest = digest.parse().map_err(|error| format!("behind the @: {error}"))?;
                Ok(Self { id: id.parse()?, digest: Some(digest) })
            }
            None => Ok(Self { id: raw.parse()?, digest: None }),
        }
    }
}

pub(super) fn approve(args: &ApproveArgs, context: &mut Context) -> Result<u8, Failure> {
    decide(Verdict::Approve, &args.which, args.note.as_deref(), &args.sign, context)
}

pub(super) fn reject(args: &RejectArgs, context: &mut Context) -> Result<u8, Failure> {
    decide(Verdict::Reject, &args.which, Some(&args.note), &args.sign, context)
}

fn decide(
    verdict: Verdict,
    which: &Which,
    note: Option<&str>,
    sign: &SignArgs,
    context: &mut Context,
) -> Result<u8, Failure> {
    let note = note.map(Untrusted::from);
    match (which.requests.as_slice(), &which.batch) {
        ([named], _) => {
            let digest = match (named.digest, which.digest) {
                (Some(behind), Some(flag)) if behind != flag => {
                    return Err(Failure::usage("the digest behind the @ and that of --digest differ"));
                }
                (behind, flag) => behind.or(flag),
            };
            one(verdict, &Named { id: named.id.clone(), digest }, note, sign, context)
        }
        (_, None) if which.digest.is_some() => Err(Failure::usage("--digest goes with one request alone")
            .hint("write the digest of each behind its id: ar-…@SHA256")),
        (named, None) => decide_many::run(verdict, &Items::Named(named), note, sign, context),
        (_, Some(batch)) => decide_many::run(verdict, &Items::Batch(batch), note, sign, context),
    }
}

fn one(
    verdict: Verdict,
    named: &Named,
    note: Option<Untrusted>,
    sign: &SignArgs,
    context: &mut Context,
) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    let id = &named.id;
    let detail = match named.digest {
        Some(_) if !sign.may_sign() => None,
        _ => look(id, &mut client)?,
    };
    // What was seen, or what nobody may see; where it is not what the request holds now, the daemon says so.
    let digest = named.digest.or(detail.as_ref().map(|detail| detail.request.digest)).unwrap_or(UNSEEN);
    let detail = detail.filter(|detail| detail.request.digest == digest);
    let draft = match &detail {
        Some(detail) => sign.draft(detail, verdict, note.as_ref())?,
        None => None,
    };
    if let Some(detail) = detail.filter(|_| named.digest.is_none() && context.interactive()) {
        let mut text = render::detail::request(&detail, context.view()?);
        if let Some(draft) = &draft {
            text.push_str(&render::decision::to_sign(&draft.text()));
        }
        context.out().text(&text)?;
        let wanted = confirm::expected(verdict, &detail);
        confirm::ask(&wanted, &format!("{verdict} exactly this"), "nothing was decided")?;
    }
    let signature = draft.map(|draft| draft.sign()).transpose()?;
    let params = DecideParams { id: id.clone(), digest, note, signature };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_with_or_without_the_digest_that_was_seen() {
        let digest = Digest::of(&[b"seen"]);
        let id: RequestId = "ar-1".parse().unwrap();
        assert_eq!("ar-1".parse(), Ok(Named { id: id.clone(), digest: None }));
        assert_eq!(format!("ar-1@{digest}").parse(), Ok(Named { id, digest: Some(digest) }));
        for bad in ["", "@", "ar-1@", "ar-1@00", "job-1", &format!("@{digest}"), &format!("ar-1@{digest}@{digest}")] {
            assert!(bad.parse::<Named>().is_err(), "{bad}");
        }
    }
}
