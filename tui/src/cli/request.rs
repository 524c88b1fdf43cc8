//! `request`: ask for a certificate, with a CSR that is there or with a key and CSR made here.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use countersign_shared::content::San;
use countersign_shared::protocol::SubmitParams;
use countersign_shared::protocol::method::{Method as _, RequestSubmit};
use countersign_shared::text::Untrusted;
use countersign_shared::time::{Span, Timestamp};

use super::batch;
use super::context::Context;
use super::csr::{self, NewKeyType};
use super::failure::{Failure, shown};
use super::key_file::KeyFile;
use super::moment::Moment;
use super::wait::{self, Wait};
use super::{render, san};
use crate::client::{Client, ClientError};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["csr", "new_key"])))]
#[command(group(ArgGroup::new("name").multiple(true).args(["cn", "san"]).requires("new_key").conflicts_with("csr")))]
pub(super) struct RequestArgs {
    /// A certificate signing request, PEM or DER, or - for standard input; several make a request each, all of
    /// one batch
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) csr: Vec<PathBuf>,
    /// Make a key in this new file (mode 0600) and a CSR for it; removed again where the daemon refuses
    #[arg(long, value_name = "FILE", requires = "name")]
    new_key: Option<PathBuf>,
    /// The common name of the new CSR; becomes a SAN too
    #[arg(long, value_name = "NAME")]
    cn: Option<String>,
    /// A name of the new CSR, again and again: DNS name, IP address, URI or mailbox by its shape, or with
    /// dns:, ip:, uri:, email: before it
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// The kind of the new key
    #[arg(long, value_name = "KIND", conflicts_with = "csr", default_value = "ecdsa-p256")]
    key_type: NewKeyType,
    /// Why the certificate is wanted, at most 4 KiB
    #[arg(long)]
    reason: Option<String>,
    /// The profile; where it is left out exactly one has to match the names
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// The change ticket
    #[arg(long)]
    ticket: Option<String>,
    /// Only profiles of this environment can match
    #[arg(long)]
    environment: Option<String>,
    /// How long the certificate is to be valid: 90d; the profile's longest where it is left out
    #[arg(long, value_name = "SPAN")]
    valid_for: Option<Span>,
    /// Not to be signed before this moment: 2027-01-31T08:00:00Z, or +2h for two hours from now
    #[arg(long, value_name = "TIME")]
    pub(super) not_before: Option<Moment>,
    /// A name that the requests of one batch share; made up for several CSRs. The same name and CSR return the
    /// same request: what was cut short can be run again
    #[arg(long, value_name = "NAME", value_parser = batch::name)]
    pub(super) batch: Option<String>,
    /// A key of your choice: the same key and content return the same request
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Wait until it has ended
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait: 30s, 10m, 72h; without limit where it is left out
    #[arg(long, value_name = "SPAN", requires = "wait")]
    pub(super) timeout: Option<Span>,
    /// Write the certificate and its issuers (PEM, leaf first) to this file, or to standard output for -
    #[arg(long, value_name = "FILE", requires = "wait")]
    pub(super) out: Option<PathBuf>,
}

impl RequestArgs {
    /// What is asked for with one CSR.
    pub(super) fn params(
        &self,
        csr: String,
        not_before: Option<Timestamp>,
        batch: Option<&str>,
        idempotency_key: Option<String>,
    ) -> SubmitParams {
        SubmitParams {
            csr,
            profile: self.profile.clone(),
            reason: self.reason.as_deref().map(Untrusted::from),
            ticket: self.ticket.as_deref().map(Untrusted::from),
            environment: self.environment.clone(),
            valid_for: self.valid_for,
            idempotency_key,
            not_before,
            batch: batch.map(str::to_owned),
        }
    }
}

