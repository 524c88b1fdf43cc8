//! Two-person integrity: the requester and whoever decides are different humans, by every name the kernel
//! and the policy know them under.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::text::Untrusted;

use crate::identity::directory::Account;
use crate::policy::Policy;

/// One human as attested at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The account's name; `uid:N` where the system knows none.
    pub account: String,
    /// The user id.
    pub uid: u32,
    /// Who had logged in.
    pub login_uid: Option<u32>,
    /// The name of that account, where it is known.
    pub login_account: Option<String>,
    /// The person of the policy that the account belongs to.
    pub person: Option<String>,
    /// The person of the policy that the login account belongs to.
    pub login_person: Option<String>,
}

impl Party {
    /// The daemon itself, where it asks: it is nobody's human, so that nobody is kept from deciding.
    pub fn system(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            uid: 0,
            login_uid: None,
            login_account: None,
            person: None,
            login_person: None,
        }
    }

    /// One voter, one vote: the person, or the uid where the policy knows no person.
    pub fn voter(&self) -> String {
        self.person.clone().unwrap_or_else(|| format!("uid:{}", self.uid))
    }

    /// The human who is behind an attempt: whoever logged in, where that is somebody else than the account's own; else
    /// the person of the account, or its uid.
    pub fn human(&self) -> String {
        match self.login_uid {
            Some(login) if !self.is_own_login(login) => self.login_person.clone().unwrap_or(format!("uid:{login}")),
            _ => self.voter(),
        }
    }

    /// That human's account, as ledger records name accounts.
    pub fn human_account(&self) -> String {
        match self.login_uid {
            Some(login) if !self.is_own_login(login) => match &self.login_account {
                Some(name) => Untrusted::from(name.as_str()).safe().to_string(),
                None => format!("uid:{login}"),
            },
            _ => self.account.clone(),
        }
    }

    fn is_own_login(&self, login_uid: u32) -> bool {
        login_uid == self.uid || (self.person.is_some() && self.person == self.login_person)
    }

    /// The same human as `policy` knows them: accounts that were folded into one person since are one person.
    pub fn resolved(&self, policy: &Policy) -> Self {
        let person = |uid, name: Option<&str>| {
            // Demo people are told apart from users of the host by what follows their names.
            let name = name.map(|name| name.trim_end_matches(" (DEMO)").to_owned());
            policy.person_of(&Account { uid, name, unix_groups: Vec::new() }).map(str::to_owned)
        };
        let login_person = self.login_uid.and_then(|uid| person(uid, self.login_account.as_deref()));
        Self {
            person: person(self.uid, Some(&self.account)).or(self.person.clone()),
            login_person: login_person.or(self.login_person.clone()),
            ..self.clone()
        }
    }

    fn called(&self) -> String {
        match &self.person {
            Some(person) if *person != self.account => format!("{person} ({})", self.account),
            _ => self.account.clone(),
        }
    }
}

/// Whether a session's decisions are anybody's vote at all, whatever the request.
///
/// Root is nobody in particular; and a session that somebody else logged in to is nobody's vote, because the
/// login uid is the only thing that `su` and `sudo` do not change.
pub fn own_session(decider: &Party) -> Result<(), ApiError> {
    if decider.uid == 0 {
        return Err(refusal("root_decides_nothing", "root is nobody in particular and decides nothing")
            .hint("log in as yourself; a role of the policy has to be granted to your own account"));
    }
    let Some(login_uid) = decider.login_uid else { return Ok(()) };
    if decider.is_own_login(login_uid) {
        return Ok(());
    }
    let message = format!(
        "this session was logged in to by {}, not by {}: its decision is nobody's vote",
        decider.login_person.clone().unwrap_or_else(|| format!("uid {login_uid}")),
        decider.called()
    );
    Err(refusal("login_mismatch", &message).hint(format!("log in as {}", decider.account)))
}

/// Whether the two are different humans. `others` are those who could decide instead, in the policy's words.
pub fn different_people(requester: &Party, decider: &Party, others: &[String]) -> Result<(), ApiError> {
    let reason = if requester.uid == decider.uid && names_agree(requester, decider) {
        format!("{} made this request", decider.called())
    } else if requester.person.is_some() && requester.person == decider.person {
        format!("{} and {} are accounts of one person, {}", requester.account, decider.account, decider.voter())
    } else if is_login_of(decider, requester) {
        format!("{} is logged in to this session, and made this request", requester.called())
    } else if is_login_of(requester, decider) {
        format!("the request was made from a session that {} had logged in to", decider.called())
    } else if requester.login_uid.is_some() && requester.login_uid == decider.login_uid {
        format!("the request was made from a login of the same user (uid {})", decider.login_uid.unwrap_or_default())
    } else {
        return Ok(());
    };
    Err(refusal("requester_decides", &reason).hint(who_instead(others)))
}

