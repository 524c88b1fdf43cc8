//! A message as each medium writes it. Every function here is pure: the same message gives the same octets.
//!
//! Foreign text reaches a rendering by [`Untrusted::safe`](countersign_shared::text::Untrusted::safe) alone, and is
//! then escaped as the medium asks; where a medium has a form without mark-up, that form is taken.

pub mod journal;
pub mod mail;
pub mod opsgenie;
pub mod pagerduty;
pub mod plain;
pub mod slack;
pub mod structured;
pub mod syslog;
pub mod teams;

use crate::policy::Severity;

/// The word for a severity.
pub(super) const fn severity(of: Severity) -> &'static str {
    match of {
        Severity::Informational => "informational",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// The severity of syslog and the journal (RFC 5424, 6.2.1).
const fn priority(of: Severity) -> u8 {
    match of {
        Severity::Informational => 6,
        Severity::Warning => 4,
        Severity::Critical => 2,
    }
}

#[cfg(test)]
mod hostile_tests;
