//! The system's name service: accounts and groups, looked up at each decision.
//!
//! A look-up may block on a remote directory (LDAP, sssd); callers keep it off the threads that serve sockets.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User};

/// An account at the moment of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub uid: u32,
    /// The name; `None` where the system knows none.
    pub name: Option<String>,
    /// Names of the unix groups it is in, the primary one included (`getgrouplist`); empty where they were
    /// not asked for.
    pub unix_groups: Vec<String>,
}

/// Where accounts come from. Every failure is an error: a name service that cannot answer must lead to a
/// refusal, never to "no such user" or "no groups".
pub trait Directory: Send + Sync {
    /// The account of `uid`; its `name` is `None` where the system knows none. Groups cost a look-up each
    /// and are left out unless `with_groups`.
    fn account(&self, uid: u32, with_groups: bool) -> io::Result<Account>;
    /// The user id of a user name; `None` where there is no such user.
    fn uid_of(&self, name: &str) -> io::Result<Option<u32>>;
    /// The group id of a group name; `None` where there is no such group.
    fn gid_of(&self, name: &str) -> io::Result<Option<u32>>;
    /// The user names that a group lists: for messages, never for rights. Accounts that have it as their primary
    /// group are not among them, and a directory that does not enumerate lists nobody.
    fn listed_in(&self, group: &str) -> io::Result<Vec<String>>;
}

/// The name service of this host (`getpwuid_r`, `getgrouplist`), as `nsswitch.conf` orders it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDirectory;

impl Directory for SystemDirectory {
    fn account(&self, uid: u32, with_groups: bool) -> io::Result<Account> {
        let Some(user) = User::from_uid(Uid::from_raw(uid))? else {
            return Ok(Account { uid, name: None, unix_groups: Vec::new() });
        };
        let unix_groups = if with_groups { groups_of(&user)? } else { Vec::new() };
        Ok(Account { uid, name: Some(user.name), unix_groups })
    }

    fn uid_of(&self, name: &str) -> io::Result<Option<u32>> {
        Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
    }

    fn gid_of(&self, name: &str) -> io::Result<Option<u32>> {
        Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
    }

    fn listed_in(&self, group: &str) -> io::Result<Vec<String>> {
        Ok(Group::from_name(group)?.map(|group| group.mem).unwrap_or_default())
    }
}

/// Starts from the account's own primary group, not from the group of the calling process: a setgid program
/// makes nobody a member of its group.
fn groups_of(user: &User) -> io::Result<Vec<String>> {
    let name = CString::new(user.name.as_bytes())?;
    let mut names = Vec::new();
    for gid in nix::unistd::getgrouplist(&name, user.gid)? {
        // A group id without a name cannot be written in a policy, so it grants nothing.
        if let Some(group) = Group::from_gid(Gid::from_raw(gid.as_raw()))? {
            names.push(group.name);
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// A directory of fixed accounts, for tests and for the people of a demo.
#[derive(Clone, Debug, Default)]
pub struct FixedDirectory {
    /// The accounts; the position of a group's first mention stands for its id.
    pub accounts: Vec<Account>,
}

impl Directory for FixedDirectory {
    fn account(&self, uid: u32, with_groups: bool) -> io::Result<Account> {
        let known = self.accounts.iter().find(|account| account.uid == uid).cloned();
        let mut account = known.unwrap_or(Account { uid, name: None, unix_groups: Vec::new() });
        if !with_groups {
            account.unix_groups.clear();
        }
        Ok(account)
    }

    fn uid_of(&self, name: &str) -> io::Result<Option<u32>> {
        let account = self.accounts.iter().find(|account| account.name.as_deref() == Some(name));
        Ok(account.map(|account| account.uid))
    }

    fn gid_of(&self, name: &str) -> io::Result<Option<u32>> {
        let mut groups = self.accounts.iter().flat_map(|account| &account.unix_groups);
        Ok(groups.position(|group| group == name).and_then(|at| u32::try_from(at).ok()))
    }

    fn listed_in(&self, group: &str) -> io::Result<Vec<String>> {
        let members = self.accounts.iter().filter(|account| account.unix_groups.iter().any(|own| own == group));
        Ok(members.filter_map(|account| account.name.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_root_and_its_groups() {
        let account = SystemDirectory.account(0, true).unwrap();
        assert_eq!(account.name.as_deref(), Some("root"));
        assert!(account.unix_groups.contains(&"root".to_owned()), "{account:?}");
        assert_eq!(SystemDirectory.account(0, false).unwrap().unix_groups, Vec::<String>::new());
        assert_eq!(SystemDirectory.uid_of("root").unwrap(), Some(0));
        assert_eq!(SystemDirectory.gid_of("root").unwrap(), Some(0));
    }

    #[test]
    fn an_unknown_user_has_no_name_and_no_groups() {
        let account = SystemDirectory.account(4_000_000_123, true).unwrap();
        assert_eq!(account, Account { uid: 4_000_000_123, name: None, unix_groups: Vec::new() });
        assert_eq!(SystemDirectory.uid_of("no such user").unwrap(), None);
        assert_eq!(SystemDirectory.gid_of("no such group").unwrap(), None);
    }
}
