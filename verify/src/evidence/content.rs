//! What was asked for, and every free text: each has the digest that its record names.

use std::collections::BTreeSet;

use countersign_shared::canonical::Object;
use countersign_shared::content::Purpose;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{EvidencePart, EvidenceProposal, EvidenceTerms, EvidenceText, EvidenceVersion};
use countersign_shared::revocation::Grounds;
use countersign_shared::text::Untrusted;
use data_encoding::HEXLOWER;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::bundle::{Bundle, Record};
use super::{Findings, pem, shown};

type Place<'a> = (u64, &'a str, Option<u64>);

pub(super) fn check(bundle: &Bundle, findings: &mut Findings) {
    for (line, part) in &bundle.parts {
        let place = (*line, part.name(), part.seq());
        if let Some(said) = part.said() {
            text(bundle, said, place, findings);
        }
        let record = part.seq().and_then(|seq| bundle.records.get(&seq));
        let Some(record) = record else {
            if let (Some(seq), false) = (part.seq(), matches!(part, EvidencePart::Record(_) | EvidencePart::Policy(_)))
            {
                findings.add(*line, part.name(), Some(seq), "missing", "the record that it stands beside");
            }
            continue;
        };
        match part {
            EvidencePart::Version(part) => version(part, record, place, findings),
            EvidencePart::Proposal(part) => proposal(part, record, place, findings),
            EvidencePart::Remark(part) => {
                let recorded = match record.action() {
                    "approval_commented" => record.text("text_sha256"),
                    "approval_voided" | "approval_withdrawn" => record.text("reason_sha256"),
                    _ => "",
                };
                findings.differ(place, ("text", "the text of its record"), recorded, part.said.sha256);
                findings.differ(place, ("remark", "request"), record.member("resource_id"), &part.object);
                findings.differ(place, ("remark", "account"), record.member("actor"), &part.account);
            }
            EvidencePart::Delegation(part) => {
                findings.differ(place, ("delegation", "action"), "delegation_granted", record.action());
                findings.differ(place, ("delegation", "id"), record.member("resource_id"), &part.object);
                findings.differ(
                    place,
                    ("text", "the reason of its record"),
                    record.text("reason_sha256"),
                    part.said.sha256,
                );
            }
            _ => {}
        }
    }
    everything_is_there(bundle, findings);
}

/// A text that is there is the one whose salted digest was recorded; one that is not was erased by people.
fn text(bundle: &Bundle, said: &EvidenceText, (line, part, seq): Place<'_>, findings: &mut Findings) {
    let erases = |record: &Record| {
        record.action() == "text_erased" && record.text("text_sha256") == said.sha256.to_string().as_str()
    };
    match (&said.salt, &said.text) {
        (None, None) if bundle.records.values().any(erases) => {}
        (None, None) => findings.add(line, part, seq, "text", "it is not there, and no record says who erased it"),
        (Some(salt), Some(text)) => match HEXLOWER.decode(salt.as_bytes()) {
            Err(_) => findings.add(line, part, seq, "text", "the salt is not hexadecimal"),
            Ok(salt) => {
                let digest = Digest::of(&[b"countersign-text-v1\0", &salt, text.raw().as_bytes()]);
                findings.differ((line, part, seq), ("text", "digest of the text"), said.sha256, digest);
            }
        },
        (Some(_), None) | (None, Some(_)) => {
            findings.add(line, part, seq, "text", "a text stands with its salt, or neither is there");
        }
    }
}

fn version(part: &EvidenceVersion, record: &Record, place: Place<'_>, findings: &mut Findings) {
    let (line, name, seq) = place;
    let asks = matches!(
        record.action(),
        "approval_requested" | "approval_amended" | "issuance_requested" | "revocation_requested"
    );
    if !asks {
        findings.add(line, name, seq, "content", format!("its record, {}, asks for nothing", shown(record.action())));
    }
    findings.differ(place, ("content", "request or job"), record.member("resource_id"), &part.object);
    findings.differ(place, ("content", "version"), record.number("version").unwrap_or_default(), part.version);
    findings.differ(place, ("content", "digest of its record"), record.text("digest"), part.digest);
    terms(part.terms.as_ref(), record, place, findings);
    let said = part.said.as_ref().map(|said| said.sha256);
    let shown_said = said.map(|digest| digest.to_string()).unwrap_or_default();
    findings.differ(place, ("text", "the reason of its record"), record.text("reason_sha256"), shown_said);
    let digest = match (&part.content, &part.csr, &part.revocation, part.profile_sha256) {
        (Some(content), Some(csr), None, None) => {
            let Some(der) = request_der(csr) else {
                findings.add(line, name, seq, "csr", "it is not one CSR in PEM");
                return;
            };
            match spki_of_request(&der) {
                None => findings.add(line, name, seq, "csr", "the CSR cannot be read"),
                Some(spki) => findings.differ(place, ("csr", "key of the CSR"), content.spki_sha256, spki),
            }
            let purpose = Purpose {
                kind: match record.text("kind").parse() {
                    Ok(kind) => kind,
                    Err(_) => return findings.add(line, name, seq, "content", "its record names no kind"),
                },
                certificate_id: record.text("certificate"),
                csr_sha256: Digest::of(&[&der]),
                reason: said,
                ticket: part.ticket.as_ref().map(Untrusted::raw),
                not_before: record.text("not_before").parse().ok(),
            };
            content.digest(&purpose)
        }
        (None, None, Some(revocation), Some(profile_digest)) => revocation.digest(&Grounds {
            profile_id: record.text("profile"),
            profile_digest,
            note: said,
            ticket: part.ticket.as_ref().map(Untrusted::raw),
        }),
        _ => {
            let text = "it has either content and csr, or revocation and profile_sha256";
            return findings.add(line, name, seq, "content", text);
        }
    };
    match digest {
        Ok(digest) => findings.differ(place, ("content", "digest of the content"), part.digest, digest),
        Err(error) => findings.add(line, name, seq, "content", error),
    }
}

