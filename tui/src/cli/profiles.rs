//! `profiles`: the rules that requests fall under.

use clap::Args;
use countersign_shared::protocol::method::{ProfileGet, ProfileList_};
use countersign_shared::protocol::{NoParams, ProfileIdParams};

use super::context::Context;
use super::failure::Failure;
use super::render;

#[derive(Debug, Args)]
pub(super) struct ProfilesArgs {
    /// Show this profile alone, with every rule
    #[arg(value_name = "p-…")]
    id: Option<String>,
}

pub(super) fn run(args: &ProfilesArgs, context: &mut Context) -> Result<u8, Failure> {
    match &args.id {
        Some(id) => {
            context.answer::<ProfileGet>(&ProfileIdParams { id: id.clone() }, render::policy::profile)?;
        }
        None => {
            context.answer::<ProfileList_>(&NoParams {}, |list, view| {
                render::policy::profiles(&list.profiles, view)
            })?;
        }
    }
    Ok(0)
}
