//! Messages for tests.

use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestState;

use super::message::{Ending, Item, Kind, Message};
use crate::policy::Severity;

/// An alert for `www.corp.example`, `days_left` before its end.
pub fn alert(days_left: i32) -> Message {
    Message {
        id: "ne-01".parse().unwrap(),
        about: "mc-01".parse().unwrap(),
        kind: Kind::ExpirationAlert { days_left, threshold_days: 7 },
        severity: Severity::Warning,
        at: "2027-01-24T08:00:00Z".parse().unwrap(),
        host: "pki1".into(),
        names: vec!["www.corp.example".into(), "corp.example".into()],
        not_after: "2027-01-31T08:00:00Z".parse().ok(),
        deadline: None,
        risk: vec!["the name is served by the payment gateway".into()],
        requester: None,
        reason: None,
        command: Some("countersign renew mc-01".into()),
        test: false,
    }
}

/// One of each kind.
pub fn every_kind() -> Vec<Kind> {
    vec![
        Kind::ExpirationAlert { days_left: 7, threshold_days: 7 },
        Kind::Renewed,
        Kind::DealtWith { how: Ending::Gone },
        Kind::ApprovalRequest,
        Kind::PolicyProposal,
        Kind::Amended,
        Kind::Outcome { state: RequestState::Rejected, by: Some("bob".into()) },
        Kind::Bypassed,
        Kind::Issued,
        Kind::Revoked,
        Kind::Retired,
        Kind::JobFailed,
        Kind::PolicyChanged,
        Kind::Remark { by: "bob".into() },
        Kind::Checkpoint {
            size: 5,
            root: Digest::of(&[b"root"]),
            short: Some("1".repeat(255)),
            note: "ca.example/ledger\n5\nroot\n\n— ca.example/ledger AAAA\n".into(),
        },
        Kind::LedgerUnanchored { records: 7 },
        Kind::LedgerAnchored,
        Kind::Digest { items: vec![item("www.corp.example expires in 7 days"); 3], more: 2 },
        Kind::Escalation,
        Kind::RepeatedAttempts { attempts: 5, by: "mallory".into() },
    ]
}

/// A message of a digest.
pub fn item(title: &str) -> Item {
    Item { title: title.into(), about: "mc-01".parse().unwrap(), command: Some("countersign renew mc-01".into()) }
}