pub(super) fn run(args: &RequestArgs, context: &mut Context) -> Result<u8, Failure> {
    if args.csr.len() > 1 {
        return batch::run(args, context);
    }
    let target = wait::target(args.out.as_ref(), context)?;
    let source = Source::read(args, context)?;
    let not_before = context.moment(args.not_before)?;
    // First reach the daemon, then make the key: without a daemon there is nothing to take back.
    let mut client = context.connect()?;
    let (csr, key) = source.into_csr()?;
    let batch = args.batch.as_deref();
    let derived = batch.map(|batch| batch::idempotency_key(batch, &csr));
    let params = args.params(csr, not_before, batch, args.idempotency_key.clone().or(derived));
    let result = submit(&params, key, &mut client, context)?;
    if !args.wait {
        return Ok(0);
    }
    drop(client);
    let id = result.request.as_ref().map_or(result.job.id.as_str(), |request| request.id.as_str());
    Wait { id, timeout: args.timeout, target: target.as_ref(), met: true }.run(context)
}

fn submit(
    params: &SubmitParams,
    key: Option<KeyFile>,
    client: &mut Client,
    context: &mut Context,
) -> Result<countersign_shared::protocol::SubmitResult, Failure> {
    let raw = match client.call_raw(RequestSubmit::NAME, params) {
        Ok(raw) => raw,
        Err(error) => return Err(take_back(key, error, context)),
    };
    if context.json() {
        context.out().raw(&raw)?;
    }
    let result = serde_json::from_str(raw.get()).map_err(|error| {
        ClientError::Protocol(format!("the result of {} has another shape: {error}", RequestSubmit::NAME))
    })?;
    if !context.json() {
        let text = render::request::submitted(&result, key.as_ref().map(KeyFile::path), context.view()?);
        context.out().text(&text)?;
    }
    Ok(result)
}

/// Removes a key that nobody asked a certificate for. Where the outcome is not known it stays: a certificate
/// may yet be issued for it.
fn take_back(key: Option<KeyFile>, error: ClientError, context: &mut Context) -> Failure {
    let certain = error.nothing_happened();
    let failure = Failure::from(error);
    let Some(key) = key else { return failure };
    let path = shown(key.path());
    if !certain {
        context.out().note(&format!("the new key stays in {path}: whether the request was made is not known"));
        return failure;
    }
    match key.remove() {
        Ok(()) => context.out().note(&format!("nothing was requested; the new key file {path} was removed again")),
        Err(left) => context.out().fail(&left),
    }
    failure
}

/// Where the CSR comes from, checked as far as it can be without the daemon.
enum Source {
    Csr(String),
    NewKey { path: PathBuf, kind: NewKeyType, common_name: Option<String>, sans: Vec<San> },
}

impl Source {
    fn read(args: &RequestArgs, context: &mut Context) -> Result<Self, Failure> {
        if let Some(path) = args.csr.first() {
            return csr::read(path).map(Self::Csr);
        }
        let path = args.new_key.clone().ok_or_else(|| Failure::usage("either --csr or --new-key"))?;
        let mut names = Names::default();
        for raw in &args.san {
            let typed = san::parse(raw).map_err(|error| Failure::usage(format!("--san: {error}")))?;
            names.add(typed, context);
        }
        let common_name = match &args.cn {
            Some(raw) => {
                let typed = san::parse(raw).map_err(|error| Failure::usage(format!("--cn: {error}")))?;
                let name = typed.san.value().raw().to_owned();
                names.add(typed, context);
                Some(name)
            }
            None => None,
        };
        Ok(Self::NewKey { path, kind: args.key_type, common_name, sans: names.sans })
    }

    fn into_csr(self) -> Result<(String, Option<KeyFile>), Failure> {
        match self {
            Self::Csr(csr) => Ok((csr, None)),
            Self::NewKey { path, kind, common_name, sans } => {
                let made = csr::make(kind, common_name.as_deref(), &sans)?;
                let key = KeyFile::create(&path, &made.key)?;
                Ok((made.csr, Some(key)))
            }
        }
    }
}

/// The names of a new CSR, each once.
#[derive(Default)]
struct Names {
    sans: Vec<San>,
}

impl Names {
    fn add(&mut self, typed: san::Typed, context: &mut Context) {
        if self.sans.contains(&typed.san) {
            return;
        }
        if let Some(remark) = &typed.remark {
            context.out().note(remark);
        }
        self.sans.push(typed.san);
    }
}
