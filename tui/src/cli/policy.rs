//! `policy show|check|propose`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_shared::protocol::method::{PolicyCheck, PolicyGet};
use countersign_shared::protocol::{NoParams, PolicyCheckParams};

use super::context::Context;
use super::csr::read_bounded;
use super::failure::{Failure, shown};
use super::{not_built, render};

/// The largest policy document that the protocol takes, in octets.
const MAX_POLICY: usize = 512 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyVerb {
    /// Print the policy in force
    Show,
    /// Judge a policy document without changing anything; status 3 where it is not valid
    Check(CheckArgs),
    /// Propose another policy (not built in this version)
    Propose(not_built::Rest),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The document, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(verb: &PolicyVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        PolicyVerb::Show => {
            context.answer::<PolicyGet>(&NoParams {}, render::policy::document)?;
            Ok(0)
        }
        PolicyVerb::Check(args) => {
            let octets = read_bounded(&args.file, MAX_POLICY)?;
            let document = String::from_utf8(octets)
                .map_err(|error| Failure::usage(format!("{} is not UTF-8: {error}", shown(&args.file))))?;
            let params = PolicyCheckParams { document };
            let result = context.answer::<PolicyCheck>(&params, render::policy::check)?;
            Ok(if result.valid { 0 } else { 3 })
        }
        PolicyVerb::Propose(rest) => not_built::run("policy propose", "policy.propose", rest, context),
    }
}
