//! The subject and the SANs. The common name is always one of the SANs, where clients look; every other subject
//! attribute comes from the profile alone.

use std::net::IpAddr;

use countersign_shared::content::{San, SubjectAttribute};
use countersign_shared::error::ApiError;
use countersign_shared::protocol::{ChangeAction, Risk};
use countersign_shared::text::{Untrusted, unicode_form};

use super::{Notes, forbidden, listed, shown};
use crate::policy::Profile;
use crate::policy::names::is_dns_name;
use crate::x509::ParsedCsr;

/// ub-common-name of RFC 5280, appendix A.1; taken as octets, which is never more.
const MAX_COMMON_NAME: usize = 64;

/// The names of a certificate.
pub(super) struct Named {
    /// One of the SANs.
    pub common_name: Option<Untrusted>,
    /// Sorted, each once, at least one.
    pub sans: Vec<San>,
}

/// The refusal of a CSR without a name.
pub(super) fn nothing_named() -> ApiError {
    forbidden("profile.names", "the CSR names nothing: it has neither a SAN nor a common name that is a host")
        .hint("make a CSR with at least one SAN")
}

/// Takes the names from the CSR and lists what changes.
pub(super) fn collect(csr: &ParsedCsr, notes: &mut Notes) -> Result<Named, ApiError> {
    let mut sans = Vec::with_capacity(csr.sans.len() + 1);
    for san in &csr.sans {
        let san = match san {
            San::Dns(name) => San::Dns(name.raw().to_ascii_lowercase().into()),
            other => other.clone(),
        };
        if sans.contains(&san) {
            notes.change("san", ChangeAction::Dropped, san.value(), "the CSR names it twice");
        } else {
            sans.push(san);
        }
    }
    let common_name = match &csr.common_name {
        Some(name) => common_name(name, &mut sans, notes)?,
        None => None,
    };
    sans.sort_unstable();
    if sans.is_empty() { Err(nothing_named()) } else { Ok(Named { common_name, sans }) }
}

fn common_name(name: &Untrusted, sans: &mut Vec<San>, notes: &mut Notes) -> Result<Option<Untrusted>, ApiError> {
    const FIELD: &str = "common_name";
    if name.is_blank() {
        notes.change(FIELD, ChangeAction::Dropped, name.clone(), "it is blank");
        return Ok(None);
    }
    let too_long = name.raw().len() > MAX_COMMON_NAME;
    let san = match (sans.iter().find(|san| is_same(name.raw(), san)), as_host(name.raw())) {
        (Some(san), _) => san.clone(),
        (None, Some(host)) => {
            notes.change("san", ChangeAction::Added, host.value(), "the common name is always one of the SANs");
            sans.push(host.clone());
            host
        }
        (None, None) if too_long => {
            notes.change(FIELD, ChangeAction::Dropped, name.clone(), "it has more than 64 octets (RFC 5280)");
            return Ok(None);
        }
        (None, None) => {
            let message =
                format!("the common name {} is neither a DNS name nor an address nor one of the SANs", shown(name));
            let hint = "leave the common name out, or make it one of the SANs; IDNA names are written as A-labels";
            return Err(forbidden("profile.subject", message).hint(hint));
        }
    };
    if too_long {
        let why = "it has more than 64 octets (RFC 5280); the SAN carries the name";
        notes.change(FIELD, ChangeAction::Dropped, name.clone(), why);
        return Ok(None);
    }
    let value = san.value();
    if value != *name {
        notes.change(FIELD, ChangeAction::Changed, name.clone(), "it is written as its SAN is");
    }
    Ok(Some(value))
}

fn is_same(name: &str, san: &San) -> bool {
    match san {
        San::Dns(dns) => dns_form(name) == dns.raw(),
        San::Ip(address) => name.parse() == Ok(*address),
        San::Uri(text) | San::Email(text) => text.raw() == name,
    }
}

fn as_host(name: &str) -> Option<San> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(San::Ip(address));
    }
    let dns = dns_form(name);
    is_dns_name(dns.strip_prefix("*.").unwrap_or(&dns)).then(|| San::Dns(dns.into()))
}

/// Lower case, without the final dot of a fully qualified name.
fn dns_form(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Rules and risks of names that the profile's patterns cover.
pub(super) fn check(sans: &[San], profile: &Profile, notes: &mut Notes) -> Result<(), ApiError> {
    let (id, rules) = (profile.id(), profile.rules());
    let foreign = sans.iter().filter(|san| is_idna(san)).collect::<Vec<_>>();
    if foreign.is_empty() {
        notes.passed("names", format!("all {} names are covered by {id}", sans.len()));
    } else {
        notes.risks.push(Risk::Idn);
        let names = listed(foreign.iter().copied());
        notes.warned("names", format!("covered by {id}, but written in IDNA and perhaps a look-alike: {names}"));
    }
    let wildcards: Vec<&San> = sans.iter().filter(|san| is_wildcard(san)).collect();
    match (wildcards.is_empty(), rules.allow_wildcards) {
        (true, _) => notes.passed("wildcard", "no name is a wildcard"),
        (false, true) => {
            notes.risks.push(Risk::Wildcard);
            notes.warned("wildcard", format!("stands for every host of its level: {}", listed(wildcards)));
        }
        (false, false) => {
            let message = format!("profile {id} gives no wildcards: {}", listed(wildcards));
            return Err(
                forbidden("profile.wildcard", message).hint("name each host, or use a profile with allow_wildcards")
            );
        }
    }
    let addresses: Vec<&San> = sans.iter().filter(|san| matches!(san, San::Ip(_))).collect();
    match (addresses.is_empty(), rules.allow_ip) {
        (true, _) => {}
        (false, true) => {
            notes.risks.push(Risk::BareIp);
            notes.warned("ip", format!("an address may change hands: {}", listed(addresses)));
        }
        (false, false) => {
            let message = format!("profile {id} gives no addresses: {}", listed(addresses));
            return Err(forbidden("profile.ip", message).hint("use DNS names, or a profile with allow_ip"));
        }
    }
    Ok(())
}

fn is_wildcard(san: &San) -> bool {
    matches!(san, San::Dns(name) if name.raw().starts_with("*."))
}

fn is_idna(san: &San) -> bool {
    match san {
        San::Dns(name) => unicode_form(name.raw()).is_some(),
        San::Ip(_) => false,
        // Hosts stand somewhere inside these.
        San::Uri(text) | San::Email(text) => text.raw().split(['@', '/', ':']).any(|part| unicode_form(part).is_some()),
    }
}

/// The subject's other attributes: the profile's own and no other.
pub(super) fn subject(csr: &ParsedCsr, profile: &Profile, notes: &mut Notes) -> Vec<(SubjectAttribute, String)> {
    let given = &profile.rules().subject;
    let is_given = |kind: &str, value: &Untrusted| {
        given.iter().any(|(attribute, fixed)| attribute.short_name() == kind && fixed == value.raw())
    };
    for (kind, value) in csr.subject_rest.iter().filter(|(kind, value)| !is_given(kind, value)) {
        let value = format!("{kind}={}", value.raw());
        notes.change("subject", ChangeAction::Dropped, value, "the profile alone sets subject attributes");
    }
    for (attribute, value) in given {
        let kind = attribute.short_name();
        if !csr.subject_rest.iter().any(|(asked, text)| asked == kind && text.raw() == value) {
            notes.change("subject", ChangeAction::Added, format!("{kind}={value}"), "the profile sets it");
        }
    }
    given.clone()
}
