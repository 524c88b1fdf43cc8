//! A submission that is the renewal of one certificate: what it has to agree with.

use std::collections::BTreeSet;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{Certificate, Check, CheckOutcome};

use crate::intake::Intake;
use crate::store::rows::submissions::MADE_KEY;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewing {
    /// The certificate.
    pub certificate: CertificateId,
    /// Its version in force when the CSR was read or made.
    pub version: u32,
    /// Whether the CSR is for a key that the daemon made.
    pub made_key: bool,
}

impl Renewing {
    /// The same certificate, the same version and the same names; where the daemon made the key, people are told.
    pub(super) fn judge(&self, intake: &mut Intake, certificate: &Certificate) -> Result<(), ApiError> {
        let id = &self.certificate;
        let current = certificate.current.as_ref().filter(|_| certificate.id == *id);
        let in_force: Option<BTreeSet<_>> = current.map(|current| current.sans.iter().collect());
        if in_force != Some(intake.content.sans.iter().collect()) {
            let message = format!("the CSR asks for other names than those of {id}");
            return Err(ApiError::new(ErrorKind::Invalid, message)
                .hint("a renewal keeps the names; ask for other ones with countersign request"));
        }
        if current.is_none_or(|current| current.version != self.version) {
            let message = format!("{id} has another version in force than it had a moment ago");
            return Err(ApiError::new(ErrorKind::Conflict, message).hint("look at it again: countersign show"));
        }
        if self.made_key {
            let place = intake.profile.rules().deliver.as_ref().map(|deliver| deliver.key_place()).unwrap_or_default();
            intake.checks.push(Check {
                rule: MADE_KEY.to_owned(),
                outcome: CheckOutcome::Passed,
                text: format!("the daemon made the key; it is delivered to {place} (mode 0600) and not kept"),
            });
        }
        Ok(())
    }
}
