//! An end before its time: what people agree to when a certificate is revoked, and its digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canonical::{CanonicalError, Object};
use crate::digest::Digest;
use crate::id::CertificateId;
use crate::lifecycle::{RequestKind, closed_set};

closed_set! {
    /// Why a certificate is revoked (RFC 5280 §5.3.1), of those reasons that an end entity's certificate can have in a
    /// complete list and that are final. `cACompromise` and `aACompromise` are about authorities, `certificateHold` is
    /// taken back, and `removeFromCRL` stands in delta lists alone.
    RevocationReason {
        /// No reason is named; the list then has no reason code.
        Unspecified = "unspecified",
        /// Somebody else may have the private key. No certificate is issued for that key any more.
        KeyCompromise = "key_compromise",
        /// The names or other details of the subject have changed.
        AffiliationChanged = "affiliation_changed",
        /// Another certificate has taken its place.
        Superseded = "superseded",
        /// It is not needed any more.
        CessationOfOperation = "cessation_of_operation",
        /// A privilege that it stands for was withdrawn.
        PrivilegeWithdrawn = "privilege_withdrawn",
    }
}

impl RevocationReason {
    /// The CRLReason of RFC 5280 §5.3.1.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }
}

/// Exactly which certificate ends, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// `mc-…`
    pub certificate_id: CertificateId,
    /// Which of its versions: 1, 2, …
    pub version: u32,
    /// The issuer's id in the policy.
    pub issuer: String,
    /// The serial number in hexadecimal, lower case.
    pub serial: String,
    /// SHA-256 of the certificate's DER.
    pub sha256: Digest,
    /// Why, in the terms of the list.
    pub reason: RevocationReason,
}

/// Under which rules a revocation is asked for, and the requester's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grounds<'a> {
    /// The profile's id.
    pub profile_id: &'a str,
    /// The digest of the profile's rules.
    pub profile_digest: Digest,
    /// The salted digest of the note: the text can be erased where law demands it, the digest stands.
    pub note: Option<Digest>,
    /// The change ticket.
    pub ticket: Option<&'a str>,
}

impl Revocation {
    /// The content digest: what a decision names. It never equals that of a certificate's content, which is taken under
    /// another prefix: who agreed to the one has not agreed to the other.
    pub fn digest(&self, grounds: &Grounds<'_>) -> Result<Digest, CanonicalError> {
        let bytes = Object::new()
            .string("certificate", self.certificate_id.as_str())
            .string("issuer", &self.issuer)
            .string("kind", RequestKind::CertRevocation.as_str())
            .string_if("note_sha256", grounds.note.map(|digest| digest.to_string()).as_deref())
            .string("profile", grounds.profile_id)
            .string("profile_sha256", &grounds.profile_digest.to_string())
            .string("reason", self.reason.as_str())
            .string("serial", &self.serial)
            .string("sha256", &self.sha256.to_string())
            .string_if("ticket", grounds.ticket)
            .integer("version", i64::from(self.version))
            .finish()?;
        Ok(Digest::of(&[b"countersign-revocation-v1\0", bytes.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_changes_the_digest() {
        type Edit = dyn Fn(&mut Revocation, &mut Grounds<'static>);
        let digest = |edit: &Edit| {
            let mut revocation = Revocation {
                certificate_id: CertificateId::fresh(0, 1),
                version: 1,
                issuer: "local-ca".into(),
                serial: "4001".into(),
                sha256: Digest::of(&[b"der"]),
                reason: RevocationReason::Unspecified,
            };
            let profile_digest = Digest::of(&[b"profile"]);
            let mut grounds = Grounds { profile_id: "p-web", profile_digest, note: None, ticket: None };
            edit(&mut revocation, &mut grounds);
            revocation.digest(&grounds).unwrap()
        };
        let edits: [&Edit; 11] = [
            &|_, _| {},
            &|r, _| r.certificate_id = CertificateId::fresh(0, 2),
            &|r, _| r.version = 2,
            &|r, _| r.issuer = "other".into(),
            &|r, _| r.serial = "4002".into(),
            &|r, _| r.sha256 = Digest::of(&[b"other"]),
            &|r, _| r.reason = RevocationReason::KeyCompromise,
            &|_, g| g.profile_id = "p-other",
            &|_, g| g.profile_digest = Digest::of(&[b"other"]),
            &|_, g| g.note = Some(Digest::of(&[b"why"])),
            &|_, g| g.ticket = Some("SECOPS-1"),
        ];
        let digests: std::collections::BTreeSet<Digest> = edits.iter().map(|edit| digest(edit)).collect();
        assert_eq!(digests.len(), edits.len());
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let codes: Vec<u8> = RevocationReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes, [0, 1, 3, 4, 5, 9]);
    }
}
