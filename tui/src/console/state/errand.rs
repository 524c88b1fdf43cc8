//! Something about to be done to a certificate or a message: what was seen, what is typed, and whether it may be sent.

use countersign_shared::id::CertificateId;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::{Alert, AlertState, RetireReason};
use countersign_shared::revocation::RevocationReason;

use super::risk::typeable;
use super::{Dossier, Field};
use crate::console::action::Refusal;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Ask for the end of the version in force.
    Revoke,
    /// Ask for a successor.
    Renew,
    /// Look after it no more, where it has ended.
    Retire,
    /// Have a dead message tried again.
    Requeue,
}

impl Task {
    /// As a button and a title begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoke => "Revoke",
            Self::Renew => "Renew",
            Self::Retire => "Retire",
            Self::Requeue => "Send again",
        }
    }

    /// The third person, for the hint beside the button.
    pub const fn does(self) -> &'static str {
        match self {
            Self::Revoke => "revokes",
            Self::Renew => "renews",
            Self::Retire => "retires",
            Self::Requeue => "sends it again",
        }
    }
}

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The reason of the list.
    Reason,
    /// What has to be typed to confirm the risk.
    Confirm,
    /// The change ticket.
    Ticket,
    /// Why, in words.
    Note,
    /// The button that closes.
    Cancel,
    /// The button that does it.
    Commit,
}

/// What it is done to: exactly what is shown, and what is sent.
#[derive(Clone, Debug)]
pub enum Matter {
    /// A certificate, read when the dialog was opened.
    Certificate {
        /// Which.
        id: CertificateId,
        /// What the daemon says of it.
        seen: Option<Box<Dossier>>,
    },
    /// A message, as the list has it.
    Message(Box<Alert>),
}

/// One of them, under review.
#[derive(Clone, Debug)]
pub struct Errand {
    /// What it leads to.
    pub task: Task,
    /// To what.
    pub matter: Matter,
    /// Why it cannot be shown.
    pub refused: Option<Refusal>,
    /// What changed since it was shown; it can only be closed then.
    pub changed: Option<String>,
    /// True where something happened to it after it was last read.
    pub stale: bool,
    /// True once it has been drawn whole and everything typed before that is thrown away.
    pub armed: bool,
    /// True while the window reaches to the end of the summary.
    pub at_end: bool,
    /// True once the end of the summary was drawn.
    pub read: bool,
    /// The reason of a revocation that was chosen.
    pub reason: Option<RevocationReason>,
    /// Why it is looked after no more, as it was chosen.
    pub retiring: Option<RetireReason>,
    /// What is typed to confirm the risk.
    pub confirm: Field,
    /// The change ticket.
    pub ticket: Field,
    /// Why, in words.
    pub note: Field,
    /// Where the keys go; the harmless button at first.
    pub focus: Stop,
    /// Lines of the summary above its window.
    pub scroll: usize,
    /// True while it is on its way.
    pub sending: bool,
}

impl Errand {
    /// One about a certificate, which is being read.
    pub fn about(task: Task, id: CertificateId) -> Self {
        Self::of(task, Matter::Certificate { id, seen: None })
    }

    /// One about what is there already.
    pub fn of(task: Task, matter: Matter) -> Self {
        Self {
            task,
            matter,
            refused: None,
            changed: None,
            stale: false,
            armed: false,
            at_end: false,
            read: false,
            reason: None,
            retiring: None,
            confirm: Field::default(),
            ticket: Field::default(),
            note: Field::default(),
            focus: Stop::Cancel,
            scroll: 0,
            sending: false,
        }
    }

    /// The certificate that it is about.
    pub fn certificate(&self) -> Option<&CertificateId> {
        match &self.matter {
            Matter::Certificate { id, .. } => Some(id),
            Matter::Message(_) => None,
        }
    }

    /// The certificate as it is shown.
    pub fn dossier(&self) -> Option<&Dossier> {
        match &self.matter {
            Matter::Certificate { seen, .. } => seen.as_deref(),
            Matter::Message(_) => None,
        }
    }

