//! What leaves a review, and what came of it.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{
    CommentParams, DecideItem, DecideManyParams, DecideManyResult, DecideParams, DecideResult, DecisionSignature,
    EndParams,
};
use countersign_shared::text::Untrusted;

use super::{alerts, loading, managed, signature, take_back};
use crate::console::action::{Call, Deed, Done, Effect, Refusal};
use crate::console::state::{Act, Dialog, Focus, Message, Outcome, Results, Review, Slot, State, TakeBack};

/// Sends what the review is for, on exactly the digests that are shown.
pub fn commit(state: &mut State, mut review: Box<Review>) -> Vec<Effect> {
    if review.has_to_be_signed() {
        return signature::begin(state, review);
    }
    let stopped = state.decisions_stopped().or_else(|| review.missing());
    let (Some(deed), None, true) = (deed(&review, &[]), &stopped, review.armed) else {
        if let Some(why) = stopped {
            state.tell(false, why);
        }
        review.focus = Focus::Cancel;
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    };
    review.sending = true;
    state.dialog = Some(Dialog::Review(review));
    vec![loading::call(state, Slot::Deed, Call::Do(deed))]
}

/// Sends the decision of the open review with what was signed of it.
pub fn send(state: &mut State, signatures: &[DecisionSignature]) -> Vec<Effect> {
    let Some(Dialog::Review(review)) = &mut state.dialog else { return Vec::new() };
    let Some(deed) = deed(review, signatures) else { return Vec::new() };
    review.sending = true;
    vec![loading::call(state, Slot::Deed, Call::Do(deed))]
}

fn deed(review: &Review, signatures: &[DecisionSignature]) -> Option<Deed> {
    let text = review.note.text().trim();
    let text = (!text.is_empty()).then(|| Untrusted::from(text));
    let Some(item) = review.single() else {
        let Act::Decide(verdict) = review.act else { return None };
        let item = |(at, seen): (usize, &countersign_shared::protocol::RequestDetail)| DecideItem {
            id: seen.request.id.clone(),
            digest: seen.request.digest,
            signature: signatures.get(at).cloned(),
        };
        let items = review.sendable().enumerate().map(item).collect();
        return Some(Deed::DecideMany(DecideManyParams { verdict, items, note: text }));
    };
    let (id, seen) = (item.id.clone(), item.seen.as_ref()?);
    Some(match review.act {
        Act::Decide(verdict) => {
            let signature = signatures.first().cloned();
            Deed::Decide(verdict, DecideParams { id, digest: seen.request.digest, note: text, signature })
        }
        Act::Withdraw => Deed::Withdraw(EndParams { id, reason: text }),
        Act::Void => Deed::Void(EndParams { id, reason: text }),
        Act::Comment => Deed::Comment(CommentParams { id, text: text? }),
    })
}

/// The daemon answered.
pub fn done(state: &mut State, result: Result<Box<Done>, Refusal>) -> Vec<Effect> {
    let review = match state.dialog.take() {
        Some(Dialog::Review(review)) => Some(review),
        Some(Dialog::Errand(_)) => None,
        Some(Dialog::TakeBack(open)) if open.sending => {
            return match result {
                Ok(done) => anchored(state, Some(open), *done),
                Err(refusal) => {
                    refused(state, refusal);
                    refreshed(state, Vec::new())
                }
            };
        }
        other => {
            state.dialog = other;
            None
        }
    };
    let about =
        review.as_ref().map_or_else(Vec::new, |review| review.items.iter().map(|item| item.id.clone()).collect());
    match result {
        Ok(done) => told(state, review, *done),
        Err(refusal) => refused(state, refusal),
    }
    refreshed(state, about)
}

/// A checkpoint was compared with the ledger.
fn anchored(state: &mut State, open: Option<Box<TakeBack>>, done: Done) -> Vec<Effect> {
    let mut effects = match done {
        Done::Anchored(result) => take_back::told(state, open, result),
        _ => Vec::new(),
    };
    effects.extend(refreshed(state, Vec::new()));
    effects
}

