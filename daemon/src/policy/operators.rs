//! Who looks after a profile, as far as the document names accounts: whom a host can tell on its own terminals.

use countersign_shared::time::Timestamp;

use super::authority::synthetic;
use super::{AccountName, Permission, Permissions, Policy};

impl Policy {
    /// The accounts that may decide under a profile at `now`, sorted. Members of a unix group are not listed: the
    /// document does not say who they are.
    pub fn operators(&self, profile: &str, now: Timestamp) -> Vec<AccountName> {
        let decides = |name: &AccountName| {
            Permissions::of(self, &synthetic(Some(name), Vec::new()), now).allows(Permission::Decide(profile))
        };
        self.known_accounts().into_iter().filter(decides).collect()
    }

    /// The address of a person.
    pub fn email_of(&self, person: &str) -> Option<&str> {
        self.people.iter().find(|known| known.name == person).and_then(|known| known.email.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
version = 1
person = [{ name = "alice", accounts = ["alice", "uid:61001"], email = "alice@corp.example" },
          { name = "bob", accounts = ["bob"] }]
[[group]]
name = "pki"
members = ["person:alice", "unixgroup:pki-approvers"]
[[grant]]
role = "operator"
to = "group:pki"
profiles = ["p-web"]
[[grant]]
role = "operator"
to = "user:night"
until = 2027-01-01T00:00:00Z
[[grant]]
role = "requester"
to = "person:bob"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["corp.example"]
issuer = "local-ca"
keys = ["ecdsa-p256"]
extended_key_usage = ["server_auth"]
max_validity = "90d"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

    #[test]
    fn operators_are_those_who_may_decide_now() {
        let (policy, _) = Policy::parse_stored(POLICY).unwrap();
        let names = |profile, now: &str| {
            let found = policy.operators(profile, now.parse().unwrap());
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("p-web", "2026-12-31T00:00:00Z"), ["alice", "night", "uid:61001"]);
        assert_eq!(names("p-web", "2027-01-01T00:00:00Z"), ["alice", "uid:61001"]);
        assert_eq!(names("", "2026-12-31T00:00:00Z"), ["night"], "what has no profile is for those without a list");
        assert_eq!((policy.email_of("alice"), policy.email_of("bob")), (Some("alice@corp.example"), None));
    }
}
