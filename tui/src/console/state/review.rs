//! A decision in the making: what was seen, what is typed, and whether it may be sent.

use countersign_shared::content::San;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::{RequestDetail, Risk};

use super::Field;
use crate::console::action::Refusal;

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The name that has to be typed.
    Confirm,
    /// The note.
    Note,
    /// The button that closes.
    Cancel,
    /// The button that decides.
    Commit,
}

/// The review of one request.
#[derive(Clone, Debug)]
pub struct Review {
    /// Which request.
    pub id: RequestId,
    /// Which decision.
    pub verdict: Verdict,
    /// Exactly what is shown and what the decision will name.
    pub seen: Option<Box<RequestDetail>>,
    /// Why it cannot be shown.
    pub refused: Option<Refusal>,
    /// True once it has been drawn whole and everything typed before that is thrown away.
    pub armed: bool,
    /// What changed since it was shown; a review with changes can only be closed.
    pub changed: Vec<String>,
    /// The name typed to confirm a risk.
    pub confirm: Field,
    /// The note.
    pub note: Field,
    /// Where the keys go; the harmless button at first.
    pub focus: Focus,
    /// Lines of the summary above its window.
    pub scroll: usize,
    /// True while the decision is on its way.
    pub sending: bool,
}

impl Review {
    /// A review that waits for the request's content.
    pub fn of(id: RequestId, verdict: Verdict) -> Self {
        Self {
            id,
            verdict,
            seen: None,
            refused: None,
            armed: false,
            changed: Vec::new(),
            confirm: Field::default(),
            note: Field::default(),
            focus: Focus::Cancel,
            scroll: 0,
            sending: false,
        }
    }

    /// What has to be typed before an approval of something risky.
    pub fn confirmation(&self) -> Option<String> {
        let seen = self.seen.as_ref().filter(|_| self.verdict == Verdict::Approve)?;
        if !seen.request.risks.iter().any(|risk| is_high(*risk)) {
            return None;
        }
        let name = risky_name(seen);
        // A name that nobody can type as it is shown is replaced by the request's id.
        let typeable =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() || c == ' ') && name.trim() == name;
        Some(if typeable { name } else { seen.request.id.to_string() })
    }

    /// True where no name has to be typed, or it has been.
    pub fn is_confirmed(&self) -> bool {
        self.confirmation().is_none_or(|name| self.confirm.text() == name)
    }

    /// What is still missing before the decision can be sent; `None` where nothing is.
    pub fn missing(&self) -> Option<String> {
        if !self.changed.is_empty() {
            return Some("The request changed while it was shown: close and look again.".into());
        }
        match &self.seen {
            None => return Some("The request is not loaded.".into()),
            Some(seen) if seen.request.state != RequestState::Pending => {
                return Some(format!("It is {} already: nothing is left to decide.", seen.request.state));
            }
            Some(_) => {}
        }
        if self.sending {
            return Some("The decision is on its way.".into());
        }
        if !self.is_confirmed() {
            return Some("Type the name exactly to go on.".into());
        }
        if self.verdict == Verdict::Reject && self.note.text().trim().is_empty() {
            return Some("A rejection needs a note.".into());
        }
        None
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

    /// Notes what differs between what is shown and what the daemon says now.
    pub fn compare(&mut self, now: &RequestDetail) {
        let Some(seen) = &self.seen else { return };
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
        for name in names(now).iter().filter(|name| !names(seen).contains(name)) {
            changed.push(format!("Added: {}", name.value().safe()));
        }
        for name in names(seen).iter().filter(|name| !names(now).contains(name)) {
            changed.push(format!("Removed: {}", name.value().safe()));
        }
        if changed.is_empty() && after.state != RequestState::Pending {
            changed.push(format!("It is {}: nothing is left to decide.", after.state));
        }
        if !changed.is_empty() {
            self.changed = changed;
            self.focus = Focus::Cancel;
        }
    }
}

/// Every name that the certificate will carry; none for a change of the policy.
pub fn names(seen: &RequestDetail) -> &[San] {
    seen.content.as_ref().map_or(&[], |content| &content.sans)
}

/// The risks that ask for the name to be typed.
pub fn is_high(risk: Risk) -> bool {
    match risk {
        Risk::Wildcard
        | Risk::CaRequested
        | Risk::Ca
        | Risk::Idn
        | Risk::OtherOwner
        | Risk::Bypass
        | Risk::PolicyLaxer => true,
        Risk::BareIp | Risk::NamesAdded | Risk::KeyChanged => false,
    }
}

/// The name at risk: the A-label for an IDNA name, the wildcard for a wildcard, else the primary name.
fn risky_name(seen: &RequestDetail) -> String {
    let risky = |risk, test: fn(&str) -> bool| {
        let names = names(seen).iter().map(|san| san.value().raw().to_owned());
        seen.request.risks.contains(&risk).then_some(names)?.find(|name| test(name))
    };
    risky(Risk::Idn, |name| name.contains("xn--"))
        .or_else(|| risky(Risk::Wildcard, |name| name.starts_with("*.")))
        .unwrap_or_else(|| seen.request.primary_name.raw().to_owned())
}
