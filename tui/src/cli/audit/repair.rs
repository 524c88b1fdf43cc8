//! `audit repair`: shows what is damaged, and acknowledges exactly that where somebody types what is risky about it.

use clap::Args;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::method::AuditRepair;
use countersign_shared::protocol::{RepairParams, RepairResult};
use countersign_shared::voice_text::Act;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::sign::{Draft, SignArgs};
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
    #[command(flatten)]
    sign: SignArgs,
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
    if !args.yes && !context.interactive() {
        return Err(Failure::usage("acknowledging damage asks first, and nobody sits at a terminal").hint("--yes"));
    }
    let mut draft = None;
    if !args.yes || args.sign.may_sign() {
        let shown: RepairResult = client.call::<AuditRepair>(&RepairParams::default())?;
        // Of other damage than is there now nothing is signed: the daemon refuses it, and says so.
        if shown.damage_sha256 == digest && shown.blocked.is_none() && !shown.damage.is_empty() {
            let act = Act::acknowledging(&shown);
            draft = args.sign.voice(act, &shown.signing, "voices for acknowledging damage")?;
        }
        if !args.yes {
            look(&shown, draft.as_ref(), context)?;
        }
    }
    let signature = draft.map(|draft| draft.sign()).transpose()?;
    let params = RepairParams { damage_sha256: Some(digest), signature };
    let result = context.answer_on::<AuditRepair>(&mut client, &params, render::repair::repair)?;
    Ok(status(&result))
}

fn look(shown: &RepairResult, draft: Option<&Draft>, context: &mut Context) -> Result<(), Failure> {
    let mut text = render::repair::repair(shown, context.view()?);
    if let Some(draft) = draft {
        text.push_str(&render::decision::to_sign(&draft.text()));
    }
    context.out().text(&text)?;
    confirm::ask(RISK, "acknowledge it", "nothing was acknowledged")
}

fn status(result: &RepairResult) -> u8 {
    let damaged = result.blocked.is_some() || !result.damage.is_empty();
    if damaged && result.acknowledged_seq.is_none() { 3 } else { 0 }
}
