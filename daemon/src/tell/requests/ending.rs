//! Whoever asked is told how it ended.

use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::AuditAction;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::subject::{Subject, said};
use crate::notify::{Kind, Message};
use crate::store::rows::{decisions, remarks};
use crate::store::transaction::Failure;
use crate::tell::people::People;
use crate::tell::{Composed, House, Notice, recipients};

/// The message to whoever asked, and to those whom the policy tells of certificates of this owner.
pub(super) fn compose(house: House<'_>, notice: &Notice, action: AuditAction) -> Result<Composed, Failure> {
    let subject = Subject::of(house, notice)?;
    if subject.row.state == RequestState::Pending {
        return Ok(Composed::Moot(format!("{} has not ended", subject.row.id)));
    }
    let kind = match action {
        AuditAction::ApprovalBypassed => Kind::Bypassed,
        _ => Kind::Outcome { state: subject.row.state, by: subject.row.decided_by.as_deref().map(Untrusted::from) },
    };
    let message = Message { reason: words_of(house.connection, &subject)?, ..subject.message(house, notice, kind)? };
    let mut people = People::default();
    if let Some(asker) = subject.asker(house.connection)? {
        people.add(house.policy, &asker);
    }
    let owner = subject.owner(house.connection)?;
    let more = recipients(house.policy, owner.as_ref(), &subject.row.profile_id);
    Ok(people.letter(notice, message, Vec::new(), more))
}

/// What was said at the end: the note of whoever decided, or why it was taken back or ended.
fn words_of(connection: &Connection, subject: &Subject) -> Result<Option<Untrusted>, Failure> {
    let verdict = match subject.row.state {
        RequestState::Approved => Verdict::Approve,
        RequestState::Rejected => Verdict::Reject,
        RequestState::Voided | RequestState::Withdrawn => {
            return Ok(remarks::ending(connection, &subject.row.id)?.and_then(said));
        }
        RequestState::Pending | RequestState::Expired => return Ok(None),
    };
    let decisions = decisions::of(connection, &subject.row.id, subject.row.version)?;
    let last = decisions.into_iter().rev().find(|row| row.decision.verdict == verdict);
    Ok(last.and_then(|row| said(row.decision.note)))
}
