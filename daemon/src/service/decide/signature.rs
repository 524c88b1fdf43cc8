//! A decision that is signed: the text is made from the request as it stands and what was said, never taken from the caller,
//! and the signature has to be one of it, by a key of the person who was attested.

use countersign_proof::sshsig::{Hashes, PublicKey, SshSig};
use countersign_proof::tree::root_at;
use countersign_shared::decision_text::{DecisionText, NAMESPACE, Salt, Seen, Subject};
use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{DecisionSignature, SignatureDemand};
use countersign_verify::signed;
use rusqlite::Connection;

use super::{Ask, Matter};
use crate::gate::signed::{is_key_of, satisfies};
use crate::ledger::Draft;
use crate::policy::Policy;
use crate::service::Service;
use crate::service::actor::Actor;
use crate::store::Transaction;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::signatures::{self, NewSignature};
use crate::store::rows::{proposals, revocations, submissions};
use crate::store::transaction::Failure;

/// A signature as it came, with the ledger that it has to be about.
#[derive(Clone, Debug)]
pub struct Given {
    signature: DecisionSignature,
    origin: String,
}

/// Takes a signature in; where there are no checkpoints there is nothing that it could be about.
pub fn given(service: &Service, signature: Option<DecisionSignature>) -> Result<Option<Given>, ApiError> {
    let Some(signature) = signature else { return Ok(None) };
    let origin = service.notary()?.log().origin().to_owned();
    Ok(Some(Given { signature, origin }))
}

/// A signature that was found to be right.
pub(super) struct Checked {
    text: DecisionText,
    hashes: Hashes,
    sshsig: String,
    key: PublicKey,
}

/// Checks the signature, or that none is demanded.
pub(super) fn check(
    transaction: &Transaction<'_>,
    policy: &Policy,
    actor: &Actor,
    matter: &Matter<'_>,
    ask: &Ask,
) -> Result<Option<Checked>, Failure> {
    let id = &ask.id;
    let Some(Given { signature, origin }) = &ask.signature else {
        return match matter.demand {
            None => Ok(None),
            Some(demand) => Err(required(policy, actor, ask, demand, "it is not signed").into()),
        };
    };
    let person = actor.party.person.clone().ok_or_else(|| {
        let message = format!("{} is no person of the policy, whose keys could have signed", actor.party.account);
        ApiError::new(ErrorKind::Forbidden, message)
            .hint("have the account added to a [[person]]")
            .rule("signature_key")
    })?;
    let seen = Seen { origin: origin.clone(), size: signature.size, root: signature.root_sha256 };
    was_so(transaction, matter, &seen)?;
    let subject = subject(transaction.connection(), matter)?;
    let request = &matter.request;
    let text = DecisionText {
        request: id.clone(),
        kind: request.kind,
        version: request.version,
        content: request.digest,
        subject,
        verdict: ask.verdict,
        person,
        account: actor.party.account.clone(),
        note: ask.note.clone(),
        salt: signature.salt,
        policy: policy.sha256(),
        seen,
    };
    let hashes = Hashes::of(text.to_string().as_bytes());
    let wrong = |why: String| {
        ApiError::new(ErrorKind::Forbidden, format!("the signature of the decision on {id} does not count: {why}"))
            .hint(format!("sign what stands now, with the command line: countersign {} {id} --sign KEY", verb(ask)))
            .rule("signature_wrong")
    };
    let parsed = SshSig::parse(&signature.sshsig).map_err(|error| wrong(error.to_string()))?;
    if !is_key_of(policy, &text.person, parsed.key()) {
        let message = format!("{} is no key of {} in the policy in force", parsed.key().fingerprint(), text.person);
        let hint = format!("keys of {}: {}", text.person, keys(policy, &text.person, matter.demand));
        return Err(ApiError::new(ErrorKind::Forbidden, message).hint(hint).rule("signature_key").into());
    }
    let presence = parsed.verify(NAMESPACE, &hashes).map_err(|error| wrong(error.to_string()))?;
    if let Some(demand) = matter.demand.filter(|demand| !satisfies(*demand, presence)) {
        let why = match demand {
            SignatureDemand::Fido2Verified if parsed.key().is_fido() => {
                "the FIDO2 key has not verified its holder (make it with `ssh-keygen -O verify-required`)"
            }
            _ => "it is signed by a key that is not on a FIDO2 authenticator",
        };
        return Err(required(policy, actor, ask, demand, why).into());
    }
    Ok(Some(Checked { text, hashes, sshsig: signature.sshsig.clone(), key: parsed.key().clone() }))
}

impl Checked {
    /// The salt that the note is held under.
    pub(super) fn salt(&self) -> [u8; 16] {
        let salt: &Salt = &self.text.salt;
        *salt.as_bytes()
    }

