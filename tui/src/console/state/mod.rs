//! Everything that the console knows. Views draw it, [`super::update`] changes it; there is nothing else.

mod act;
mod alarm;
mod alerts;
mod anchors;
mod audit;
mod calls;
mod checkpoint;
mod detail;
mod dialog;
mod errand;
mod field;
mod list;
mod managed;
mod paged;
mod proof;
mod query;
mod queue;
mod results;
mod review;
mod risk;
mod signature;
mod take_back;

pub use act::{Act, who_may};
pub use alarm::Alarm;
pub use alerts::{Alerts, OpenAlert};
pub use anchors::OpenAnchor;
pub use audit::{Audit, OpenRecord, Verification};
pub use calls::{Calls, Slot};
pub use checkpoint::Checkpoint;
pub use detail::Detail;
pub use dialog::{Dialog, Message, Palette, PaletteEntry, Run};
pub use errand::{Errand, Matter, Stop, Task};
pub use field::Field;
pub use list::List;
pub use managed::{Certificates, Dossier, Listed, Managed, SOON, Wanted};
pub use paged::{Paged, Reading, Row};
pub use proof::{Proof, Saving, check as check_proof};
pub use query::{FIELDS, Query};
pub use queue::{NextPage, Queue};
pub use results::{Outcome, Results};
pub use review::{Focus, Item, Review};
pub use risk::is_high as is_high_risk;
pub use signature::{Hold, Signature};
pub use take_back::{Place, Stage, TakeBack};

use countersign_shared::protocol::{AnchorRow, StatusResult, WhoamiResult};
use countersign_shared::time::Timestamp;

use super::action::Refusal;
use super::keymap::Scope;

/// The smallest terminal that decisions can be made in.
pub const SMALLEST: (u16, u16) = (60, 15);

/// The people of a demo (design §6).
pub const DEMO_PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Which screen is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Requests.
    Queue,
    /// One request.
    Detail,
    /// The ledger.
    Audit,
    /// One of its records.
    Record,
    /// Checkpoints that came back.
    Anchors,
    /// One of them.
    Anchor,
    /// Managed certificates.
    Certificates,
    /// One of them.
    Certificate,
    /// Messages and what became of them.
    Alerts,
    /// One of them.
    Alert,
}

impl Screen {
    /// The scope of its keys.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Queue => Scope::Queue,
            Self::Detail => Scope::Detail,
            Self::Audit => Scope::Audit,
            Self::Record => Scope::Record,
            Self::Anchors => Scope::Anchors,
            Self::Anchor => Scope::Anchor,
            Self::Certificates => Scope::Certificates,
            Self::Certificate => Scope::Certificate,
            Self::Alerts => Scope::Alerts,
            Self::Alert => Scope::Alert,
        }
    }

    /// True on the screens of the ledger.
    pub const fn is_ledger(self) -> bool {
        matches!(self, Self::Audit | Self::Record | Self::Anchors | Self::Anchor)
    }

    /// True where it shows one thing in full, which scrolls.
    pub const fn is_page(self) -> bool {
        matches!(self, Self::Detail | Self::Record | Self::Anchor | Self::Certificate | Self::Alert)
    }
}

/// Whether the daemon can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// No connection has stood yet, and no try has failed.
    Connecting,
    /// Calls are answered.
    Online,
    /// No connection stands.
    Offline {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: String,
    },
}

/// A line about what just happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// True for good news.
    pub good: bool,
    /// Safe to show.
    pub text: String,
}

