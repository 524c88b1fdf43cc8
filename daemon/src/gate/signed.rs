//! Votes where signed decisions are demanded: one counts when its signature is, now and by what is stored, the signature of
//! exactly that vote, by a key that the person had then and has now.

use countersign_proof::sshsig::PublicKey;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::SignatureDemand;
pub use countersign_verify::signed::satisfies;
use countersign_verify::{signed, voices};
use rusqlite::Connection;

use super::evidence::Cast;
use crate::policy::{Policy, Profile};
use crate::store::rows::policies;
use crate::store::rows::requests::RequestRow;

/// What is demanded of decisions on a request: by the rules that it was made under, or by those in force, whichever is more.
pub fn demanded(policy: &Policy, made_under: Option<&Profile>, request: &RequestRow) -> Option<SignatureDemand> {
    let of = |profile: &Profile| profile.rules().decision_signature;
    match made_under {
        Some(profile) => of(profile).max(policy.profile(&request.profile_id).and_then(of)),
        None => policy.change_control().decision_signature,
    }
}

/// Whether the policy says that the key is one of that person's.
pub fn is_key_of(policy: &Policy, person: &str, key: &PublicKey) -> bool {
    let person = policy.people().iter().find(|known| known.name == person);
    person.is_some_and(|person| person.signing_keys(None).any(|own| own == *key))
}

/// Takes its places from every approval that is not signed as demanded. A rejection stands: it opens nothing. Gives what is
/// wrong with signatures that are there, and are none.
pub fn only_signed(
    connection: &Connection,
    policy: &Policy,
    demand: Option<SignatureDemand>,
    cast: &mut [Cast],
) -> rusqlite::Result<Vec<String>> {
    let Some(demand) = demand else { return Ok(Vec::new()) };
    let mut wrong = Vec::new();
    for vote in cast.iter_mut().filter(|vote| vote.verdict == Verdict::Approve) {
        match stands(connection, policy, demand, vote)? {
            Standing::Signed => {}
            Standing::NotAsDemanded => vote.counts_for.clear(),
            Standing::Wrong(why) => {
                vote.counts_for.clear();
                wrong.push(format!("the signature of the vote in ledger record {}: {why}", vote.seq));
            }
        }
    }
    Ok(wrong)
}

enum Standing {
    Signed,
    NotAsDemanded,
    Wrong(String),
}

fn stands(
    connection: &Connection,
    policy: &Policy,
    demand: SignatureDemand,
    vote: &Cast,
) -> rusqlite::Result<Standing> {
    let Some(kept) = signed::read(connection, vote.seq)? else { return Ok(Standing::NotAsDemanded) };
    let presence = match kept.check() {
        Ok(presence) => presence,
        Err(why) => return Ok(Standing::Wrong(why)),
    };
    // Without its note nobody can tell any more what the signature is of.
    let (Some(text), Some(key), Some(person)) = (&kept.text, kept.public_key(), &vote.by.person) else {
        return Ok(Standing::NotAsDemanded);
    };
    if text.person != *person {
        return Ok(Standing::Wrong("it is somebody else's".to_owned()));
    }
    let theirs = is_theirs(connection, policy, person, (&key, &text.policy.to_string()))?;
    Ok(if theirs && satisfies(demand, presence) { Standing::Signed } else { Standing::NotAsDemanded })
}

/// Whether the key is the person's, and was by the policy under which it signed.
fn is_theirs(
    connection: &Connection,
    policy: &Policy,
    person: &str,
    (key, signed_under): (&PublicKey, &str),
) -> rusqlite::Result<bool> {
    let then = match signed_under == policy.sha256().to_string() {
        true => true,
        false => policies::past(connection, signed_under)?.is_some_and(|then| is_key_of(&then, person, key)),
    };
    Ok(then && is_key_of(policy, person, key))
}

/// Whether a voice that stands in a record of its own is signed as demanded: it counts for nothing where it is not.
///
/// # Errors
/// Inside, what is wrong with a signature that is there and is none.
pub fn voice_stands(
    connection: &Connection,
    policy: &Policy,
    demand: Option<SignatureDemand>,
    voice: &Cast,
) -> rusqlite::Result<Result<bool, String>> {
    let Some(demand) = demand else { return Ok(Ok(true)) };
    let Some(kept) = voices::read(connection, voice.seq, 0)? else { return Ok(Ok(false)) };
    let presence = match kept.check() {
        Ok(presence) => presence,
        Err(why) => return Ok(Err(why)),
    };
    let (Some(text), Some(key), Some(person)) = (&kept.text, kept.public_key(), &voice.by.person) else {
        return Ok(Ok(false));
    };
    let theirs = is_theirs(connection, policy, person, (&key, &text.policy.to_string()))?;
    Ok(Ok(text.person == *person && theirs && satisfies(demand, presence)))
}
