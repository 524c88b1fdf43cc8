//! What people sign, decisions and voices alike: what somebody needs to sign, which signature counts, and what a record says of
//! one. The text is made by the daemon from what stands; from the caller comes the signature alone.

use countersign_proof::sshsig::{Hashes, PublicKey, SshSig};
use countersign_shared::decision_text::{NAMESPACE, Salt, Seen};
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{DecisionSignature, SignatureDemand, Signing};

use crate::gate::signed::{is_key_of, satisfies};
use crate::gate::two_person::Party;
use crate::ledger::Draft;
use crate::policy::{Person, Policy};

/// What is signed, in the words of refusals.
pub struct Deed<'a> {
    /// `the decision on ar-…`
    pub one: String,
    /// `decisions on ar-…`
    pub all: String,
    /// `countersign approve ar-…`
    pub run: String,
    /// What is demanded of it.
    pub demand: Option<SignatureDemand>,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Whose it is.
    pub party: &'a Party,
}

/// A signature that was found to be right.
#[derive(Clone)]
pub struct Checked {
    /// Armored.
    pub sshsig: String,
    /// By this key.
    pub key: PublicKey,
    /// Of this text.
    pub hashes: Hashes,
    /// The salt in it.
    pub salt: Salt,
    /// The ledger as the signer saw it.
    pub seen: Seen,
}

/// What a caller needs to sign: the ledger as they see it, and who they are in the policy.
pub fn needed(
    policy: &Policy,
    party: &Party,
    demand: Option<SignatureDemand>,
    (origin, size, root_sha256): (&str, u64, Digest),
) -> Signing {
    let named = |person: &&Person| Some(&person.name) == party.person.as_ref();
    let keys = policy.people().iter().find(named).into_iter();
    Signing {
        demand,
        person: party.person.clone(),
        account: party.account.clone(),
        keys: keys.flat_map(|person| person.signing_keys(demand)).map(|key| key.fingerprint()).collect(),
        policy_sha256: policy.sha256(),
        origin: origin.to_owned(),
        size,
        root_sha256,
    }
}

impl Deed<'_> {
    /// Refuses what is not signed, where that is demanded.
    pub fn unsigned(&self) -> Result<(), ApiError> {
        match self.demand {
            None => Ok(()),
            Some(demand) => Err(self.required(demand, "it is not signed")),
        }
    }

    /// The person whose keys may sign.
    pub fn signer(&self) -> Result<String, ApiError> {
        self.party.person.clone().ok_or_else(|| {
            let message = format!("{} is no person of the policy, whose keys could have signed", self.party.account);
            ApiError::new(ErrorKind::Forbidden, message)
                .hint("have the account added to a [[person]]")
                .rule("signature_key")
        })
    }

    /// Checks that the signature is one of that text, by a key of that person, as it is demanded.
    pub fn check(
        &self,
        signature: &DecisionSignature,
        person: &str,
        text: &str,
        seen: Seen,
    ) -> Result<Checked, ApiError> {
        let hashes = Hashes::of(text.as_bytes());
        let wrong = |why: String| {
            ApiError::new(ErrorKind::Forbidden, format!("the signature of {} does not count: {why}", self.one))
                .hint(format!("sign what stands now, with the command line: {} --sign KEY", self.run))
                .rule("signature_wrong")
        };
        let parsed = SshSig::parse(&signature.sshsig).map_err(|error| wrong(error.to_string()))?;
        if !is_key_of(self.policy, person, parsed.key()) {
            let message = format!("{} is no key of {person} in the policy in force", parsed.key().fingerprint());
            let hint = format!("keys of {person}: {}", keys(self.policy, person, self.demand));
            return Err(ApiError::new(ErrorKind::Forbidden, message).hint(hint).rule("signature_key"));
        }
        let presence = parsed.verify(NAMESPACE, &hashes).map_err(|error| wrong(error.to_string()))?;
        if let Some(demand) = self.demand.filter(|demand| !satisfies(*demand, presence)) {
            let why = match demand {
                SignatureDemand::Fido2Verified if parsed.key().is_fido() => {
                    "the FIDO2 key has not verified its holder (make it with `ssh-keygen -O verify-required`)"
                }
                _ => "it is signed by a key that is not on a FIDO2 authenticator",
            };
            return Err(self.required(demand, why));
        }
        let key = parsed.key().clone();
        Ok(Checked { sshsig: signature.sshsig.clone(), key, hashes, salt: signature.salt, seen })
    }

    fn required(&self, demand: SignatureDemand, why: &str) -> ApiError {
        let demanded = match demand {
            SignatureDemand::Ssh => "signed by an SSH key of the person who decides",
            SignatureDemand::Fido2 => "signed by a FIDO2 key that the person who decides touches",
            SignatureDemand::Fido2Verified => "signed by a FIDO2 key that has verified the person who decides",
        };
        let message = format!("{} have to be {demanded}: {why}", self.all);
        let hint = match &self.party.person {
            Some(person) => format!(
                "run: {} --sign KEY, where KEY is the file of one of the keys of {person}: {}",
                self.run,
                keys(self.policy, person, Some(demand))
            ),
            None => format!(
                "{} is no person of the policy: have the account added to a [[person]] with keys",
                self.party.account
            ),
        };
        ApiError::new(ErrorKind::Forbidden, message).hint(hint).rule("signature_required")
    }
}

/// That the ledger was once as the signer saw it: `found` is the root over as many records, none where there are `now` fewer.
pub fn was_so(seen: &Seen, found: Option<Digest>, now: u64) -> Result<(), ApiError> {
    let (size, root) = (seen.size, seen.root);
    let message = match found {
        Some(found) if found == root => return Ok(()),
        None => format!("the signer saw {size} records; this ledger has {now}"),
        Some(found) => format!("the signer saw {size} records with the root {root}; those of this ledger have {found}"),
    };
    Err(ApiError::new(ErrorKind::Forbidden, message)
        .hint("if this host showed that state to the signer, its ledger was changed since: countersign audit verify")
        .rule("signature_seen"))
}

impl Checked {
    /// What the record says of it.
    pub fn recorded(&self, draft: Draft) -> Draft {
        draft
            .text("signature_sha256", Digest::of(&[self.sshsig.as_bytes()]))
            .text("signed_sha256", self.hashes.sha256)
            .text("signed_sha512", self.hashes.sha512_hex())
            .text("signed_key", self.key.fingerprint())
            .number("signed_size", i64::try_from(self.seen.size).unwrap_or(i64::MAX))
            .text("signed_root_sha256", self.seen.root)
    }
}

fn keys(policy: &Policy, person: &str, demand: Option<SignatureDemand>) -> String {
    let person = policy.people().iter().find(|known| known.name == person);
    let keys = person.into_iter().flat_map(|person| person.signing_keys(demand));
    let keys: Vec<String> = keys.map(|key| key.fingerprint()).collect();
    if keys.is_empty() { "none; have one added to the policy".to_owned() } else { keys.join(", ") }
}
