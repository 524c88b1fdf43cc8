//! `policy.propose`: another policy, judged under the quorum of the one in force.

use countersign_shared::error::ApiError;

use crate::gate::judge::Judgement;
use crate::store::Transaction;
use crate::store::rows::requests::RequestRow;
use crate::store::transaction::Failure;

/// Puts a proposed policy in force, in the transaction of the vote that completed its quorum.
pub fn apply(_: &mut Transaction<'_>, request: &RequestRow, _: &Judgement) -> Result<(), Failure> {
    Err(ApiError::internal(format!("{} cannot be applied", request.id)).into())
}
