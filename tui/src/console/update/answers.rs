//! Answers of the daemon. One that nobody waits for any more changes nothing.

use countersign_shared::error::ErrorKind;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::{RequestDetail, RequestPage};

use super::{alerts, anchors, audit, deeds, ledger, loading, managed, queue, review, signature};
use crate::console::action::{Answer, Call, Effect, Refusal};
use crate::console::layout::list_height;
use crate::console::state::{Dialog, NextPage, Screen, Slot, State};

pub fn arrived(state: &mut State, generation: u64, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Status(result) if state.calls.finish(Slot::Status, generation) => {
            match result {
                Ok(daemon) => state.daemon = Some(*daemon),
                Err(refusal) => state.tell_refusal(&refusal),
            }
            // Alarms take rows from the lists.
            let height = list_height(state);
            state.queue.list.keep_visible(height);
            state.audit.list.keep_visible(height);
            state.certificates.paged.list.keep_visible(height);
            state.alerts.paged.list.keep_visible(height);
            state.anchors.list.keep_visible(height);
            let mut effects = follow_without_queue(state);
            if std::mem::take(&mut state.status_stale) {
                effects.push(loading::call(state, Slot::Status, Call::Status));
            }
            effects
        }
        Answer::Whoami(result) if state.calls.finish(Slot::Whoami, generation) => {
            match result {
                Ok(me) => {
                    if let Some(why) = me.cannot_decide.clone() {
                        state.tell(false, format!("You can decide nothing here: {why}"));
                    }
                    state.me = Some(*me);
                }
                Err(refusal) => state.tell_refusal(&refusal),
            }
            Vec::new()
        }
        Answer::Requests(result) if state.calls.finish(Slot::Queue, generation) => match result {
            Ok(page) => requests(state, *page),
            Err(refusal) => requests_refused(state, refusal),
        },
        Answer::Request(result) => request(state, generation, result),
        Answer::Each(read) if state.calls.finish(Slot::Review, generation) => reviewed(state, read),
        Answer::Done(result) if state.calls.finish(Slot::Deed, generation) => deeds::done(state, result),
        Answer::Prepared(result) if state.calls.finish(Slot::Sign, generation) => {
            signature::prepared(state, result);
            Vec::new()
        }
        Answer::Signed(result) if state.calls.finish(Slot::Sign, generation) => signature::signed(state, result),
        Answer::Audit(result) if state.calls.finish(Slot::Audit, generation) => audit::arrived(state, result),
        Answer::Counted(result) if state.calls.finish(Slot::Count, generation) => {
            audit::counted(state, result);
            Vec::new()
        }
        Answer::Record(result) if state.calls.finish(Slot::Record, generation) => {
            audit::opened(state, result);
            Vec::new()
        }
        Answer::Anchors(result) if state.calls.finish(Slot::Anchors, generation) => anchors::arrived(state, result),
        Answer::Certificates(result) if state.calls.finish(Slot::Certificates, generation) => {
            managed::arrived(state, result)
        }
        Answer::Certificate(result) if state.calls.finish(Slot::Certificate, generation) => {
            managed::opened(state, result)
        }
        Answer::Certificate(result) if state.calls.finish(Slot::Errand, generation) => managed::reviewed(state, result),
        Answer::Alerts(result) if state.calls.finish(Slot::Alerts, generation) => alerts::arrived(state, result),
        Answer::ActedAs(result) if state.calls.finish(Slot::ActAs, generation) => acted_as(state, result),
        other => ledger::answered(state, generation, other),
    }
}

fn requests(state: &mut State, page: RequestPage) -> Vec<Effect> {
    let queue = &mut state.queue;
    queue.refused = None;
    let first = std::mem::take(&mut queue.replace);
    if first {
        // The selected row stays until an answer about it says that it is gone.
        let kept = queue.list.selected().cloned();
        queue.rows.retain(|id, _| kept.as_ref() == Some(id));
        queue.stale.extend(kept.filter(|id| queue.rows.contains_key(id)));
    }
    for row in page.requests {
        queue.stale.remove(&row.id);
        queue.rows.insert(row.id.clone(), row);
    }
    queue.loaded = true;
    state.arriving = false;
    if let NextPage::At { state: asked, .. } = queue.next {
        queue.next = queue.page_after(asked, page.next_cursor);
    }
    let height = list_height(state);
    state.queue.arrange(height);
    let mut effects = Vec::new();
    if !state.calls.is_open(Slot::Events) {
        effects.push(Effect::Subscribe { generation: state.calls.begin(Slot::Events), from_seq: page.as_of_seq });
    }
    effects.extend(loading::queue_further(state));
    effects.extend(loading::stale_rows(state));
    effects
}

