//! The contract's commands that this version refuses by name.

use std::ffi::OsString;

use clap::Args;

use super::context::Context;
use super::failure::Failure;

/// Whatever is said to a command that is not built.
#[derive(Debug, Args)]
pub(super) struct Rest {
    /// Not looked at
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Ends the command with the refusal that the daemon gives for `method`.
pub(super) fn run(verb: &str, method: &str, rest: &Rest, context: &mut Context) -> Result<u8, Failure> {
    if rest.arguments.iter().any(|argument| argument == "--json") {
        context.force_json();
    }
    Err(Failure::not_built(&format!("`countersign {verb}`"))
        .hint(format!("the daemon of this version answers `unavailable` to {method}")))
}
