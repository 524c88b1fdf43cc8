//! Those who can decide are asked: about a new request, one that was changed, one that waits for too long.

use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::AuditAction;
use countersign_shared::text::Untrusted;

use super::subject::{Subject, said};
use crate::gate::judge::still_pending;
use crate::notify::{Kind, Message};
use crate::service::decide::Matter;
use crate::store::transaction::Failure;
use crate::tell::people::People;
use crate::tell::{Composed, House, Notice, Recipients, deciders};

/// The message to everybody who could approve now: never to the requester, nor to anybody who has voted.
pub(super) fn compose(house: House<'_>, notice: &Notice, action: AuditAction) -> Result<Composed, Failure> {
    let subject = Subject::of(house, notice)?;
    if still_pending(&subject.row, house.tick).is_err() {
        return Ok(Composed::Moot(format!("{} does not wait for anybody any more", subject.row.id)));
    }
    let kind = match (action, subject.row.kind) {
        (AuditAction::ApprovalEscalated, _) => Kind::Escalation,
        (AuditAction::ApprovalAmended, _) => Kind::Amended,
        (_, RequestKind::PolicyChange) => Kind::PolicyProposal,
        _ => Kind::ApprovalRequest,
    };
    let message = Message {
        deadline: Some(subject.summary.expires_at),
        reason: said(subject.summary.reason.clone()),
        command: Some(format!("countersign approve {}", subject.row.id).into()),
        ..subject.message(house, notice, kind)?
    };
    let matter = Matter::read(house.connection, house.policy, subject.row)?;
    let people = deciders::of(house, &matter)?;
    if people.is_empty() {
        return Ok(Composed::Moot(format!("nobody is left who could decide on {}", matter.request.id)));
    }
    let never = spoken(house, &matter);
    Ok(people.letter(notice, message, never, Recipients::default()))
}

/// The addresses of those who asked or voted: they are not asked, by whatever list they are on.
fn spoken(house: House<'_>, matter: &Matter<'_>) -> Vec<Untrusted> {
    let mut people = People::default();
    people.add(house.policy, &matter.request.requester);
    let mut persons = vec![matter.requester.login_person.clone()];
    for party in matter.cast.iter().map(|cast| &cast.by) {
        persons.extend([party.person.clone(), party.resolved(house.policy).person]);
    }
    for person in persons.into_iter().flatten() {
        people.add_person(house.policy, &person);
    }
    people.addresses().collect()
}