fn request_der(csr: &str) -> Option<Vec<u8>> {
    let mut blocks = pem::blocks(csr, "CERTIFICATE REQUEST")?;
    (blocks.len() == 1).then(|| blocks.pop()).flatten()
}

fn spki_of_request(der: &[u8]) -> Option<Digest> {
    let (rest, request) = X509CertificationRequest::from_der(der).ok()?;
    rest.is_empty().then(|| Digest::of(&[request.certification_request_info.subject_pki.raw]))
}

fn proposal(part: &EvidenceProposal, record: &Record, place: Place<'_>, findings: &mut Findings) {
    let differences = Digest::of(&[part.differences.as_bytes()]);
    let shown_findings = Digest::of(&[part.findings.as_bytes()]);
    findings.differ(place, ("content", "action"), "policy_proposed", record.action());
    findings.differ(place, ("content", "request"), record.member("resource_id"), &part.object);
    findings.differ(place, ("content", "digest of its record"), record.text("digest"), part.digest);
    findings.differ(place, ("content", "policy_from"), record.text("policy_from"), part.base_sha256);
    findings.differ(place, ("content", "policy_to"), record.text("policy_to"), part.sha256);
    findings.differ(place, ("content", "differences"), record.text("differences_sha256"), differences);
    findings.differ(place, ("content", "findings"), record.text("findings_sha256"), shown_findings);
    findings.differ(place, ("text", "the reason of its record"), record.text("reason_sha256"), part.said.sha256);
    terms(part.terms.as_ref(), record, place, findings);
    let bytes = Object::new()
        .string("base_sha256", &part.base_sha256.to_string())
        .integer("base_version", i64::from(part.base_version))
        .string("differences_sha256", &differences.to_string())
        .string("findings_sha256", &shown_findings.to_string())
        .string("kind", "policy_change")
        .string("reason_sha256", &part.said.sha256.to_string())
        .string("sha256", &part.sha256.to_string())
        .finish();
    match bytes {
        Ok(bytes) => {
            let digest = Digest::of(&[b"countersign-policy-change-v1\0", bytes.as_bytes()]);
            findings.differ(place, ("content", "digest of the content"), part.digest, digest);
        }
        Err(error) => findings.add(place.0, place.1, place.2, "content", error),
    }
}

fn terms(terms: Option<&EvidenceTerms>, record: &Record, place: Place<'_>, findings: &mut Findings) {
    let recorded = record.number("reject_threshold").map(|threshold| {
        let steps = record.list("quorum").unwrap_or_default();
        format!("{} ordered={} reject={threshold}", steps.join(" "), record.flag("ordered"))
    });
    let told = terms
        .map(|terms| format!("{} ordered={} reject={}", terms.quorum.join(" "), terms.ordered, terms.reject_threshold));
    findings.differ(place, ("terms", "terms"), recorded.unwrap_or_default(), told.unwrap_or_default());
}

/// Every record that has something beside it has it in the bundle.
fn everything_is_there(bundle: &Bundle, findings: &mut Findings) {
    let there: BTreeSet<(&str, u64)> =
        bundle.parts.iter().filter_map(|(_, part)| part.seq().map(|seq| (part.name(), seq))).collect();
    for (seq, record) in &bundle.records {
        let wants = match record.action() {
            "approval_requested" | "approval_amended" => "version",
            "issuance_requested" | "revocation_requested" if record.detail("retry_of").is_none() => "version",
            "policy_proposed" => "proposal",
            "approval_approved" | "approval_rejected" if record.detail("note_sha256").is_some() => "decision",
            "approval_commented" => "remark",
            "approval_voided" | "approval_withdrawn" if record.detail("reason_sha256").is_some() => "remark",
            "delegation_granted" => "delegation",
            "certificate_issued" => "certificate",
            "job_failed" if record.detail("quarantined_sha256").is_some() => "certificate",
            _ => continue,
        };
        if !there.contains(&(wants, *seq)) {
            let text = format!("the {wants} that belongs to it is not in the bundle");
            findings.add(record.line, "record", Some(*seq), "missing", text);
        }
    }
}
