//! How the policy writes accounts and members of groups.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::identity::directory::Account;

/// Root is nobody in particular: whoever holds it acts as everybody, so nothing is granted to it.
const ROOT: &str = "root is nobody in particular: name the people's own accounts";

/// An account as the policy names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountName {
    /// A user name.
    Name(String),
    /// `uid:61001`
    Uid(u32),
}

impl AccountName {
    /// True where the name service's account is this one.
    pub fn is(&self, account: &Account) -> bool {
        match self {
            Self::Name(name) => account.name.as_deref() == Some(name),
            Self::Uid(uid) => account.uid == *uid,
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
        }
    }
}

impl FromStr for AccountName {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw.strip_prefix("uid:") {
            Some(uid) => uid_of(uid).map(Self::Uid),
            None => user_of(raw).map(Self::Name),
        }
    }
}

/// Somebody to whom a role is granted, or a member of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// `person:alice`: any account of that person.
    Person(String),
    /// `user:bob`: that account alone.
    User(String),
    /// `uid:61001`: that account alone.
    Uid(u32),
    /// `unixgroup:pki`: whoever the name service says is in it at that moment.
    UnixGroup(String),
    /// `group:pki`: everybody in that group of the policy.
    Group(String),
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => write!(f, "person:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::UnixGroup(name) => write!(f, "unixgroup:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl FromStr for Member {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "expected person:NAME, user:ACCOUNT, uid:N, unixgroup:NAME or group:NAME";
        let (kind, rest) = raw.split_once(':').ok_or(SHAPE)?;
        match kind {
            "person" => Ok(Self::Person(rest.to_owned())),
            "group" => Ok(Self::Group(rest.to_owned())),
            "user" => user_of(rest).map(Self::User),
            "uid" => uid_of(rest).map(Self::Uid),
            "unixgroup" if is_account_name(rest) => Ok(Self::UnixGroup(rest.to_owned())),
            _ => Err(SHAPE),
        }
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Member {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Member".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "person:NAME, user:ACCOUNT, uid:N, unixgroup:NAME or group:NAME"
        })
    }
}

/// True for the names of people, groups, environments and issuers.
pub fn is_identifier(raw: &str) -> bool {
    (1..=64).contains(&raw.len())
        && raw.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && raw.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

/// What a message says of a name that is none.
pub const IDENTIFIER_SHAPE: &str =
    "a name is 1 to 64 lower-case letters, digits, `.`, `_` or `-` and begins with a letter or digit";

fn user_of(raw: &str) -> Result<String, &'static str> {
    match raw {
        "root" => Err(ROOT),
        _ if is_account_name(raw) => Ok(raw.to_owned()),
        _ => Err("an account is a user name (at most 256 octets, no white space, `:` or `,`) or uid:N"),
    }
}

fn uid_of(raw: &str) -> Result<u32, &'static str> {
    const SHAPE: &str = "a user id is a number from 1 to 4294967294: uid:61001";
    let plain = raw.bytes().all(|b| b.is_ascii_digit()) && !(raw.len() > 1 && raw.starts_with('0'));
    match raw.parse() {
        Ok(0) if plain => Err(ROOT),
        // The last number is the kernel's word for "no user".
        Ok(uid) if plain && uid != u32::MAX => Ok(uid),
        _ => Err(SHAPE),
    }
}

/// What the name service can know: no separator of `passwd` or of lists, nothing that hides.
fn is_account_name(raw: &str) -> bool {
    (1..=256).contains(&raw.len())
        && !raw.starts_with('-')
        && !raw.chars().any(|c| c == ':' || c == ',' || c == ' ' || countersign_shared::text::is_deceiving(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_accounts_read_back() {
        for raw in ["person:alice", "user:bob", "uid:61001", "unixgroup:pki-approvers", "group:pki"] {
            assert_eq!(raw.parse::<Member>().unwrap().to_string(), raw);
        }
        for raw in ["alice", "CORP\\alice", "uid:1"] {
            assert_eq!(raw.parse::<AccountName>().unwrap().to_string(), raw);
        }
    }

    #[test]
    fn root_and_other_shapes_are_refused() {
        for raw in ["user:root", "uid:0"] {
            assert!(raw.parse::<Member>().unwrap_err().contains("nobody in particular"), "{raw}");
        }
        assert!("root".parse::<AccountName>().unwrap_err().contains("nobody in particular"));
        for raw in [
            "",
            "alice",
            "user:",
            "user:a b",
            "uid:-1",
            "uid:+1",
            "uid:00",
            "uid:4294967295",
            "uid:",
            "role:x",
            "unixgroup:",
        ] {
            assert!(raw.parse::<Member>().is_err(), "{raw}");
        }
        for raw in ["", "a:b", "a,b", "a\u{202e}b", "uid:x", "-a"] {
            assert!(raw.parse::<AccountName>().is_err(), "{raw:?}");
        }
    }
}
