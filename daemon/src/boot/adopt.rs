//! The policy in force, and the records of start and stop.
//!
//! On the very first start the file is adopted and recorded. After that the document in the database is in
//! force, and the file has no force of its own.

use std::path::PathBuf;

use countersign_proof::note::VerifierKey;
use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::{AuditAction, Category, Damage};
use rusqlite::Connection;

use super::{BootError, during};
use crate::checkpoint::Notary;
use crate::clock::line::Mark;
use crate::config::Settings;
use crate::demo;
use crate::policy::{MAX_DOCUMENT, Policy};
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::rows::policies::{self, PolicyRow};
use crate::store::rows::{checkpoints, meta};
use crate::store::transaction::{Failure, Recorded};
use crate::store::{Health, Transaction, Writer};

/// What was found.
pub struct Adoption {
    /// The policy in force from here on.
    pub policy: Policy,
    /// True where this start adopts it.
    pub first: bool,
    /// True where the file says something else.
    pub file_differs: bool,
    /// The file; none on a demo.
    pub file: Option<PathBuf>,
}

/// Finds the policy in force. [`crate::store::integrity`] has looked at the stored one: whether it is the document
/// that was adopted, and whether one is there wherever the ledger has begun.
pub fn find(settings: &Settings, connection: Option<&Connection>, health: &Health) -> Result<Adoption, BootError> {
    let file = settings.policy.clone();
    let stored = match connection {
        Some(connection) => match policies::in_force(connection) {
            Ok(stored) => stored,
            Err(_) if health.damage().is_some() => None,
            Err(error) => return Err(during("reading the policy in force")(error)),
        },
        None => None,
    };
    let Some(stored) = stored else {
        let policy = of_file(file.as_ref(), health)?;
        return Ok(Adoption { policy, first: true, file_differs: false, file });
    };
    let file_differs = differs(file.as_ref(), stored.sha256).unwrap_or(false);
    if file_differs {
        tracing::warn!("the policy file differs from the policy in force and has no force of its own");
    }
    match Policy::parse_stored(&stored.document) {
        Ok((policy, _)) => Ok(Adoption { policy, first: false, file_differs, file }),
        Err(errors) => {
            // Whatever the reason, there is no rule to decide by: the file only tells who may read.
            let text = format!("the policy in force cannot be loaded: {}", errors.join("; "));
            health.raise(Damage { seq: None, rule: "policy".into(), text });
            let policy = of_file(file.as_ref(), health)?;
            Ok(Adoption { policy, first: false, file_differs, file })
        }
    }
}

/// Says nothing of anybody: nobody reads and nobody decides under it.
const NOBODY: &str = "version = 1\n";

/// The policy of the file. On a damaged installation, where it only tells who may read, a file that cannot be
/// used is no reason not to start: the alarm still has to be shown.
fn of_file(file: Option<&PathBuf>, health: &Health) -> Result<Policy, BootError> {
    match read(file).and_then(|document| parse(&document, file)) {
        Err(error) if health.damage().is_some() => {
            tracing::error!("{error}; nobody has a role until the damage is repaired");
            parse(NOBODY, None)
        }
        result => result,
    }
}

/// Whether the file says something else than the policy in force; a demo has none that could.
pub fn differs(file: Option<&PathBuf>, in_force: Digest) -> Result<bool, BootError> {
    match file {
        Some(_) => Ok(Digest::of(&[read(file)?.as_bytes()]) != in_force),
        None => Ok(false),
    }
}

/// The document of the file, or of the demo.
pub fn read(file: Option<&PathBuf>) -> Result<String, BootError> {
    let Some(path) = file else { return Ok(demo::POLICY.to_owned()) };
    let refuse = |why: String| BootError::Policy(format!("the policy {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if size > MAX_DOCUMENT as u64 {
        return Err(refuse(format!("{size} octets; at most {MAX_DOCUMENT} are allowed")));
    }
    std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))
}

