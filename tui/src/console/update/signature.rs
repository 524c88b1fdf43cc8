//! A decision that is signed: from the review to the text, from the text to `ssh-keygen`, and back. What is sent is what came
//! back, on exactly what was shown.

use countersign_shared::decision_text::DecisionText;
use countersign_shared::protocol::DecisionSignature;
use countersign_shared::text::Untrusted;

use super::deeds;
use crate::console::action::{Effect, Prepared};
use crate::console::key::Key;
use crate::console::state::{Act, Dialog, Focus, Hold, Review, Signature, Slot, State};
use crate::console::view;
use crate::signing::ToSign;

/// Opens the text over the review, where nothing is missing there.
pub fn begin(state: &mut State, mut review: Box<Review>) -> Vec<Effect> {
    let stopped = state.decisions_stopped().or_else(|| review.missing()).or_else(|| review.unsignable());
    if let Some(why) = stopped.filter(|_| review.armed) {
        state.tell(false, why);
        review.focus = Focus::Cancel;
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    }
    if !review.armed {
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    }
    let texts = review.sendable().count();
    (review.signature, review.to_be_signed, review.unsigned) = (Some(Box::default()), true, None);
    state.dialog = Some(Dialog::Review(review));
    vec![Effect::Prepare { generation: state.calls.begin(Slot::Sign), texts }]
}

/// What the texts are made with is there.
pub fn prepared(state: &mut State, prepared: Result<Prepared, String>) {
    let Some(Dialog::Review(review)) = &mut state.dialog else { return };
    let Some(mut signature) = review.signature.take() else { return };
    match prepared.and_then(|prepared| Ok((texts(review, &prepared)?, prepared.key))) {
        Ok((texts, key)) => {
            signature.texts = texts;
            signature.key.insert(&key);
            review.signature = Some(signature);
            settle(state);
        }
        Err(why) => not_sent(review, why),
    }
}

fn texts(review: &Review, prepared: &Prepared) -> Result<Vec<ToSign>, String> {
    let Act::Decide(verdict) = review.act else { return Err("only decisions are signed".into()) };
    let note = Untrusted::from(review.note.text().trim());
    let seen: Vec<_> = review.sendable().collect();
    if seen.len() != prepared.salts.len() || seen.is_empty() {
        return Err("what is reviewed changed: look again".into());
    }
    let one = |(seen, salt): (&countersign_shared::protocol::RequestDetail, _)| {
        let keys = seen.signing.as_ref().map(|signing| signing.keys.clone()).unwrap_or_default();
        let text = DecisionText::of(seen, verdict, note.clone(), salt)?;
        Some(ToSign::decision(&text, &keys))
    };
    let made: Option<Vec<ToSign>> = seen.into_iter().zip(prepared.salts.iter().copied()).map(one).collect();
    made.ok_or_else(|| "the daemon does not say what a signature would cover".to_owned())
}

/// The text has been drawn, and nothing typed before that is waiting any more.
pub fn arm(state: &mut State) {
    settle(state);
    if let Some(signature) = open(state)
        && !signature.texts.is_empty()
    {
        signature.armed = true;
        signature.read |= signature.at_end;
    }
}

/// Keeps the window within the text, and notes whether it reaches to the end.
pub fn settle(state: &mut State) {
    let last = match &state.dialog {
        Some(Dialog::Review(review)) if !state.too_small() => match &review.signature {
            Some(signature) => view::signature_overflow(state, review, signature),
            None => return,
        },
        _ => return,
    };
    if let Some(signature) = open(state) {
        signature.scroll = signature.scroll.min(last);
        signature.at_end = signature.scroll == last;
    }
}

fn open(state: &mut State) -> Option<&mut Signature> {
    match &mut state.dialog {
        Some(Dialog::Review(review)) => review.signature.as_deref_mut(),
        _ => None,
    }
}

/// Pasted text goes into the name of the key.
pub fn paste(signature: &mut Signature, text: &str) {
    if signature.armed && !signature.away && signature.hold == Hold::Key {
        signature.key.insert(text);
    }
}

