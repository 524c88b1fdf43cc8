//! What the daemon does for a caller: one verb, one file. Every verb authorises first, and changes state only
//! through a transaction of the writer.

pub mod actor;
pub mod alerts;
pub mod amend;
pub mod answer;
pub mod archive;
pub mod assign;
pub mod attempts;
pub mod audit;
pub mod certificates;
pub mod checkpoint;
pub mod comment;
pub mod conclude;
pub mod daemon;
pub mod decide;
pub mod decide_many;
pub mod delegations;
pub mod demo;
pub mod detail;
pub mod discover;
pub mod end;
pub mod erase;
pub mod events;
pub mod evidence;
pub mod export;
pub mod inventory;
pub mod jobs;
pub mod list;
pub mod look_ups;
pub mod policies;
pub mod propose;
pub mod quota;
pub mod refusal;
pub mod renew;
pub mod repair;
pub mod retire;
pub mod revoke;
pub mod sight;
pub mod submit;
pub mod verification;
pub mod voices;
pub mod wait;

use std::path::PathBuf;
use std::sync::Arc;

use countersign_shared::error::ApiError;
use countersign_shared::time::{Span, Timestamp};
use tokio::sync::broadcast;

use crate::checkpoint::Notary;
use crate::checkpoint::places::Failing;
use crate::clock::TimeLine;
use crate::identity::Caller;
use crate::identity::directory::Directory;
pub use crate::in_force::PolicyInForce;
use crate::ipc::Connection;
use crate::made_key::Keys;
use crate::metrics::Metrics;
use crate::notify::Configured;
use crate::policy::{Permissions, Policy};
use crate::store::{CallerReaders, Health, Writer};
use actor::Actor;
use refusal::Patience;

/// What is fixed for the life of the process.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The installation's id.
    pub origin: String,
    /// When the process began to serve.
    pub started_at: Timestamp,
    /// True on a demo daemon.
    pub demo: bool,
    /// True where the approval bypass is on.
    pub bypass: bool,
    /// How long a request waits where its profile does not say.
    pub approval_timeout: Span,
    /// True where the policy file differs from the policy in force.
    pub policy_file_differs: Arc<std::sync::atomic::AtomicBool>,
    /// `pidfd` or `weak`.
    pub attestation: &'static str,
}

/// Everything that verbs need.
pub struct Service {
    /// Changes.
    pub writer: Writer,
    /// Reads that callers ask for.
    pub readers: CallerReaders,
    /// May the daemon decide?
    pub health: Health,
    /// Time.
    pub line: TimeLine,
    /// Rules.
    pub policy: PolicyInForce,
    /// Whom the channels of this host reach.
    pub channels: Configured,
    /// Accounts.
    pub directory: Arc<dyn Directory>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Ids of jobs, and of requests without one, that moved, after the commit that moved them.
    pub moved: broadcast::Sender<String>,
    /// What is fixed.
    pub facts: Facts,
    /// The keys of checkpoints; none where damage was found at the start.
    pub notary: Option<Arc<Notary>>,
    /// The state directory.
    pub state: PathBuf,
    /// Places that do not take checkpoints.
    pub failing: Failing,
    /// Keys that are made for renewals.
    pub keys: Keys,
    /// Refusals of each user.
    pub patience: Arc<Patience>,
    /// Look-ups of callers.
    pub look_ups: look_ups::LookUps,
    /// Submissions of each requester.
    pub quota: quota::Quota,
    /// Checks of policy documents.
    pub checks: policies::Checks,
    /// Subscriptions.
    pub streams: events::Streams,
    /// The verification of the ledger that runs now.
    pub verification: audit::Verification,
    /// Voices for damage that was found.
    pub repair: Arc<repair::Repair>,
    /// Imports of certificates.
    pub imports: inventory::import::Imports,
    /// The archive that is being sealed: one at a time.
    pub sealing: tokio::sync::Mutex<()>,
    /// How forwarding stands, where records are forwarded.
    pub forwarding: Option<Arc<crate::forward::Standing>>,
}

impl Service {
    /// Attests the caller of a call that begins, in its turn and off the workers.
    async fn attest(&self, connection: &Connection) -> Result<Caller, ApiError> {
        self.look_ups.run(|| self.attest_here(connection)).await
    }

    fn attest_here(&self, connection: &Connection) -> Result<Caller, ApiError> {
        connection.attest(self.directory.as_ref(), self.policy.now().needs_unix_groups())
    }

    /// The keys of checkpoints, while nothing is wrong with the ledger: of a damaged one nothing is signed.
    fn notary(&self) -> Result<Arc<Notary>, ApiError> {
        self.health.check()?;
        self.notary.clone().ok_or_else(|| ApiError::internal("there is no key of checkpoints"))
    }

    /// The caller as attested for this call, resolved under the policy in force now.
    pub fn actor(&self, connection: &Connection) -> Result<Actor, ApiError> {
        let policy = self.policy.now();
        let mut caller = look_ups::caller().unwrap_or_else(|| self.attest_here(connection))?;
        // The one thing of a caller that a call can change: `demo.act_as` answers with what it chose.
        caller.demo_person = connection.demo_person();
        Ok(Actor::resolve(&policy, caller, self.line.wall()))
    }

    /// The same for a verb that a rule may refuse into the ledger.
    fn actor_with_patience(&self, connection: &Connection) -> Result<Actor, ApiError> {
        let mut actor = self.actor(connection)?;
        self.patience.check(actor.caller.uid, self.line.tick())?;
        actor.patience = Some(self.patience.clone());
        Ok(actor)
    }
}

/// Roles again, at the moment of the transaction: a grant may have ended while the command waited.
fn permissions_now(policy: &Policy, actor: &Actor, now: Timestamp) -> Permissions {
    Permissions::of(policy, &actor.account, now)
}
