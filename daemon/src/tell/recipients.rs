//! Who else is told of certificates, by their owner and profile, as the policy's `[[recipients]]` say.

use countersign_shared::protocol::PersonRef;
use countersign_shared::text::Untrusted;

use crate::policy::Policy;
use crate::service::decide::account_of;

/// Who is told besides those whom a message is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Addresses for `Email`.
    pub mail: Vec<Untrusted>,
    /// The team whose channels carry it; the host's own where there is none.
    pub team: Option<String>,
}

/// Those of the first `[[recipients]]` that matches; nobody where none does. What has no owner, or stands under no
/// profile, matches only where the table does not ask for one.
pub fn recipients(policy: &Policy, owner: Option<&PersonRef>, profile: &str) -> Recipients {
    let owner = owner.map(|owner| account_of(&owner.account, owner.uid));
    let found = policy.recipients().iter().find(|rule| {
        let owned = rule
            .owner
            .as_ref()
            .is_none_or(|member| owner.as_ref().is_some_and(|owner| policy.is_member(member, owner)));
        owned && rule.profiles.as_ref().is_none_or(|ids| ids.iter().any(|id| id == profile))
    });
    found.map_or_else(Recipients::default, |rule| Recipients {
        mail: rule.mail.iter().map(|address| address.as_str().into()).collect(),
        team: rule.team.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice", "uid:7"]
[[group]]
name = "pay"
members = ["person:alice"]
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
[[issuer]]
id = "local-ca"
type = "local-ca"
[[recipients]]
owner = "group:pay"
profiles = ["p-web"]
team = "payments"
mail = ["payments@corp.example"]
[[recipients]]
owner = "user:bob"
mail = ["bob@corp.example"]
[[recipients]]
profiles = ["p-web"]
team = "web"
"#;

    #[test]
    fn the_first_that_matches_is_taken() {
        let policy = Policy::parse(POLICY).unwrap().0;
        let who = |account: &str, uid| PersonRef { account: account.into(), person: None, uid };
        let of = |owner: Option<&PersonRef>, profile| {
            let found = recipients(&policy, owner, profile);
            (found.team, found.mail.iter().map(|mail| mail.raw().to_owned()).collect::<Vec<_>>())
        };
        let team = |name: &str| Some(name.to_owned());
        assert_eq!(of(Some(&who("alice", 1)), "p-web"), (team("payments"), vec!["payments@corp.example".to_owned()]));
        assert_eq!(of(Some(&who("uid:7", 7)), "p-web").0, team("payments"), "by another account of hers");
        assert_eq!(of(Some(&who("alice", 1)), "p-api"), (None, vec![]));
        assert_eq!(of(Some(&who("bob", 2)), "p-web"), (None, vec!["bob@corp.example".to_owned()]));
        assert_eq!(of(Some(&who("zoe", 3)), "p-web").0, team("web"));
        assert_eq!(of(None, "p-web").0, team("web"));
        assert_eq!(of(None, ""), (None, vec![]));
    }
}
