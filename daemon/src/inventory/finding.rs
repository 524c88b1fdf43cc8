//! What kept a scan from seeing everything, said instead of skipped.

use std::fmt;

use countersign_shared::text::Untrusted;

use super::Place;

/// Something that a person should know about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where; for a directory, everything below it.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// What was wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The daemon may not read it.
    PermissionDenied,
    /// There is nothing of that name; only for what was named itself.
    Missing,
    /// It went away, or became something else, while it was looked at.
    Changed,
    /// It is encrypted, and no password file is set for it.
    NeedsPassword,
    /// The password does not open it.
    WrongPassword,
    /// The password file cannot be used; why.
    PasswordFile(String),
    /// It looks like certificates and cannot be read; why.
    Unreadable(String),
    /// It was named itself, or its name says that it holds certificates, and there is none in it.
    NoCertificate,
    /// It is larger than the limit, in octets.
    TooLarge {
        /// Its size.
        size: u64,
        /// The largest that is read.
        limit: u64,
    },
    /// A bound of the scan was reached here; what lies below or behind was not looked at.
    Limit {
        /// What there were too many of (`directory levels`, `directory entries`, `octets`, `certificates` …).
        of: &'static str,
        /// How many are looked at.
        limit: u64,
    },
    /// The scan's time was over, or the daemon stopped.
    OutOfTime,
    /// A symlink to somewhere outside of the root; it was not followed.
    LeadsOut,
    /// A symlink to nothing, or round in circles.
    DeadLink,
    /// A socket, a pipe or a device, or a directory where a keystore was named (which).
    Special(&'static str),
    /// A listener that is not on a loopback address and is not listed; it was not connected to.
    NotListed,
    /// Nobody listens there.
    Refused,
    /// A listener that did not answer in time.
    NoAnswer,
    /// A listener that speaks no TLS, or none that this reads; why.
    NotTls(String),
    /// The system failed; how.
    Failed(String),
}

impl Problem {
    /// Every name of a kind.
    pub const KINDS: [&'static str; 19] = [
        "permission_denied",
        "missing",
        "changed",
        "needs_password",
        "wrong_password",
        "password_file",
        "unreadable",
        "no_certificate",
        "too_large",
        "limit",
        "out_of_time",
        "leads_out",
        "dead_link",
        "special",
        "not_listed",
        "refused",
        "no_answer",
        "not_tls",
        "failed",
    ];

    /// The stable name of the kind, for the table, filters and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PermissionDenied => "permission_denied",
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::NeedsPassword => "needs_password",
            Self::WrongPassword => "wrong_password",
            Self::PasswordFile(_) => "password_file",
            Self::Unreadable(_) => "unreadable",
            Self::NoCertificate => "no_certificate",
            Self::TooLarge { .. } => "too_large",
            Self::Limit { .. } => "limit",
            Self::OutOfTime => "out_of_time",
            Self::LeadsOut => "leads_out",
            Self::DeadLink => "dead_link",
            Self::Special(_) => "special",
            Self::NotListed => "not_listed",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::NotTls(_) => "not_tls",
            Self::Failed(_) => "failed",
        }
    }

    /// True where certificates may be there all the same: what was seen there before is not gone, but unknown.
    ///
    /// A file that is missing, holds none, or has become a pipe has none; so has a port where nobody listens.
    pub const fn hides(&self) -> bool {
        !matches!(self, Self::Missing | Self::NoCertificate | Self::Special(_) | Self::Refused | Self::DeadLink)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PermissionDenied => f.write_str("the daemon may not read it"),
            Self::Missing => f.write_str("it does not exist"),
            Self::Changed => f.write_str("it changed while it was read; the next scan looks again"),
            Self::NeedsPassword => f.write_str("it needs a password; name a password file for it"),
            Self::WrongPassword => f.write_str("the password does not open it"),
            Self::PasswordFile(why) => write!(f, "its password file cannot be used: {why}"),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::NoCertificate => f.write_str("there is no certificate in it"),
            Self::TooLarge { size, limit } => write!(f, "it has {size} octets; at most {limit} are read"),
            Self::Limit { of, limit } => write!(f, "there are more than {limit} {of}; the others were not looked at"),
            Self::OutOfTime => f.write_str("the scan ended before it was looked at"),
            Self::LeadsOut => f.write_str("it is a symlink that leads out of what is scanned; it was not followed"),
            Self::DeadLink => f.write_str("it is a symlink that leads nowhere"),
            Self::Special(kind) => write!(f, "it is a {kind}; it was not opened"),
            Self::NotListed => f.write_str("it is no loopback address and not listed; it was not connected to"),
            Self::Refused => f.write_str("nobody listens there"),
            Self::NoAnswer => f.write_str("it did not answer in time"),
            Self::NotTls(why) => write!(f, "it gave no certificate: {why}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        write!(f, "{:.256}: {}", Untrusted::new(place).safe(), self.problem)
    }
}

/// Findings up to a number, and how many there were beyond it.
///
/// Those left out still hide what they hide, see [`super::Scan::unseen`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub kept: Vec<Finding>,
    pub left_out: u64,
    pub unseen: std::collections::BTreeSet<Place>,
    limit: usize,
}

impl Findings {
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub fn add(&mut self, place: Place, problem: Problem) {
        if problem.hides() {
            self.unseen.insert(place.clone());
        }
        if self.kept.len() < self.limit {
            self.kept.push(Finding { place, problem });
        } else {
            self.left_out += 1;
        }
    }
}
