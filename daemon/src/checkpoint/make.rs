//! Making a checkpoint: what is committed is signed, once for each size, and leaves the daemon after it was kept.

use std::sync::Arc;

use countersign_proof::tree::{prove_consistency, verify_consistency};
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::Damage;

use super::Notary;
use super::signed::SIGNED_FILE;
use crate::ledger::Tail;
use crate::store::rows::checkpoints::{self, Checkpoint};
use crate::store::rows::nodes::StoredNodes;
use crate::store::transaction::Failure;
use crate::store::{Transaction, Writer};

/// Makes it, keeps it in the database and then in the file beside it, and only then hands it out.
///
/// # Errors
/// As [`make`]; the file could not be written.
pub async fn sign(writer: &Writer, notary: &Arc<Notary>) -> Result<Checkpoint, ApiError> {
    let (by, tail) = (notary.clone(), writer.tail());
    let made = writer.write(move |transaction| make(transaction, &by, &tail)).await?;
    let (by, kept) = (notary.clone(), made.clone());
    match tokio::task::spawn_blocking(move || by.last_signed().keep(&kept)).await {
        Ok(Ok(())) => Ok(made),
        Ok(Err(error)) => Err(ApiError::new(
            ErrorKind::Unavailable,
            format!("{SIGNED_FILE} could not be written ({error}): the checkpoint is not handed out"),
        )
        .hint("make room in the state directory, then try again")),
        Err(error) => Err(ApiError::internal(format!("keeping the checkpoint: {error}"))),
    }
}

/// The checkpoint of the ledger as `tail` ends it, a committed end; the newest, where that is of as many records or more.
///
/// It is signed within the transaction that keeps it. A process that dies in between has handed nothing out, and the next
/// one signs what is there then.
///
/// # Errors
/// Damage where the newest checkpoint is not one of this ledger: then nothing is signed.
pub fn make(transaction: &mut Transaction<'_>, notary: &Notary, tail: &Tail) -> Result<Checkpoint, Failure> {
    let (size, root) = (tail.size(), tail.frontier().root());
    if size == 0 || size > transaction.durable_size() {
        return Err(
            ApiError::new(ErrorKind::Unavailable, "there is no record yet that a checkpoint could be of").into()
        );
    }
    let connection = transaction.connection();
    let newest = checkpoints::newest(connection)?;
    if let Some(newest) = newest {
        if newest.size > transaction.durable_size() {
            let text = format!("a checkpoint of {} records was signed, {size} are there", newest.size);
            return Err(damage(newest.size, text));
        }
        if newest.size > size || (newest.size == size && newest.root == root) {
            return Ok(newest);
        }
        let path = prove_consistency(&StoredNodes(connection), newest.size, size)?.unwrap_or_default();
        if let Err(error) = verify_consistency(newest.size, &newest.root, size, &root, &path) {
            let text =
                format!("the ledger of {size} records does not continue the checkpoint of {}: {error}", newest.size);
            return Err(damage(newest.size, text));
        }
    }
    let signed = notary
        .sign(size, root)
        .map_err(|error| ApiError::internal(format!("the checkpoint could not be signed: {error}")))?;
    let checkpoint = Checkpoint { size, root, signed, made_at: transaction.now() };
    checkpoints::insert(connection, &checkpoint)?;
    Ok(checkpoint)
}

fn damage(size: u64, text: String) -> Failure {
    Failure::Damage(Damage { seq: size.checked_sub(1), rule: "checkpoint".into(), text })
}
