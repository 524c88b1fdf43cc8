//! The arguments that every command shares, and the list of commands.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

use super::{
    alerts, amend, approve, assign, audit, certs, comment, completions, delegation, import, job, ls, policy, profiles,
    renew, request, revoke, show, void, wait, withdraw, witness,
};

/// Where the daemon listens unless told otherwise.
pub(super) const DEFAULT_SOCKET: &str = "/run/countersign/countersign.sock";

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 internal fault, 2 usage, 3 refused, 4 not found,
5 conflict (decided already, stale content), 6 daemon unreachable; `wait` and
`request --wait` also 10 rejected, 11 expired, 12 voided or withdrawn,
13 issuing failed, 124 timed out. A command that does several things ends
with the worst of their statuses.

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
    /// Ask for a certificate, or for several
    Request(request::RequestArgs),
    /// List requests, newest first
    Ls(ls::LsArgs),
    /// Show a request, certificate or job
    Show(show::ShowArgs),
    /// Agree to a request, or to several
    Approve(approve::ApproveArgs),
    /// Refuse a request, or several, with a note
    Reject(approve::RejectArgs),
    /// Remark on a request
    Comment(comment::CommentArgs),
    /// Put other content in place of a pending request of your own; its votes are void
    Amend(amend::AmendArgs),
    /// Take a pending request of your own back
    Withdraw(withdraw::WithdrawArgs),
    /// End a pending request as an admin, with a reason
    Void(void::VoidArgs),
    /// Wait until a request or job has ended
    Wait(wait::WaitArgs),
    /// List certificates, those that were issued and those that were found
    Certs(certs::CertsArgs),
    /// Give a certificate that was found to another owner, who is told of its end
    Assign(assign::AssignArgs),
    /// Ask for a successor to a certificate, for the same names
    Renew(renew::RenewArgs),
    /// Ask for the end of a certificate before its time
    Revoke(revoke::RevokeArgs),
    /// Stop alerts of a certificate that has expired
    Retire(renew::RetireArgs),
    /// Look at jobs, or try a failed one again
    #[command(visible_alias = "jobs", subcommand)]
    Job(job::JobVerb),
    /// List the profiles of the policy in force
    Profiles(profiles::ProfilesArgs),
    /// Hand your say as an approver to somebody for a time
    Delegate(delegation::DelegateArgs),
    /// List who handed their say to whom, newest first
    Delegations(delegation::DelegationsArgs),
    /// Take your say back
    Undelegate(delegation::UndelegateArgs),
    /// The policy in force, and changes of it
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// The ledger
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// On a second host: cosign what continues the ledger that was seen before
    Witness(witness::WitnessArgs),
    /// Print the daemon's metrics (Prometheus text)
    Metrics,
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Start a throw-away daemon with example requests and open the console on it
    Demo,
    /// Make certificates known that stand in files
    Import(import::ImportArgs),
    /// Who is told of certificates that end, what became of it, and trying it
    #[command(subcommand)]
    Alerts(alerts::AlertsVerb),
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
            "countersign approve ar-1 --batch b",
            "countersign approve ar-1@00",
            "countersign approve --note x",
            "countersign reject --batch b",
            "countersign void ar-1",
            "countersign withdraw",
            "countersign comment ar-1",
            "countersign amend ar-1",
            "countersign amend ar-1 --not-before tomorrow",
            "countersign request --csr a --not-before 2h",
            "countersign request --csr a --batch a/b",
            "countersign ls --kind certificate",
            "countersign delegate bob",
            "countersign delegate bob --for ever",
            "countersign undelegate ar-1",
            "countersign policy propose p.toml",
            "countersign policy propose p.toml --reason x --base 00",
            "countersign policy diff",
            "countersign renew",
            "countersign renew ar-1",
            "countersign renew mc-1 --out f",
            "countersign retire mc-1",
            "countersign assign mc-1",
            "countersign assign ar-1 bob",
            "countersign retire mc-1 --reason tired",
            "countersign revoke mc-1",
            "countersign import",
            "countersign import x --gone --password-file p",
            "countersign certs --found --issued",
            "countersign certs --found --profile p-web",
            "countersign certs --expires-within soon",
            "countersign revoke --reason superseded",
            "countersign revoke ar-1 --reason superseded",
            "countersign revoke --serial 4f --reason certificate_hold",
            "countersign alerts ls --channel Pigeon",
            "countersign alerts ls --state open",
            "countersign alerts test",
            "countersign alerts test --certificate mc-1 --threshold 7",
            "countersign alerts test --certificate mc-1 --threshold 366 --channel Email",
            "countersign alerts test --dry-run --channel Email",
            "countersign alerts requeue",
            "countersign alerts requeue 7 --all-dead",
            "countersign alerts requeue 7 --channel Email",
            "countersign frobnicate",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
