//! Those who are told of something: by their addresses in the policy and their accounts on this host.

use std::collections::BTreeSet;

use countersign_shared::protocol::PersonRef;
use countersign_shared::text::Untrusted;

use super::{Composed, Letter, Notice, Recipients};
use crate::identity::directory::Account;
use crate::notify::{Audience, Message};
use crate::policy::{AccountName, Channel, Policy};
use crate::service::decide::account_of;

/// People, each once.
#[derive(Clone, Debug, Default)]
pub struct People {
    mail: BTreeSet<String>,
    accounts: BTreeSet<String>,
    /// True where there is anybody at all, reachable or not.
    anybody: bool,
    /// True where others are meant as well, whom no name service lists.
    unlisted: bool,
}

impl People {
    /// One account as the name service knows it.
    pub fn add_account(&mut self, policy: &Policy, account: &Account) {
        self.anybody = true;
        self.accounts.extend(account.name.clone());
        self.mail.extend(policy.person_of(account).and_then(|person| policy.email_of(person)).map(str::to_owned));
    }

    /// Somebody as rows name them: the person with all accounts that have a name, or the account alone.
    pub fn add(&mut self, policy: &Policy, who: &PersonRef) {
        self.anybody = true;
        let account = account_of(&who.account, who.uid);
        let person = policy.person_of(&account).or(who.person.as_deref());
        self.mail.extend(person.and_then(|person| policy.email_of(person)).map(str::to_owned));
        let person = policy.people().iter().find(|known| Some(known.name.as_str()) == person);
        let named = person.into_iter().flat_map(|person| &person.accounts).filter_map(|name| match name {
            AccountName::Name(name) => Some(name.clone()),
            AccountName::Uid(_) => None,
        });
        self.accounts.extend(named);
        self.accounts.extend(account.name.filter(|name| !name.starts_with("uid:")));
    }

    /// A person of the policy.
    pub fn add_person(&mut self, policy: &Policy, name: &str) {
        self.anybody = true;
        self.mail.extend(policy.email_of(name).map(str::to_owned));
    }

    /// Others are meant as well, who are not known one by one.
    pub fn and_unlisted(&mut self) {
        self.unlisted = true;
    }

    /// True where others are meant who are not known one by one.
    #[cfg(test)]
    pub fn has_unlisted(&self) -> bool {
        self.unlisted
    }

    /// True where nobody is meant.
    pub fn is_empty(&self) -> bool {
        !self.anybody && !self.unlisted
    }

    /// Their addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Untrusted> {
        self.mail.iter().map(|address| address.as_str().into())
    }

    /// The message to them and to those whom the policy adds, on the notification's channel. `never` are addresses that
    /// it must not reach, whoever else is meant.
    pub fn letter(self, notice: &Notice, message: Message, never: Vec<Untrusted>, more: Recipients) -> Composed {
        if self.is_empty() && more == Recipients::default() {
            return Composed::Moot("nobody is left to be told".to_owned());
        }
        if notice.channel == Channel::Wall && self.accounts.is_empty() {
            return Composed::Moot("none of those who are to be told has an account with a name".to_owned());
        }
        let mut mail: Vec<Untrusted> = self.addresses().collect();
        mail.extend(more.mail.into_iter().filter(|address| !self.mail.contains(address.raw())));
        mail.retain(|address| !never.contains(address));
        let accounts = self.accounts.iter().map(|name| name.as_str().into()).collect();
        let audience = Audience { mail, accounts, and_default: self.unlisted, never };
        Composed::Send(Box::new(Letter { message, audience, team: more.team }))
    }
}