fn told(state: &mut State, review: Option<Box<Review>>, done: Done) {
    match done {
        Done::Decided(done) => {
            state.queue.marks.remove(&done.id);
            let change = review.as_ref().and_then(|review| review.single()?.seen.as_ref()?.policy_change.as_ref());
            let force = match change {
                Some(_) if done.state == RequestState::Approved => "; the proposed policy is in force",
                Some(_) | None => "",
            };
            let text = format!("{} is {}{force}.", done.id, standing(&done));
            state.tell(true, text);
        }
        Done::Ended(done) => {
            let job = done.job.as_ref().map_or_else(String::new, |job| format!("; its job is {}", job.state));
            state.tell(true, format!("{} is {} (record {}){job}.", done.id, done.state, done.seq));
        }
        Done::Commented(done) => {
            state.tell(true, format!("The remark stands (record {}).", done.remark.seq));
        }
        Done::Many(done) => many(state, review, done),
        Done::Revoked(done) => {
            let what = format!("version {} of {}", done.revocation.version, done.revocation.certificate_id);
            let text = match &done.request {
                Some(request) => format!("{} asks for the end of {what}; o opens it.", request.id),
                None => format!("{} ends {what}.", done.job.id),
            };
            state.tell(true, text);
        }
        Done::Renewed(done) => {
            let text = match &done.request {
                Some(request) => format!("{} asks for a successor of {}; o opens it.", request.id, done.certificate_id),
                None => format!("{} makes a successor of {}.", done.job.id, done.certificate_id),
            };
            state.tell(true, text);
        }
        Done::Retired(done) => {
            let what = format!("version {} of {}", done.version, done.certificate_id);
            state.tell(true, format!("{what} is looked after no more (record {}).", done.seq));
        }
        Done::Anchored(done) => state.tell(true, done.text),
        Done::Requeued(done) => match done.seq {
            Some(seq) if done.requeued > 0 => state.tell(true, format!("It waits for another attempt (record {seq}).")),
            _ => state.tell(false, "It was dead no longer: nothing was done."),
        },
    }
}

/// `approved (1 of 1 votes, record 12); its job is pending`
fn standing(done: &DecideResult) -> String {
    let votes = format!("{} of {} votes", done.votes.given, done.votes.needed);
    let job = done.job.as_ref().map_or_else(String::new, |job| format!("; its job is {}", job.state));
    format!("{} ({votes}, record {}){job}", done.state, done.seq)
}

/// Each answer beside its request. What was refused keeps its mark.
fn many(state: &mut State, review: Option<Box<Review>>, done: DecideManyResult) {
    let name = |id: &RequestId| {
        let item = review.as_ref()?.items.iter().find(|item| item.id == *id)?;
        Some(item.seen.as_ref()?.request.primary_name.raw().to_owned())
    };
    let mut outcomes = Vec::with_capacity(done.items.len());
    for item in done.items {
        let result = match (&item.result, item.error) {
            (Some(done), None) => Ok(standing(done)),
            (_, Some(error)) => {
                let gap = if error.data.hint.is_empty() { "" } else { " " };
                Err(format!("{}{gap}{}", error.message, error.data.hint))
            }
            (None, None) => Err("The daemon did not say what became of it.".into()),
        };
        if result.is_ok() {
            state.queue.marks.remove(&item.id);
        }
        outcomes.push(Outcome { name: name(&item.id).unwrap_or_default(), id: item.id, result });
    }
    let results = Results { outcomes, scroll: 0 };
    let (all, refused) = (results.outcomes.len(), results.refused());
    state.tell(refused == 0, format!("{} of {all} decided, {refused} refused.", all - refused));
    state.dialog = Some(Dialog::Results(results));
}

fn refused(state: &mut State, refusal: Refusal) {
    let (title, hint) = if refusal.uncertain {
        ("Not known whether it counts", "Look at what it was about before doing it again.".to_owned())
    } else {
        ("Refused", refusal.hint)
    };
    // The line stays when a key that was meant for something else closes the message.
    state.tell(false, refusal.message.clone());
    state.dialog = Some(Dialog::Message(Message { title: title.into(), text: refusal.message, hint }));
}

/// Reads again what may have changed.
fn refreshed(state: &mut State, about: Vec<RequestId>) -> Vec<Effect> {
    let mut effects = vec![loading::call(state, Slot::Status, Call::Status)];
    effects.extend(managed::happened(state));
    effects.extend(alerts::happened(state));
    let open = state.detail.as_ref().map(|detail| detail.id.clone()).filter(|id| about.contains(id));
    effects.extend(open.map(|id| loading::call(state, Slot::Detail, Call::Request(id))));
    if state.queue.refused.is_none() {
        state.queue.stale.extend(about);
        effects.extend(loading::stale_rows(state));
    }
    effects
}
