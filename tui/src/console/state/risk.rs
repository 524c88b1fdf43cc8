//! What is risky about a request, and the words that a person types to show that they saw it.

use countersign_shared::content::San;
use countersign_shared::protocol::{RequestDetail, Risk};

/// The risks that ask for something to be typed.
pub fn is_high(risk: Risk) -> bool {
    match risk {
        Risk::Wildcard
        | Risk::CaRequested
        | Risk::Ca
        | Risk::Idn
        | Risk::OtherOwner
        | Risk::Bypass
        | Risk::PolicyLaxer => true,
        Risk::BareIp | Risk::NamesAdded | Risk::KeyChanged => false,
    }
}

/// Every name that the certificate will carry; none for a change of the policy.
pub fn names(seen: &RequestDetail) -> &[San] {
    seen.content.as_ref().map_or(&[], |content| &content.sans)
}

/// What has to be typed before an approval; `None` where nothing is of high risk.
pub fn confirmation(seen: &RequestDetail) -> Option<String> {
    if !seen.request.risks.iter().any(|risk| is_high(*risk)) {
        return None;
    }
    Some(typeable(&words(seen), seen.request.id.as_str()))
}

/// The words, or where nobody can type them as they are shown, the id.
pub fn typeable(wanted: &str, id: &str) -> String {
    let typeable = !wanted.is_empty()
        && wanted.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        && wanted.trim() == wanted
        && !wanted.contains("  ");
    if typeable { wanted.to_owned() } else { id.to_owned() }
}

/// The A-label for an IDNA name, the wildcard for a wildcard, else the primary name; of a policy what it is.
fn words(seen: &RequestDetail) -> String {
    let primary = seen.request.primary_name.raw();
    if seen.request.risks.contains(&Risk::PolicyLaxer) {
        return format!("{primary} is laxer");
    }
    let risky = |risk, test: fn(&str) -> bool| {
        let names = names(seen).iter().map(|san| san.value().raw().to_owned());
        seen.request.risks.contains(&risk).then_some(names)?.find(|name| test(name))
    };
    risky(Risk::Idn, |name| name.contains("xn--"))
        .or_else(|| risky(Risk::Wildcard, |name| name.starts_with("*.")))
        .unwrap_or_else(|| primary.to_owned())
}
