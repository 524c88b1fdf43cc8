//! `revoke`: ask for the end of a certificate before its time.

use clap::Args;
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::RevokeParams;
use countersign_shared::protocol::method::CertificateRevoke;
use countersign_shared::revocation::RevocationReason;
use countersign_shared::text::Untrusted;

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The certificate, whose version in force ends
    #[arg(value_name = "mc-…", required_unless_present = "serial")]
    id: Option<CertificateId>,
    /// Exactly the version with this serial number, in hexadecimal
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
    /// Why: unspecified, key_compromise, affiliation_changed, superseded, cessation_of_operation, privilege_withdrawn
    #[arg(long)]
    reason: RevocationReason,
    /// Why, in words, at most 4 KiB
    #[arg(long)]
    note: Option<String>,
    /// The change ticket, where the profile asks for one
    #[arg(long)]
    ticket: Option<String>,
}

pub(super) fn run(args: &RevokeArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = RevokeParams {
        certificate_id: args.id.clone(),
        serial: args.serial.clone(),
        reason: args.reason,
        note: args.note.as_deref().map(Untrusted::from),
        ticket: args.ticket.as_deref().map(Untrusted::from),
    };
    context.answer::<CertificateRevoke>(&params, render::revocation::asked)?;
    Ok(0)
}