fn requests_refused(state: &mut State, refusal: Refusal) -> Vec<Effect> {
    let may_not = matches!(refusal.kind, Some(ErrorKind::Forbidden));
    let arriving = std::mem::replace(&mut state.arriving, false);
    if !may_not {
        state.tell_refusal(&refusal);
        return Vec::new();
    }
    state.queue.rows.clear();
    state.queue.arrange(0);
    state.queue.next = NextPage::End;
    state.queue.refused = Some(refusal);
    let mut effects = follow_without_queue(state);
    if arriving && state.screen == Screen::Queue {
        state.tell(true, "You may not list requests; the audit history is open to you.");
        effects.extend(audit::show(state));
    }
    effects
}

/// Where the queue may not be read, events follow the ledger's size instead of the page's.
fn follow_without_queue(state: &mut State) -> Vec<Effect> {
    match &state.daemon {
        Some(daemon) if state.queue.refused.is_some() && !state.calls.is_open(Slot::Events) => {
            let from_seq = daemon.ledger_size;
            vec![Effect::Subscribe { generation: state.calls.begin(Slot::Events), from_seq }]
        }
        _ => Vec::new(),
    }
}

/// One request was read: for its row or for the detail.
fn request(state: &mut State, generation: u64, result: Result<Box<RequestDetail>, Refusal>) -> Vec<Effect> {
    let row = state.calls.finish(Slot::Row, generation);
    let for_detail = state.calls.finish(Slot::Detail, generation);
    if !(row || for_detail) {
        return Vec::new();
    }
    // A row that cannot be read was never this person's to see.
    if let Ok(seen) = &result {
        queue::put_row(state, seen.request.clone());
    }
    if for_detail && let Some(detail) = &mut state.detail {
        match result.clone() {
            Ok(seen) if seen.request.id == detail.id => {
                detail.seen = Some(seen);
                detail.refused = None;
            }
            Ok(_) => {}
            Err(refusal) => detail.refused = Some(refusal),
        }
        super::commands::clamp_page(state);
    }
    loading::stale_rows(state)
}

/// What is under review was read.
fn reviewed(state: &mut State, read: Vec<(RequestId, Result<Box<RequestDetail>, Refusal>)>) -> Vec<Effect> {
    for (id, result) in read {
        if let Ok(seen) = &result {
            queue::put_row(state, seen.request.clone());
        }
        if let Some(Dialog::Review(open)) = &mut state.dialog {
            open.take(&id, result);
        }
    }
    review::settle(state);
    loading::review_items(state)
}

fn acted_as(
    state: &mut State,
    result: Result<Box<countersign_shared::protocol::WhoamiResult>, Refusal>,
) -> Vec<Effect> {
    match result {
        Ok(me) => {
            state.tell(true, format!("Acting as {} now.", me.account));
            state.me = Some(*me);
            // What the other person may see can be less: nothing of before stays.
            state.queue.rows.clear();
            state.queue.marks.clear();
            state.queue.refused = None;
            state.audit = Default::default();
            state.certificates = Default::default();
            state.alerts = Default::default();
            state.alert = None;
            state.anchors = Default::default();
            state.anchor = None;
            if matches!(state.screen, Screen::Record | Screen::Anchor) {
                state.screen = Screen::Audit;
            }
            if let Some(managed) = &mut state.managed {
                (managed.seen, managed.refused) = (None, None);
            }
            let height = list_height(state);
            state.queue.arrange(height);
            if let Some(detail) = &mut state.detail {
                detail.seen = None;
                detail.refused = None;
            }
            state.arriving = true;
            let mut effects = loading::everything(state);
            if state.screen == Screen::Audit {
                effects.extend(audit::newest(state));
            }
            effects
        }
        Err(refusal) => {
            state.tell_refusal(&refusal);
            Vec::new()
        }
    }
}
