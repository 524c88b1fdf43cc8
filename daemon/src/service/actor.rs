//! A caller as the policy in force knows it, at one moment.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{ActorType, AuditAction, Category, PersonRef};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use crate::gate::two_person::Party;
use crate::identity::directory::Account;
use crate::identity::{Attestation, Caller};
use crate::ledger::Draft;
use crate::policy::{Permissions, Policy};
use crate::service::delegations::Held;
use crate::service::refusal::Patience;
use crate::store::rows::requests::Login;

/// Acts when a deadline has passed.
pub const REAPER: &str = "system-reaper";
/// Acts when jobs are carried out.
pub const SCHEDULER: &str = "system-scheduler";
/// Acts in the place of people on a development host.
pub const BYPASS: &str = "system-bypass";

/// Demo people have uids of their own, far above what a host gives out, so that one human at one login can be
/// two people there, and nowhere else.
const DEMO_UIDS: u32 = 4_200_000_000;

/// Who acts.
#[derive(Clone, Debug)]
pub struct Actor {
    /// By every name the kernel and the policy know.
    pub party: Party,
    /// The account that roles were looked up for.
    pub account: Account,
    /// What it may do.
    pub permissions: Permissions,
    /// The login session.
    pub session: Option<u32>,
    /// The real caller.
    pub caller: Caller,
    /// The policy that it was resolved under.
    policy: Digest,
    /// Says that were handed to this person, where the verb has looked for them: see [`Service::with_says`].
    ///
    /// [`Service::with_says`]: super::Service::with_says
    pub held: Vec<Held>,
    /// How often rules may still refuse this user, where the verb puts refusals on record.
    pub patience: Option<Arc<Patience>>,
    /// True for the daemon itself: it is nobody's human, and asks for what the policy tells it to.
    pub is_daemon: bool,
}

impl Actor {
    /// The daemon itself, where it asks for what the policy tells it to.
    pub fn scheduler(policy: &Policy) -> Self {
        let account = Account { uid: 0, name: None, unix_groups: Vec::new() };
        let caller = Caller {
            uid: 0,
            gid: 0,
            pid: std::process::id(),
            login_uid: None,
            session: None,
            attestation: Attestation::Pidfd,
            account: account.clone(),
            login_account: None,
            demo_person: None,
        };
        Self {
            party: Party::system(SCHEDULER),
            account,
            permissions: Permissions::none(),
            session: None,
            caller,
            policy: policy.sha256(),
            held: Vec::new(),
            patience: None,
            is_daemon: true,
        }
    }

    /// Resolves a caller under `policy`.
    pub fn resolve(policy: &Policy, caller: Caller, now: Timestamp) -> Self {
        match caller.demo_person.clone() {
            Some(name) => Self::demo(policy, caller, &name, now),
            None => Self::real(policy, caller, now),
        }
    }

    fn real(policy: &Policy, caller: Caller, now: Timestamp) -> Self {
        let account = caller.account.clone();
        let login = caller.login_uid.map(|uid| match &caller.login_account {
            Some(account) => account.clone(),
            None if uid == account.uid => account.clone(),
            None => Account { uid, name: None, unix_groups: Vec::new() },
        });
        let party = Party {
            account: account_name(&account),
            uid: caller.uid,
            login_uid: caller.login_uid,
            login_account: login.as_ref().and_then(|login| login.name.clone()),
            person: policy.person_of(&account).map(str::to_owned),
            login_person: login.and_then(|login| policy.person_of(&login).map(str::to_owned)),
        };
        let permissions = Permissions::of(policy, &account, now);
        let policy = policy.sha256();
        let session = caller.session;
        let (held, patience) = (Vec::new(), None);
        Self { party, account, permissions, session, caller, policy, held, patience, is_daemon: false }
    }

