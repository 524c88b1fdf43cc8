//! `amend`: the requester puts other content in place of a pending request of their own.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use countersign_shared::id::RequestId;
use countersign_shared::protocol::AmendParams;
use countersign_shared::protocol::method::RequestAmend;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;

use super::context::Context;
use super::failure::Failure;
use super::moment::Moment;
use super::seen::{UNSEEN, look};
use super::{csr, render};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true)
    .args(["csr", "reason", "ticket", "valid_for", "not_before"])))]
pub(super) struct AmendArgs {
    /// The request; what is not named stays as it is, and so does its deadline. Votes that were given are void
    #[arg(value_name = "ar-…")]
    id: RequestId,
    /// Another CSR, PEM or DER, or - for standard input
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Another reason, at most 4 KiB
    #[arg(long)]
    reason: Option<String>,
    /// Another change ticket
    #[arg(long)]
    ticket: Option<String>,
    /// Another validity: 90d
    #[arg(long, value_name = "SPAN")]
    valid_for: Option<Span>,
    /// Another scheduled start: 2027-01-31T08:00:00Z, or +2h for two hours from now
    #[arg(long, value_name = "TIME")]
    not_before: Option<Moment>,
}

pub(super) fn run(args: &AmendArgs, context: &mut Context) -> Result<u8, Failure> {
    let csr = args.csr.as_deref().map(csr::read).transpose()?;
    let not_before = context.moment(args.not_before)?;
    let mut client = context.connect()?;
    let params = AmendParams {
        id: args.id.clone(),
        digest: look(&args.id, &mut client)?.map_or(UNSEEN, |detail| detail.request.digest),
        csr,
        reason: args.reason.as_deref().map(Untrusted::from),
        ticket: args.ticket.as_deref().map(Untrusted::from),
        valid_for: args.valid_for,
        not_before,
    };
    context.answer_on::<RequestAmend>(&mut client, &params, render::life::amended)?;
    Ok(0)
}
