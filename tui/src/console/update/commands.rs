//! The commands of the keymap on the screens.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestState, Verdict};

use super::{audit, dialogs, loading, marks, opening, queue};
use crate::console::action::{Call, Effect};
use crate::console::keymap::Command;
use crate::console::layout::{layout, list_height};
use crate::console::state::{Act, Detail, Dialog, Screen, Slot, State, Verification};
use crate::console::view;

pub fn run(state: &mut State, command: Command) -> Vec<Effect> {
    match command {
        Command::Help => state.dialog = Some(Dialog::Help { scroll: 0 }),
        Command::Palette => state.dialog = Some(Dialog::Palette(dialogs::palette(state, ""))),
        Command::ActAs => return act_as(state),
        Command::Quit => return quit(state),
        Command::QuitAtOnce => return vec![Effect::Quit],
        Command::Back => return back(state),
        Command::NextScreen => return next_screen(state),
        Command::ShowQueue => state.screen = Screen::Queue,
        Command::ShowDetail | Command::Open => return open(state),
        Command::ShowAudit => return show_audit(state),
        Command::Reload => return loading::everything(state),
        Command::Down | Command::Up | Command::PageDown | Command::PageUp | Command::First | Command::Last => {
            return moved(state, command);
        }
        Command::Approve => return opening::decide(state, Verdict::Approve),
        Command::Reject => return opening::decide(state, Verdict::Reject),
        Command::Mark => return marks::toggle(state),
        Command::MarkAll => marks::toggle_all(state),
        Command::Withdraw => return opening::review_one(state, Act::Withdraw),
        Command::Void => return opening::review_one(state, Act::Void),
        Command::Comment => return opening::review_one(state, Act::Comment),
        Command::Amend => opening::amend(state),
        Command::Filter if state.screen == Screen::Queue => state.queue.filtering = true,
        Command::Filter => state.audit.filtering = true,
        Command::NextState => {
            let next = state.queue.next_state();
            return show_state(state, next);
        }
        Command::Verify => {
            state.audit.verification = Some(Verification::Running);
            return vec![loading::call(state, Slot::Verify, Call::Verify)];
        }
    }
    Vec::new()
}

/// Leaves only where nothing is open; on another screen than the queue it goes back first.
fn quit(state: &mut State) -> Vec<Effect> {
    if state.screen == Screen::Detail { back(state) } else { vec![Effect::Quit] }
}

/// One level out: a filter first, then the marks, then the screen.
fn back(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Queue if state.queue.filter.text().is_empty() => {
            marks::clear(state);
            Vec::new()
        }
        Screen::Queue => queue::clear_filter(state),
        Screen::Audit if !state.audit.filter.text().is_empty() => {
            audit::clear_filter(state);
            Vec::new()
        }
        Screen::Audit | Screen::Detail => {
            if state.queue.refused.is_none() {
                state.screen = Screen::Queue;
            }
            Vec::new()
        }
    }
}

fn next_screen(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Queue if selected(state).is_some() => open(state),
        Screen::Queue | Screen::Detail => show_audit(state),
        Screen::Audit => {
            state.screen = Screen::Queue;
            Vec::new()
        }
    }
}

/// The audit history, read when it is shown for the first time.
pub fn show_audit(state: &mut State) -> Vec<Effect> {
    state.screen = Screen::Audit;
    if state.audit.loaded || state.calls.is_open(Slot::Audit) { Vec::new() } else { loading::audit_newest(state) }
}

/// Shows only requests of this state, or all.
pub fn show_state(state: &mut State, wanted: Option<RequestState>) -> Vec<Effect> {
    state.screen = Screen::Queue;
    state.queue.state = wanted;
    // Another list, another selection: the first row of it.
    let height = list_height(state);
    state.queue.list = Default::default();
    state.queue.arrange(height);
    loading::queue_anew(state)
}

/// Asks the daemon to let this console act as another person of the demo.
pub fn act_as_person(state: &mut State, person: &str) -> Vec<Effect> {
    vec![loading::call(state, Slot::ActAs, Call::ActAs(person.to_owned()))]
}

fn act_as(state: &mut State) -> Vec<Effect> {
    if state.demo() {
        state.dialog = Some(Dialog::Palette(dialogs::palette(state, "act as ")));
    } else {
        state.tell(false, "Acting as somebody else is for demo daemons only; here you are who you logged in as.");
    }
    Vec::new()
}

/// The request that a command is about.
pub fn selected(state: &State) -> Option<RequestId> {
    match state.screen {
        Screen::Detail => state.detail.as_ref().map(|detail| detail.id.clone()),
        Screen::Queue => state.queue.list.selected().cloned(),
        Screen::Audit => {
            let record = state.audit.selected()?;
            record.resource_id.parse().ok().or_else(|| state.detail.as_ref().map(|detail| detail.id.clone()))
        }
    }
}

fn open(state: &mut State) -> Vec<Effect> {
    let Some(id) = selected(state).or_else(|| state.queue.list.selected().cloned()) else {
        state.tell(false, "No request is selected.");
        return Vec::new();
    };
    state.screen = Screen::Detail;
    if state.detail.as_ref().is_none_or(|detail| detail.id != id) {
        state.detail = Some(Detail::of(id.clone()));
    }
    vec![loading::call(state, Slot::Detail, Call::Request(id))]
}

fn moved(state: &mut State, command: Command) -> Vec<Effect> {
    let height = list_height(state);
    let half = (height / 2).max(1);
    let (rows, ends) = match command {
        Command::Down => (1, None),
        Command::Up => (-1, None),
        Command::PageDown => (half as isize, None),
        Command::PageUp => (-(half as isize), None),
        Command::First => (0, Some(0)),
        _ => (0, Some(usize::MAX)),
    };
    match state.screen {
        Screen::Queue => {
            match ends {
                Some(end) => state.queue.list.move_to(end, height),
                None => state.queue.list.move_by(rows, height),
            }
            // The row that stayed only because it was selected leaves now.
            state.queue.arrange(height);
            loading::queue_further(state)
        }
        Screen::Audit => {
            match ends {
                Some(end) => state.audit.list.move_to(end, height),
                None => state.audit.list.move_by(rows, height),
            }
            loading::audit_further(state)
        }
        Screen::Detail => {
            if let Some(detail) = &mut state.detail {
                detail.scroll = ends.unwrap_or_else(|| detail.scroll.saturating_add_signed(rows));
            }
            clamp_detail(state);
            Vec::new()
        }
    }
}

/// Keeps the detail's window within its text.
pub fn clamp_detail(state: &mut State) {
    let room = usize::from(layout(state).body);
    let lines = view::detail_height(state);
    if let Some(detail) = &mut state.detail {
        detail.scroll = detail.scroll.min(lines.saturating_sub(room));
    }
}
