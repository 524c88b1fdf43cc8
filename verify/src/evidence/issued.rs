//! What was done: each certificate carries the key and the names that were approved, and its record points to the approval.

use std::collections::BTreeSet;
use std::net::IpAddr;

use countersign_shared::content::{CertificateContent, San};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{EvidenceCertificate, EvidencePart};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use data_encoding::HEXLOWER;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::bundle::{Bundle, Record};
use super::{Findings, pem, shown};

type Place<'a> = (u64, &'a str, Option<u64>);

/// How far an issuer may date a certificate back.
const BACKDATING_MS: i64 = 6 * 60_000;

pub(super) fn check(bundle: &Bundle, findings: &mut Findings, notes: &mut Vec<String>) {
    for (line, part) in &bundle.parts {
        if let EvidencePart::Certificate(part) = part
            && let Some(record) = bundle.records.get(&part.seq)
        {
            certificate(bundle, *line, part, record, findings, notes);
        }
    }
    for (seq, record) in &bundle.records {
        match record.action() {
            "certificate_issued" | "certificate_revoked" => {
                allowed(bundle, *seq, record, findings);
            }
            "policy_changed" => changed(bundle, *seq, record, findings, notes),
            _ => {}
        }
        if record.action() == "certificate_revoked" {
            revoked(bundle, *seq, record, findings);
        }
    }
}

/// The record that allowed something, where it is the one that is named.
fn allowed<'b>(bundle: &'b Bundle, seq: u64, record: &Record, findings: &mut Findings) -> Option<&'b Record> {
    let place = (record.line, "record", Some(seq));
    let Some(allowing) = record.seq("allowed_by_seq").and_then(|seq| bundle.records.get(&seq)) else {
        findings.add(record.line, "record", Some(seq), "allowed_by", "the record that allowed it is not in the bundle");
        return None;
    };
    findings.differ(place, ("allowed_by", "hash"), record.text("allowed_by_sha256"), allowing.hash);
    let of = match record.text("request") {
        "" => record.text("job"),
        request => request,
    };
    findings.differ(place, ("allowed_by", "request or job"), of, allowing.member("resource_id"));
    Some(allowing)
}

/// What was approved by a record.
fn approved<'b>(bundle: &'b Bundle, allowing: &Record) -> Option<&'b countersign_shared::protocol::EvidenceVersion> {
    let digest = allowing.text("digest");
    // A retry where nobody had to agree is allowed by its own record, and signs what the job before it was to sign.
    bundle.version(allowing.member("resource_id"), digest).map(|(_, version)| version).or_else(|| {
        let retried = allowing.detail("retry_of").is_some();
        bundle
            .versions()
            .find(|(_, version)| retried && version.digest.to_string() == digest)
            .map(|(_, version)| version)
    })
}

fn certificate(
    bundle: &Bundle,
    line: u64,
    part: &EvidenceCertificate,
    record: &Record,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) {
    let place = (line, "certificate", Some(part.seq));
    let mut wrong = |rule: &str, text: &str| findings.add(line, "certificate", Some(part.seq), rule, text);
    let Some(chain) = pem::blocks(&part.chain, "CERTIFICATE") else {
        return wrong("certificate", "the chain is not certificates in PEM");
    };
    let read: Option<Vec<X509Certificate<'_>>> = chain
        .iter()
        .map(|der| X509Certificate::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, read)| read))
        .collect();
    let (Some(der), Some(read)) = (chain.first(), read) else {
        return wrong("certificate", "a certificate of the chain cannot be read");
    };
    let Some(leaf) = read.first() else { return };
    if read.len() < 2 {
        wrong("chain", "the certificate stands alone: its issuer must follow, to verify the signature");
    }
    for pair in read.windows(2) {
        if let [certificate, issuer] = pair {
            let named = certificate.tbs_certificate.issuer.as_raw() == issuer.tbs_certificate.subject.as_raw();
            if !named || certificate.verify_signature(Some(&issuer.tbs_certificate.subject_pki)).is_err() {
                wrong("chain", "a certificate of the chain is not signed by the next one");
            }
        }
    }
    // The last is vouched for by its own key where it is a root; else by its name and key alone.
    if let Some(last) =
        read.last().filter(|last| last.tbs_certificate.issuer.as_raw() == last.tbs_certificate.subject.as_raw())
        && last.verify_signature(None).is_err()
    {
        wrong("chain", "the last certificate of the chain is not signed by its own key");
    }
    findings.differ(place, ("certificate", "certificate"), record.member("resource_id"), &part.object);
    let (sha256, spki) = (Digest::of(&[der]), Digest::of(&[leaf.tbs_certificate.subject_pki.raw]));
    findings.differ(place, ("certificate", "sha256 of the DER"), part.sha256, sha256);
    if record.action() == "job_failed" {
        findings.differ(place, ("certificate", "the quarantined one"), record.text("quarantined_sha256"), sha256);
        notes.push(format!("{}: a certificate that differed was put in quarantine", shown(&part.object)));
        return;
    }
    findings.differ(place, ("certificate", "sha256 of its record"), record.text("sha256"), sha256);
    findings.differ(place, ("certificate", "key of its record"), record.text("spki_sha256"), spki);
    findings.differ(place, ("certificate", "serial"), record.text("serial"), HEXLOWER.encode(leaf.raw_serial()));
    let times = [leaf.validity().not_before, leaf.validity().not_after].map(|time| {
        Timestamp::from_unix_millis(time.timestamp().saturating_mul(1000))
            .map(|time| time.to_string())
            .unwrap_or_default()
    });
    findings.differ(place, ("certificate", "not_before"), record.text("not_before"), &times[0]);
    findings.differ(place, ("certificate", "not_after"), record.text("not_after"), &times[1]);
    let version =
        record.seq("allowed_by_seq").and_then(|seq| bundle.records.get(&seq)).and_then(|r| approved(bundle, r));
    let Some(content) = version.and_then(|version| version.content.as_ref()) else {
        return findings.add(line, "certificate", Some(part.seq), "missing", "the content that was approved");
    };
    is_what_was_approved(content, leaf, spki, place, findings);
}