    /// What the record says of it.
    pub(super) fn recorded(&self, draft: Draft) -> Draft {
        draft
            .text("signature_sha256", Digest::of(&[self.sshsig.as_bytes()]))
            .text("signed_sha256", self.hashes.sha256)
            .text("signed_sha512", self.hashes.sha512_hex())
            .text("signed_key", self.key.fingerprint())
            .number("signed_size", i64::try_from(self.text.seen.size).unwrap_or(i64::MAX))
            .text("signed_root_sha256", self.text.seen.root)
    }

    /// Stores it, behind the decision in record `seq`. What is read back later has to make the very same text.
    pub(super) fn store(&self, connection: &Connection, seq: u64) -> Result<(), Failure> {
        let new = NewSignature { seq, sshsig: &self.sshsig, key: &self.key, seen: &self.text.seen };
        signatures::insert(connection, &new)?;
        match signed::read(connection, seq)? {
            Some(kept) if kept.text.as_ref() == Some(&self.text) => Ok(()),
            _ => Err(ApiError::internal("the signed text cannot be made again from what is stored").into()),
        }
    }
}

/// The state of the ledger that the signer saw is one that it had, and it covers what was decided on.
fn was_so(transaction: &Transaction<'_>, matter: &Matter<'_>, seen: &Seen) -> Result<(), Failure> {
    let id = &matter.request.id;
    let (size, now) = (seen.size, transaction.durable_size());
    let version_seq = matter.version.as_ref().map_or(matter.request.requested_seq, |version| version.seq);
    if size <= version_seq {
        let message = format!(
            "the signer saw the ledger at {size} records; version {} of {id} is in record {version_seq}",
            matter.request.version
        );
        let hint = format!("look at it again: countersign show {id}");
        return Err(ApiError::new(ErrorKind::StaleContent, message).hint(hint).rule("signature_seen").into());
    }
    let found = if size <= now { Some(root_at(&StoredNodes(transaction.connection()), size)?) } else { None };
    if found == Some(seen.root) {
        return Ok(());
    }
    let root = seen.root;
    let message = match found {
        None => format!("the signer saw {size} records; this ledger has {now}"),
        Some(found) => format!("the signer saw {size} records with the root {root}; those of this ledger have {found}"),
    };
    Err(ApiError::new(ErrorKind::Forbidden, message)
        .hint("if this host showed that state to the signer, its ledger was changed since: countersign audit verify")
        .rule("signature_seen")
        .into())
}

/// What the current version is about, from what is stored.
fn subject(connection: &Connection, matter: &Matter<'_>) -> Result<Subject, Failure> {
    let request = &matter.request;
    let Some(work) = &request.work else {
        let proposal = proposals::get(connection, &request.id)?;
        let proposal = proposal.ok_or_else(|| ApiError::internal(format!("{} proposes nothing", request.id)))?;
        return Ok(Subject::Policy { from: proposal.base_sha256, to: proposal.sha256 });
    };
    let submission = submissions::get(connection, work.submission_id)?;
    let revocation = revocations::get(connection, work.submission_id)?;
    Ok(Subject::Certificate { id: work.certificate_id.clone(), content: Box::new(submission.content), revocation })
}

fn verb(ask: &Ask) -> &'static str {
    match ask.verdict {
        countersign_shared::lifecycle::Verdict::Approve => "approve",
        countersign_shared::lifecycle::Verdict::Reject => "reject",
    }
}

fn required(policy: &Policy, actor: &Actor, ask: &Ask, demand: SignatureDemand, why: &str) -> ApiError {
    let id = &ask.id;
    let demanded = match demand {
        SignatureDemand::Ssh => "signed by an SSH key of the person who decides",
        SignatureDemand::Fido2 => "signed by a FIDO2 key that the person who decides touches",
        SignatureDemand::Fido2Verified => "signed by a FIDO2 key that has verified the person who decides",
    };
    let message = format!("decisions on {id} have to be {demanded}: {why}");
    let hint = match &actor.party.person {
        Some(person) => format!(
            "run: countersign {} {id} --sign KEY, where KEY is the file of one of the keys of {person}: {}",
            verb(ask),
            keys(policy, person, Some(demand))
        ),
        None => format!(
            "{} is no person of the policy: have the account added to a [[person]] with keys",
            actor.party.account
        ),
    };
    ApiError::new(ErrorKind::Forbidden, message).hint(hint).rule("signature_required")
}

fn keys(policy: &Policy, person: &str, demand: Option<SignatureDemand>) -> String {
    let person = policy.people().iter().find(|known| known.name == person);
    let keys = person.into_iter().flat_map(|person| person.signing_keys(demand));
    let keys: Vec<String> = keys.map(|key| key.fingerprint()).collect();
    if keys.is_empty() { "none; have one added to the policy".to_owned() } else { keys.join(", ") }
}
