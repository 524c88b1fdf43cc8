//! A submission that is the renewal of one certificate: what it has to agree with.

use std::collections::BTreeSet;

use countersign_shared::content::CertificateContent;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{Certificate, Change, ChangeAction, Check, CheckOutcome};

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
    /// What was approved for that version, where its CSR is repeated.
    pub repeats: Option<CertificateContent>,
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
        if let Some(in_force) = &self.repeats {
            let dropped = no_more_than(in_force, &mut intake.content)?;
            intake.changes.extend(dropped);
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

/// A CSR may ask for more than its version was given, and the profile may give more by now. Nobody asks for that with a
/// renewal, and the owner, who wrote the CSR, may decide on it: it gets nothing that the version in force has not.
fn no_more_than(in_force: &CertificateContent, content: &mut CertificateContent) -> Result<Vec<Change>, ApiError> {
    let refused = |what: &str| {
        let message = format!("{what}, and the version in force has not: that is no renewal");
        Err(ApiError::new(ErrorKind::Invalid, message).hint("ask for it with a CSR: countersign request"))
    };
    if content.ca && !in_force.ca {
        return refused("its CSR asks to be a certification authority, which the profile signs now");
    }
    // Without any, it is good for every purpose.
    if in_force.extended_key_usage.is_empty() {
        return Ok(Vec::new());
    }
    let asked = std::mem::take(&mut content.extended_key_usage);
    let (kept, more): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|usage| in_force.extended_key_usage.contains(usage));
    if kept.is_empty() {
        return refused("the profile gives it other purposes now");
    }
    content.extended_key_usage = kept;
    let dropped = more.into_iter().map(|usage| Change {
        field: "extended_key_usage".to_owned(),
        action: ChangeAction::Dropped,
        value: usage.to_string().into(),
        why: "the version in force has not got it, and a renewal repeats its CSR".to_owned(),
    });
    Ok(dropped.collect())
}

#[cfg(test)]
mod tests {
    use countersign_shared::content::ExtendedKeyUsage::{ClientAuth, ServerAuth};

    use super::*;
    use crate::x509::testing::{content_for, fresh_csr};

    #[test]
    fn a_repeated_csr_gets_nothing_that_the_version_in_force_has_not() {
        let csr = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, &["www.corp.example"]);
        let in_force = CertificateContent { extended_key_usage: vec![ServerAuth], ..content_for(&csr) };
        let mut same = in_force.clone();
        assert_eq!(no_more_than(&in_force, &mut same).unwrap(), []);
        assert_eq!(same, in_force);
        let mut more = CertificateContent { extended_key_usage: vec![ServerAuth, ClientAuth], ..in_force.clone() };
        assert_eq!(no_more_than(&in_force, &mut more).unwrap().len(), 1);
        assert_eq!(more, in_force);
        let mut other = CertificateContent { extended_key_usage: vec![ClientAuth], ..in_force.clone() };
        assert!(no_more_than(&in_force, &mut other).is_err());
        let unbounded = CertificateContent { extended_key_usage: Vec::new(), ..in_force.clone() };
        let mut bounded = in_force.clone();
        assert_eq!((no_more_than(&unbounded, &mut bounded).unwrap(), &bounded), (vec![], &in_force));
        assert!(no_more_than(&in_force, &mut unbounded.clone()).is_err());
        let mut authority = CertificateContent { ca: true, ..in_force.clone() };
        assert!(no_more_than(&in_force, &mut authority).is_err());
    }
}
