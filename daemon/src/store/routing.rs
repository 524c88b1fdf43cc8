//! On which channels people are told of what: known to the writer, so that a message is queued by the transaction
//! that causes it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use countersign_shared::protocol::AuditAction;

use crate::policy::{Channel, Severity};

/// The channels of each kind of message; an empty list is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// For those who are asked to decide.
    pub asked: Vec<Channel>,
    /// For those who asked: how it ended.
    pub told: Vec<Channel>,
    /// For those who have to look at once.
    pub alarmed: Vec<Channel>,
}

impl Routes {
    /// The channels for what a record says, and how urgent it is. Alerts of certificates that end have routes of their
    /// own, in their renewal policy.
    pub fn of(&self, action: AuditAction) -> (&[Channel], Severity) {
        match action {
            AuditAction::ApprovalRequested | AuditAction::PolicyProposed | AuditAction::ApprovalAmended => {
                (&self.asked, Severity::Warning)
            }
            AuditAction::ApprovalEscalated => (&self.asked, Severity::Critical),
            AuditAction::AttemptsRepeated => (&self.alarmed, Severity::Critical),
            AuditAction::LedgerUnanchored => (&self.alarmed, Severity::Warning),
            _ => (&self.told, Severity::Informational),
        }
    }
}

/// A handle to the routes of this moment; cheap to clone. Another policy and another configuration replace them.
#[derive(Clone, Default)]
pub struct Routing(Arc<RwLock<Arc<Routes>>>);

impl Routing {
    /// Those of this moment.
    pub fn now(&self) -> Arc<Routes> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in their place, from the next group on.
    pub fn replace(&self, routes: Routes) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }
}

impl fmt::Debug for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}
