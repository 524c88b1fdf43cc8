//! The one table of keys. Events become commands through it, and the footer, the help and `docs/keys.md` are
//! generated from it.

use super::key::Key::{self, *};

/// What a person can ask the console to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Open the help.
    Help,
    /// Open the palette.
    Palette,
    /// Leave the console.
    Quit,
    /// Leave the console whatever is open.
    QuitAtOnce,
    /// One level out.
    Back,
    /// The next screen.
    NextScreen,
    /// The queue.
    ShowQueue,
    /// The detail of the selected request.
    ShowDetail,
    /// The audit history.
    ShowAudit,
    /// Managed certificates.
    ShowCertificates,
    /// Messages and what became of them.
    ShowAlerts,
    /// Read everything again.
    Reload,
    /// Act as another person of a demo.
    ActAs,
    /// One row down.
    Down,
    /// One row up.
    Up,
    /// Half a page down.
    PageDown,
    /// Half a page up.
    PageUp,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// Open what is selected.
    Open,
    /// Review to approve.
    Approve,
    /// Review to reject.
    Reject,
    /// Mark the selected request, or take its mark off.
    Mark,
    /// Mark every pending request that is shown, or take all marks off.
    MarkAll,
    /// Review to take one's own request back.
    Withdraw,
    /// Review to end a request as an admin.
    Void,
    /// Leave a remark.
    Comment,
    /// Say how a request is amended.
    Amend,
    /// Filter by text.
    Filter,
    /// Filter by the next state.
    NextState,
    /// Verify the ledger.
    Verify,
    /// Review to ask for a successor of a certificate.
    Renew,
    /// Review to ask for the end of a certificate.
    Revoke,
    /// Review to look after a certificate no more.
    Retire,
    /// Review to have a dead message tried again.
    Requeue,
    /// Open what it is about.
    Jump,
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every screen.
    Everywhere,
    /// On the queue.
    Queue,
    /// On the detail.
    Detail,
    /// On the audit history.
    Audit,
    /// On the certificates.
    Certificates,
    /// On one certificate.
    Certificate,
    /// On the alerts.
    Alerts,
    /// On one alert.
    Alert,
    /// On queue and detail.
    Requests,
    /// On the certificates and one of them.
    Managed,
    /// On the alerts and one of them.
    Messages,
    /// On everything that lists or shows certificates or messages.
    Linked,
    /// On queue, certificates and alerts.
    Rows,
    /// On every list.
    Lists,
    /// In the review dialog; the dialog itself reads these keys.
    Review,
}

impl Scope {
    /// The scope's heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Queue => "Queue",
            Self::Detail => "Detail",
            Self::Audit => "Audit",
            Self::Certificates => "Certificates",
            Self::Certificate => "Certificate",
            Self::Alerts => "Alerts",
            Self::Alert => "Alert",
            Self::Requests => "Queue and detail",
            Self::Managed => "Certificates, and one of them",
            Self::Messages => "Alerts, and one of them",
            Self::Linked => "Certificates and alerts, and one of them",
            Self::Rows => "Queue, certificates and alerts",
            Self::Lists => "Every list",
            Self::Review => "Review dialog",
        }
    }

    /// Every scope in the order of the help.
    pub const ALL: &'static [Self] = &[
        Self::Requests,
        Self::Queue,
        Self::Managed,
        Self::Messages,
        Self::Linked,
        Self::Rows,
        Self::Lists,
        Self::Audit,
        Self::Review,
        Self::Everywhere,
    ];
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What it does; `None` for the keys that a dialog reads by itself.
    pub command: Option<Command>,
    /// Any of these.
    pub keys: &'static [Key],
    /// Where.
    pub scope: Scope,
    /// Two words at most for the footer; empty where the footer does not name it.
    pub label: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
}

const fn bind(
    command: Command,
    keys: &'static [Key],
    scope: Scope,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding { command: Some(command), keys, scope, label, help }
}

const fn tell(keys: &'static [Key], scope: Scope, label: &'static str, help: &'static str) -> Binding {
    Binding { command: None, keys, scope, label, help }
}

