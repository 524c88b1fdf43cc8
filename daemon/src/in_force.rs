//! The policy in force and the issuers that it names: one for the whole process, replaced as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countersign_shared::time::Timestamp;
use tokio::sync::watch;

use crate::issuer::{Issuer, Issuers};
use crate::policy::{self, Policy};

/// Makes an issuer that a policy names ready to sign. An error is a reason that is safe to show.
pub type Opener = dyn Fn(&policy::Issuer, Timestamp) -> Result<Arc<dyn Issuer>, String> + Send + Sync;

/// A policy whose issuers are open.
pub struct InForce {
    policy: Arc<Policy>,
    issuers: Issuers,
}

impl InForce {
    /// The policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Who signs, as this policy says.
    pub fn issuer(&self, id: &str) -> Option<Arc<dyn Issuer>> {
        self.issuers.get(id).cloned()
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {}", self.policy.sha256())
    }
}

impl PartialEq for InForce {
    fn eq(&self, other: &Self) -> bool {
        self.policy.sha256() == other.policy.sha256()
    }
}

impl Eq for InForce {}

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct PolicyInForce {
    now: Arc<watch::Sender<Arc<InForce>>>,
    opener: Arc<Opener>,
}

impl PolicyInForce {
    /// The one that a start found. Each of its issuers is opened.
    pub fn begin(policy: Policy, opener: Arc<Opener>, now: Timestamp) -> Result<Self, String> {
        let issuers = open(&policy, None, opener.as_ref(), now)?;
        Ok(Self { now: Arc::new(watch::Sender::new(in_force(policy, issuers))), opener })
    }

    /// One under which nothing is signed: on a damaged installation no issuer is opened.
    pub fn without_issuers(policy: Policy) -> Self {
        let opener = |_: &policy::Issuer, _| Err("the installation is damaged, and nothing is signed".to_owned());
        Self { now: Arc::new(watch::Sender::new(in_force(policy, Issuers::new()))), opener: Arc::new(opener) }
    }

    /// The policy at this moment.
    pub fn now(&self) -> Arc<Policy> {
        self.now.borrow().policy.clone()
    }

    /// The policy at this moment, with its issuers.
    pub fn whole(&self) -> Arc<InForce> {
        self.now.borrow().clone()
    }

    /// Changes whenever another policy takes force.
    pub fn watch(&self) -> watch::Receiver<Arc<InForce>> {
        self.now.subscribe()
    }

    /// Another policy with its issuers opened, ready to take force. An issuer that both policies describe in the same
    /// words stays open as it is.
    pub fn prepare(&self, policy: Policy, now: Timestamp) -> Result<Arc<InForce>, String> {
        let issuers = open(&policy, Some(&self.whole()), self.opener.as_ref(), now)?;
        Ok(in_force(policy, issuers))
    }

    /// Puts one in force that is durable.
    pub fn replace(&self, next: Arc<InForce>) {
        self.now.send_replace(next);
    }
}

fn in_force(policy: Policy, issuers: Issuers) -> Arc<InForce> {
    Arc::new(InForce { policy: Arc::new(policy), issuers })
}

fn open(policy: &Policy, before: Option<&InForce>, opener: &Opener, now: Timestamp) -> Result<Issuers, String> {
    let mut issuers = BTreeMap::new();
    for issuer in policy.issuers() {
        let kept = before.filter(|before| before.policy.issuer(&issuer.id) == Some(issuer));
        let opened = match kept.and_then(|before| before.issuer(&issuer.id)) {
            Some(opened) => opened,
            None => opener(issuer, now).map_err(|why| format!("issuer {}: {why}", issuer.id))?,
        };
        issuers.insert(issuer.id.clone(), opened);
    }
    Ok(issuers)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::gate::Approved;
    use crate::issuer::{IssueError, Order};

    struct Nobody;

    impl Issuer for Nobody {
        fn issue(&self, _: &Approved, _: &Order) -> Result<Vec<u8>, IssueError> {
            Err(IssueError::Refused("it signs nothing".into()))
        }
        fn survives_restart(&self) -> bool {
            true
        }
    }

    fn policy(issuers: &str) -> Policy {
        let tables = issuers.split_whitespace().map(|id| format!("[[issuer]]\nid = \"{id}\"\ntype = \"local-ca\"\n"));
        Policy::parse(&format!("version = 1\n{}", tables.collect::<String>())).unwrap().0
    }

    #[test]
    fn what_both_policies_name_stays_open_and_what_cannot_be_opened_takes_no_force() {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        let opener = move |issuer: &policy::Issuer, _| {
            count.fetch_add(1, Ordering::Relaxed);
            if issuer.id == "broken" {
                Err("its key is gone".to_owned())
            } else {
                Ok(Arc::new(Nobody) as Arc<dyn Issuer>)
            }
        };
        let now = Timestamp::EPOCH;
        let rules = PolicyInForce::begin(policy("a b"), Arc::new(opener), now).unwrap();
        let watched = rules.watch();
        assert_eq!(opened.load(Ordering::Relaxed), 2);
        assert_eq!(rules.prepare(policy("a broken"), now).unwrap_err(), "issuer broken: its key is gone");
        assert_eq!(rules.now().issuers().len(), 2);
        let next = rules.prepare(policy("b c"), now).unwrap();
        assert_eq!(opened.load(Ordering::Relaxed), 4, "b stays open");
        assert!(rules.whole().issuer("a").is_some() && !watched.has_changed().unwrap());
        rules.replace(next);
        assert!(rules.whole().issuer("a").is_none() && rules.whole().issuer("c").is_some());
        assert!(watched.has_changed().unwrap());
    }
}
