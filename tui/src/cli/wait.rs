//! `wait`: answer when a request or job has ended, through restarts of the daemon.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use countersign_shared::error::ErrorKind;
use countersign_shared::id::{JobId, RequestId};
use countersign_shared::protocol::method::{Method as _, RequestWait};
use countersign_shared::protocol::{Outcome, WaitParams, WaitResult};
use countersign_shared::time::Span;
use serde_json::value::RawValue;

use super::context::Context;
use super::failure::Failure;
use super::out_file::{self, Target};
use super::render::{self, text};
use crate::client::ClientError;

/// The longest wait that the protocol takes in one call.
const LONGEST_CALL: Duration = Duration::from_secs(3600);
/// What a daemon may take to answer beyond the wait that was asked for.
const GRACE: Duration = Duration::from_secs(30);
/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a daemon may be gone where the caller set no time limit.
const LONGEST_ABSENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// A request (ar-…), or the job (job-…) of an unattended profile
    #[arg(value_name = "ID", value_parser = waitable)]
    id: String,
    /// How long to wait: 30s, 10m, 72h; without limit where it is left out
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Span>,
    /// Write the certificate and its issuers (PEM, leaf first) to this file, or to standard output for -
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn waitable(raw: &str) -> Result<String, String> {
    if raw.starts_with(JobId::PREFIX) {
        raw.parse::<JobId>().map(|id| id.to_string())
    } else {
        raw.parse::<RequestId>().map(|id| id.to_string())
    }
}

pub(super) fn run(args: &WaitArgs, context: &mut Context) -> Result<u8, Failure> {
    let target = target(args.out.as_ref(), context)?;
    Wait { id: &args.id, timeout: args.timeout, target: target.as_ref(), met: false }.run(context)
}

/// Reads `--out` and fails early where it could not be written.
pub(super) fn target(out: Option<&PathBuf>, context: &Context) -> Result<Option<Target>, Failure> {
    let Some(path) = out else { return Ok(None) };
    let target = Target::parse(path);
    if target == Target::Stdout && context.json() {
        return Err(Failure::usage("--json and --out - both want standard output")
            .hint("the JSON result holds the chain as chain_pem"));
    }
    target.check()?;
    Ok(Some(target))
}

/// One wait.
pub(super) struct Wait<'a> {
    /// `ar-…` or `job-…`
    pub(super) id: &'a str,
    /// The caller's limit.
    pub(super) timeout: Option<Span>,
    /// Where the chain goes.
    pub(super) target: Option<&'a Target>,
    /// True where the daemon has answered this command before: then it is restarting, not absent.
    pub(super) met: bool,
}

impl Wait<'_> {
    /// Waits, shows how it ended, and returns the exit status that says so.
    pub(super) fn run(self, context: &mut Context) -> Result<u8, Failure> {
        let (raw, result) = self.until_ended(context)?;
        if context.json() {
            context.out().raw(&raw)?;
        }
        if result.outcome == Outcome::Waiting {
            return Err(Failure::timed_out(format!("{} has not ended in time", self.id))
                .hint("it goes on without you; `countersign wait` picks it up again"));
        }
        if result.outcome == Outcome::Issued {
            self.deliver(&result, context)?;
        }
        if result.outcome == Outcome::Applied && self.target.is_some() {
            context.out().note("a change of the policy has no certificate: nothing is written");
        }
        if result.outcome == Outcome::Revoked && self.target.is_some() {
            context.out().note("a revocation makes no certificate: nothing is written");
        }
        if !context.json() && self.target != Some(&Target::Stdout) {
            let text = render::decision::ended(self.id, &result, self.target.is_some(), context.view()?);
            context.out().text(&text)?;
        }
        Ok(exit_code(result.outcome))
    }

    fn deliver(&self, result: &WaitResult, context: &mut Context) -> Result<(), Failure> {
        let Some(target) = self.target else { return Ok(()) };
        let chain = result.chain_pem.as_deref().filter(|chain| chain.starts_with("-----BEGIN CERTIFICATE-----"));
        let chain = chain.ok_or_else(|| Failure::internal("the daemon says issued and sends no certificate"))?;
        match target {
            Target::Stdout => context.out().text(&text::document(chain)),
            Target::File(path) => out_file::write(path, chain.as_bytes()).map_err(|failure| {
                failure.hint(format!("it is issued: `countersign wait {} --out FILE` writes it elsewhere", self.id))
            }),
        }
    }

    fn until_ended(&self, context: &mut Context) -> Result<(Box<RawValue>, WaitResult), Failure> {
        let deadline = self.timeout.map(|timeout| Instant::now() + Duration::from_millis(timeout.millis()));
        let mut met = self.met;
        let mut absent_since: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(begun));
            let span = left.unwrap_or(LONGEST_CALL).min(LONGEST_CALL);
            match self.once(span, context) {
                Ok((raw, result)) => {
                    (met, absent_since) = (true, None);
                    if result.outcome != Outcome::Waiting
                        || left.is_some_and(|left| left <= LONGEST_CALL && begun.elapsed() >= left)
                    {
                        return Ok((raw, result));
                    }
                    // A daemon that stops answers before the time is up; it must not be asked in a tight loop.
                    pause(deadline, begun);
                }
                Err(error) if met && passing(&error) => {
                    let since = *absent_since.get_or_insert_with(|| {
                        context.out().note("the daemon does not answer; waiting for it to come back");
                        begun
                    });
                    let over =
                        deadline.map_or(since.elapsed() >= LONGEST_ABSENCE, |deadline| Instant::now() >= deadline);
                    if over {
                        return Err(match deadline {
                            Some(_) => Failure::timed_out(format!("{error}; the time is up")),
                            None => error.into(),
                        });
                    }
                    pause(deadline, begun);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn once(&self, span: Duration, context: &Context) -> Result<(Box<RawValue>, WaitResult), ClientError> {
        let mut client = context.connect()?;
        client.set_timeout(Some(span + GRACE));
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let params = WaitParams { id: self.id.to_owned(), timeout: Some(Span::from_millis(millis)) };
        let raw = client.call_raw(RequestWait::NAME, &params)?;
        let result = serde_json::from_str(raw.get()).map_err(|error| {
            ClientError::Protocol(format!("the result of {} has another shape: {error}", RequestWait::NAME))
        })?;
        Ok((raw, result))
    }
}

/// Lets at least [`PAUSE`] pass since `begun`, and never passes the deadline.
fn pause(deadline: Option<Instant>, begun: Instant) {
    let until = deadline.map_or(begun + PAUSE, |deadline| deadline.min(begun + PAUSE));
    thread::sleep(until.saturating_duration_since(Instant::now()));
}

/// True for a failure that a restart of the daemon explains and that passes by itself.
fn passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::Lost { .. } | ClientError::TimedOut => true,
        ClientError::Refused(object) => {
            matches!(object.data.kind, ErrorKind::Unavailable | ErrorKind::RateLimited)
        }
        ClientError::Protocol(_) => false,
    }
}

/// The exit status of an outcome (design §6).
fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Issued | Outcome::Applied | Outcome::Revoked => 0,
        Outcome::Rejected => 10,
        Outcome::Expired => 11,
        Outcome::Voided | Outcome::Withdrawn => 12,
        Outcome::Failed => 13,
        Outcome::Waiting => 124,
    }
}
