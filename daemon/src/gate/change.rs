//! Whether another policy may take force: like a signature, by what the ledger says alone.

use rusqlite::Connection;

use super::Shut;
use super::evidence::Evidence;
use super::prove::{asked, different_people_agreed};
use super::signed;
use crate::policy::{CHANGES, Policy};
use crate::store::rows::proposals::Proposal;
use crate::store::rows::requests::RequestRow;

/// Reads back what led to a change of the policy, up to the vote in ledger record `approved`, which stands in the
/// same transaction: the proposal is what the request's digest was taken over, the ledger knows both, and enough
/// different people other than the proposer agreed to exactly that.
pub fn prove(
    connection: &Connection,
    policy: &Policy,
    request: &RequestRow,
    proposal: &Proposal,
    approved: u64,
) -> Result<(), Shut> {
    let id = &request.id;
    let tampered = |what: &str| Shut::Tampered(format!("{id} {what}"));
    if request.profile_id != CHANGES || request.work.is_some() || request.version != 1 {
        return Err(tampered("is not a change of the policy as one is made"));
    }
    if !proposal.is_what_was_agreed(&request.digest) {
        return Err(tampered("proposes another policy than the one that people agreed to"));
    }
    let asked = asked(connection, request, "policy_proposed")?;
    let record = Evidence::at(connection, approved, id.as_str())?
        .filter(|record| record.action == "approval_approved")
        .ok_or_else(|| tampered("is approved by a record that approves nothing"))?;
    let digest = request.digest.to_string();
    if asked.details.digest != digest || record.details.digest != digest || record.details.version != request.version {
        return Err(tampered("was approved with other content"));
    }
    if asked.details.deadline_tick.is_none_or(|deadline| record.details.tick >= deadline) {
        return Err(tampered("was approved after its deadline"));
    }
    let made_under = asked.terms().ok_or_else(|| tampered("was proposed under no terms"))?;
    let judged_by = record.terms().ok_or_else(|| tampered("was approved under no terms"))?;
    let demand = signed::demanded(policy, None, request);
    different_people_agreed(connection, policy, request, (&asked, None), &record, (&made_under, &judged_by, demand))
}
