//! What a caller may see, as conditions of a query: rows outside it do not exist for that caller.

use countersign_shared::error::{ApiError, ErrorKind};
use rusqlite::ToSql;

use super::actor::Actor;
use crate::policy::{Permission, Policy};
use crate::store::rows::page::Conditions;

/// Requests, jobs and certificates that somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of them.
    All,
    /// Those under some profiles, and one's own.
    Some {
        /// Under these profiles.
        profiles: Vec<String>,
        /// Asked for by this account or person.
        own: Option<Own>,
    },
}

/// Whose own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    account: String,
    uid: u32,
    person: Option<String>,
}

impl Sight {
    /// What `actor` may see; refused for somebody who may see nothing at all.
    pub fn of(actor: &Actor, policy: &Policy) -> Result<Self, ApiError> {
        let may = |permission| actor.permissions.allows(permission);
        let all: Vec<&str> = policy.profiles().iter().map(|profile| profile.id()).collect();
        let seen: Vec<String> =
            all.iter().filter(|id| may(Permission::ReadAllRequests(id))).map(ToString::to_string).collect();
        // A profile that has left the policy is still seen by whoever sees every profile by role alone.
        if may(Permission::ReadAllRequests("")) {
            return Ok(Self::All);
        }
        let own = may(Permission::ReadOwnRequests).then(|| Own {
            account: actor.party.account.clone(),
            uid: actor.party.uid,
            person: actor.party.person.clone(),
        });
        if seen.is_empty() && own.is_none() {
            let message = format!("{} has no role that reads requests or certificates", actor.party.account);
            return Err(ApiError::new(ErrorKind::Forbidden, message)
                .hint("countersign whoami shows your roles; an admin changes them in the policy")
                .rule("no_role"));
        }
        Ok(Self::Some { profiles: seen, own })
    }

    /// For `approval_requests r`.
    pub fn limit_requests(&self, conditions: &mut Conditions) {
        self.limit(conditions, "r.", "requester");
    }

    /// For `jobs`.
    pub fn limit_jobs(&self, conditions: &mut Conditions) {
        self.limit(conditions, "", "requester");
    }

    /// For `certificates c`.
    pub fn limit_certificates(&self, conditions: &mut Conditions) {
        self.limit(conditions, "c.", "owner");
    }

    fn limit(&self, conditions: &mut Conditions, table: &str, who: &str) {
        let Self::Some { profiles, own } = self else { return };
        let mut alternatives: Vec<(String, Box<dyn ToSql>)> = Vec::new();
        for profile in profiles {
            alternatives.push((format!("{table}profile_id = ?"), Box::new(profile.clone())));
        }
        if let Some(own) = own {
            // A uid alone may have been given to somebody else since; with the name it is the same account.
            let same_account = format!("({table}{who}_uid = {} AND {table}{who}_account = ?)", own.uid);
            alternatives.push((same_account, Box::new(own.account.clone())));
            if let Some(person) = &own.person {
                alternatives.push((format!("{table}{who}_person = ?"), Box::new(person.clone())));
            }
        }
        conditions.any(alternatives);
    }
}
