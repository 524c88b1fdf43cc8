//! How the state changes: by actions alone, without I/O and without a clock. Time arrives as an action.

mod alerts;
mod anchors;
mod answers;
mod audit;
mod commands;
mod deeds;
mod dialogs;
mod errand;
mod events;
mod filter;
mod jumps;
mod ledger;
mod loading;
mod managed;
mod marks;
mod opening;
mod queue;
mod review;
mod signature;
mod take_back;

use super::action::{Action, Effect};
use super::key::Key;
use super::keymap::{self, Command};
use super::layout::list_height;
use super::state::{Dialog, Link, State};

/// Applies one action; what comes back is for the runtime to do, in this order.
pub fn update(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Tick(now) => {
            state.now = now;
            ledger::poll(state)
        }
        Action::Resize { width, height } => {
            (state.width, state.height) = (width, height);
            let height = list_height(state);
            state.queue.list.keep_visible(height);
            state.audit.list.keep_visible(height);
            state.certificates.paged.list.keep_visible(height);
            state.alerts.paged.list.keep_visible(height);
            state.anchors.list.keep_visible(height);
            commands::clamp_page(state);
            review::settle(state);
            errand::settle(state);
            take_back::settle(state);
            Vec::new()
        }
        Action::Key(key) => key_pressed(state, key),
        Action::Paste(text) => pasted(state, &text),
        Action::Armed => {
            review::arm(state);
            errand::arm(state);
            take_back::arm(state);
            Vec::new()
        }
        Action::Connected => {
            state.link = Link::Online;
            loading::everything(state)
        }
        Action::Disconnected { why } => {
            disconnected(state, why);
            Vec::new()
        }
        Action::EventsLost { generation } => events::lost(state, generation),
        Action::Event { generation, event } => events::arrived(state, generation, event),
        Action::Answered { generation, answer } => answers::arrived(state, generation, answer),
    }
}

fn key_pressed(state: &mut State, key: Key) -> Vec<Effect> {
    if key == Key::Ctrl('c') {
        return vec![Effect::Quit];
    }
    if state.too_small() {
        // Nothing may act that cannot be seen.
        let leaves = keymap::lookup(state.screen.scope(), key) == Some(Command::Quit) && state.dialog.is_none();
        return if leaves { vec![Effect::Quit] } else { Vec::new() };
    }
    if state.dialog.is_some() {
        return dialogs::key(state, key);
    }
    if state.filtering().is_some() {
        return filter::key(state, key);
    }
    match keymap::lookup(state.screen.scope(), key) {
        Some(command) => {
            state.notice = None;
            commands::run(state, command)
        }
        None => Vec::new(),
    }
}

/// Pasted text goes into a text field or nowhere.
fn pasted(state: &mut State, text: &str) -> Vec<Effect> {
    if state.too_small() {
        return Vec::new();
    }
    match &mut state.dialog {
        Some(Dialog::Review(review)) => review::paste(review, text),
        Some(Dialog::Errand(errand)) => errand::paste(errand, text),
        Some(Dialog::Palette(palette)) => {
            palette.filter.insert(text);
            palette.selected = 0;
        }
        Some(Dialog::TakeBack(open)) => {
            take_back::paste(open, text);
            take_back::settle(state);
        }
        Some(Dialog::Proof(open)) => {
            if let Some(saving) = open.saving.as_mut().filter(|saving| !saving.sending && !saving.exists) {
                saving.path.insert(text);
            }
        }
        Some(
            Dialog::Help { .. }
            | Dialog::Message(_)
            | Dialog::Results(_)
            | Dialog::Verification
            | Dialog::Checkpoint(_),
        ) => {}
        None => return filter::pasted(state, text),
    }
    Vec::new()
}

fn disconnected(state: &mut State, why: String) {
    let since = match &state.link {
        Link::Offline { since, .. } => *since,
        Link::Connecting | Link::Online => state.now,
    };
    state.link = Link::Offline { since, why };
    state.calls.drop_reads();
    ledger::disconnected(state);
}
