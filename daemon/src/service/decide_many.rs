//! `request.decide`: one verdict on many requests. Each is judged and recorded by itself, under the digest that was
//! seen of it, and all that were taken commit together.

use std::collections::HashSet;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    DecideManyParams, DecideManyResult, DecideResult, DecidedItem, DecisionSignature, MAX_ITEMS,
};

use super::actor::Actor;
use super::decide::{Ask, check_note, one, signature};
use super::{PolicyInForce, Service};
use crate::ipc::Connection;
use crate::store::Transaction;
use crate::store::transaction::Failure;

/// Decides on each.
pub async fn decide_many(
    service: &Service,
    connection: &Connection,
    params: DecideManyParams,
) -> Result<DecideManyResult, ApiError> {
    let asks = asks(params, |signature| signature::given(service, signature))?;
    let actor = service.with_says(service.actor_with_patience(connection)?).await?;
    let (policy, deciding) = (service.policy.clone(), actor);
    let ids: Vec<_> = asks.iter().map(|ask| ask.id.clone()).collect();
    let results = service
        .writer
        .write(move |transaction| {
            asks.iter().map(|ask| by_itself(transaction, &policy, &deciding, ask)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let items = ids.into_iter().zip(results).map(|(id, result)| match result {
        Ok(result) => DecidedItem { id, result: Some(result), error: None },
        Err(error) => DecidedItem { id, result: None, error: Some(error.into()) },
    });
    Ok(DecideManyResult { items: items.collect() })
}

/// One of them: whatever is said against it holds up none of the others. A fault of the transaction itself does.
fn by_itself(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    ask: &Ask,
) -> Result<Result<DecideResult, ApiError>, Failure> {
    match one(transaction, policy, actor, ask) {
        Err(Failure::Api(error)) if error.kind != ErrorKind::Unavailable => Ok(Err(error)),
        result => result,
    }
}

/// 1 to 100 of them, each request once, the note fit for each.
fn asks(
    params: DecideManyParams,
    given: impl Fn(Option<DecisionSignature>) -> Result<Option<signature::Given>, ApiError>,
) -> Result<Vec<Ask>, ApiError> {
    let (verdict, count) = (params.verdict, params.items.len());
    if !(1..=MAX_ITEMS).contains(&count) {
        return Err(ApiError::invalid(format!("`items` has {count} entries; 1 to {MAX_ITEMS} are taken")));
    }
    let note = check_note(params.note.as_ref(), verdict)?;
    let mut seen = HashSet::new();
    if let Some(again) = params.items.iter().find(|item| !seen.insert(&item.id)) {
        return Err(ApiError::invalid(format!("`items` names {} twice", again.id)).hint("name each request once"));
    }
    let ask = |item: countersign_shared::protocol::DecideItem| {
        let signature = given(item.signature)?;
        Ok(Ask { id: item.id, digest: item.digest, verdict, note: note.clone(), signature })
    };
    params.items.into_iter().map(ask).collect()
}

#[cfg(test)]
mod tests {
    use countersign_shared::digest::Digest;
    use countersign_shared::id::RequestId;
    use countersign_shared::lifecycle::Verdict;
    use countersign_shared::protocol::DecideItem;

    use super::*;

    fn items(count: u32) -> Vec<DecideItem> {
        let item = |at| DecideItem { id: RequestId::fresh(1, at), digest: Digest::of(&[]), signature: None };
        (0..count).map(item).collect()
    }

    #[test]
    fn one_to_a_hundred_each_once_in_their_order() {
        let params =
            |items, note: Option<&str>, verdict| DecideManyParams { verdict, items, note: note.map(Into::into) };
        let most = u32::try_from(MAX_ITEMS).unwrap();
        for (count, taken) in [(0, false), (1, true), (most, true), (most + 1, false)] {
            let asked = asks(params(items(count), None, Verdict::Approve), |_| Ok(None));
            assert_eq!(asked.is_ok(), taken, "{count}");
            if let Ok(asked) = asked {
                let ids: Vec<_> = asked.into_iter().map(|ask| ask.id).collect();
                assert_eq!(ids, items(count).into_iter().map(|item| item.id).collect::<Vec<_>>());
            }
        }
        let mut twice = items(3);
        twice.push(DecideItem { digest: Digest::of(&[b"other"]), ..twice[1].clone() });
        let error = asks(params(twice.clone(), None, Verdict::Approve), |_| Ok(None)).err().unwrap();
        assert_eq!((error.kind, error.message), (ErrorKind::Invalid, format!("`items` names {} twice", twice[1].id)));
        assert!(asks(params(items(1), None, Verdict::Reject), |_| Ok(None)).is_err(), "a rejection needs its note");
        assert_eq!(asks(params(items(2), Some("no"), Verdict::Reject), |_| Ok(None)).unwrap()[1].note.raw(), "no");
    }
}