/// A uid that was given to somebody else since is a new person; a name that is unknown proves nothing.
pub(super) fn names_agree(a: &Party, b: &Party) -> bool {
    let unknown = |party: &Party| party.account.starts_with("uid:");
    unknown(a) || unknown(b) || a.account == b.account
}

/// True where `owner` is the human whom the kernel saw log in to `session`.
fn is_login_of(session: &Party, owner: &Party) -> bool {
    session.login_uid == Some(owner.uid) || (owner.person.is_some() && session.login_person == owner.person)
}

fn who_instead(others: &[String]) -> String {
    match others {
        [] => "nobody else may decide under the policy in force: an admin has to change it".to_owned(),
        others => format!("could decide instead: {}", others.join(", ")),
    }
}

fn refusal(rule: &'static str, reason: &str) -> ApiError {
    let kind = ErrorKind::TwoPersonIntegrity;
    ApiError::new(kind, format!("refused by two-person integrity: {reason}")).rule(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(account: &str, uid: u32, person: Option<&str>, login: Option<(u32, Option<&str>)>) -> Party {
        Party {
            account: account.into(),
            uid,
            login_uid: login.map(|(uid, _)| uid),
            login_account: None,
            person: person.map(Into::into),
            login_person: login.and_then(|(_, person)| person.map(Into::into)),
        }
    }

    #[test]
    fn whose_vote_a_session_is() {
        let table = [
            (party("bob", 2, Some("bob"), None), None),
            (party("bob", 2, Some("bob"), Some((2, Some("bob")))), None),
            (party("bob-adm", 3, Some("bob"), Some((2, Some("bob")))), None),
            (party("svc", 9, None, None), None),
            (party("bob", 2, Some("bob"), Some((1, Some("alice")))), Some("login_mismatch")),
            (party("svc", 9, None, Some((1, None))), Some("login_mismatch")),
            (party("bob", 2, Some("bob"), Some((0, None))), Some("login_mismatch")),
            (party("root", 0, None, None), Some("root_decides_nothing")),
            (party("root", 0, None, Some((2, Some("bob")))), Some("root_decides_nothing")),
        ];
        for (decider, rule) in table {
            assert_eq!(own_session(&decider).err().and_then(|error| error.rule), rule, "{decider:?}");
        }
    }

    #[test]
    fn an_attempt_counts_for_whoever_logged_in() {
        for (session, human, account) in [
            (party("bob", 2, Some("bob"), None), "bob", "bob"),
            (party("bob-adm", 3, Some("bob"), Some((2, Some("bob")))), "bob", "bob-adm"),
            (party("bob", 2, Some("bob"), Some((1, Some("alice")))), "alice", "uid:1"),
            (party("bob", 2, Some("bob"), Some((7, None))), "uid:7", "uid:7"),
            (party("svc", 9, None, None), "uid:9", "svc"),
            (party("root", 0, None, Some((2, Some("bob")))), "bob", "uid:2"),
            (party("root", 0, None, None), "uid:0", "root"),
        ] {
            assert_eq!((session.human().as_str(), session.human_account().as_str()), (human, account), "{session:?}");
        }
        let named = Party { login_account: Some("a\u{202e}b".into()), ..party("bob", 2, None, Some((7, None))) };
        assert!(!named.human_account().contains('\u{202e}'), "{}", named.human_account());
    }

    #[test]
    fn who_is_the_same_human() {
        let alice = party("alice", 1, Some("alice"), None);
        let by_login = party("web", 7, None, Some((1, Some("alice"))));
        let table = [
            (&alice, party("bob", 2, Some("bob"), Some((2, Some("bob")))), false),
            (&alice, party("alice", 1, Some("alice"), None), true),
            (&alice, party("alice-adm", 6, Some("alice"), None), true),
            (&alice, party("bob", 2, Some("bob"), Some((1, Some("alice")))), true),
            (&alice, party("bob", 2, Some("bob"), Some((6, Some("alice")))), true),
            (&alice, party("uid:1", 1, None, None), true),
            (&alice, party("newcomer", 1, None, None), false),
            (&by_login, party("alice", 1, Some("alice"), None), true),
            (&by_login, party("alice-adm", 6, Some("alice"), None), true),
            (&by_login, party("bob", 2, Some("bob"), Some((1, Some("alice")))), true),
            (&by_login, party("bob", 2, Some("bob"), None), false),
        ];
        for (requester, decider, same) in table {
            let refused = different_people(requester, &decider, &["carol".into()]);
            assert_eq!(refused.is_err(), same, "{requester:?} {decider:?}");
            if let Err(error) = refused {
                assert!(error.message.contains("two-person integrity"), "{error}");
                assert_eq!(error.hint, "could decide instead: carol");
            }
        }
    }
}
