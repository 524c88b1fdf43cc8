//! What a caller may see, as conditions of a query: rows outside it do not exist for that caller.

use rusqlite::ToSql;

use super::rows::page::Conditions;

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
    /// The account's name as rows name it.
    pub account: String,
    /// Its uid.
    pub uid: u32,
    /// The person of the policy that it belongs to.
    pub person: Option<String>,
}

impl Sight {
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
