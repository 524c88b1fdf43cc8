//! Something about to be done to requests: what was seen, what is typed, and whether it may be sent.

use std::collections::BTreeSet;

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::RequestDetail;
use countersign_shared::text::Untrusted;

use super::Field;
use super::act::{Act, who_may};
use super::risk::{confirmation, names};
use super::signature::Signature;
use crate::console::action::Refusal;

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// What has to be typed to confirm a risk.
    Confirm,
    /// The note, reason or remark.
    Note,
    /// The button that closes.
    Cancel,
    /// The button that does it.
    Commit,
}

/// One request under review.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which request.
    pub id: RequestId,
    /// Exactly what is shown and what a decision will name.
    pub seen: Option<Box<RequestDetail>>,
    /// Why it cannot be shown.
    pub refused: Option<Refusal>,
    /// What changed since it was shown; a review with changes can only be closed.
    pub changed: Vec<String>,
}

/// The review of one request, or of every marked one.
#[derive(Clone, Debug)]
pub struct Review {
    /// What it leads to.
    pub act: Act,
    /// The requests, in the order in which they are shown; at least one.
    pub items: Vec<Item>,
    /// Requests that an event was about after they were last read.
    pub stale: BTreeSet<RequestId>,
    /// True once it has been drawn whole and everything typed before that is thrown away.
    pub armed: bool,
    /// True while the window reaches to the end of the summary.
    pub at_end: bool,
    /// True once the end of the summary was drawn.
    pub read: bool,
    /// What is typed to confirm the risk that is asked about.
    pub confirm: Field,
    /// Risks that are confirmed already.
    pub confirmed: usize,
    /// The note, reason or remark.
    pub note: Field,
    /// Where the keys go; the harmless button at first.
    pub focus: Focus,
    /// Lines of the summary above its window.
    pub scroll: usize,
    /// True while it is on its way.
    pub sending: bool,
    /// The text that is about to be signed, over this review.
    pub signature: Option<Box<Signature>>,
    /// True once the text was opened to sign it: until the review is closed nothing is decided without a signature.
    pub to_be_signed: bool,
    /// Why nothing was signed, or what was signed was not sent.
    pub unsigned: Option<String>,
}

impl Review {
    /// A review that waits for the content of these requests.
    pub fn of(act: Act, ids: Vec<RequestId>) -> Self {
        let item = |id| Item { id, seen: None, refused: None, changed: Vec::new() };
        Self {
            act,
            items: ids.into_iter().map(item).collect(),
            stale: BTreeSet::new(),
            armed: false,
            at_end: false,
            read: false,
            confirm: Field::default(),
            confirmed: 0,
            note: Field::default(),
            focus: Focus::Cancel,
            scroll: 0,
            sending: false,
            signature: None,
            to_be_signed: false,
            unsigned: None,
        }
    }

    /// Back at the review, which is to be drawn and seen before a key counts: whatever is typed meanwhile was typed at
    /// something else.
    pub fn disarm(&mut self) {
        (self.armed, self.scroll, self.focus) = (false, 0, Focus::Cancel);
    }

    /// The only request, where there is one only.
    pub fn single(&self) -> Option<&Item> {
        match &self.items[..] {
            [item] => Some(item),
            _ => None,
        }
    }

    /// True where this request is under review.
    pub fn is_about(&self, id: &RequestId) -> bool {
        self.items.iter().any(|item| item.id == *id)
    }

    /// True once each request is there, or it is known why it is not.
    pub fn is_loaded(&self) -> bool {
        self.items.iter().all(|item| item.seen.is_some() || item.refused.is_some())
    }

    /// True where something is on the screen that has to be seen before keys may act on it: the whole for the first
    /// time, or its end.
    pub fn awaits_eyes(&self) -> bool {
        if let Some(signature) = &self.signature {
            return signature.awaits_eyes();
        }
        self.is_loaded() && (!self.armed || (self.at_end && !self.read))
    }

    /// What the act is sent for. Of many, those that are not this person's to decide are left out: each would be
    /// refused, and a refusal is put down in the ledger.
    pub fn sendable(&self) -> impl Iterator<Item = &RequestDetail> {
        let many = self.items.len() > 1;
        self.items.iter().filter_map(|item| item.seen.as_deref()).filter(move |seen| !many || seen.you.allowed)
    }

