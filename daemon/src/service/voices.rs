//! Who has to agree to what is done to the ledger itself: to acknowledging damage, and to erasing a text. The quorum is that of
//! `[change_control]`; without one two different admins, and never fewer than two people, since nobody proposes it to others.

use countersign_shared::decision_text::Seen;
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{DecisionSignature, PersonRef, Signing};
use countersign_shared::time::Timestamp;
use countersign_shared::voice_text::{Act, VoiceText};
use countersign_verify::voices;
use rusqlite::Connection;

use super::actor::Actor;
use super::signing::{self, Checked, Deed};
use crate::gate::Cast;
use crate::gate::quorum::Tally;
use crate::gate::roll::Known;
use crate::gate::two_person::{Party, own_session};
use crate::identity::directory::Account;
use crate::policy::{ANYBODY, Asked, Permissions, Policy, Terms};
use crate::store::rows::signatures::{self, NewSignature};
use crate::store::transaction::Failure;

/// Fewer never agree, whatever the policy says.
const FEWEST: u32 = 2;

/// What is asked for.
pub fn terms(policy: &Policy) -> Terms {
    let mut terms = policy.change_control().terms();
    // Each speaks when they have looked; there is no order to wait for.
    terms.ordered = false;
    if let Some(more) = FEWEST.checked_sub(terms.places()).filter(|more| *more > 0) {
        terms.steps.push(Asked { group: ANYBODY.to_owned(), need: more });
    }
    terms
}

/// One voice.
pub fn cast(by: Party, counts_for: Vec<String>, seq: u64) -> Cast {
    Cast { by, giver: None, verdict: Verdict::Approve, counts_for, seq }
}

/// The places that an account's voice fills: an admin's all of them, that of a member of a group the group's.
pub fn counts_for(policy: &Policy, terms: &Terms, account: &Account, now: Timestamp) -> Vec<String> {
    let admin = Permissions::of(policy, account, now).is_admin();
    let mine = policy.groups_of(terms.groups(), account);
    let fills = |group: &str| admin || mine.iter().any(|own| own == group) || (group == ANYBODY && !mine.is_empty());
    terms.groups().filter(|group| fills(group)).map(str::to_owned).collect()
}

/// Refuses whoever has no voice: a session that is not the caller's own, or nobody that change control asks.
pub fn has_a_voice(actor: &Actor, policy: &Policy, now: Timestamp) -> Result<Vec<String>, ApiError> {
    own_session(&actor.party)?;
    let counts = counts_for(policy, &terms(policy), &actor.account, now);
    if counts.is_empty() {
        let message = format!("{} has no voice in this", actor.party.account);
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .hint("admins have, and the members of the groups that [change_control] asks")
            .rule("no_role"));
    }
    Ok(counts)
}

/// How the voices fill the places, as the policy in force tells humans apart.
pub fn tally(policy: &Policy, voices: &[Cast]) -> Tally {
    Tally::of(&terms(policy), &Known::by(policy, None).ballots(voices))
}

/// Whether this human has spoken already, by whatever account.
pub fn has_spoken(policy: &Policy, voices: &[Cast], party: &Party) -> bool {
    let (ballots, names) = Known::by(policy, None).call(voices, &[party]);
    names.first().is_some_and(|name| ballots.iter().any(|ballot| ballot.voter == *name))
}

/// A voice that its speaker signed.
#[derive(Clone)]
pub struct SignedVoice {
    text: VoiceText,
    /// The signature, which was found to be right.
    pub signature: Checked,
}

/// What is spoken for, in the words of refusals.
pub struct Matter<'a> {
    /// `erasing the note of record 17`
    pub what: &'a str,
    /// The command that says it.
    pub run: String,
    /// The ledger's origin.
    pub origin: &'a str,
}

/// What the caller needs to sign their voice.
pub fn signing(policy: &Policy, actor: &Actor, state: (&str, u64, Digest)) -> Signing {
    signing::needed(policy, &actor.party, policy.change_control().decision_signature, state)
}

/// Checks that the voice is signed, or that no signature is demanded; `was_so` whether the ledger was as the signer saw it.
pub fn check(
    policy: &Policy,
    actor: &Actor,
    matter: &Matter<'_>,
    (act, signature): (Act, Option<&DecisionSignature>),
    was_so: impl FnOnce(&Seen) -> Result<(), Failure>,
) -> Result<Option<SignedVoice>, Failure> {
    let deed = Deed {
        one: format!("the voice for {}", matter.what),
        all: format!("voices for {}", matter.what),
        run: matter.run.clone(),
        demand: policy.change_control().decision_signature,
        policy,
        party: &actor.party,
    };
    let Some(signature) = signature else {
        deed.unsigned()?;
        return Ok(None);
    };
    let person = deed.signer()?;
    let seen = Seen { origin: matter.origin.to_owned(), size: signature.size, root: signature.root_sha256 };
    was_so(&seen)?;
    let account = actor.party.account.clone();
    let text = VoiceText { act, person, account, salt: signature.salt, policy: policy.sha256(), seen: seen.clone() };
    let signature = deed.check(signature, &text.person, &text.to_string(), seen)?;
    Ok(Some(SignedVoice { text, signature }))
}

