//! `renew`, `retire`: what becomes of a certificate that ends by time.

use std::path::PathBuf;

use clap::Args;
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::method::{CertificateRenew, CertificateRetire};
use countersign_shared::protocol::{RenewParams, RetireParams, RetireReason};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;

use super::context::Context;
use super::failure::Failure;
use super::wait::{self, Wait};
use super::{csr, render};

#[derive(Debug, Args)]
pub(super) struct RenewArgs {
    /// The certificate
    #[arg(value_name = "mc-…")]
    id: CertificateId,
    /// A certificate signing request for a key of your own, PEM or DER, or - for standard input; left out, the
    /// profile says whether the key stays the same or the daemon makes one
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Why it is renewed, at most 4 KiB
    #[arg(long)]
    reason: Option<String>,
    /// The change ticket
    #[arg(long)]
    ticket: Option<String>,
    /// Wait until it has ended
    #[arg(long)]
    wait: bool,
    /// How long to wait: 30s, 10m, 72h; without limit where it is left out
    #[arg(long, value_name = "SPAN", requires = "wait")]
    timeout: Option<Span>,
    /// Write the certificate and its issuers (PEM, leaf first) to this file, or to standard output for -
    #[arg(long, value_name = "FILE", requires = "wait")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RetireArgs {
    /// The certificate, which has expired
    #[arg(value_name = "mc-…")]
    id: CertificateId,
    /// Why: unused, replaced, elsewhere
    #[arg(long)]
    reason: RetireReason,
}

pub(super) fn renew(args: &RenewArgs, context: &mut Context) -> Result<u8, Failure> {
    let target = wait::target(args.out.as_ref(), context)?;
    let params = RenewParams {
        certificate_id: args.id.clone(),
        csr: args.csr.as_deref().map(csr::read).transpose()?,
        reason: args.reason.as_deref().map(Untrusted::from),
        ticket: args.ticket.as_deref().map(Untrusted::from),
    };
    let submitted = |result: &_, view| render::request::submitted(result, None, view);
    let result = context.answer::<CertificateRenew>(&params, submitted)?;
    if !args.wait {
        return Ok(0);
    }
    let id = result.request.as_ref().map_or(result.job.id.as_str(), |request| request.id.as_str());
    Wait { id, timeout: args.timeout, target: target.as_ref(), met: true }.run(context)
}

pub(super) fn retire(args: &RetireArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = RetireParams { certificate_id: args.id.clone(), reason: args.reason };
    context.answer::<CertificateRetire>(&params, render::certificate::retired)?;
    Ok(0)
}