    /// Everything that has to be typed before an approval: something for each request of high risk. Many at once
    /// cost as much typing as one by one, so that nobody marks requests to get around the question.
    pub fn confirmations(&self) -> Vec<String> {
        match self.act {
            Act::Decide(Verdict::Approve) => self.sendable().filter_map(confirmation).collect(),
            _ => Vec::new(),
        }
    }

    /// The one that is asked for now, its place and how many there are.
    pub fn confirmation(&self) -> Option<(String, usize, usize)> {
        let all = self.confirmations();
        let count = all.len();
        let at = self.confirmed.min(count.checked_sub(1)?);
        Some((all.into_iter().nth(at)?, at + 1, count))
    }

    /// True where what is typed is what is asked for now.
    pub fn matches(&self) -> bool {
        self.confirmation().is_none_or(|(words, ..)| self.confirm.text() == words)
    }

    /// True where nothing has to be typed, or all of it has been.
    pub fn is_confirmed(&self) -> bool {
        self.confirmation().is_none_or(|(_, at, count)| at == count && self.matches())
    }

    /// What is still missing before it can be sent; `None` where nothing is.
    pub fn missing(&self) -> Option<String> {
        let many = self.items.len() > 1;
        if self.items.iter().any(|item| !item.changed.is_empty()) {
            return Some(if many {
                "Something changed while it was shown: close and look again.".into()
            } else {
                "The request changed while it was shown: close and look again.".into()
            });
        }
        if !self.is_loaded() {
            return Some(if many {
                "Not every request is loaded.".into()
            } else {
                "The request is not loaded.".into()
            });
        }
        if let Some(why) = self.items.iter().find_map(|item| self.hinders(item)) {
            return Some(why);
        }
        if self.sendable().next().is_none() {
            return Some("None of these is yours to decide.".into());
        }
        if self.sending {
            return Some("It is on its way.".into());
        }
        if !self.read {
            return Some("Read to the end first: PageDown.".into());
        }
        if let Some((_, at, count)) = self.confirmation().filter(|_| !self.is_confirmed()) {
            let place = if count > 1 { format!(" ({at} of {count})") } else { String::new() };
            return Some(format!("Type it exactly to go on{place}."));
        }
        self.act.text_needed().filter(|_| self.note.text().trim().is_empty()).map(str::to_owned)
    }

    /// Why this request stands in the way.
    fn hinders(&self, item: &Item) -> Option<String> {
        let which = if self.items.len() > 1 { item.id.to_string() } else { "It".into() };
        let Some(seen) = &item.seen else { return Some(format!("{which} cannot be read.")) };
        match self.act.verb() {
            Some(verb) => (!seen.you_may.contains(&verb)).then(|| who_may(verb).to_owned()),
            None if seen.request.state != RequestState::Pending => {
                Some(format!("{which} is {} already: nothing is left to decide.", seen.request.state))
            }
            None => self
                .demands(seen)
                .then(|| cannot_sign(seen))
                .flatten()
                .map(|why| format!("{which} has to be signed, and cannot be: {why}")),
        }
    }

    fn demands(&self, seen: &RequestDetail) -> bool {
        matches!(self.act, Act::Decide(_)) && seen.signing.as_ref().is_some_and(|signing| signing.demand.is_some())
    }

    /// True where the decision, or one of them, has to be signed, or whoever decides has begun to sign it: what they
    /// type at the text must not decide without a signature once the text is gone.
    pub fn has_to_be_signed(&self) -> bool {
        self.to_be_signed || self.sendable().any(|seen| self.demands(seen))
    }

    /// Why it cannot be signed; `None` where it can.
    pub fn unsignable(&self) -> Option<String> {
        if !matches!(self.act, Act::Decide(_)) {
            return Some("Only decisions are signed.".into());
        }
        self.sendable().find_map(cannot_sign)
    }

    /// The stops of Tab in the order of the dialog. The deciding button is one only when it can be pressed.
    pub fn stops(&self) -> Vec<Focus> {
        let mut stops = Vec::with_capacity(4);
        if self.confirmation().is_some() {
            stops.push(Focus::Confirm);
        }
        stops.extend([Focus::Note, Focus::Cancel]);
        if self.missing().is_none() {
            stops.push(Focus::Commit);
        }
        stops
    }

