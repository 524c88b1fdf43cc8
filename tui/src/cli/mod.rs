//! The command line: one file a verb, every verb a call of the daemon and a way to show its answer.
//!
//! Exit status (design §6): 0 done, 1 internal, 2 usage, 3 refused, 4 not found, 5 conflict, 6 daemon
//! unreachable; `wait` adds 10 rejected, 11 expired, 12 voided or withdrawn, 13 failed, 124 timed out; `alerts test`
//! ends with 0 accepted, 3 not accepted, 124 no answer in time.

mod alerts;
mod amend;
mod anchor;
mod approve;
mod args;
mod assign;
mod audit;
mod batch;
mod certs;
mod check_proof;
mod checkpoint;
mod comment;
mod completions;
mod confirm;
mod context;
mod csr;
mod decide_many;
mod delegation;
pub mod demo;
mod exit;
mod failure;
mod foreign_file;
mod import;
mod job;
mod key_file;
mod ls;
mod moment;
mod out_file;
mod output;
mod policy;
mod profiles;
mod progress;
mod render;
mod renew;
mod request;
mod revoke;
mod san;
mod seen;
mod show;
mod sign;
mod status;
mod void;
mod wait;
mod withdraw;
mod witness;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use context::Context;
pub use failure::Failure;

/// What opens the console: the daemon's socket, and the acting person on a demo daemon.
pub type Console = dyn Fn(&Path, Option<&str>) -> ExitCode;

/// Reads the arguments of this process, does what they say, and returns the exit status.
pub fn run(console: &Console) -> ExitCode {
    let cli = Cli::parse();
    let mut context = Context::new(&cli.global);
    let outcome = match &cli.command {
        None => open(console, &context),
        Some(Command::Demo) => demo::run(console, context.act_as()),
        Some(command) => dispatch(command, &mut context).map(ExitCode::from),
    };
    outcome.unwrap_or_else(|failure| {
        context.out().fail(&failure);
        ExitCode::from(failure.exit_code())
    })
}

fn open(console: &Console, context: &Context) -> Result<ExitCode, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(
            Failure::usage("the console needs a terminal").hint("name a command; `countersign --help` lists them")
        );
    }
    Ok(console(context.socket(), context.act_as()))
}

fn dispatch(command: &Command, context: &mut Context) -> Result<u8, Failure> {
    match command {
        Command::Status => status::status(context),
        Command::Whoami => status::whoami(context),
        Command::Metrics => status::metrics(context),
        Command::Request(args) => request::run(args, context),
        Command::Ls(args) => ls::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Approve(args) => approve::approve(args, context),
        Command::Reject(args) => approve::reject(args, context),
        Command::Withdraw(args) => withdraw::run(args, context),
        Command::Void(args) => void::run(args, context),
        Command::Amend(args) => amend::run(args, context),
        Command::Comment(args) => comment::run(args, context),
        Command::Wait(args) => wait::run(args, context),
        Command::Certs(args) => certs::run(args, context),
        Command::Job(verb) => job::run(verb, context),
        Command::Profiles(args) => profiles::run(args, context),
        Command::Policy(verb) => policy::run(verb, context),
        Command::Delegate(args) => delegation::grant(args, context),
        Command::Delegations(args) => delegation::list(args, context),
        Command::Undelegate(args) => delegation::revoke(args, context),
        Command::Audit(verb) => audit::run(verb, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Demo => Err(Failure::usage("`demo` stands alone")),
        Command::Renew(args) => renew::renew(args, context),
        Command::Revoke(args) => revoke::run(args, context),
        Command::Assign(args) => assign::run(args, context),
        Command::Retire(args) => renew::retire(args, context),
        Command::Import(args) => import::run(args, context),
        Command::Witness(args) => witness::run(args, context),
        Command::Alerts(verb) => alerts::run(verb, context),
    }
}