/// A key over the text.
pub fn key(state: &mut State, mut review: Box<Review>, mut signature: Box<Signature>, key: Key) -> Vec<Effect> {
    if key == Key::Esc && !signature.away {
        return back(state, review);
    }
    let page = view::signature_page(state, &review, &signature);
    let on_button = signature.hold != Hold::Key;
    if signature.armed && !signature.away {
        match key {
            Key::Tab | Key::Down => go(&mut signature, 1),
            Key::BackTab | Key::Up => go(&mut signature, -1),
            Key::PageDown => signature.scroll += page,
            Key::PageUp => signature.scroll = signature.scroll.saturating_sub(page),
            Key::Char('y') if on_button => return commit(state, review, signature),
            Key::Enter => match signature.hold {
                Hold::Cancel => return back(state, review),
                Hold::Commit => return commit(state, review, signature),
                Hold::Key if signature.missing().is_none() => signature.hold = Hold::Commit,
                Hold::Key => {}
            },
            Key::Char('j') if on_button => signature.scroll += 1,
            Key::Char('k') if on_button => signature.scroll = signature.scroll.saturating_sub(1),
            Key::Ctrl('d') if on_button => signature.scroll += page,
            Key::Ctrl('u') if on_button => signature.scroll = signature.scroll.saturating_sub(page),
            Key::Right if on_button => go(&mut signature, 1),
            Key::Left if on_button => go(&mut signature, -1),
            key if !on_button => {
                signature.key.edit(key);
            }
            _ => {}
        }
    }
    review.signature = Some(signature);
    state.dialog = Some(Dialog::Review(review));
    settle(state);
    Vec::new()
}

fn go(signature: &mut Signature, steps: isize) {
    let stops = signature.stops();
    let at = stops.iter().position(|stop| *stop == signature.hold).unwrap_or(0);
    let next = (at as isize + steps).rem_euclid(stops.len() as isize);
    if let Some(stop) = stops.get(next.unsigned_abs()) {
        signature.hold = *stop;
    }
}

/// One level out: to the review, which is as it was.
fn back(state: &mut State, mut review: Box<Review>) -> Vec<Effect> {
    state.calls.drop_slot(Slot::Sign);
    review.signature = None;
    state.dialog = Some(Dialog::Review(review));
    Vec::new()
}

fn commit(state: &mut State, mut review: Box<Review>, mut signature: Box<Signature>) -> Vec<Effect> {
    let stopped = state.decisions_stopped().or_else(|| review.missing());
    if let Some(why) = stopped.or_else(|| signature.missing().map(str::to_owned)) {
        state.tell(false, why);
        signature.hold = Hold::Cancel;
        review.signature = Some(signature);
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    }
    let (texts, key) = (signature.texts.clone(), signature.key.text().trim().to_owned());
    signature.away = true;
    review.signature = Some(signature);
    state.dialog = Some(Dialog::Review(review));
    vec![Effect::Sign { generation: state.calls.begin(Slot::Sign), texts, key }]
}

/// The terminal is back, with signatures or without.
pub fn signed(state: &mut State, signed: Result<Vec<DecisionSignature>, String>) -> Vec<Effect> {
    let stopped = state.decisions_stopped();
    let Some(Dialog::Review(review)) = &mut state.dialog else { return Vec::new() };
    let Some(signature) = review.signature.take() else { return Vec::new() };
    let why = match signed {
        Err(why) => why,
        Ok(made) if made.len() != signature.texts.len() => "not every text was signed".to_owned(),
        Ok(made) => match stopped.or_else(|| review.missing()).or_else(|| outdated(review, &signature)) {
            Some(why) => format!("It was signed, and nothing was sent. {why}"),
            None => return deeds::send(state, &made),
        },
    };
    not_sent(review, why.clone());
    state.tell(false, why);
    super::review::settle(state);
    Vec::new()
}

/// Why the daemon would refuse what was signed, though the requests are what they were. That the ledger has grown meanwhile is
/// no reason.
fn outdated(review: &Review, signature: &Signature) -> Option<String> {
    let now = review.sendable().map(|seen| seen.signing.as_ref().map(|signing| signing.policy_sha256));
    let named = signature.texts.iter().map(|text| Some(text.policy()));
    now.ne(named).then(|| "The policy changed: what was signed names the old one.".to_owned())
}

/// Back at the review, which says why.
fn not_sent(review: &mut Review, why: String) {
    review.disarm();
    review.unsigned = Some(why);
}
