//! A decision that is signed: the text is made from the request as it stands and what was said, never taken from the caller,
//! and the signature has to be one of it, by a key of the person who was attested.

use countersign_proof::tree::root_at;
use countersign_shared::decision_text::{DecisionText, Seen, Subject};
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::DecisionSignature;
use countersign_verify::signed;
use rusqlite::Connection;

use super::{Ask, Matter};
use crate::ledger::Draft;
use crate::policy::Policy;
use crate::service::Service;
use crate::service::actor::Actor;
use crate::service::signing::{self, Deed};
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
    signature: signing::Checked,
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
    let deed = Deed {
        one: format!("the decision on {id}"),
        all: format!("decisions on {id}"),
        run: format!("countersign {} {id}", verb(ask)),
        demand: matter.demand,
        policy,
        party: &actor.party,
    };
    let Some(Given { signature, origin }) = &ask.signature else {
        deed.unsigned()?;
        return Ok(None);
    };
    let person = deed.signer()?;
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
        seen: seen.clone(),
    };
    let signature = deed.check(signature, &text.person, &text.to_string(), seen)?;
    Ok(Some(Checked { text, signature }))
}

impl Checked {
    /// The salt that the note is held under.
    pub(super) fn salt(&self) -> [u8; 16] {
        *self.text.salt.as_bytes()
    }

    /// What the record says of it.
    pub(super) fn recorded(&self, draft: Draft) -> Draft {
        self.signature.recorded(draft)
    }

    /// Stores it, behind the decision in record `seq`. What is read back later has to make the very same text.
    pub(super) fn store(&self, connection: &Connection, seq: u64) -> Result<(), Failure> {
        let signing::Checked { sshsig, key, seen, .. } = &self.signature;
        signatures::insert(connection, &NewSignature { seq, sshsig, key, seen })?;
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
    Ok(signing::was_so(seen, found, now)?)
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
        Verdict::Approve => "approve",
        Verdict::Reject => "reject",
    }
}