    /// True once it is there, or it is known why it is not.
    pub fn is_loaded(&self) -> bool {
        matches!(self.matter, Matter::Message(_)) || self.dossier().is_some() || self.refused.is_some()
    }

    /// True where something is on the screen that has to be seen before keys may act on it.
    pub fn awaits_eyes(&self) -> bool {
        self.is_loaded() && (!self.armed || (self.at_end && !self.read))
    }

    /// The reason that was chosen, as the protocol writes it.
    pub fn chosen(&self) -> Option<&'static str> {
        self.reason.map(RevocationReason::as_str).or_else(|| self.retiring.map(RetireReason::as_str))
    }

    /// True where a reason of a list is given.
    fn reasoned(&self) -> bool {
        matches!(self.task, Task::Revoke | Task::Retire)
    }

    /// What has to be typed: neither a revocation nor the end of the alerts can be taken back, so the name is.
    pub fn confirmation(&self) -> Option<String> {
        match self.task {
            Task::Revoke | Task::Retire => {
                let seen = self.dossier()?;
                Some(typeable(seen.name().raw(), seen.id.as_str()))
            }
            Task::Renew | Task::Requeue => None,
        }
    }

    /// True where nothing has to be typed, or it is.
    pub fn is_confirmed(&self) -> bool {
        self.confirmation().is_none_or(|words| self.confirm.text() == words)
    }

    /// The pattern that the ticket has to match, where the profile has one.
    pub fn ticket_pattern(&self) -> Option<&str> {
        let asks = self.task != Task::Retire;
        self.dossier().filter(|_| asks)?.profile.as_ref()?.ticket_pattern.as_deref()
    }

    /// What is still missing before it can be sent; `None` where nothing is.
    pub fn missing(&self) -> Option<String> {
        if self.changed.is_some() {
            return Some("It changed while it was shown: close and look again.".into());
        }
        if let Some(why) = self.hinders() {
            return Some(why);
        }
        if self.sending {
            return Some("It is on its way.".into());
        }
        if !self.read {
            return Some("Read to the end first: PageDown.".into());
        }
        if self.reasoned() && self.chosen().is_none() {
            return Some("Choose a reason: Tab, then Left or Right.".into());
        }
        if !self.is_confirmed() {
            return Some("Type the name exactly to go on.".into());
        }
        if self.ticket_pattern().is_some() && self.ticket.text().trim().is_empty() {
            return Some("The profile asks for a ticket.".into());
        }
        let noted = !self.note.text().trim().is_empty();
        (self.note_needed() && !noted).then(|| "The profile asks for a note.".into())
    }

    /// True where the profile asks for a reason in words.
    pub fn note_needed(&self) -> bool {
        let profile = self.dossier().and_then(|seen| seen.profile.as_ref());
        self.task != Task::Retire && profile.is_some_and(|profile| profile.justification_required)
    }

    fn hinders(&self) -> Option<String> {
        let (id, seen) = match &self.matter {
            Matter::Message(message) if message.state == AlertState::Dead => return None,
            Matter::Message(message) => {
                return Some(format!("It is {}: only a dead one is sent again.", message.state));
            }
            Matter::Certificate { id, seen: None } => return Some(format!("{id} is not loaded.")),
            Matter::Certificate { id, seen: Some(seen) } => (id, seen),
        };
        if self.task == Task::Retire {
            let valid = seen.days_left().is_some_and(|days| days >= 0);
            return valid.then(|| format!("{id} has not ended yet: only what has expired is retired."));
        }
        if seen.detail.found.is_some() {
            return Some(format!("{id} was found and not issued here: that is done where it was issued."));
        }
        if seen.current().is_none() {
            let why = if seen.is_revoked() { "it is revoked already" } else { "no version of it is in force" };
            return Some(format!("Nothing to do for {id}: {why}."));
        }
        let wanted = match self.task {
            Task::Revoke => RequestKind::CertRevocation,
            Task::Renew => RequestKind::CertRenewal,
            Task::Retire | Task::Requeue => return None,
        };
        let waiting = seen.pending().find(|request| request.kind == wanted)?;
        Some(format!("{} asks for that already.", waiting.id))
    }

    /// The stops of Tab in the order of the dialog. The button that does it is one only when it can be pressed.
    pub fn stops(&self) -> Vec<Stop> {
        let mut stops = Vec::with_capacity(6);
        if self.hinders().is_some() {
            // Nothing that could be typed would help.
            return vec![Stop::Cancel];
        }
        if self.reasoned() {
            stops.push(Stop::Reason);
        }
        if self.confirmation().is_some() {
            stops.push(Stop::Confirm);
        }
        if self.ticket_pattern().is_some() {
            stops.push(Stop::Ticket);
        }
        if !matches!(self.task, Task::Retire | Task::Requeue) {
            stops.push(Stop::Note);
        }
        stops.push(Stop::Cancel);
        if self.missing().is_none() {
            stops.push(Stop::Commit);
        }
        stops
    }

    /// The field in focus.
    pub fn field(&mut self) -> Option<&mut Field> {
        match self.focus {
            Stop::Confirm => Some(&mut self.confirm),
            Stop::Ticket => Some(&mut self.ticket),
            Stop::Note => Some(&mut self.note),
            Stop::Reason | Stop::Cancel | Stop::Commit => None,
        }
    }

    /// Another reason, the first one where none was chosen yet.
    pub fn turn(&mut self, steps: isize) {
        match self.task {
            Task::Retire => self.retiring = turned(RetireReason::ALL, self.retiring, steps),
            _ => self.reason = turned(RevocationReason::ALL, self.reason, steps),
        }
    }

    /// Takes what the daemon says of the certificate: the first answer is what is shown, a later one is compared with it.
    pub fn take(&mut self, result: Result<Box<Dossier>, Refusal>) {
        let Matter::Certificate { id, seen } = &mut self.matter else { return };
        match (seen, result) {
            (_, Ok(now)) if now.id != *id => {}
            (Some(_), Ok(_)) if self.changed.is_some() => {}
            (Some(seen), Ok(now)) => match change(seen, &now) {
                Some(why) => self.changed = Some(why),
                None => *seen = now,
            },
            (none, Ok(now)) => {
                *none = Some(now);
                self.refused = None;
                (self.armed, self.read) = (false, false);
            }
            // A connection that was lost says nothing about it: it is read again on the next one.
            (Some(_), Err(refusal)) if refusal.kind.is_none() => {}
            (Some(_), Err(refusal)) => self.changed = Some(format!("It cannot be read any more: {}", refusal.message)),
            (None, Err(refusal)) => self.refused = Some(refusal),
        }
        if self.changed.is_some() {
            (self.focus, self.scroll) = (Stop::Cancel, 0);
        }
    }
}

/// The one so many steps behind the one that is chosen, in a ring.
fn turned<T: Copy + PartialEq>(all: &[T], chosen: Option<T>, steps: isize) -> Option<T> {
    let next = match chosen.and_then(|reason| all.iter().position(|one| *one == reason)) {
        Some(at) => (at as isize + steps).rem_euclid(all.len() as isize).unsigned_abs(),
        None if steps < 0 => all.len() - 1,
        None => 0,
    };
    all.get(next).copied()
}

/// What differs between what is shown and what the daemon says now, as far as it matters for what is sent.
fn change(seen: &Dossier, now: &Dossier) -> Option<String> {
    let (before, after) = (seen.current(), now.current());
    match (before, after) {
        (Some(before), Some(after)) if before.sha256 != after.sha256 => {
            Some(format!("Version {} is in force now, in place of version {}.", after.version, before.version))
        }
        (Some(before), None) if now.is_revoked() => Some(format!("Version {} is revoked now.", before.version)),
        (Some(before), None) => Some(format!("Version {} is not in force any more.", before.version)),
        (None, Some(after)) => Some(format!("Version {} is in force now.", after.version)),
        _ if seen.profile != now.profile => Some("The rules of its profile are others now.".into()),
        _ => None,
    }
}
