//! Certificates and messages as a daemon would give them.

use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, San};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{RequestKind, RequestState};
use countersign_shared::protocol::{
    Alert, AlertChannel, AlertSeverity, AlertState, Certificate, CertificateDetail, CertificateVersion, FoundBy,
    FoundCertificate, FoundPlace, LineageKind, PlaceState, Profile, Revoked, Successor, VersionState,
};
use countersign_shared::revocation::RevocationReason;
use countersign_shared::time::Span;

use super::samples::{at, ended, person, summary};
use crate::console::state::Dossier;

const DAY: i64 = 86_400;

fn place(place: &str, state: PlaceState) -> FoundPlace {
    FoundPlace { place: place.into(), alias: None, state, first_seen: at(-30 * DAY), last_seen: at(-3600) }
}

fn version(number: u32, name: &str, state: VersionState, days: i64) -> CertificateVersion {
    CertificateVersion {
        version: number,
        state,
        serial: format!("4f0a{number:04}"),
        sha256: Digest::of(&[format!("{name} {number}").as_bytes()]),
        spki_sha256: Digest::of(&[b"spki", name.as_bytes()]),
        key: KeyAlgorithm::EcdsaP256,
        sans: vec![San::Dns(name.into()), San::Dns(format!("www.{name}").into())],
        not_before: at((days - 90) * DAY),
        not_after: at(days * DAY + 3600),
        job_id: format!("job-01k8z3v5d2{number:04}").parse().unwrap(),
        revoked: None,
    }
}

