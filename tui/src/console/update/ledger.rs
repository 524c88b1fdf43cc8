//! What the ledger can show of itself: that it is whole, a checkpoint of it, the proof of a record.

use countersign_shared::protocol::{AuditEvent, CheckpointResult, ProofResult, VerifyResult};

use super::loading;
use crate::console::action::{Answer, Call, Effect, NotSaved, Refusal};
use crate::console::key::Key;
use crate::console::keymap::{self, Command, Scope};
use crate::console::state::{Checkpoint, Dialog, Link, Proof, Saving, Screen, Slot, State, Verification, check_proof};
use crate::console::view;

/// Shows the verification that is under way, or begins one.
pub fn verify(state: &mut State) -> Vec<Effect> {
    if !online(state) {
        return Vec::new();
    }
    state.dialog = Some(Dialog::Verification);
    if state.audit.is_verifying() {
        return Vec::new();
    }
    state.audit.verification = Some(Verification::Running);
    let mut effects = vec![loading::call(state, Slot::Verify, Call::Verify)];
    effects.extend(poll(state));
    effects
}

fn online(state: &mut State) -> bool {
    let online = state.link == Link::Online;
    if !online {
        state.tell(false, "OFFLINE: this needs the daemon.");
    }
    online
}

/// Asks how far a verification is, while one is under way and somebody looks.
pub fn poll(state: &mut State) -> Vec<Effect> {
    let looks = state.audit.is_verifying() || state.screen.is_ledger();
    let asks = state.verifying() && looks && state.link == Link::Online && !state.calls.is_open(Slot::Status);
    if asks { vec![loading::call(state, Slot::Status, Call::Status)] } else { Vec::new() }
}

/// A verification ended.
pub fn verified(state: &mut State, result: Result<Box<VerifyResult>, Refusal>) -> Vec<Effect> {
    match &result {
        Ok(found) if found.intact => {
            state.tell(true, format!("The ledger is INTACT: {} records were verified.", found.records));
        }
        Ok(found) => {
            let damage = found.damage.as_ref().map_or_else(String::new, |damage| format!(": {}", damage.text));
            state.tell(false, format!("The ledger is DAMAGED{damage}"));
        }
        Err(refusal) => state.tell_refusal(refusal),
    }
    state.audit.verification = Some(match result {
        Ok(found) => Verification::Done(found),
        Err(refusal) => Verification::Refused(refusal),
    });
    vec![loading::call(state, Slot::Status, Call::Status)]
}

/// Shows a checkpoint of all that is committed.
pub fn checkpoint(state: &mut State) -> Vec<Effect> {
    if !online(state) {
        return Vec::new();
    }
    state.dialog = Some(Dialog::Checkpoint(Box::default()));
    vec![loading::call(state, Slot::Checkpoint, Call::Checkpoint)]
}

/// It was signed.
pub fn signed(state: &mut State, result: Result<Box<CheckpointResult>, Refusal>) -> Vec<Effect> {
    if let Some(Dialog::Checkpoint(open)) = &mut state.dialog {
        match result {
            Ok(seen) => open.seen = Some(seen),
            Err(refusal) => open.refused = Some(refusal),
        }
    }
    vec![loading::call(state, Slot::Status, Call::Status)]
}

/// A key while a checkpoint is shown.
pub fn checkpoint_key(state: &mut State, mut open: Box<Checkpoint>, key: Key) {
    let last = view::checkpoint_overflow(state, &open);
    let page = usize::from(state.height / 2);
    match key {
        Key::Esc | Key::Char('q') => return state.calls.drop_slot(Slot::Checkpoint),
        Key::Tab | Key::BackTab => (open.as_text, open.scroll) = (!open.as_text, 0),
        Key::Char('i') => open.dark = !open.dark,
        key => open.scroll = scrolled(open.scroll, page, last, key),
    }
    open.scroll = open.scroll.min(last);
    state.dialog = Some(Dialog::Checkpoint(open));
}

/// Where a window goes by a key that moves everywhere.
fn scrolled(scroll: usize, page: usize, last: usize, key: Key) -> usize {
    match keymap::lookup(Scope::Record, key) {
        Some(Command::Down) => scroll + 1,
        Some(Command::Up) => scroll.saturating_sub(1),
        Some(Command::PageDown) => scroll + page,
        Some(Command::PageUp) => scroll.saturating_sub(page),
        Some(Command::First) => 0,
        Some(Command::Last) => last,
        _ => scroll,
    }
    .min(last)
}

