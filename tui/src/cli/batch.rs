//! `request` with several CSR files: one request each, all of one batch, reported one by one as they are made.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{Method as _, RequestSubmit};
use countersign_shared::protocol::{SubmitParams, SubmitResult};
use countersign_shared::time::{Span, Timestamp};

use super::context::Context;
use super::exit::worst;
use super::failure::{Failure, shown};
use super::request::RequestArgs;
use super::wait::Wait;
use super::{csr, render};
use crate::client::{Client, ClientError};

/// The most octets of a batch's name.
const MAX_NAME: usize = 64;

/// What a retry has to keep to.
const SAME_AGAIN: &str = "a batch that is run again has to name the same reason, ticket, profile, validity and start";

/// Reads a batch's name: letters, digits, `.`, `_` and `-`.
pub(super) fn name(raw: &str) -> Result<String, String> {
    let fits = (1..=MAX_NAME).contains(&raw.len())
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if fits { Ok(raw.to_owned()) } else { Err("a batch is named by 1 to 64 letters, digits, `.`, `_` and `-`".into()) }
}

/// The key under which one CSR of a batch is sent: the same name and CSR make no second request.
pub(super) fn idempotency_key(batch: &str, csr: &str) -> String {
    // A name holds no NUL, so that name and CSR are parted.
    format!("batch-{}", Digest::of(&[batch.as_bytes(), &[0], csr.as_bytes()]))
}

/// A name for a batch that has none: when it was made, and of what.
fn fresh_name(now: Timestamp, csrs: &[(PathBuf, String)]) -> String {
    let parts: Vec<&[u8]> = csrs.iter().flat_map(|(_, csr)| [csr.as_bytes(), &[0][..]]).collect();
    let digest = Digest::of(&parts).to_string();
    format!("{}-{}", now.datetime().format("%Y%m%d-%H%M%S"), digest.get(..8).unwrap_or_default())
}

pub(super) fn run(args: &RequestArgs, context: &mut Context) -> Result<u8, Failure> {
    check(args)?;
    // Every file is read before anything is asked for.
    let csrs: Vec<(PathBuf, String)> =
        args.csr.iter().map(|path| csr::read(path).map(|csr| (path.clone(), csr))).collect::<Result<_, _>>()?;
    let not_before = context.moment(args.not_before)?;
    let batch = match &args.batch {
        Some(name) => name.clone(),
        None => fresh_name(context.view()?.now, &csrs),
    };
    let mut client = context.connect()?;
    let mut run = Run { status: 0, made: Vec::new(), stopped: false };
    let calls = csrs.into_iter().map(|(path, csr)| {
        let key = idempotency_key(&batch, &csr);
        (path, args.params(csr, not_before, Some(&batch), Some(key)))
    });
    run.all(calls, &mut client, context)?;
    drop(client);
    context.out().note(&render::batch::summary(&batch, run.made.len(), args.csr.len(), run.stopped, not_before));
    if args.wait && !run.stopped { run.wait(args.timeout, context) } else { Ok(run.status) }
}

fn check(args: &RequestArgs) -> Result<(), Failure> {
    if args.idempotency_key.is_some() {
        return Err(Failure::usage("--idempotency-key goes with one CSR alone")
            .hint("--batch NAME makes a key for each: the same name and CSR return the same request"));
    }
    if args.out.is_some() {
        return Err(Failure::usage("--out goes with one CSR alone")
            .hint("`countersign wait ID --out FILE` writes each certificate"));
    }
    if args.csr.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Failure::usage("standard input holds one CSR alone"));
    }
    Ok(())
}

/// What became of a batch so far.
struct Run {
    /// The worst status.
    status: u8,
    /// Requests that were made, or jobs of unattended profiles.
    made: Vec<String>,
    /// The rest was not sent.
    stopped: bool,
}

impl Run {
    /// Sends one after another. A refusal of one holds up none of the others; where the daemon is gone or takes
    /// nothing more, the rest is not sent.
    fn all(
        &mut self,
        calls: impl Iterator<Item = (PathBuf, SubmitParams)>,
        client: &mut Client,
        context: &mut Context,
    ) -> Result<(), Failure> {
        for (path, params) in calls {
            match self.one(&path, &params, client, context)? {
                Ok(()) => {}
                Err(error) => {
                    self.stopped = !holds_up_none(&error);
                    let mut failure = Failure::from(error).about(&shown(&path));
                    if failure.object().data.kind == ErrorKind::Conflict {
                        failure = failure.and(SAME_AGAIN);
                    }
                    self.status = worst(self.status, failure.exit_code());
                    context.out().fail(&failure);
                    if self.stopped {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn one(
        &mut self,
        path: &Path,
        params: &SubmitParams,
        client: &mut Client,
        context: &mut Context,
    ) -> Result<Result<(), ClientError>, Failure> {
        let raw = match client.call_raw(RequestSubmit::NAME, params) {
            Ok(raw) => raw,
            Err(error) => return Ok(Err(error)),
        };
        if context.json() {
            context.out().raw(&raw)?;
        }
        let result: SubmitResult = match serde_json::from_str(raw.get()) {
            Ok(result) => result,
            Err(error) => {
                let what = format!("the result of {} has another shape: {error}", RequestSubmit::NAME);
                return Ok(Err(ClientError::Protocol(what)));
            }
        };
        if !context.json() {
            context.out().text(&render::batch::line(&result, path))?;
        }
        self.made.push(result.request.map_or(result.job.id.to_string(), |request| request.id.to_string()));
        Ok(Ok(()))
    }

    /// Waits for each in turn, within one limit for all.
    fn wait(self, timeout: Option<Span>, context: &mut Context) -> Result<u8, Failure> {
        let begun = Instant::now();
        let mut status = self.status;
        for id in &self.made {
            let left = timeout.map(|limit| Duration::from_millis(limit.millis()).saturating_sub(begun.elapsed()));
            let timeout = left.map(|left| Span::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)));
            let one = match (Wait { id, timeout, target: None, met: true }).run(context) {
                Ok(one) => one,
                Err(failure) => {
                    context.out().fail(&failure);
                    failure.exit_code()
                }
            };
            status = worst(status, one);
        }
        Ok(status)
    }
}

/// True for a refusal that is about one request alone.
fn holds_up_none(error: &ClientError) -> bool {
    error.refusal().is_some_and(|kind| {
        !matches!(kind, ErrorKind::RateLimited | ErrorKind::ReadOnly | ErrorKind::Unavailable | ErrorKind::Internal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        let long = "a".repeat(64);
        for good in ["a", "rotate-2027.01_web", long.as_str()] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a/b", "ä", &"a".repeat(65), "a\u{202e}"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn made_up_names_are_names_and_keys_part_what_they_are_made_of() {
        let now: Timestamp = "2027-01-31T08:05:09Z".parse().unwrap();
        let csrs = |texts: &[&str]| texts.iter().map(|csr| (PathBuf::new(), (*csr).to_owned())).collect::<Vec<_>>();
        let made = fresh_name(now, &csrs(&["one", "two"]));
        assert!(made.starts_with("20270131-080509-") && name(&made).is_ok(), "{made}");
        assert_ne!(made, fresh_name(now, &csrs(&["onet", "wo"])));

        let key = idempotency_key("b", "csr");
        assert!(key.len() <= 128, "{key}");
        assert_eq!(key, idempotency_key("b", "csr"));
        for (batch, csr) in [("b", "other"), ("c", "csr"), ("bc", "sr")] {
            assert_ne!(key, idempotency_key(batch, csr));
        }
    }
}
