//! `delegate`, `delegations`, `undelegate`: an approver hands their say to a named person, for a bounded time.

use clap::Args;
use countersign_shared::id::DelegationId;
use countersign_shared::protocol::method::{DelegationGrant, DelegationList, DelegationRevoke};
use countersign_shared::protocol::{DelegateParams, DelegationIdParams, ListDelegationsParams};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::render;

#[derive(Debug, Args)]
pub(super) struct DelegateArgs {
    /// A person of the policy
    person: String,
    /// How long: 1h to 30d
    #[arg(long = "for", value_name = "SPAN")]
    duration: Span,
    /// Only under this profile, again and again; all where it is left out
    #[arg(long, value_name = "ID")]
    profile: Vec<String>,
    /// Why, at most 4 KiB
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DelegationsArgs {
    /// Only those that hold now
    #[arg(long)]
    active: bool,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct UndelegateArgs {
    /// The delegation
    #[arg(value_name = "dg-…")]
    id: DelegationId,
}

pub(super) fn grant(args: &DelegateArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = DelegateParams {
        to: args.person.clone(),
        duration: args.duration,
        profiles: (!args.profile.is_empty()).then(|| args.profile.clone()),
        reason: args.reason.as_deref().map(Untrusted::from),
    };
    context.answer::<DelegationGrant>(&params, render::delegation::one)?;
    Ok(0)
}

pub(super) fn list(args: &DelegationsArgs, context: &mut Context) -> Result<u8, Failure> {
    let params =
        ListDelegationsParams { active: args.active, limit: args.page.limit, cursor: args.page.cursor.clone() };
    let page =
        context.answer::<DelegationList>(&params, |page, view| render::delegation::list(&page.delegations, view))?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}

pub(super) fn revoke(args: &UndelegateArgs, context: &mut Context) -> Result<u8, Failure> {
    context.answer::<DelegationRevoke>(&DelegationIdParams { id: args.id.clone() }, render::delegation::one)?;
    Ok(0)
}
