//! Keys while a dialog is open.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::AlertState;

use super::{alerts, commands, errand, ledger, review, take_back};
use crate::console::action::Effect;
use crate::console::key::Key;
use crate::console::keymap::{self, BINDINGS, Command};
use crate::console::state::{DEMO_PEOPLE, Dialog, Field, Palette, PaletteEntry, Results, Run, State};
use crate::console::view;

pub fn key(state: &mut State, key: Key) -> Vec<Effect> {
    match state.dialog.take() {
        Some(Dialog::Help { scroll }) => {
            state.dialog = help_key(state, scroll, key);
            Vec::new()
        }
        Some(Dialog::Message(message)) => {
            if !matches!(key, Key::Esc | Key::Enter | Key::Char('q')) {
                state.dialog = Some(Dialog::Message(message));
            }
            Vec::new()
        }
        Some(Dialog::Palette(palette)) => palette_key(state, palette, key),
        Some(Dialog::Review(open)) => review::key(state, open, key),
        Some(Dialog::Errand(open)) => errand::key(state, open, key),
        Some(Dialog::Verification) => {
            // It goes on.
            if !matches!(key, Key::Esc | Key::Enter | Key::Char('q')) {
                state.dialog = Some(Dialog::Verification);
            }
            Vec::new()
        }
        Some(Dialog::Checkpoint(open)) => {
            ledger::checkpoint_key(state, open, key);
            Vec::new()
        }
        Some(Dialog::Proof(open)) => ledger::proof_key(state, open, key),
        Some(Dialog::TakeBack(open)) => take_back::key(state, open, key),
        Some(Dialog::Results(results)) => {
            state.dialog = results_key(state, results, key);
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn help_key(state: &State, scroll: usize, key: Key) -> Option<Dialog> {
    let page = usize::from(state.height / 2);
    let last = view::help_height(state).saturating_sub(view::help_room(state));
    let scroll = match keymap::lookup(state.screen.scope(), key) {
        Some(Command::Down) => scroll + 1,
        Some(Command::Up) => scroll.saturating_sub(1),
        Some(Command::PageDown) => scroll + page,
        Some(Command::PageUp) => scroll.saturating_sub(page),
        Some(Command::First) => 0,
        Some(Command::Last) => last,
        Some(Command::Back | Command::Help | Command::Quit) => return None,
        _ => scroll,
    };
    Some(Dialog::Help { scroll: scroll.min(last) })
}

fn results_key(state: &State, mut results: Results, key: Key) -> Option<Dialog> {
    let page = usize::from(state.height / 4);
    let last = view::results_overflow(state, &results);
    results.scroll = match keymap::lookup(state.screen.scope(), key) {
        _ if matches!(key, Key::Enter | Key::Esc | Key::Char('q')) => return None,
        Some(Command::Down) => results.scroll + 1,
        Some(Command::Up) => results.scroll.saturating_sub(1),
        Some(Command::PageDown) => results.scroll + page,
        Some(Command::PageUp) => results.scroll.saturating_sub(page),
        Some(Command::First) => 0,
        Some(Command::Last) => last,
        _ => results.scroll,
    }
    .min(last);
    Some(Dialog::Results(results))
}

/// The palette of everything that can be done on this screen.
pub fn palette(state: &State, typed: &str) -> Palette {
    let screen = state.screen.scope();
    let mut entries: Vec<PaletteEntry> = BINDINGS
        .iter()
        .filter(|binding| keymap::holds_on(binding.scope, screen))
        .filter_map(|binding| {
            // The palette is open, and each person of a demo has an entry.
            let command = binding.command.filter(|command| !matches!(command, Command::Palette | Command::ActAs))?;
            Some(PaletteEntry {
                label: binding.help.to_owned(),
                keys: keymap::key_names(binding.keys),
                run: Run::Command(command),
            })
        })
        .collect();
    let states = std::iter::once(None).chain(RequestState::ALL.iter().copied().map(Some));
    entries.extend(states.map(|wanted| PaletteEntry {
        label: format!("Show {} requests", wanted.map_or("all", RequestState::as_str)),
        keys: String::new(),
        run: Run::ShowState(wanted),
    }));
    let states = std::iter::once(None).chain(AlertState::ALL.iter().copied().map(Some));
    entries.extend(states.map(|wanted| PaletteEntry {
        label: format!("Show {} messages", wanted.map_or("all", AlertState::as_str)),
        keys: String::new(),
        run: Run::ShowMessages(wanted),
    }));
    if state.demo() {
        entries.extend(DEMO_PEOPLE.map(|person| PaletteEntry {
            label: format!("Act as {person} (DEMO)"),
            keys: String::new(),
            run: Run::ActAs(person),
        }));
    }
    Palette { filter: Field::with(typed), entries, selected: 0 }
}

fn palette_key(state: &mut State, mut palette: Palette, key: Key) -> Vec<Effect> {
    let last = palette.shown().len().saturating_sub(1);
    match key {
        Key::Esc => return Vec::new(),
        Key::Enter => {
            let run = palette.shown().get(palette.selected).map(|entry| entry.run.clone());
            return match run {
                Some(Run::Command(command)) => commands::run(state, command),
                Some(Run::ActAs(person)) => commands::act_as_person(state, person),
                Some(Run::ShowState(wanted)) => commands::show_state(state, wanted),
                Some(Run::ShowMessages(wanted)) => alerts::show_state(state, wanted),
                None => {
                    state.dialog = Some(Dialog::Palette(palette));
                    Vec::new()
                }
            };
        }
        Key::Down | Key::Tab => palette.selected = (palette.selected + 1).min(last),
        Key::Up | Key::BackTab => palette.selected = palette.selected.saturating_sub(1),
        Key::PageDown => palette.selected = (palette.selected + 10).min(last),
        Key::PageUp => palette.selected = palette.selected.saturating_sub(10),
        key => {
            if palette.filter.edit(key) {
                palette.selected = 0;
            }
        }
    }
    state.dialog = Some(Dialog::Palette(palette));
    Vec::new()
}
