//! The contract's commands that this version refuses by name.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use super::context::Context;
use super::failure::Failure;

/// Whatever is said to a command that is not built.
#[derive(Debug, Args)]
pub(super) struct Rest {
    /// Not looked at
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(super) enum AlertsVerb {
    /// List alerts (not built in this version)
    Ls(Rest),
    /// Send a test alert (not built in this version)
    Test(Rest),
    /// Send a dead alert again (not built in this version)
    Requeue(Rest),
}

/// Ends the command with the refusal that the daemon gives for `method`.
pub(super) fn run(verb: &str, method: &str, rest: &Rest, context: &mut Context) -> Result<u8, Failure> {
    if rest.arguments.iter().any(|argument| argument == "--json") {
        context.force_json();
    }
    Err(Failure::not_built(&format!("`countersign {verb}`"))
        .hint(format!("the daemon of this version answers `unavailable` to {method}")))
}

pub(super) fn alerts(verb: &AlertsVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        AlertsVerb::Ls(rest) => run("alerts ls", "alert.list", rest, context),
        AlertsVerb::Test(rest) => run("alerts test", "alert.test", rest, context),
        AlertsVerb::Requeue(rest) => run("alerts requeue", "alert.requeue", rest, context),
    }
}