    /// Takes what the daemon says of one request: the first answer is what is shown, a later one is compared with
    /// it.
    pub fn take(&mut self, id: &RequestId, result: Result<Box<RequestDetail>, Refusal>) {
        let bound = self.act.is_bound();
        let at_text = self.signature.as_ref().is_some_and(|open| !open.away);
        let Some(item) = self.items.iter_mut().find(|item| item.id == *id) else { return };
        match result {
            Ok(now) if now.request.id != *id => {}
            Ok(now) => match &mut item.seen {
                // What changed once stays changed: it is what the person sees that counts.
                Some(seen) if bound && item.changed.is_empty() => {
                    let policy = |one: &RequestDetail| one.signing.as_ref().map(|signing| signing.policy_sha256);
                    let before = policy(seen);
                    item.changed = changes(seen, now);
                    if at_text && policy(seen) != before {
                        self.signature = None;
                        self.unsigned =
                            Some("The policy changed: what would have been signed named the old one.".into());
                    }
                }
                Some(_) => {}
                none => {
                    *none = Some(now);
                    item.refused = None;
                    // What comes late, after a connection was lost, has to be seen as well.
                    (self.armed, self.read) = (false, false);
                    // It may stand before risks that were confirmed already: all of them are asked for again.
                    (self.confirm, self.confirmed) = (Field::default(), 0);
                }
            },
            // A connection that was lost says nothing about the request: it is read again on the next one.
            Err(refusal) if item.seen.is_some() && refusal.kind.is_none() => {}
            Err(refusal) if item.seen.is_some() => {
                item.changed = vec![format!("It cannot be read any more: {}", refusal.message)];
            }
            Err(refusal) => item.refused = Some(refusal),
        }
        if !item.changed.is_empty() {
            // What changed stands at the top. What was signed of it meanwhile is not sent when it comes back.
            (self.focus, self.scroll) = (Focus::Cancel, 0);
            if at_text {
                self.signature = None;
            }
        }
        if at_text && self.signature.is_none() {
            self.disarm();
        }
    }
}

/// Why a decision on this request cannot be signed by whoever looks; `None` where it can.
fn cannot_sign(seen: &RequestDetail) -> Option<String> {
    let Some(signing) = &seen.signing else {
        return Some("the daemon does not say what a signature would cover".into());
    };
    if signing.person.is_none() {
        let account = Untrusted::from(signing.account.as_str());
        return Some(format!("{} is no person of the policy", account.safe()));
    }
    signing.keys.is_empty().then(|| match signing.demand {
        Some(demand) => format!("the policy has no key of yours that is enough ({demand})"),
        None => "the policy has no key of yours".to_owned(),
    })
}

/// What differs between what is shown and what the daemon says now. Votes of others on the same content are no
/// change: they are brought up to date.
fn changes(seen: &mut RequestDetail, now: Box<RequestDetail>) -> Vec<String> {
    let (before, after) = (&seen.request, &now.request);
    let mut changed = Vec::new();
    if after.state != before.state {
        let by = after.decided_by.as_deref().unwrap_or("somebody");
        changed.push(format!("It is {} now, by {by}.", after.state));
    }
    if after.version != before.version {
        changed.push(format!("Version {} became version {}.", before.version, after.version));
    }
    if after.digest != before.digest {
        changed.push(format!("The content digest became {}.", after.digest.spoken()[0]));
    }
    for name in names(&now).iter().filter(|name| !names(seen).contains(name)) {
        changed.push(format!("Added: {}", name.value().safe()));
    }
    for name in names(seen).iter().filter(|name| !names(&now).contains(name)) {
        changed.push(format!("Removed: {}", name.value().safe()));
    }
    if now.you.delegated_by != seen.you.delegated_by {
        changed.push(match &now.you.delegated_by {
            Some(person) => format!("You would decide with the say of {person}."),
            None => "The say that was handed over to you is yours no more.".into(),
        });
    }
    if changed.is_empty() && after.state != RequestState::Pending {
        changed.push(format!("It is {}: nothing is left to decide.", after.state));
    }
    if changed.is_empty() {
        (seen.votes, seen.terms, seen.decisions) = (now.votes, now.terms, now.decisions);
        seen.signing = now.signing;
    }
    changed
}