/// One that was issued here; its version in force ends in so many days.
pub fn issued(number: u32, name: &str, days: i64) -> Dossier {
    let (old, current) =
        (version(1, name, VersionState::Superseded, days - 60), version(2, name, VersionState::Active, days));
    let id: countersign_shared::id::CertificateId = format!("mc-01k8z3v5d2{number:04}").parse().unwrap();
    let certificate = Certificate {
        id: id.clone(),
        profile_id: "p-web".into(),
        environment: "production".into(),
        primary_name: name.into(),
        owner: person("alice"),
        created_at: at(-200 * DAY),
        current: Some(current.clone()),
        days_left: Some(days),
        revoked: None,
        places: vec![place("file:/etc/nginx/tls/www.pem", PlaceState::Present)],
        places_total: 12,
    };
    let mut renewal = ended(summary(number, name, &[]), RequestState::Approved, "bob (DEMO)");
    renewal.kind = RequestKind::CertRenewal;
    let pem = |text: &str| {
        let text = data_encoding::BASE64.encode(text.as_bytes());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    let mut told = alert(1, AlertState::Sent);
    told.accepted_at = Some(at(-DAY));
    Dossier {
        detail: CertificateDetail {
            certificate: Some(certificate),
            found: None,
            versions: vec![current, old],
            chain_pem: Some(pem(&format!("{name} 2")) + &pem("issuer")),
        },
        profile: Some(profile()),
        requests: Some(vec![renewal]),
        alerts: Some(vec![told]),
        id,
    }
}

fn profile() -> Profile {
    Profile {
        id: "p-web".into(),
        name: "Web servers".into(),
        environment: "production".into(),
        names: vec!["*.corp.example".into()],
        requires_approval: true,
        quorum: vec!["1 of group pki".into()],
        issuer: "local-ca".into(),
        keys: vec![KeyAlgorithm::EcdsaP256],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        max_validity: Span::from_secs(90 * 86_400),
        justification_required: false,
        ticket_pattern: None,
        approval_timeout: Span::from_secs(259_200),
    }
}

fn found(number: u32, name: &str, days: i64) -> Dossier {
    let id: countersign_shared::id::CertificateId = format!("mc-01k8z3v5d2{number:04}").parse().unwrap();
    let mut keystore = place("file:/srv/app/keys.jks", PlaceState::Gone);
    keystore.alias = Some("tomcat".into());
    let found = FoundCertificate {
        id: id.clone(),
        primary_name: name.into(),
        names: vec![format!("dns:{name}").as_str().into()],
        names_total: 1,
        subject: format!("CN={name}").as_str().into(),
        issuer: "CN=Example Issuing CA 3".into(),
        serial: "77aa".into(),
        sha256: Digest::of(&[name.as_bytes()]),
        spki_sha256: Digest::of(&[b"spki", name.as_bytes()]),
        key: "rsa-2048".into(),
        ca: false,
        not_before: at((days - 365) * DAY),
        not_after: at((days + 10) * DAY),
        usable_until: at(days * DAY + 3600),
        days_left: days,
        source: FoundBy::Scan,
        owner: Some(person("carol")),
        created_at: at(-10 * DAY),
        there: true,
        watched: true,
        places: vec![place("tls:192.0.2.7:443 pay.corp.example", PlaceState::Present), keystore],
        places_total: 2,
        issued_as: None,
        successor: Some(Successor {
            sha256: Digest::of(&[b"next"]),
            id: None,
            lineage: LineageKind::NamesAndKey,
            at: at(-3600),
        }),
    };
    Dossier {
        detail: CertificateDetail { certificate: None, found: Some(found), versions: Vec::new(), chain_pem: None },
        profile: None,
        requests: Some(Vec::new()),
        alerts: None,
        id,
    }
}

/// One of each kind, not in the order of their ends.
pub fn dossiers() -> Vec<Dossier> {
    let mut revoked = issued(25, "old.corp.example", 40);
    let certificate = revoked.detail.certificate.as_mut().unwrap();
    let why = Some(Revoked { at: at(-DAY), reason: RevocationReason::KeyCompromise });
    (certificate.current, certificate.days_left, certificate.revoked) = (None, None, why.clone());
    revoked.detail.versions[0].state = VersionState::Revoked;
    revoked.detail.versions[0].revoked = why;
    vec![
        issued(21, "www.corp.example", 80),
        // Its renewal waits on the queue.
        issued(2, "shop.corp.example", 12),
        found(23, "pay.corp.example", -3),
        issued(24, "mail.corp.example", 2),
        revoked,
    ]
}

/// A message about an end.
pub fn alert(id: u64, state: AlertState) -> Alert {
    Alert {
        id,
        created_at: at(-7200 * i64::try_from(id).unwrap()),
        kind: "expiration_alert".into(),
        resource_id: "mc-01k8z3v5d20002".into(),
        name: Some("shop.corp.example".into()),
        version: Some(2),
        threshold: Some(14),
        severity: Some(AlertSeverity::Warning),
        channel: Some(AlertChannel::Email),
        unknown_channel: None,
        state,
        attempts: None,
        next_attempt_at: None,
        accepted_at: None,
        detail: "".into(),
        seq: id,
    }
}

/// One in each state, the newest dead.
pub fn alerts() -> Vec<Alert> {
    let mut dead = alert(9, AlertState::Dead);
    (dead.severity, dead.threshold, dead.channel) =
        (Some(AlertSeverity::Critical), Some(0), Some(AlertChannel::PagerDuty));
    dead.detail = "the other side answered 503 five times".into();
    let mut failed = alert(8, AlertState::Failed);
    (failed.attempts, failed.next_attempt_at) = (Some(2), Some(at(240)));
    failed.detail = "connection refused".into();
    let mut request = alert(7, AlertState::Queued);
    (request.kind, request.resource_id) = ("approval_requested".into(), "ar-01k8z3v5d20001".into());
    (request.name, request.threshold, request.version) = (None, None, None);
    let mut sent = alert(6, AlertState::Sent);
    sent.accepted_at = Some(at(-3600));
    let mut skipped = alert(5, AlertState::Skipped);
    (skipped.channel, skipped.unknown_channel) = (None, Some("Pager".into()));
    skipped.threshold = Some(-3);
    vec![dead, failed, request, sent, skipped]
}

/// Hostile text in everything that can be read.
pub fn poison(certificates: &mut [Dossier], alerts: &mut [Alert], text: &str) {
    let bad = |place: &mut FoundPlace| (place.place, place.alias) = (text.into(), Some(text.into()));
    for one in certificates {
        if let Some(certificate) = &mut one.detail.certificate {
            certificate.primary_name = text.repeat(9).as_str().into();
            certificate.owner.account = text.into();
            certificate.owner.person = Some(text.into());
            (certificate.profile_id, certificate.environment) = (text.into(), text.into());
            certificate.places.iter_mut().for_each(bad);
            for version in certificate.current.iter_mut().chain(&mut one.detail.versions) {
                version.sans = vec![San::Dns(text.into()), San::Uri(text.repeat(9).as_str().into())];
                version.serial = text.into();
            }
        }
        if let Some(found) = &mut one.detail.found {
            found.primary_name = text.repeat(9).as_str().into();
            found.names = vec![text.into(), text.repeat(9).as_str().into()];
            (found.subject, found.issuer) = (text.into(), text.into());
            (found.serial, found.key) = (text.into(), text.into());
            found.places.iter_mut().for_each(bad);
        }
        if let Some(profile) = &mut one.profile {
            (profile.id, profile.name, profile.quorum) = (text.into(), text.into(), vec![text.into()]);
            profile.ticket_pattern = Some(text.into());
        }
        one.detail.chain_pem = Some(format!("-----BEGIN CERTIFICATE-----{text}"));
        for request in one.requests.iter_mut().flatten() {
            request.requester.account = text.into();
        }
        for alert in one.alerts.iter_mut().flatten() {
            spoil(alert, text);
        }
    }
    for alert in alerts {
        spoil(alert, text);
    }
}

fn spoil(alert: &mut Alert, text: &str) {
    (alert.kind, alert.resource_id) = (text.into(), text.into());
    (alert.name, alert.detail) = (Some(text.into()), text.repeat(9).as_str().into());
    if alert.channel.is_none() {
        alert.unknown_channel = Some(text.into());
    }
}