fn parse(document: &str, file: Option<&PathBuf>) -> Result<Policy, BootError> {
    let name = file.map_or_else(|| "of the demo".to_owned(), |path| path.display().to_string());
    let (policy, warnings) = Policy::parse(document)
        .map_err(|errors| BootError::Policy(format!("the policy {name} is refused:\n  {}", errors.join("\n  "))))?;
    for warning in warnings {
        tracing::warn!("the policy {name}: {warning}");
    }
    Ok(policy)
}

/// Records the start, the configuration and, the first time, the policy.
pub async fn record(
    writer: &Writer,
    adoption: &Adoption,
    (settings, notary): (&Settings, &Notary),
    mark: Mark,
) -> Result<(), ApiError> {
    let (document, sha256) = (adoption.policy.document().to_owned(), adoption.policy.sha256());
    let (first, config) = (adoption.first, settings.config_sha256);
    let (bypass, demo) = (settings.approval_bypass, settings.demo);
    let (key, previous) = (notary.key().clone(), notary.previous_key().cloned());
    writer
        .write(move |transaction| {
            meta::keep_mark(transaction.connection(), &mark)?;
            let draft = system_draft(SCHEDULER, AuditAction::PolicyLoaded, Category::Config, "policy", sha256)
                .text("policy_sha256", sha256)
                .text("config_sha256", config)
                .flag("adopted", first);
            let recorded = transaction.record(draft)?;
            if first {
                let row = PolicyRow { version: 1, sha256, document, in_force_since: transaction.now() };
                policies::insert(transaction.connection(), &row, recorded.seq)?;
            }
            let draft = system_draft(SCHEDULER, AuditAction::DaemonStarted, Category::Config, "daemon", "countersignd")
                .text("version", env!("CARGO_PKG_VERSION"))
                .flag("bypass", bypass)
                .flag("demo", demo)
                .text("checkpoint_key", &key);
            let started = transaction.record(draft)?;
            adopt_key(transaction, &key, previous.as_ref(), started)
        })
        .await
}

/// Checkpoints are signed with `key` from here on. The first one stands in the record of the start; of another one a record
/// says which key it follows, and whether that one vouches for it.
fn adopt_key(
    transaction: &mut Transaction<'_>,
    key: &VerifierKey,
    previous: Option<&VerifierKey>,
    started: Recorded,
) -> Result<(), Failure> {
    let last = checkpoints::keys(transaction.connection())?.pop();
    let recorded = match last {
        Some(last) if last == *key => return Ok(()),
        None => started,
        Some(last) => {
            let vouched = previous == Some(&last);
            if !vouched {
                tracing::warn!(%last, %key, "the key of checkpoints is another, and the one before does not sign for it");
            }
            let draft = system_draft(
                SCHEDULER,
                AuditAction::CheckpointKeyChanged,
                Category::Config,
                "ledger",
                key.name().as_str(),
            )
            .text("checkpoint_key", key)
            .text("follows", last)
            .flag("signed_by_both", vouched);
            transaction.record(draft)?
        }
    };
    checkpoints::adopt_key(transaction.connection(), key, transaction.now(), recorded.seq)?;
    Ok(())
}

/// Records a configuration that was read again.
pub async fn record_reload(writer: &Writer, policy: Digest, config: Digest) -> Result<(), ApiError> {
    writer
        .write(move |transaction| {
            let draft = system_draft(SCHEDULER, AuditAction::PolicyLoaded, Category::Config, "policy", policy)
                .text("policy_sha256", policy)
                .text("config_sha256", config)
                .flag("adopted", false);
            transaction.record(draft).map(drop)
        })
        .await
}

/// Records an end in order.
pub async fn record_stop(writer: &Writer) -> Result<(), ApiError> {
    writer
        .write(|transaction| {
            meta::keep_tick(transaction.connection(), transaction.tick())?;
            let draft = system_draft(SCHEDULER, AuditAction::DaemonStopped, Category::Config, "daemon", "countersignd");
            transaction.record(draft).map(drop)
        })
        .await
}
