//! `audit`: the verbs of the ledger.

use clap::{Args, Subcommand};
use countersign_shared::id::EventId;
use countersign_shared::protocol::method::{AuditGet, AuditList, AuditVerify};
use countersign_shared::protocol::{AuditAction, AuditGetParams, Category, ListAuditParams, NoParams};

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::{anchor, check_proof, checkpoint, not_built, render};

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// List ledger records, newest first
    Ls(AuditLsArgs),
    /// Verify the whole ledger now; status 3 where it is damaged
    Verify,
    /// Show one record with the exact octets that are hashed
    Get(AuditGetArgs),
    /// Take records out (not built in this version)
    Export(not_built::Rest),
    /// Sign what the ledger is now, to be kept elsewhere
    Checkpoint(checkpoint::CheckpointArgs),
    /// Prove that records are in the ledger, or that it only grew
    Proof(checkpoint::ProofArgs),
    /// Check a proof, without a daemon; status 3 where it does not show what it says
    CheckProof(check_proof::CheckProofArgs),
    /// Checkpoints that were kept elsewhere, brought back
    #[command(subcommand)]
    Anchor(anchor::AnchorVerb),
}

#[derive(Debug, Args)]
pub(super) struct AuditLsArgs {
    /// Only by this actor
    #[arg(long)]
    actor: Option<String>,
    /// Only this action, for example approval_refused
    #[arg(long)]
    action: Option<AuditAction>,
    /// Only this category: cert_lifecycle, auth, config
    #[arg(long)]
    category: Option<Category>,
    /// Only about the object with this id
    #[arg(long, value_name = "ID")]
    resource: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct AuditGetArgs {
    /// The record
    #[arg(value_name = "ev-…")]
    id: EventId,
}

pub(super) fn run(verb: &AuditVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        AuditVerb::Ls(args) => {
            let params = ListAuditParams {
                actor: args.actor.clone(),
                action: args.action,
                category: args.category,
                resource_id: args.resource.clone(),
                limit: args.page.limit,
                cursor: args.page.cursor.clone(),
            };
            let page = context.answer::<AuditList>(&params, |page, view| render::audit::list(&page.events, view))?;
            more(page.next_cursor.as_deref(), context);
            Ok(0)
        }
        AuditVerb::Verify => {
            let mut client = context.connect()?;
            // One pass over every record: as long as it takes.
            client.set_timeout(None);
            let result = context.answer_on::<AuditVerify>(&mut client, &NoParams {}, render::audit::verification)?;
            Ok(if result.intact { 0 } else { 3 })
        }
        AuditVerb::Get(args) => {
            let params = AuditGetParams { event_id: args.id.clone() };
            context.answer::<AuditGet>(&params, render::audit::record)?;
            Ok(0)
        }
        AuditVerb::Export(rest) => not_built::run("audit export", "audit.export", rest, context),
        AuditVerb::Checkpoint(args) => checkpoint::checkpoint(args, context),
        AuditVerb::Proof(args) => checkpoint::proof(args, context),
        AuditVerb::CheckProof(args) => check_proof::run(args, context),
        AuditVerb::Anchor(verb) => anchor::run(verb, context),
    }
}