/// The console's state.
#[derive(Clone, Debug)]
pub struct State {
    /// The wall clock as it was last told.
    pub now: Timestamp,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// False under `NO_COLOR`.
    pub colour: bool,
    /// The screen.
    pub screen: Screen,
    /// The connection.
    pub link: Link,
    /// Who the daemon says is here.
    pub me: Option<WhoamiResult>,
    /// The daemon's own state.
    pub daemon: Option<StatusResult>,
    /// The queue.
    pub queue: Queue,
    /// The request that is open.
    pub detail: Option<Detail>,
    /// The ledger.
    pub audit: Audit,
    /// Checkpoints that came back.
    pub anchors: Paged<AnchorRow>,
    /// The one that is open.
    pub anchor: Option<OpenAnchor>,
    /// Managed certificates.
    pub certificates: Certificates,
    /// The certificate that is open.
    pub managed: Option<Managed>,
    /// Messages.
    pub alerts: Alerts,
    /// The message that is open.
    pub alert: Option<OpenAlert>,
    /// The screen that a request or certificate was gone to from, where Esc leads back to.
    pub came_from: Option<Screen>,
    /// What lies over the screen.
    pub dialog: Option<Dialog>,
    /// What just happened.
    pub notice: Option<Notice>,
    /// The calls that are waited for.
    pub calls: Calls,
    /// True until it is known whether this person may list requests.
    pub arriving: bool,
    /// True where the ledger grew after the daemon's state was asked for.
    pub status_stale: bool,
}

impl State {
    /// The state before anything is known.
    pub fn new(now: Timestamp, width: u16, height: u16, colour: bool) -> Self {
        Self {
            now,
            width,
            height,
            colour,
            screen: Screen::Queue,
            link: Link::Connecting,
            me: None,
            daemon: None,
            queue: Queue::default(),
            detail: None,
            audit: Audit::default(),
            anchors: Paged::default(),
            anchor: None,
            certificates: Certificates::default(),
            managed: None,
            alerts: Alerts::default(),
            alert: None,
            came_from: None,
            dialog: None,
            notice: None,
            calls: Calls::default(),
            arriving: true,
            status_stale: false,
        }
    }

    /// True where the terminal is too small to show what a decision needs.
    pub fn too_small(&self) -> bool {
        self.width < SMALLEST.0 || self.height < SMALLEST.1
    }

    /// True on a demo daemon.
    pub fn demo(&self) -> bool {
        self.daemon.as_ref().is_some_and(|daemon| daemon.demo) || self.me.as_ref().is_some_and(|me| me.demo)
    }

    /// Why no decision can be sent now, whatever the request; `None` where one can.
    pub fn decisions_stopped(&self) -> Option<String> {
        match &self.link {
            Link::Connecting => return Some("Not connected to the daemon yet.".into()),
            Link::Offline { .. } => return Some("OFFLINE: decisions need the daemon.".into()),
            Link::Online => {}
        }
        if self.daemon.as_ref().is_some_and(|daemon| daemon.read_only) {
            return Some("READ-ONLY: the daemon found damage and decides nothing.".into());
        }
        None
    }

    /// True while the daemon verifies its ledger, as far as it is known here.
    pub fn verifying(&self) -> bool {
        self.audit.is_verifying() || self.daemon.as_ref().is_some_and(|daemon| daemon.verification.is_some())
    }

    /// The filter that is being typed on this screen.
    pub fn filtering(&mut self) -> Option<&mut Field> {
        match self.screen {
            Screen::Queue if self.queue.filtering => Some(&mut self.queue.filter),
            Screen::Audit if self.audit.filtering => Some(&mut self.audit.filter),
            Screen::Certificates if self.certificates.paged.filtering => Some(&mut self.certificates.paged.filter),
            Screen::Alerts if self.alerts.paged.filtering => Some(&mut self.alerts.paged.filter),
            _ => None,
        }
    }

    /// Shows one line about something that went well or did not.
    pub fn tell(&mut self, good: bool, text: impl Into<String>) {
        self.notice = Some(Notice { good, text: text.into() });
    }

    /// Shows a refusal in one line.
    pub fn tell_refusal(&mut self, refusal: &Refusal) {
        let gap = if refusal.hint.is_empty() { "" } else { " " };
        self.tell(false, format!("{}{gap}{}", refusal.message, refusal.hint));
    }
}
