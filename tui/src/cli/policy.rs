//! `policy show|check|diff|propose`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::method::{PolicyCheck, PolicyGet, PolicyPropose};
use countersign_shared::protocol::{NoParams, PolicyCheckParams, PolicyCheckResult, ProposeParams};

use super::context::Context;
use super::csr::read_bounded;
use super::failure::{Failure, shown};
use super::render::{self, View};
use super::seen::look;

/// The largest policy document that the protocol takes, in octets.
const MAX_POLICY: usize = 512 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyVerb {
    /// Print the policy in force
    Show,
    /// Judge a policy document without changing anything: what it would change and what is proved of it; status 3
    /// where it is not valid
    Check(DocumentArgs),
    /// Print what a policy document would change in the policy in force; status 3 where it is not valid
    Diff(DocumentArgs),
    /// Ask for another policy: it takes force when enough other people agree
    Propose(ProposeArgs),
}

#[derive(Debug, Args)]
pub(super) struct DocumentArgs {
    /// The document, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ProposeArgs {
    #[command(flatten)]
    document: DocumentArgs,
    /// Why, at most 4 KiB
    #[arg(long)]
    reason: String,
    /// The digest of the policy that the document was made from; refused where another is in force by now
    #[arg(long, value_name = "SHA256")]
    base: Option<Digest>,
}

pub(super) fn run(verb: &PolicyVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        PolicyVerb::Show => {
            let policy = context.answer::<PolicyGet>(&NoParams {}, render::policy::document)?;
            context.out().note(&render::policy::which(&policy));
            Ok(0)
        }
        PolicyVerb::Check(args) => check(args, render::policy::check, context),
        PolicyVerb::Diff(args) => check(args, render::policy::diff, context),
        PolicyVerb::Propose(args) => propose(args, context),
    }
}

fn check(
    args: &DocumentArgs,
    render: fn(&PolicyCheckResult, View) -> String,
    context: &mut Context,
) -> Result<u8, Failure> {
    let params = PolicyCheckParams { document: read(&args.file)? };
    let result = context.answer::<PolicyCheck>(&params, render)?;
    Ok(if result.valid { 0 } else { 3 })
}

fn propose(args: &ProposeArgs, context: &mut Context) -> Result<u8, Failure> {
    let document = read(&args.document.file)?;
    let params = ProposeParams { document, reason: args.reason.as_str().into(), base_sha256: args.base };
    let mut client = context.connect()?;
    let made = context.answer_on::<PolicyPropose>(&mut client, &params, render::policy_change::proposed)?;
    if !context.json() {
        // The proposal stands whatever becomes of this second call: it only names who could agree.
        match look(&made.request.id, &mut client) {
            Ok(Some(detail)) => {
                let text = render::detail::deciders(&detail, context.view()?);
                context.out().text(&text)?;
            }
            Ok(None) => {}
            Err(error) => context.out().note(&format!("who could decide is not known: {error}")),
        }
    }
    Ok(0)
}

fn read(path: &Path) -> Result<String, Failure> {
    let octets = read_bounded(path, MAX_POLICY)?;
    String::from_utf8(octets).map_err(|error| Failure::usage(format!("{} is not UTF-8: {error}", shown(path))))
}
