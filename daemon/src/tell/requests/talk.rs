//! Somebody remarked: whoever asked is told, or those who took part where it was the requester who remarked.

use std::collections::BTreeMap;

use countersign_shared::protocol::{PersonRef, Remark};
use rusqlite::Connection;

use super::subject::{Subject, called};
use crate::gate::two_person::Party;
use crate::notify::{Kind, Message};
use crate::policy::Policy;
use crate::service::actor::SCHEDULER;
use crate::service::comment::MOST_REMARKS;
use crate::service::decide::{account_of, requester_now};
use crate::store::rows::requests::RequestRow;
use crate::store::rows::{decisions, remarks};
use crate::store::transaction::Failure;
use crate::tell::people::People;
use crate::tell::{Composed, House, Notice, Recipients};

/// See the module.
pub(super) fn compose(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let subject = Subject::of(house, notice)?;
    let remarks = remarks::of(house.connection, &subject.row.id, MOST_REMARKS)?;
    let Some(remark) = remarks.iter().find(|remark| remark.seq == notice.seq) else {
        return Ok(Composed::Moot(format!("the remark on {} is not there any more", subject.row.id)));
    };
    let mut people = People::default();
    if is_by(house.policy, &remark.by, &requester_now(house.policy, &subject.row)) {
        for other in took_part(house.connection, &subject.row, &remarks)? {
            if !same(house.policy, &other, &remark.by) {
                people.add(house.policy, &other);
            }
        }
    } else if subject.row.requester.account != SCHEDULER {
        people.add(house.policy, &subject.row.requester);
    }
    if people.is_empty() {
        return Ok(Composed::Moot(format!("nobody but its author has to do with the remark on {}", subject.row.id)));
    }
    let message = Message {
        reason: Some(remark.text.clone()),
        ..subject.message(house, notice, Kind::Remark { by: called(&remark.by) })?
    };
    let mut author = People::default();
    author.add(house.policy, &remark.by);
    Ok(people.letter(notice, message, author.addresses().collect(), Recipients::default()))
}

/// Everybody who voted on any version, or remarked.
fn took_part(connection: &Connection, request: &RequestRow, remarks: &[Remark]) -> Result<Vec<PersonRef>, Failure> {
    let mut all: BTreeMap<(u32, String), PersonRef> = BTreeMap::new();
    for version in 1..=request.version {
        let voters = decisions::of(connection, &request.id, version)?.into_iter().map(|row| row.decision.by);
        all.extend(voters.map(|by| ((by.uid, by.account.clone()), by)));
    }
    all.extend(remarks.iter().map(|remark| ((remark.by.uid, remark.by.account.clone()), remark.by.clone())));
    Ok(all.into_values().collect())
}

fn is_by(policy: &Policy, who: &PersonRef, party: &Party) -> bool {
    let requester = PersonRef { account: party.account.clone(), person: party.person.clone(), uid: party.uid };
    same(policy, who, &requester)
}

/// One account, or accounts of one person.
fn same(policy: &Policy, one: &PersonRef, other: &PersonRef) -> bool {
    let person = |who: &PersonRef| {
        let now = policy.person_of(&account_of(&who.account, who.uid)).map(str::to_owned);
        now.or_else(|| who.person.clone())
    };
    let same_account = one.uid == other.uid && one.account == other.account;
    same_account || person(one).is_some_and(|name| person(other) == Some(name))
}