impl SignedVoice {
    /// Stores it as the voice `index` of record `seq`. What is read back later has to make the very same text.
    pub fn store(&self, connection: &Connection, seq: u64, index: u32) -> Result<(), Failure> {
        let Checked { sshsig, key, seen, salt, .. } = &self.signature;
        let new = NewSignature { seq, sshsig, key, seen };
        signatures::insert_voice(connection, &new, (index, &self.text.account, salt))?;
        match voices::read(connection, seq, index)? {
            Some(kept) if kept.text.as_ref() == Some(&self.text) && kept.check().is_ok() => Ok(()),
            _ => Err(ApiError::internal("the signed text cannot be made again from what is stored").into()),
        }
    }

    /// As the list of an acknowledging record names it.
    pub fn listed(&self, index: u32) -> voices::Listed {
        let Checked { sshsig, key, hashes, seen, .. } = &self.signature;
        voices::Listed {
            index,
            signature_sha256: Digest::of(&[sshsig.as_bytes()]),
            signed_sha256: hashes.sha256,
            key: key.fingerprint(),
            size: seen.size,
            root: seen.root,
        }
    }
}

/// As results name them.
pub fn people(voices: &[Cast]) -> Vec<PersonRef> {
    let person = |by: &Party| PersonRef { account: by.account.clone(), person: by.person.clone(), uid: by.uid };
    voices.iter().map(|cast| person(&cast.by)).collect()
}

/// As records name them: `UID LOGIN_UID PERSON`, with `-` for what there is none of.
pub fn in_a_record(voices: &[Cast]) -> Vec<String> {
    let one = |by: &Party| {
        let login = by.login_uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
        format!("{} {login} {}", by.uid, by.person.as_deref().unwrap_or("-"))
    };
    voices.iter().map(|cast| one(&cast.by)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rest: &str) -> Policy {
        let people = "version = 1\n[[person]]\nname = \"bob\"\naccounts = [\"bob\", \"bob-adm\"]\n[[person]]\nname = \"carol\"\n\
                      accounts = [\"carol\"]\n[[group]]\nname = \"sec\"\nmembers = [\"person:bob\", \"person:carol\"]\n\
                      [[grant]]\nrole = \"admin\"\nto = \"user:eve\"\n[[grant]]\nrole = \"operator\"\nto = \"user:mallory\"\n";
        Policy::parse(&format!("{people}{rest}")).unwrap().0
    }

    fn voice(policy: &Policy, name: &str, uid: u32) -> Cast {
        let account = Account { uid, name: Some(name.into()), unix_groups: Vec::new() };
        let by = Party { account: name.into(), uid, ..Party::system(name) };
        cast(by, counts_for(policy, &terms(policy), &account, Timestamp::EPOCH), 0)
    }

    #[test]
    fn never_fewer_than_two_humans() {
        let quorum = |steps: &str| format!("[change_control]\nquorum = [{steps}]\n");
        let two = quorum("{ group = \"sec\", need = 2 }");
        let one = quorum("{ group = \"sec\", need = 1 }");
        // The policy, who speaks, and whether that is enough.
        type Case<'a> = (&'a str, &'a [(&'a str, u32)], bool);
        let table: [Case<'_>; 9] = [
            ("", &[("eve", 1)], false),
            ("", &[("eve", 1), ("mallory", 2)], false),
            ("", &[("eve", 1), ("bob", 3)], false),
            (&one, &[("bob", 3)], false),
            (&one, &[("bob", 3), ("bob-adm", 4)], false),
            (&one, &[("bob", 3), ("carol", 5)], true),
            (&one, &[("bob", 3), ("eve", 1)], true),
            (&two, &[("bob", 3), ("mallory", 2)], false),
            (&two, &[("bob", 3), ("carol", 5)], true),
        ];
        for (rest, who, enough) in table {
            let policy = policy(rest);
            let voices: Vec<Cast> = who.iter().map(|(name, uid)| voice(&policy, name, *uid)).collect();
            assert_eq!(tally(&policy, &voices).is_complete(), enough, "{rest} {who:?}");
        }
        let admins = policy("[[grant]]\nrole = \"admin\"\nto = \"user:trent\"\n");
        let voices = [voice(&admins, "eve", 1), voice(&admins, "trent", 6)];
        assert!(tally(&admins, &voices).is_complete());
        assert!(has_spoken(&admins, &voices, &voices[1].by));
    }
}