fn is_what_was_approved(
    content: &CertificateContent,
    leaf: &X509Certificate<'_>,
    spki: Digest,
    place: Place<'_>,
    findings: &mut Findings,
) {
    findings.differ(place, ("approved", "key"), content.spki_sha256, spki);
    let approved: BTreeSet<String> = content.sans.iter().map(|san| san.tagged().to_lowercase()).collect();
    let found: BTreeSet<String> = names(leaf).into_iter().map(|name| name.to_lowercase()).collect();
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
    findings.differ(place, ("approved", "names"), list(approved), list(found));
    let common = leaf.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let wanted = content.common_name.as_ref().map(Untrusted::raw).unwrap_or_default();
    findings.differ(place, ("approved", "common name"), wanted.to_lowercase(), common.to_lowercase());
    findings.differ(place, ("approved", "authority"), content.ca, leaf.is_ca());
    let seconds = leaf.validity().not_after.timestamp().saturating_sub(leaf.validity().not_before.timestamp());
    let most = i64::try_from(content.valid_for.millis()).unwrap_or(i64::MAX).saturating_add(BACKDATING_MS);
    if seconds.saturating_mul(1000) > most {
        findings.add(place.0, place.1, place.2, "approved", "it is valid for longer than was approved");
    }
}

fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    let tagged = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => San::Dns(Untrusted::from(*name)).tagged(),
        GeneralName::URI(name) => San::Uri(Untrusted::from(*name)).tagged(),
        GeneralName::RFC822Name(name) => San::Email(Untrusted::from(*name)).tagged(),
        GeneralName::IPAddress(octets) => {
            let address = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.map_or_else(|_| "other:".to_owned(), |address| San::Ip(address).tagged())
        }
        _ => "other:".to_owned(),
    });
    tagged.collect()
}

fn revoked(bundle: &Bundle, seq: u64, record: &Record, findings: &mut Findings) {
    let place = (record.line, "record", Some(seq));
    let allowing = record.seq("allowed_by_seq").and_then(|seq| bundle.records.get(&seq));
    let Some(revocation) = allowing.and_then(|r| approved(bundle, r)).and_then(|version| version.revocation.as_ref())
    else {
        return findings.add(record.line, "record", Some(seq), "missing", "the revocation that was approved");
    };
    findings.differ(place, ("approved", "certificate"), &revocation.certificate_id, record.member("resource_id"));
    findings.differ(place, ("approved", "serial"), &revocation.serial, record.text("serial"));
    findings.differ(place, ("approved", "sha256"), revocation.sha256, record.text("sha256"));
    findings.differ(place, ("approved", "reason"), revocation.reason, record.text("reason"));
}

fn changed(bundle: &Bundle, seq: u64, record: &Record, findings: &mut Findings, notes: &mut Vec<String>) {
    let request = record.text("request");
    let Some((_, proposal)) = bundle.proposal(request) else {
        let text = format!(
            "how policy {} took force is in the evidence of {}",
            shown(record.text("policy_sha256")),
            shown(request)
        );
        return notes.push(text);
    };
    let place = (record.line, "record", Some(seq));
    findings.differ(place, ("approved", "policy"), proposal.sha256, record.text("policy_sha256"));
    findings.differ(place, ("approved", "digest"), proposal.digest, record.text("digest"));
    let number = |seq: Option<u64>| seq.map(|seq| seq.to_string()).unwrap_or_default();
    findings.differ(place, ("approved", "proposed_seq"), proposal.seq, number(record.seq("proposed_seq")));
    let approving = record.seq("approved_seq").and_then(|seq| bundle.records.get(&seq));
    findings.differ(
        place,
        ("allowed_by", "request"),
        request,
        approving.map(|approving| approving.member("resource_id")).unwrap_or_default(),
    );
}
