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
    /// For `approval_requests r`: one's own are those that one asked for, and those about certificates that one owns,
    /// whoever asks: a renewal, or the end of one.
    pub fn limit_requests(&self, conditions: &mut Conditions) {
        self.limit(conditions, "r.");
    }

    /// For `jobs`; the same.
    pub fn limit_jobs(&self, conditions: &mut Conditions) {
        self.limit(conditions, "");
    }

    /// For `certificates c`: one's own are those that one was given, and as long as nothing was issued those that one
    /// asked for first. Asking for a name, and for nothing more, shows nobody else's certificate.
    pub fn limit_certificates(&self, conditions: &mut Conditions) {
        let Self::Some { profiles, own } = self else { return };
        let mut alternatives: Vec<(String, Box<dyn ToSql>)> = Vec::new();
        for profile in profiles {
            alternatives.push(("c.profile_id = ?".to_owned(), Box::new(profile.clone())));
        }
        if let Some(own) = own {
            let given = |condition: String| {
                format!(
                    "EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_by_certificate WHERE j.certificate_id = c.id AND j.state = 'completed' AND {condition})"
                )
            };
            let asked = |condition: String| {
                format!(
                    "({condition} AND NOT EXISTS (SELECT 1 FROM certificate_versions v WHERE v.certificate_id = c.id))"
                )
            };
            let account = |of: &str| format!("{of}_uid = {} AND {of}_account = ?", own.uid);
            alternatives.push((given(account("j.requester")), Box::new(own.account.clone())));
            alternatives.push((asked(account("c.owner")), Box::new(own.account.clone())));
            if let Some(person) = &own.person {
                alternatives.push((given("j.requester_person = ?".to_owned()), Box::new(person.clone())));
                alternatives.push((asked("c.owner_person = ?".to_owned()), Box::new(person.clone())));
            }
        }
        conditions.any(alternatives);
    }

    /// For `found_certificates f`: they belong to no profile. Whoever sees every profile sees them all, everybody else
    /// those of their own account or person.
    pub fn limit_found(&self, conditions: &mut Conditions) {
        let Self::Some { own, .. } = self else { return };
        let mut alternatives: Vec<(String, Box<dyn ToSql>)> = Vec::new();
        if let Some(own) = own {
            // Whoever gave it away sees it no more.
            for (of, where_owner) in [("owner", "f.given_seq IS NULL AND "), ("given", "")] {
                let account = format!("({where_owner}f.{of}_uid = {} AND f.{of}_account = ?)", own.uid);
                alternatives.push((account, Box::new(own.account.clone())));
                if let Some(person) = &own.person {
                    alternatives.push((format!("({where_owner}f.{of}_person = ?)"), Box::new(person.clone())));
                }
            }
        }
        conditions.any(alternatives);
    }

    fn limit(&self, conditions: &mut Conditions, table: &str) {
        let Self::Some { profiles, own } = self else { return };
        let mut alternatives: Vec<(String, Box<dyn ToSql>)> = Vec::new();
        for profile in profiles {
            alternatives.push((format!("{table}profile_id = ?"), Box::new(profile.clone())));
        }
        if let Some(own) = own {
            // A uid alone may have been given to somebody else since; with the name it is the same account.
            let same_account = |of: &str| format!("{of}requester_uid = {} AND {of}requester_account = ?", own.uid);
            // The owner is whoever asked for the first version that was issued.
            let owned = |by: &str, condition: String| {
                format!(
                    "{table}certificate_id IN (SELECT v.certificate_id FROM jobs o INDEXED BY jobs_issued_to_{by}
                         CROSS JOIN certificate_versions v ON v.job_id = o.id AND v.state <> 'quarantined'
                         WHERE {condition} AND o.state = 'completed' AND NOT EXISTS (
                             SELECT 1 FROM certificate_versions e WHERE e.certificate_id = v.certificate_id
                             AND e.version < v.version AND e.state <> 'quarantined'))"
                )
            };
            alternatives.push((format!("({})", same_account(table)), Box::new(own.account.clone())));
            alternatives.push((owned("uid", same_account("o.")), Box::new(own.account.clone())));
            if let Some(person) = &own.person {
                alternatives.push((format!("{table}requester_person = ?"), Box::new(person.clone())));
                alternatives.push((owned("person", "o.requester_person = ?".to_owned()), Box::new(person.clone())));
            }
        }
        conditions.any(alternatives);
    }
}
