//! Managed certificates: those that are loaded, and the one that is open.

use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{
    Alert, Certificate, CertificateDetail, CertificateSource, CertificateVersion, FoundCertificate, FoundPlace,
    PersonRef, Profile, RequestSummary, VersionState,
};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::paged::{Paged, Row};
use crate::console::action::Refusal;

/// Days before its end from which on a certificate needs somebody to look.
pub const SOON: u32 = 30;

/// One that was issued here, or one that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Issued here, or to be.
    Issued(Certificate),
    /// Found on the host.
    Found(FoundCertificate),
}

impl Listed {
    /// `mc-…`
    pub fn id(&self) -> &CertificateId {
        match self {
            Self::Issued(one) => &one.id,
            Self::Found(one) => &one.id,
        }
    }

    /// The name it is known by.
    pub fn name(&self) -> &Untrusted {
        match self {
            Self::Issued(one) => &one.primary_name,
            Self::Found(one) => &one.primary_name,
        }
    }

    /// When it can be used no longer; none where no version is in force.
    pub fn end(&self) -> Option<Timestamp> {
        match self {
            Self::Issued(one) => one.current.as_ref().map(|version| version.not_after),
            Self::Found(one) => Some(one.usable_until),
        }
    }

    /// Whose it is.
    pub fn owner(&self) -> Option<&PersonRef> {
        match self {
            Self::Issued(one) => Some(&one.owner),
            Self::Found(one) => one.owner.as_ref(),
        }
    }

    /// Profile and environment; none of what was found.
    pub fn place(&self) -> Option<(&str, &str)> {
        match self {
            Self::Issued(one) => Some((&one.profile_id, &one.environment)),
            Self::Found(_) => None,
        }
    }

    /// Where it is seen: the first places, and how many there are.
    pub fn places(&self) -> (&[FoundPlace], u64) {
        match self {
            Self::Issued(one) => (&one.places, one.places_total),
            Self::Found(one) => (&one.places, one.places_total),
        }
    }
}

impl Row for Listed {
    type Key = CertificateId;
    /// Soonest to end first; behind them what has no end, because nothing is in force.
    type Order = (bool, Option<Timestamp>, CertificateId);

    fn key(&self) -> CertificateId {
        self.id().clone()
    }

    fn order(&self) -> Self::Order {
        let end = self.end();
        (end.is_none(), end, self.id().clone())
    }

    fn holds(&self, wanted: &str) -> bool {
        let has = |field: &str| field.to_ascii_lowercase().contains(wanted);
        wanted.is_empty() || has(self.id().as_str()) || has(self.name().raw())
    }
}

/// Which certificates are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wanted {
    /// All.
    #[default]
    All,
    /// What ends within [`SOON`] days, or has ended.
    Soon,
    /// What was issued here.
    Issued,
    /// What was found.
    Found,
}

impl Wanted {
    /// The next one of the cycle.
    pub const fn next(self) -> Self {
        match self {
            Self::All => Self::Soon,
            Self::Soon => Self::Issued,
            Self::Issued => Self::Found,
            Self::Found => Self::All,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Soon => "ending in 30 d",
            Self::Issued => "issued here",
            Self::Found => "found",
        }
    }

    /// As the daemon is asked.
    pub const fn source(self) -> CertificateSource {
        match self {
            Self::All | Self::Soon => CertificateSource::All,
            Self::Issued => CertificateSource::Issued,
            Self::Found => CertificateSource::Found,
        }
    }
}

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// The rows.
    pub paged: Paged<Listed>,
    /// Which of them.
    pub wanted: Wanted,
}

/// A certificate with everything that stands around it. What this person may not read is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dossier {
    /// Which.
    pub id: CertificateId,
    /// The certificate with its versions.
    pub detail: CertificateDetail,
    /// Its profile, where it is in the policy in force.
    pub profile: Option<Profile>,
    /// The newest requests about it, newest first.
    pub requests: Option<Vec<RequestSummary>>,
    /// The newest messages about it, newest first.
    pub alerts: Option<Vec<Alert>>,
}

impl Dossier {
    /// As the list has it.
    pub fn listed(&self) -> Option<Listed> {
        let issued = || self.detail.certificate.clone().map(Listed::Issued);
        issued().or_else(|| self.detail.found.clone().map(Listed::Found))
    }

    /// The name it is known by.
    pub fn name(&self) -> Untrusted {
        self.listed().map_or_else(Untrusted::default, |one| one.name().clone())
    }

    /// The version in force; none of what was found.
    pub fn current(&self) -> Option<&CertificateVersion> {
        self.detail.certificate.as_ref()?.current.as_ref()
    }

    /// Whole days until its end, negative after it; none where no version of it is in force.
    pub fn days_left(&self) -> Option<i64> {
        let found = || self.detail.found.as_ref().map(|found| found.days_left);
        self.detail.certificate.as_ref().map_or_else(found, |one| one.days_left)
    }

    /// Requests about it that wait for people.
    pub fn pending(&self) -> impl Iterator<Item = &RequestSummary> {
        self.requests.iter().flatten().filter(|request| request.decided_at.is_none())
    }

    /// True where its newest version was revoked.
    pub fn is_revoked(&self) -> bool {
        self.detail.versions.first().is_some_and(|version| version.state == VersionState::Revoked)
    }
}

/// The certificate that is open.
#[derive(Clone, Debug)]
pub struct Managed {
    /// Which.
    pub id: CertificateId,
    /// What the daemon says of it; the last answer stays until the next.
    pub seen: Option<Box<Dossier>>,
    /// Why there is nothing.
    pub refused: Option<Refusal>,
    /// True where something happened after it was asked for.
    pub stale: bool,
    /// Lines above the window.
    pub scroll: usize,
}

impl Managed {
    /// One that is being loaded.
    pub fn of(id: CertificateId) -> Self {
        Self { id, seen: None, refused: None, stale: false, scroll: 0 }
    }
}
