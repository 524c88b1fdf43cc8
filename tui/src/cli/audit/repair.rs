//! `audit repair`: shows what is damaged, and acknowledges exactly that where somebody types what is risky about it.

use clap::Args;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::method::AuditRepair;
use countersign_shared::protocol::{RepairParams, RepairResult};

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::{confirm, render};

/// What is typed: an acknowledged record is never shown to be true again.
const RISK: &str = "this damage is real and stays";

#[derive(Debug, Args)]
pub(in crate::cli) struct RepairArgs {
    /// Acknowledge the damage with this digest, as `audit repair` showed it; a quorum of people has to
    #[arg(long, value_name = "DIGEST")]
    acknowledge: Option<Digest>,
    /// Do not ask
    #[arg(long, requires = "acknowledge")]
    yes: bool,
}

/// Status 3 while there is damage that is not acknowledged.
pub(super) fn run(args: &RepairArgs, context: &mut Context) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    // Every record is looked at: as long as it takes.
    client.set_timeout(None);
    let Some(digest) = args.acknowledge else {
        let shown = context.answer_on::<AuditRepair>(&mut client, &RepairParams::default(), render::repair::repair)?;
        return Ok(status(&shown));
    };
    if !args.yes {
        if !context.interactive() {
            return Err(Failure::usage("acknowledging damage asks first, and nobody sits at a terminal").hint("--yes"));
        }
        let shown: RepairResult = client.call::<AuditRepair>(&RepairParams::default())?;
        let text = render::repair::repair(&shown, context.view()?);
        context.out().text(&text)?;
        confirm::ask(RISK, "acknowledge it", "nothing was acknowledged")?;
    }
    let params = RepairParams { damage_sha256: Some(digest) };
    let result = context.answer_on::<AuditRepair>(&mut client, &params, render::repair::repair)?;
    Ok(status(&result))
}

fn status(result: &RepairResult) -> u8 {
    let damaged = result.blocked.is_some() || !result.damage.is_empty();
    if damaged && result.acknowledged_seq.is_none() { 3 } else { 0 }
}
