//! The commands of the keymap on the screens.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestState, Verdict};

use super::{
    alerts, anchors, audit, dialogs, errand, filter, jumps, ledger, loading, managed, marks, opening, take_back,
};
use crate::console::action::{Call, Effect};
use crate::console::keymap::Command;
use crate::console::layout::{layout, list_height};
use crate::console::state::{Act, Detail, Dialog, List, Screen, Slot, State, Task};
use crate::console::view;

pub fn run(state: &mut State, command: Command) -> Vec<Effect> {
    let elsewhere = [
        Command::ShowQueue,
        Command::ShowDetail,
        Command::ShowAudit,
        Command::ShowCertificates,
        Command::ShowAlerts,
        Command::NextScreen,
    ];
    if elsewhere.contains(&command) {
        state.came_from = None;
    }
    match command {
        Command::Help => state.dialog = Some(Dialog::Help { scroll: 0 }),
        Command::Palette => state.dialog = Some(Dialog::Palette(dialogs::palette(state, ""))),
        Command::ActAs => return act_as(state),
        Command::Quit => return quit(state),
        Command::QuitAtOnce => return vec![Effect::Quit],
        Command::Back => return back(state),
        Command::NextScreen => return next_screen(state),
        Command::ShowQueue => state.screen = Screen::Queue,
        Command::ShowDetail => return open(state),
        Command::Open => return open_selected(state),
        Command::ShowAudit => return audit::show(state),
        Command::ShowCertificates => return managed::show(state),
        Command::ShowAlerts => return alerts::show(state),
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
        Command::Filter => filter::begin(state),
        Command::NextState => return next_state(state),
        Command::Verify => return ledger::verify(state),
        Command::Checkpoint => return ledger::checkpoint(state),
        Command::Prove => return ledger::prove(state),
        Command::ShowAnchors => return anchors::show(state),
        Command::TakeBack => take_back::open(state),
        Command::Renew => return jumps::review(state, Task::Renew),
        Command::Revoke => return jumps::review(state, Task::Revoke),
        Command::Retire => return jumps::review(state, Task::Retire),
        Command::Requeue => errand::requeue(state),
        Command::Jump => return jumps::jump(state),
    }
    Vec::new()
}

fn next_state(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Certificates => {
            let next = state.certificates.wanted.next();
            managed::show_wanted(state, next)
        }
        Screen::Alerts => {
            let next = state.alerts.next_state();
            alerts::show_state(state, next)
        }
        _ => {
            let next = state.queue.next_state();
            show_state(state, next)
        }
    }
}

/// Leaves only where nothing is open; on another screen than the queue it goes back first.
fn quit(state: &mut State) -> Vec<Effect> {
    if state.screen.is_page() || state.screen == Screen::Anchors { back(state) } else { vec![Effect::Quit] }
}

/// One level out: a filter first, then the marks, then the screen.
fn back(state: &mut State) -> Vec<Effect> {
    if let Some(effects) = filter::clear(state) {
        return effects;
    }
    match (state.screen, state.came_from.take()) {
        (Screen::Queue, _) => {
            marks::clear(state);
            Vec::new()
        }
        (Screen::Detail | Screen::Certificate, Some(Screen::Certificates)) | (Screen::Certificate, _) => {
            managed::show(state)
        }
        (Screen::Detail, Some(Screen::Certificate)) => {
            state.screen = Screen::Certificate;
            managed::read_open(state)
        }
        (Screen::Detail, Some(Screen::Alert)) => {
            state.screen = Screen::Alert;
            Vec::new()
        }
        (Screen::Record | Screen::Anchors, _) => audit::show(state),
        (Screen::Anchor, _) => anchors::show(state),
        (Screen::Alert, _) | (Screen::Detail, Some(Screen::Alerts)) => alerts::show(state),
        (Screen::Detail | Screen::Audit | Screen::Certificates | Screen::Alerts, _) => {
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
        Screen::Queue | Screen::Detail => audit::show(state),
        Screen::Audit | Screen::Record | Screen::Anchors | Screen::Anchor => managed::show(state),
        Screen::Certificates | Screen::Certificate => alerts::show(state),
        Screen::Alerts | Screen::Alert => {
            state.screen = Screen::Queue;
            Vec::new()
        }
    }
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
        Screen::Detail
        | Screen::Certificates
        | Screen::Certificate
        | Screen::Alerts
        | Screen::Alert
        | Screen::Anchors
        | Screen::Anchor => state.detail.as_ref().map(|detail| detail.id.clone()),
        Screen::Queue => state.queue.list.selected().cloned(),
        Screen::Audit | Screen::Record => {
            let open = state.audit.open.as_ref().filter(|_| state.screen == Screen::Record).map(|open| &open.row);
            let record = open.or_else(|| state.audit.selected())?;
            record.resource_id.parse().ok().or_else(|| state.detail.as_ref().map(|detail| detail.id.clone()))
        }
    }
}