/// Every binding, in the order of footer and help.
pub const BINDINGS: &[Binding] = &[
    bind(
        Command::Approve,
        &[Char('a')],
        Scope::Requests,
        "approve",
        "Review the request and approve it; on the queue every marked one together, where there are marks. What is of high risk is typed out, each by itself",
    ),
    bind(
        Command::Reject,
        &[Char('r')],
        Scope::Requests,
        "reject",
        "Review the request, or every marked one, and reject it; the note is required",
    ),
    bind(
        Command::Open,
        &[Enter, Char('l')],
        Scope::Rows,
        "open",
        "Open the request with everything a decision needs, the certificate or the message",
    ),
    bind(Command::Withdraw, &[Char('w')], Scope::Requests, "withdraw", "Take your own pending request back"),
    bind(
        Command::Void,
        &[Char('x')],
        Scope::Requests,
        "void",
        "End a pending request as an admin; the reason is required",
    ),
    bind(Command::Comment, &[Char('c')], Scope::Requests, "comment", "Leave a remark on the request"),
    bind(
        Command::Amend,
        &[Char('e')],
        Scope::Requests,
        "amend",
        "Show the command that amends the request; it takes a CSR, so it is typed in a shell",
    ),
    bind(Command::Renew, &[Char('n')], Scope::Managed, "renew", "Review the certificate and ask for a successor to it"),
    bind(
        Command::Revoke,
        &[Char('x')],
        Scope::Managed,
        "revoke",
        "Review the certificate and ask for its end before its time; its name is typed out",
    ),
    bind(
        Command::Retire,
        &[Char('t')],
        Scope::Managed,
        "retire",
        "Review a certificate that has ended and have nobody told of it any more; its name is typed out",
    ),
    bind(
        Command::Requeue,
        &[Char('u')],
        Scope::Messages,
        "send again",
        "Review a dead message and have it tried again",
    ),
    bind(
        Command::Jump,
        &[Char('o')],
        Scope::Linked,
        "its request",
        "Go to what it is about: of a certificate the request that waits or the newest, of a message its request or certificate",
    ),
    bind(Command::Verify, &[Char('v')], Scope::Audit, "verify", "Verify the whole ledger now"),
    bind(
        Command::Filter,
        &[Char('/')],
        Scope::Lists,
        "filter",
        "Filter by text as you type; Enter keeps it, Esc clears it",
    ),
    bind(
        Command::NextState,
        &[Char('s')],
        Scope::Rows,
        "state",
        "Show others: of requests and messages those of the next state, of certificates what ends soon, was issued or found",
    ),
    bind(
        Command::Mark,
        &[Char(' ')],
        Scope::Queue,
        "mark",
        "Mark the request to decide it together with others, or take its mark off",
    ),
    bind(
        Command::MarkAll,
        &[Char('m')],
        Scope::Queue,
        "",
        "Mark every pending request that is shown; where there are marks, take all of them off",
    ),
    bind(Command::Down, &[Char('j'), Down], Scope::Everywhere, "", "One row down"),
    bind(Command::Up, &[Char('k'), Up], Scope::Everywhere, "", "One row up"),
    bind(Command::PageDown, &[Ctrl('d'), PageDown], Scope::Everywhere, "", "Half a page down"),
    bind(Command::PageUp, &[Ctrl('u'), PageUp], Scope::Everywhere, "", "Half a page up"),
    bind(Command::First, &[Char('g'), Home], Scope::Everywhere, "", "To the first row"),
    bind(Command::Last, &[Char('G'), End], Scope::Everywhere, "", "To the last row that is loaded"),
    bind(Command::Back, &[Esc], Scope::Everywhere, "back", "One level out; never leaves the console"),
    bind(Command::NextScreen, &[Tab], Scope::Everywhere, "", "The next screen"),
    bind(Command::ShowQueue, &[Char('1')], Scope::Everywhere, "", "The queue"),
    bind(Command::ShowDetail, &[Char('2')], Scope::Everywhere, "", "The selected request in detail"),
    bind(Command::ShowAudit, &[Char('3')], Scope::Everywhere, "", "The audit history"),
    bind(
        Command::ShowCertificates,
        &[Char('4')],
        Scope::Everywhere,
        "",
        "The managed certificates, soonest to end first",
    ),
    bind(
        Command::ShowAlerts,
        &[Char('5')],
        Scope::Everywhere,
        "",
        "Alerts and other messages, and what became of them",
    ),
    bind(Command::Reload, &[Ctrl('r')], Scope::Everywhere, "", "Read everything again"),
    bind(Command::ActAs, &[Char('A')], Scope::Everywhere, "", "Act as another person (demo daemons only)"),
    bind(Command::Palette, &[Char(':')], Scope::Everywhere, "", "Every action by name"),
    bind(Command::Help, &[Char('?'), F1], Scope::Everywhere, "help", "This help"),
    bind(Command::Quit, &[Char('q')], Scope::Everywhere, "quit", "Leave, with nothing open"),
    bind(Command::QuitAtOnce, &[Ctrl('c')], Scope::Everywhere, "", "Leave at once, whatever is open"),
    tell(&[Tab, Down], Scope::Review, "next", "To the next field or button"),
    tell(&[BackTab, Up], Scope::Review, "previous", "To the field or button before"),
    tell(&[Enter], Scope::Review, "press", "Press the button in focus; in a field, go on to the next"),
    tell(
        &[Char('y')],
        Scope::Review,
        "do it",
        "With a button in focus, do what the review is for, where nothing is missing; in a field it is a letter",
    ),
    tell(
        &[PageDown, PageUp],
        Scope::Review,
        "scroll",
        "Scroll the summary; where it does not fit, its end has to be seen before anything can be done",
    ),
    tell(
        &[Char('j'), Char('k'), Ctrl('d'), Ctrl('u')],
        Scope::Review,
        "",
        "With a button in focus, scroll the summary by a line or a page",
    ),
    tell(&[Left, Right], Scope::Review, "", "With the reason of a revocation in focus, choose another one"),
    tell(&[Esc], Scope::Review, "cancel", "Close without doing anything"),
];

/// The command of a key on a screen of this scope, where it has one.
pub fn lookup(screen: Scope, key: Key) -> Option<Command> {
    BINDINGS
        .iter()
        .find(|binding| holds_on(binding.scope, screen) && binding.keys.contains(&key))
        .and_then(|binding| binding.command)
}

/// True where a binding of `scope` holds on the screen named by `screen`.
pub fn holds_on(scope: Scope, screen: Scope) -> bool {
    match scope {
        Scope::Everywhere => screen != Scope::Review,
        Scope::Requests => matches!(screen, Scope::Queue | Scope::Detail),
        Scope::Managed => matches!(screen, Scope::Certificates | Scope::Certificate),
        Scope::Messages => matches!(screen, Scope::Alerts | Scope::Alert),
        Scope::Linked => holds_on(Scope::Managed, screen) || holds_on(Scope::Messages, screen),
        Scope::Rows => matches!(screen, Scope::Queue | Scope::Certificates | Scope::Alerts),
        Scope::Lists => screen == Scope::Audit || holds_on(Scope::Rows, screen),
        other => other == screen,
    }
}

/// `j, Down`: the keys of a binding in words.
pub fn key_names(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
