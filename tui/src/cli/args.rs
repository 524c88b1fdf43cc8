//! The arguments that every command shares, and the list of commands.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

use super::{approve, audit, certs, completions, job, ls, not_built, policy, profiles, request, show, wait};

/// Where the daemon listens unless told otherwise.
pub(super) const DEFAULT_SOCKET: &str = "/run/countersign/countersign.sock";

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 internal fault, 2 usage, 3 refused, 4 not found,
5 conflict (decided already, stale content), 6 daemon unreachable; `wait` and
`request --wait` also 10 rejected, 11 expired, 12 voided or withdrawn,
13 issuing failed, 124 timed out.

Without a command the console opens.";

/// Ask for certificates, decide on them, and look at the ledger.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXIT_STATUS)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What every command takes, before or after its name.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The daemon's socket
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "COUNTERSIGN_SOCKET",
        hide_env_values = true,
        default_value = DEFAULT_SOCKET,
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    pub(super) socket: PathBuf,
    /// Print the daemon's result unchanged, one line of JSON; errors too, on standard error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The acting person; only on a demo daemon
    #[arg(long = "as", global = true, value_name = "NAME", env = "COUNTERSIGN_AS", hide_env_values = true)]
    pub(super) act_as: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// State of the daemon: alarms, pending requests, ledger
    Status,
    /// Who the kernel says you are, and what you may do
    Whoami,
    /// Ask for a certificate
    Request(request::RequestArgs),
    /// List requests, newest first
    Ls(ls::LsArgs),
    /// Show a request, certificate or job
    Show(show::ShowArgs),
    /// Agree to a request
    Approve(approve::ApproveArgs),
    /// Refuse a request, with a note
    Reject(approve::RejectArgs),
    /// Wait until a request or job has ended
    Wait(wait::WaitArgs),
    /// List managed certificates
    Certs(certs::CertsArgs),
    /// Look at jobs, or try a failed one again
    #[command(visible_alias = "jobs", subcommand)]
    Job(job::JobVerb),
    /// List the profiles of the policy in force
    Profiles(profiles::ProfilesArgs),
    /// The policy in force
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// The ledger
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// Print the daemon's metrics (Prometheus text)
    Metrics,
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Start a throw-away daemon with example requests and open the console on it
    Demo,
    /// End a pending request as an admin (not built in this version)
    Void(not_built::Rest),
    /// Take a request of your own back (not built in this version)
    Withdraw(not_built::Rest),
    /// Ask for a successor to a certificate (not built in this version)
    Renew(not_built::Rest),
    /// Manage a certificate from elsewhere (not built in this version)
    Import(not_built::Rest),
    /// Notifications (not built in this version)
    #[command(subcommand)]
    Alerts(not_built::AlertsVerb),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in [
            "countersign --socket /s --json --as bob ls",
            "countersign ls --socket /s --json --as bob",
            "countersign --json audit ls --as bob --socket /s",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.socket, PathBuf::from("/s"), "{line}");
            assert!(cli.global.json, "{line}");
            assert_eq!(cli.global.act_as.as_deref(), Some("bob"), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for line in [
            "countersign request",
            "countersign request --csr a --new-key b --cn c",
            "countersign request --csr a --cn c",
            "countersign request --csr a --key-type ed25519",
            "countersign request --new-key k",
            "countersign request --csr a --out f",
            "countersign request --csr a --timeout 5m",
            "countersign request --csr a --valid-for soon",
            "countersign approve job-1",
            "countersign approve",
            "countersign reject ar-1",
            "countersign wait mc-1",
            "countersign show ev-1",
            "countersign ls --state open",
            "countersign ls --limit 501",
            "countersign ls --limit 0",
            "countersign approve ar-1 --digest 00",
            "countersign frobnicate",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