fn open_selected(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Certificates => match state.certificates.paged.list.selected().cloned() {
            Some(id) => managed::open(state, id),
            None => {
                state.tell(false, "No certificate is selected.");
                Vec::new()
            }
        },
        Screen::Alerts => alerts::open(state),
        Screen::Audit => audit::open(state),
        Screen::Anchors => {
            anchors::open(state);
            Vec::new()
        }
        _ => open(state),
    }
}

fn open(state: &mut State) -> Vec<Effect> {
    match selected(state).or_else(|| state.queue.list.selected().cloned()) {
        Some(id) => open_request(state, id),
        None => {
            state.tell(false, "No request is selected.");
            Vec::new()
        }
    }
}

/// Shows a request in full.
pub fn open_request(state: &mut State, id: RequestId) -> Vec<Effect> {
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
            go(&mut state.queue.list, rows, ends, height);
            // The row that stayed only because it was selected leaves now.
            state.queue.arrange(height);
            loading::queue_further(state)
        }
        Screen::Audit => {
            go(&mut state.audit.list, rows, ends, height);
            state.audit.looked = 0;
            audit::further(state)
        }
        Screen::Anchors => {
            go(&mut state.anchors.list, rows, ends, height);
            anchors::further(state)
        }
        Screen::Certificates => {
            go(&mut state.certificates.paged.list, rows, ends, height);
            managed::further(state)
        }
        Screen::Alerts => {
            go(&mut state.alerts.paged.list, rows, ends, height);
            alerts::further(state)
        }
        Screen::Detail | Screen::Record | Screen::Anchor | Screen::Certificate | Screen::Alert => {
            let scroll = match state.screen {
                Screen::Detail => state.detail.as_mut().map(|page| &mut page.scroll),
                Screen::Record => state.audit.open.as_mut().map(|page| &mut page.scroll),
                Screen::Anchor => state.anchor.as_mut().map(|page| &mut page.scroll),
                Screen::Certificate => state.managed.as_mut().map(|page| &mut page.scroll),
                _ => state.alert.as_mut().map(|page| &mut page.scroll),
            };
            if let Some(scroll) = scroll {
                *scroll = ends.unwrap_or_else(|| scroll.saturating_add_signed(rows));
            }
            clamp_page(state);
            Vec::new()
        }
    }
}

fn go<K: Clone + PartialEq>(list: &mut List<K>, rows: isize, end: Option<usize>, height: usize) {
    match end {
        Some(end) => list.move_to(end, height),
        None => list.move_by(rows, height),
    }
}

/// Keeps the window of each page within its text.
pub fn clamp_page(state: &mut State) {
    let room = usize::from(layout(state).body);
    let lines = [
        view::detail_height(state),
        view::certificate_height(state),
        view::alert_height(state),
        view::record_height(state),
        view::anchor_height(state),
    ];
    let pages = [
        state.detail.as_mut().map(|page| &mut page.scroll),
        state.managed.as_mut().map(|page| &mut page.scroll),
        state.alert.as_mut().map(|page| &mut page.scroll),
        state.audit.open.as_mut().map(|page| &mut page.scroll),
        state.anchor.as_mut().map(|page| &mut page.scroll),
    ];
    for (scroll, lines) in pages.into_iter().zip(lines) {
        if let Some(scroll) = scroll {
            *scroll = (*scroll).min(lines.saturating_sub(room));
        }
    }
}