    /// The same caller as `policy` knows it: another one may have taken force while a command waited. Says that were
    /// handed over come along; each is held against the policy where it is used.
    pub fn under(&self, policy: &Policy, now: Timestamp) -> Cow<'_, Self> {
        // Nothing that a policy says makes the daemon somebody else.
        if self.policy == policy.sha256() || self.is_daemon {
            return Cow::Borrowed(self);
        }
        let resolved = Self::resolve(policy, self.caller.clone(), now);
        Cow::Owned(Self { held: self.held.clone(), patience: self.patience.clone(), ..resolved })
    }

    fn demo(policy: &Policy, caller: Caller, name: &str, now: Timestamp) -> Self {
        let account = demo_account(policy, name);
        let party = Party {
            account: format!("{name}{DEMO_MARK}"),
            uid: account.uid,
            login_uid: None,
            login_account: None,
            person: policy.person_of(&account).map(str::to_owned),
            login_person: None,
        };
        let permissions = Permissions::of(policy, &account, now);
        let policy = policy.sha256();
        let (held, patience) = (Vec::new(), None);
        Self { party, account, permissions, session: None, caller, policy, held, patience, is_daemon: false }
    }

    /// Who has logged in to the caller's session.
    pub fn login(&self) -> Login {
        let account = match (&self.caller.login_account, self.party.login_uid) {
            (Some(login), Some(_)) => login.name.clone(),
            (None, Some(uid)) if uid == self.account.uid => self.account.name.clone(),
            _ => None,
        };
        Login { uid: self.party.login_uid, account, person: self.party.login_person.clone() }
    }

    /// Refuses somebody without any role who is not root; `does` says in the hint what any role does.
    pub fn has_any_role(&self, does: &str) -> Result<(), ApiError> {
        if !self.permissions.roles().is_empty() || self.caller.uid == 0 {
            return Ok(());
        }
        Err(ApiError::new(ErrorKind::Forbidden, format!("{} has no role", self.party.account))
            .hint(format!("any role of the policy {does}"))
            .rule("no_role"))
    }

    /// The account, and the says that were handed to it.
    pub fn who(&self) -> (&Account, &[Held]) {
        (&self.account, &self.held)
    }

    /// As results and rows name it.
    pub fn person_ref(&self) -> PersonRef {
        PersonRef { account: self.party.account.clone(), person: self.party.person.clone(), uid: self.party.uid }
    }

    /// A ledger record by this actor: who it was, in full.
    pub fn draft(
        &self,
        action: AuditAction,
        category: Category,
        resource_type: &'static str,
        resource_id: impl ToString,
    ) -> Draft {
        if self.is_daemon {
            return system_draft(SCHEDULER, action, category, resource_type, resource_id);
        }
        let draft = Draft {
            actor: self.party.account.clone(),
            actor_type: ActorType::User,
            action,
            category,
            resource_type,
            resource_id: resource_id.to_string(),
            details: std::collections::BTreeMap::new(),
        };
        let demo = self.caller.demo_person.is_some();
        let draft = draft
            .number("uid", i64::from(self.party.uid))
            .number("pid", i64::from(self.caller.pid))
            .number_if("login_uid", self.party.login_uid)
            .text_if("login_account", self.login().account.map(|name| Untrusted::new(name).safe().to_string()))
            .number_if("session", self.session)
            .text_if("person", self.party.person.as_deref())
            .text_if("login_person", self.party.login_person.as_deref());
        if demo { draft.flag("demo", true).number("caller_uid", i64::from(self.caller.uid)) } else { draft }
    }
}

/// A ledger record by the daemon itself.
pub fn system_draft(
    actor: &'static str,
    action: AuditAction,
    category: Category,
    resource_type: &'static str,
    resource_id: impl ToString,
) -> Draft {
    Draft {
        actor: actor.to_owned(),
        actor_type: ActorType::System,
        action,
        category,
        resource_type,
        resource_id: resource_id.to_string(),
        details: std::collections::BTreeMap::new(),
    }
}

/// What stands behind the names of demo people.
pub const DEMO_MARK: &str = " (DEMO)";

/// The account that a person of a demo acts from.
pub fn demo_account(policy: &Policy, name: &str) -> Account {
    let index = policy.people().iter().position(|person| person.name == name).unwrap_or(policy.people().len());
    let uid = DEMO_UIDS + u32::try_from(index).unwrap_or(0);
    Account { uid, name: Some(name.to_owned()), unix_groups: Vec::new() }
}

/// An account as ledger records name it.
pub fn account_name(account: &Account) -> String {
    match &account.name {
        // Somebody made this name once, with a tool that may have let anything through; and nobody is taken for
        // the daemon itself.
        Some(name) if name.starts_with("system-") => format!("user:{}", Untrusted::from(name.as_str()).safe()),
        Some(name) => Untrusted::from(name.as_str()).safe().to_string(),
        None => format!("uid:{}", account.uid),
    }
}