/// Proves the record that is open or selected.
pub fn prove(state: &mut State) -> Vec<Effect> {
    let Some(row) = record(state).cloned() else {
        state.tell(false, "No record is selected.");
        return Vec::new();
    };
    if !online(state) {
        return Vec::new();
    }
    let seq = row.seq;
    state.dialog = Some(Dialog::Proof(Box::new(Proof::of(row))));
    vec![loading::call(state, Slot::Proof, Call::Prove(seq))]
}

fn record(state: &State) -> Option<&AuditEvent> {
    match state.screen {
        Screen::Record => state.audit.open.as_ref().map(|open| &open.row),
        _ => state.audit.selected(),
    }
}

/// It was proved, as the daemon says: it is checked before it is shown.
pub fn proved(state: &mut State, result: Result<Box<ProofResult>, Refusal>) {
    if let Some(Dialog::Proof(open)) = &mut state.dialog {
        match result {
            Ok(result) => open.seen = Some(Box::new(check_proof(&open.row, &result))),
            Err(refusal) => open.refused = Some(refusal),
        }
    }
}

/// A key while a proof is shown.
pub fn proof_key(state: &mut State, mut open: Box<Proof>, key: Key) -> Vec<Effect> {
    let effects = match open.saving.take() {
        Some(saving) => saving_key(state, &mut open, saving, key),
        None => {
            let last = view::proof_overflow(state, &open);
            match key {
                Key::Esc | Key::Char('q') => {
                    state.calls.drop_slot(Slot::Proof);
                    return Vec::new();
                }
                // What shows nothing is not worth a file.
                Key::Char('s') if open.seen.as_ref().is_some_and(|seen| seen.shows.is_ok()) => {
                    open.saving = Some(Saving::named(&open.row));
                }
                key => open.scroll = scrolled(open.scroll, usize::from(state.height / 3), last, key),
            }
            Vec::new()
        }
    };
    state.dialog = Some(Dialog::Proof(open));
    effects
}

fn saving_key(state: &mut State, open: &mut Proof, mut saving: Saving, key: Key) -> Vec<Effect> {
    if saving.sending {
        open.saving = Some(saving);
        return Vec::new();
    }
    match key {
        Key::Esc if saving.exists => saving.exists = false,
        Key::Esc => return Vec::new(),
        Key::Char('y') if saving.exists => return save(state, open, saving, true),
        _ if saving.exists => {}
        Key::Enter => return save(state, open, saving, false),
        key => {
            saving.path.edit(key);
            saving.wrong = None;
        }
    }
    open.saving = Some(saving);
    Vec::new()
}

fn save(state: &mut State, open: &mut Proof, mut saving: Saving, replace: bool) -> Vec<Effect> {
    let octets = open.seen.as_ref().map_or_else(String::new, |seen| seen.octets.clone());
    let path = saving.path.text().trim().to_owned();
    (saving.sending, saving.exists, saving.wrong) = (true, false, None);
    open.saving = Some(saving);
    vec![Effect::Save { generation: state.calls.begin(Slot::File), path, octets, replace }]
}

/// A proof was written, or not.
pub fn saved(state: &mut State, result: Result<String, NotSaved>) {
    if let Ok(path) = &result {
        state.tell(true, format!("The proof is in {path}."));
    }
    let Some(Dialog::Proof(open)) = &mut state.dialog else { return };
    let Some(saving) = &mut open.saving else { return };
    saving.sending = false;
    match result {
        Ok(_) => open.saving = None,
        Err(NotSaved::Exists) => saving.exists = true,
        Err(NotSaved::Failed(why)) => saving.wrong = Some(why),
    }
}

/// No connection stands any more: what waits for an answer in a dialog has none to come.
pub fn disconnected(state: &mut State) {
    let lost = || {
        Some(Refusal {
            kind: None,
            message: "The connection to the daemon was lost.".into(),
            hint: "Close this and do it again when the console is online.".into(),
            uncertain: false,
        })
    };
    match &mut state.dialog {
        Some(Dialog::Checkpoint(open)) if open.seen.is_none() => open.refused = lost(),
        Some(Dialog::Proof(open)) if open.seen.is_none() => open.refused = lost(),
        _ => {}
    }
}

/// An answer that one of these waits for.
pub fn answered(state: &mut State, generation: u64, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Verified(result) if state.calls.finish(Slot::Verify, generation) => verified(state, result),
        Answer::Checkpoint(result) if state.calls.finish(Slot::Checkpoint, generation) => signed(state, result),
        Answer::Proved(result) if state.calls.finish(Slot::Proof, generation) => {
            proved(state, result);
            Vec::new()
        }
        Answer::Saved(result) if state.calls.finish(Slot::File, generation) => {
            saved(state, result);
            Vec::new()
        }
        Answer::Opened(result) if state.calls.finish(Slot::File, generation) => {
            super::take_back::opened(state, result);
            Vec::new()
        }
        _ => Vec::new(),
    }
}
