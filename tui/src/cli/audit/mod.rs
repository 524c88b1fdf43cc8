//! `audit`: the verbs of the ledger.

mod archive;
mod erase;
mod evidence;
mod export;
mod lines;
mod repair;
mod report;
mod verify;

use clap::{Args, Subcommand};
use countersign_shared::id::EventId;
use countersign_shared::protocol::method::{AuditCount_, AuditGet, AuditList};
use countersign_shared::protocol::{AuditAction, AuditCountParams, AuditGetParams, Category, ListAuditParams};
use countersign_shared::time::Timestamp;

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::{anchor, check_proof, checkpoint, render};

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// List ledger records, newest first
    Ls(AuditLsArgs),
    /// Count ledger records, exactly
    Count(AuditFilter),
    /// Verify the whole ledger now, or without a daemon a copy of its database, an export or evidence; status 3 where it is damaged
    Verify(verify::VerifyArgs),
    /// Show one record with the exact octets that are hashed
    Get(AuditGetArgs),
    /// Take the records of a time range out, one JSON object a line; the export is itself recorded
    Export(export::ExportArgs),
    /// Take all there is about a request, a certificate or a period out, with proofs, as one file; itself recorded
    Evidence(evidence::EvidenceArgs),
    /// Make a page for people of evidence, without a daemon; status 3 where the evidence does not verify
    Report(report::ReportArgs),
    /// Seal the next records into a file that stays verifiable, or write one again that is sealed; each is recorded
    Archive(archive::ArchiveArgs),
    /// List the archives that were sealed, newest first
    Archives(archive::ArchivesArgs),
    /// Show what is damaged, or acknowledge exactly that; status 3 while there is damage that is not acknowledged
    Repair(repair::RepairArgs),
    /// Have a note, reason or comment erased; its digest stays. A quorum of people agrees, each by this command
    Erase(erase::EraseArgs),
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

/// Which records.
#[derive(Debug, Args)]
pub(super) struct AuditFilter {
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
    /// Only from this time on, as in 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(super) struct AuditLsArgs {
    #[command(flatten)]
    filter: AuditFilter,
    /// Only with this text in the actor, action, object, details, note or reason
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct AuditGetArgs {
    /// The record, by its id or its sequence number
    #[arg(value_name = "ev-…|SEQ")]
    record: Which,
}

/// One record, as it was named.
#[derive(Clone, Debug)]
enum Which {
    Id(EventId),
    Seq(u64),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        if raw.starts_with("ev-") {
            return raw.parse().map(Self::Id).map_err(|error| error.to_string());
        }
        raw.parse().map(Self::Seq).map_err(|_| "an id (ev-…) or a sequence number is needed".to_owned())
    }
}

pub(super) fn run(verb: &AuditVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        AuditVerb::Ls(args) => {
            let filter = &args.filter;
            let params = ListAuditParams {
                actor: filter.actor.clone(),
                action: filter.action,
                category: filter.category,
                resource_id: filter.resource.clone(),
                from: filter.from,
                to: filter.to,
                text: args.text.clone(),
                limit: args.page.limit,
                cursor: args.page.cursor.clone(),
            };
            let page = context.answer::<AuditList>(&params, |page, view| render::audit::list(&page.events, view))?;
            more(page.next_cursor.as_deref(), context);
            Ok(0)
        }
        AuditVerb::Count(filter) => {
            let AuditFilter { actor, action, category, resource, from, to } = filter;
            let params = AuditCountParams {
                actor: actor.clone(),
                action: *action,
                category: *category,
                resource_id: resource.clone(),
                from: *from,
                to: *to,
            };
            context.answer::<AuditCount_>(&params, |count, _| format!("{}\n", count.count))?;
            Ok(0)
        }
        AuditVerb::Verify(args) if args.needs_file() => {
            Err(Failure::usage("--anchor, --key and --witness need a FILE that they are held against"))
        }
        AuditVerb::Verify(args) if args.is_offline() => verify::run(args, context),
        AuditVerb::Verify(_) => verify::by_daemon(context),
        AuditVerb::Get(args) => {
            let params = match &args.record {
                Which::Id(id) => AuditGetParams { event_id: Some(id.clone()), seq: None },
                Which::Seq(seq) => AuditGetParams { event_id: None, seq: Some(*seq) },
            };
            context.answer::<AuditGet>(&params, render::audit::record)?;
            Ok(0)
        }
        AuditVerb::Repair(args) => repair::run(args, context),
        AuditVerb::Erase(args) => erase::run(args, context),
        AuditVerb::Export(args) => export::run(args, context),
        AuditVerb::Evidence(args) => evidence::run(args, context),
        AuditVerb::Report(args) => report::run(args, context),
        AuditVerb::Archive(args) => archive::run(args, context),
        AuditVerb::Archives(args) => archive::list(args, context),
        AuditVerb::Checkpoint(args) => checkpoint::checkpoint(args, context),
        AuditVerb::Proof(args) => checkpoint::proof(args, context),
        AuditVerb::CheckProof(args) => check_proof::run(args, context),
        AuditVerb::Anchor(verb) => anchor::run(verb, context),
    }
}
