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
    /// Verify the ledger, or look how far it is.
    Verify,
    /// Show a checkpoint.
    Checkpoint,
    /// Prove that a record is in the ledger.
    Prove,
    /// Checkpoints that came back.
    ShowAnchors,
    /// Take a checkpoint back.
    TakeBack,
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
    /// On one of its records.
    Record,
    /// On the checkpoints that came back.
    Anchors,
    /// On one of them.
    Anchor,
    /// On the audit history and on one of its records.
    Records,
    /// On the audit history, the anchors, and one of either.
    Ledger,
    /// On the lists of records and of anchors.
    Ledgers,
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
    /// In the review of a decision; as above.
    Deciding,
    /// Over the text of a decision that is signed; as above.
    Signing,
    /// While a checkpoint is shown; as above.
    Checkpoint,
    /// While a proof is shown; as above.
    Proof,
    /// While a checkpoint comes back; as above.
    TakeBack,
    /// While a verification is shown; as above.
    Verification,
}

impl Scope {
    /// The scope's heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Queue => "Queue",
            Self::Detail => "Detail",
            Self::Audit => "Audit",
            Self::Record => "Record",
            Self::Anchors => "Anchors",
            Self::Anchor => "Anchor",
            Self::Records => "Audit, and one record",
            Self::Ledger => "Audit and anchors, and one of either",
            Self::Ledgers => "Audit and anchors",
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
            Self::Deciding => "Review of a decision",
            Self::Signing => "What is signed",
            Self::Checkpoint => "Checkpoint",
            Self::Proof => "Proof of a record",
            Self::TakeBack => "A checkpoint that comes back",
            Self::Verification => "Verification",
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
        Self::Ledgers,
        Self::Ledger,
        Self::Records,
        Self::Review,
        Self::Deciding,
        Self::Signing,
        Self::Verification,
        Self::Checkpoint,
        Self::Proof,
        Self::TakeBack,
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
    bind(
        Command::Filter,
        &[Char('/')],
        Scope::Lists,
        "filter",
        "Filter as you type; Enter keeps it, Esc clears it. On the audit history also by actor:, action:, category:, about:, from: and to:",
    ),
    bind(Command::Open, &[Enter, Char('l')], Scope::Ledgers, "", "Open the record with its octets, or the anchor"),
    bind(
        Command::Verify,
        &[Char('v')],
        Scope::Ledger,
        "verify",
        "Verify the whole ledger now, or show how far that is; Esc leaves it and it goes on",
    ),
    bind(
        Command::Checkpoint,
        &[Char('c')],
        Scope::Ledger,
        "checkpoint",
        "Show a signed checkpoint as a code that a phone reads, and as text: kept off the host, it holds the ledger fast",
    ),
    bind(
        Command::Prove,
        &[Char('p')],
        Scope::Records,
        "proof",
        "Show what proves that the record is in the ledger, and save it to a file",
    ),
    bind(Command::ShowAnchors, &[Char('a')], Scope::Ledger, "anchors", "The checkpoints that came back"),
    bind(
        Command::TakeBack,
        &[Char('t')],
        Scope::Ledger,
        "take back",
        "Compare the ledger with a checkpoint that was kept elsewhere: pasted, or from a file",
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
    tell(
        &[Char('s')],
        Scope::Deciding,
        "sign",
        "With a button in focus, sign the decision with your own SSH key, also where the policy does not demand it: what is signed is shown first",
    ),
    tell(&[Esc], Scope::Signing, "back", "Back to the review; nothing is signed"),
    tell(
        &[Char('y')],
        Scope::Signing,
        "sign it",
        "With a button in focus, sign exactly this text and send the decision: the terminal goes to ssh-keygen, which asks for a passphrase, a PIN or a touch; Ctrl-C there leads back to the review",
    ),
    tell(
        &[PageDown, PageUp],
        Scope::Signing,
        "scroll",
        "Scroll the text; its end has to be seen before it can be signed",
    ),
    tell(
        &[Char('j'), Char('k'), Ctrl('d'), Ctrl('u')],
        Scope::Signing,
        "",
        "With a button in focus, scroll the text by a line or a page",
    ),
    tell(&[Tab, Down], Scope::Signing, "next", "To the next field or button"),
    tell(&[BackTab, Up], Scope::Signing, "", "To the field or button before"),
    tell(
        &[Enter],
        Scope::Signing,
        "",
        "Press the button in focus; in the name of the key, go on to the button that signs",
    ),
    tell(&[Esc, Enter], Scope::Verification, "leave", "Leave it; it goes on, and what it finds is shown"),
    tell(&[Esc], Scope::Checkpoint, "close", "Close it"),
    tell(&[Tab], Scope::Checkpoint, "code or text", "The code, or the signed note with its key and short form as text"),
    tell(
        &[Char('i')],
        Scope::Checkpoint,
        "invert",
        "Draw the code in the terminal's own colours, dark on a light ground, for a terminal that shows it badly",
    ),
    tell(&[Char('j'), Char('k'), Ctrl('d'), Ctrl('u')], Scope::Checkpoint, "scroll", "Scroll the text"),
    tell(&[Esc], Scope::Proof, "close", "Close it; while a file is named, go back to the proof"),
    tell(&[Char('s')], Scope::Proof, "save", "Name a file and save the proof to it, readable by you alone"),
    tell(&[Enter], Scope::Proof, "", "With a file named, write it; one that is there is asked about"),
    tell(&[Char('y')], Scope::Proof, "", "Replace the file that is there"),
    tell(&[Char('j'), Char('k'), Ctrl('d'), Ctrl('u')], Scope::Proof, "scroll", "Scroll"),
    tell(&[Esc], Scope::TakeBack, "back", "Back to what was given, or close without doing anything"),
    tell(&[Tab, BackTab], Scope::TakeBack, "next", "To the next or the last field or button"),
    tell(
        &[Enter],
        Scope::TakeBack,
        "",
        "In the text a line feed, in the name of the file read it, on a button press it",
    ),
    tell(&[Char('y')], Scope::TakeBack, "", "In the review, compare the ledger with it, keep it and record that"),
    tell(&[Char('j'), Char('k'), Ctrl('d'), Ctrl('u')], Scope::TakeBack, "", "In the review, scroll"),
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
        Scope::Everywhere => !matches!(
            screen,
            Scope::Review
                | Scope::Deciding
                | Scope::Signing
                | Scope::Checkpoint
                | Scope::Proof
                | Scope::TakeBack
                | Scope::Verification
        ),
        Scope::Review => matches!(screen, Scope::Review | Scope::Deciding),
        Scope::Requests => matches!(screen, Scope::Queue | Scope::Detail),
        Scope::Managed => matches!(screen, Scope::Certificates | Scope::Certificate),
        Scope::Messages => matches!(screen, Scope::Alerts | Scope::Alert),
        Scope::Linked => holds_on(Scope::Managed, screen) || holds_on(Scope::Messages, screen),
        Scope::Rows => matches!(screen, Scope::Queue | Scope::Certificates | Scope::Alerts),
        Scope::Ledgers => matches!(screen, Scope::Audit | Scope::Anchors),
        Scope::Records => matches!(screen, Scope::Audit | Scope::Record),
        Scope::Ledger => matches!(screen, Scope::Audit | Scope::Record | Scope::Anchors | Scope::Anchor),
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
