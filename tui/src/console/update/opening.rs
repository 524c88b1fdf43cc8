//! How a review is opened.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::{RequestSummary, Verb};

use super::commands::selected;
use super::loading;
use crate::console::action::{Call, Effect};
use crate::console::state::{Act, Dialog, Message, Review, Screen, Slot, State, who_may};

/// Reviews every marked request on the queue, where there are marks, else the selected one.
pub fn decide(state: &mut State, verdict: Verdict) -> Vec<Effect> {
    let marked = if state.screen == Screen::Queue { state.queue.marked() } else { Vec::new() };
    if marked.is_empty() {
        review_one(state, Act::Decide(verdict))
    } else {
        review(state, Act::Decide(verdict), marked)
    }
}

/// Reviews the selected request.
pub fn review_one(state: &mut State, act: Act) -> Vec<Effect> {
    let Some(id) = selected(state) else {
        state.tell(false, "No request is selected.");
        return Vec::new();
    };
    // A remark can be left on a request that has ended.
    if let Some(row) = known(state, &id).filter(|row| act != Act::Comment && row.state != RequestState::Pending) {
        let by = row.decided_by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let message = Message {
            title: format!("Nothing to {}", act.name().to_lowercase()),
            text: format!("{} is {}{by}.", row.id, row.state),
            hint: "Only pending requests can be decided or ended; s on the queue shows them.".into(),
        };
        if state.decisions_stopped().is_none() {
            state.dialog = Some(Dialog::Message(message));
            return Vec::new();
        }
    }
    review(state, act, vec![id])
}

/// Opens the review; what it shows is read now, not taken from a list.
fn review(state: &mut State, act: Act, ids: Vec<RequestId>) -> Vec<Effect> {
    if let Some(why) = state.decisions_stopped() {
        state.tell(false, why);
        return Vec::new();
    }
    state.dialog = Some(Dialog::Review(Box::new(Review::of(act, ids.clone()))));
    vec![loading::call(state, Slot::Review, Call::Each(ids))]
}

/// What is known of a request without asking.
fn known<'a>(state: &'a State, id: &RequestId) -> Option<&'a RequestSummary> {
    let open = || state.detail.as_ref()?.seen.as_ref().map(|seen| &seen.request).filter(|row| row.id == *id);
    state.queue.rows.get(id).or_else(open)
}

/// An amendment needs a CSR or a text from a file: the command line takes them.
pub fn amend(state: &mut State) {
    let Some(id) = selected(state) else { return state.tell(false, "No request is selected.") };
    let seen = state.detail.as_ref().and_then(|detail| detail.seen.as_ref()).filter(|seen| seen.request.id == id);
    let stopped = seen.filter(|seen| !seen.you_may.contains(&Verb::Amend)).map(|_| who_may(Verb::Amend));
    let message = match stopped {
        Some(why) => Message {
            title: "Not yours to amend".into(),
            text: why.into(),
            hint: "A remark (c) reaches who asked.".into(),
        },
        None => Message {
            title: "Amend in a shell".into(),
            text: format!("countersign amend {id} --csr FILE"),
            hint:
                "--reason, --ticket, --valid-for and --not-before change the rest; what is left out stays as it is, and \
                   so does the deadline. Votes that were given count no more."
                    .into(),
        },
    };
    state.dialog = Some(Dialog::Message(message));
}
