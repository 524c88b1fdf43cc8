//! A certificate and a message about it, and what is done to both.

use countersign_shared::content::{KeyAlgorithm, San};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{JobKind, RequestKind};
use countersign_shared::protocol::*;
use countersign_shared::revocation::Revocation;

use super::samples;

/// What the fake daemon holds of them.
pub struct Ends {
    pub certificate: Certificate,
    pub alert: Alert,
    /// Revocations that arrived.
    pub revocations: Vec<RevokeParams>,
}

impl Ends {
    pub fn new() -> Self {
        let id: countersign_shared::id::CertificateId = "mc-01k8z3v5d20024".parse().unwrap();
        let current = CertificateVersion {
            version: 2,
            state: VersionState::Active,
            serial: "4f0a".into(),
            sha256: Digest::of(&[b"leaf"]),
            spki_sha256: Digest::of(&[b"spki"]),
            key: KeyAlgorithm::EcdsaP256,
            sans: vec![San::Dns("mail.corp.example".into())],
            not_before: samples::at(-88 * 86_400),
            not_after: samples::at(5 * 86_400 + 3600),
            job_id: "job-01k8z3v5d20024".parse().unwrap(),
            revoked: None,
        };
        let certificate = Certificate {
            id: id.clone(),
            profile_id: "p-web".into(),
            environment: "production".into(),
            primary_name: "mail.corp.example".into(),
            owner: samples::person("alice"),
            created_at: samples::at(-88 * 86_400),
            current: Some(current),
            days_left: Some(5),
            revoked: None,
            places: Vec::new(),
            places_total: 0,
        };
        let alert = Alert {
            id: 9,
            created_at: samples::at(-7200),
            kind: "expiration_alert".into(),
            resource_id: id.to_string(),
            name: Some("mail.corp.example".into()),
            version: Some(2),
            threshold: Some(7),
            severity: Some(AlertSeverity::Warning),
            channel: Some(AlertChannel::Email),
            unknown_channel: None,
            state: AlertState::Dead,
            attempts: None,
            next_attempt_at: None,
            accepted_at: None,
            detail: "connection refused".into(),
            seq: 1,
        };
        Self { certificate, alert, revocations: Vec::new() }
    }

    /// What the status says of messages.
    pub fn counts(&self) -> AlertsStatus {
        let count = |state| u64::from(self.alert.state == state);
        AlertsStatus {
            queued: count(AlertState::Queued),
            failed: count(AlertState::Failed),
            dead: count(AlertState::Dead),
        }
    }

    pub fn list(&self) -> CertificatePage {
        CertificatePage { certificates: vec![self.certificate.clone()], found: Vec::new(), next_cursor: None }
    }

    pub fn detail(&self) -> CertificateDetail {
        CertificateDetail {
            certificate: Some(self.certificate.clone()),
            found: None,
            versions: self.certificate.current.iter().cloned().collect(),
            chain_pem: None,
        }
    }

    pub fn told(&self, wanted: &ListAlertsParams) -> AlertPage {
        let fits = wanted.state.is_none_or(|state| state == self.alert.state);
        AlertPage { alerts: fits.then(|| self.alert.clone()).into_iter().collect(), next_cursor: None }
    }

    pub fn requeue(&mut self) -> RequeueResult {
        self.alert.state = AlertState::Queued;
        RequeueResult { requeued: 1, left: 0, seq: Some(12) }
    }

    pub fn revoke(&mut self, params: RevokeParams) -> RevokeResult {
        let mut request = samples::summary(77, "mail.corp.example", &[]);
        request.kind = RequestKind::CertRevocation;
        let mut job = samples::job(&request).unwrap();
        job.kind = JobKind::Revoke;
        let revocation = Revocation {
            certificate_id: self.certificate.id.clone(),
            version: 2,
            issuer: "local-ca".into(),
            serial: "4f0a".into(),
            sha256: Digest::of(&[b"leaf"]),
            reason: params.reason,
        };
        self.revocations.push(params);
        RevokeResult { request: Some(request), job, revocation }
    }
}
