//! How long, why, and under which ticket.

use countersign_shared::canonical::Object;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::MAX_TEXT;
use countersign_shared::text::{Untrusted, is_deceiving};
use countersign_shared::time::Span;

use super::{Notes, forbidden, shown};
use crate::policy::{Justification, Profile};

/// The longest ticket in octets.
const MAX_TICKET: usize = 256;

/// The validity: what was asked for, within the profile's maximum, or that maximum.
pub(super) fn validity(asked: Option<Span>, profile: &Profile, notes: &mut Notes) -> Result<Span, ApiError> {
    const RULE: &str = "profile.validity";
    let (id, longest) = (profile.id(), profile.rules().max_validity);
    let Some(asked) = asked else {
        notes.passed("validity", format!("{longest}, the longest that {id} allows"));
        return Ok(longest);
    };
    if asked.millis() == 0 || !asked.millis().is_multiple_of(1000) {
        let message = format!("a validity of {asked} cannot be written into a certificate: whole seconds, at least 1s");
        return Err(ApiError::invalid(message).rule(RULE).hint("ask for a span such as 12h or 90d"));
    }
    if asked > longest {
        let message = format!("profile {id} allows a validity of at most {longest}, not {asked}");
        return Err(forbidden(RULE, message).hint(format!("ask for {longest} or less")));
    }
    notes.passed("validity", format!("{asked}; {id} allows at most {longest}"));
    Ok(asked)
}

/// The reason, where the profile requires one.
pub(super) fn justification(reason: Option<&Untrusted>, profile: &Profile, notes: &mut Notes) -> Result<(), ApiError> {
    const RULE: &str = "profile.justification";
    let id = profile.id();
    let reason = reason.filter(|text| !text.is_blank());
    if let Some(text) = reason.filter(|text| text.raw().len() > MAX_TEXT) {
        let message = format!("the reason has {} octets; at most {MAX_TEXT} are allowed", text.raw().len());
        return Err(ApiError::invalid(message).rule(RULE).hint("shorten it, and refer to the ticket"));
    }
    match (reason, profile.rules().justification) {
        (Some(_), _) => notes.passed("justification", "a reason is given"),
        (None, Justification::Optional) => {
            notes.warned("justification", format!("no reason is given, and {id} requires none"));
        }
        (None, Justification::Required) => {
            let message = format!("profile {id} requires a reason");
            return Err(forbidden(RULE, message).hint("say why with --reason"));
        }
    }
    Ok(())
}

/// The ticket, where the profile requires one.
pub(super) fn ticket(ticket: Option<&Untrusted>, profile: &Profile, notes: &mut Notes) -> Result<(), ApiError> {
    const RULE: &str = "profile.ticket";
    let id = profile.id();
    let ticket = ticket.filter(|text| !text.is_blank());
    if ticket.is_some_and(|text| !is_plain(text.raw())) {
        let message =
            format!("a ticket is one line of at most {MAX_TICKET} octets, with no invisible characters, in NFC");
        return Err(ApiError::invalid(message).rule(RULE).hint("give the ticket's number alone"));
    }
    match (ticket, &profile.rules().ticket_pattern) {
        (None, None) => notes.passed("ticket", format!("{id} requires none")),
        (Some(text), None) => notes.passed("ticket", format!("{}; {id} requires none", shown(text))),
        (Some(text), Some(pattern)) if pattern.is_match(text.raw()) => {
            notes.passed("ticket", format!("{} matches {}", shown(text), pattern.as_str()));
        }
        (Some(text), Some(pattern)) => {
            let message = format!("the ticket {} does not match {} of profile {id}", shown(text), pattern.as_str());
            return Err(forbidden(RULE, message).hint("give the ticket as the profile writes it, with --ticket"));
        }
        (None, Some(pattern)) => {
            let message = format!("profile {id} requires a ticket that matches {}", pattern.as_str());
            return Err(forbidden(RULE, message).hint("give one with --ticket"));
        }
    }
    Ok(())
}

/// The ticket is part of the content digest as it stands, so it needs a canonical form.
fn is_plain(ticket: &str) -> bool {
    ticket.len() <= MAX_TICKET
        && !ticket.chars().any(is_deceiving)
        && Object::new().string("ticket", ticket).finish().is_ok()
}
