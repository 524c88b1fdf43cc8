//! Which profile a request falls under: the one that the requester names, or the only one that allows every name.

use countersign_shared::content::San;
use countersign_shared::error::ApiError;
use countersign_shared::text::Untrusted;

use super::{Ask, forbidden, listed, shown};
use crate::policy::{Policy, Profile};

const RULE: &str = "profile_match";
/// The most profiles in a message.
const MAX_PROFILES: usize = 5;

/// Finds the profile. Whether it gives wildcards and addresses at all is for its own rules to say.
pub(super) fn profile<'a>(
    policy: &'a Policy,
    sans: &[San],
    ask: &Ask<'_>,
    may_submit: impl Fn(&Profile) -> bool,
) -> Result<&'a Profile, ApiError> {
    let open: Vec<&Profile> = policy.profiles().iter().filter(|profile| may_submit(profile)).collect();
    if let Some(id) = ask.profile {
        return named(&open, id, sans, ask.environment);
    }
    let here = |profile: &&&Profile| ask.environment.is_none_or(|wanted| profile.rules().environment == wanted);
    let candidates: Vec<&Profile> = open.iter().filter(here).copied().collect();
    if candidates.is_empty() {
        return Err(nothing_open(&open, ask.environment));
    }
    let mut judged: Vec<(&Profile, Vec<&San>)> =
        candidates.iter().map(|profile| (*profile, uncovered(profile, sans))).collect();
    judged.sort_by_key(|(_, uncovered)| uncovered.len());
    let fitting = judged.iter().take_while(|(_, uncovered)| uncovered.is_empty()).count();
    match (fitting, judged.as_slice()) {
        (1, [(profile, _), ..]) => Ok(profile),
        (0, judged) => Err(no_match(judged)),
        (_, judged) => {
            let ids = ids(judged[..fitting].iter().map(|(profile, _)| *profile));
            let message = format!("{fitting} profiles allow these names ({ids}), and exactly one has to");
            Err(forbidden(RULE, message).hint("name one with --profile"))
        }
    }
}

fn named<'a>(open: &[&'a Profile], id: &str, sans: &[San], environment: Option<&str>) -> Result<&'a Profile, ApiError> {
    let Some(profile) = open.iter().find(|profile| profile.id() == id) else {
        let message = format!("there is no profile {} that you may submit under", shown(&Untrusted::from(id)));
        return Err(forbidden(RULE, message).hint(may_submit_under(open)));
    };
    let found = &profile.rules().environment;
    if let Some(wanted) = environment.filter(|wanted| wanted != found) {
        let wanted = shown(&Untrusted::from(wanted));
        let message = format!("profile {} is of the environment {found}, not {wanted}", profile.id());
        return Err(forbidden(RULE, message).hint("leave the environment out, or name another profile"));
    }
    let uncovered = uncovered(profile, sans);
    if uncovered.is_empty() {
        return Ok(profile);
    }
    let message = format!("profile {} does not allow {}", profile.id(), listed(uncovered));
    Err(forbidden("profile.names", message).hint(format!("it allows {}", patterns(profile))))
}

fn uncovered<'a>(profile: &Profile, sans: &'a [San]) -> Vec<&'a San> {
    let names = &profile.rules().names;
    sans.iter().filter(|san| !names.iter().any(|pattern| pattern.covers(san))).collect()
}

fn no_match(judged: &[(&Profile, Vec<&San>)]) -> ApiError {
    let reasons = judged.iter().take(MAX_PROFILES).map(|(profile, uncovered)| match uncovered.as_slice() {
        [one] => format!("{} allows every name but {}", profile.id(), shown(&one.value())),
        many => format!("{} does not allow {}", profile.id(), listed(many.iter().copied())),
    });
    let reasons: Vec<String> = reasons.collect();
    let more = judged.len().saturating_sub(MAX_PROFILES);
    let more = if more > 0 { format!("; nor do {more} more") } else { String::new() };
    let message =
        format!("no profile that you may submit under allows all of these names: {}{more}", reasons.join("; "));
    forbidden(RULE, message).hint("leave the name out, or ask for a profile that allows it")
}

fn nothing_open(open: &[&Profile], environment: Option<&str>) -> ApiError {
    match environment {
        Some(wanted) if !open.is_empty() => {
            let wanted = shown(&Untrusted::from(wanted));
            let message = format!("there is no profile of the environment {wanted} that you may submit under");
            forbidden(RULE, message).hint(may_submit_under(open))
        }
        _ => forbidden(RULE, "you may submit under no profile").hint("a grant of the role requester is needed"),
    }
}

fn may_submit_under(open: &[&Profile]) -> String {
    match open {
        [] => "you may submit under no profile: a grant of the role requester is needed".to_owned(),
        open => format!("you may submit under {}", ids(open.iter().copied())),
    }
}

fn ids<'a>(profiles: impl Iterator<Item = &'a Profile>) -> String {
    shortened(profiles.map(|profile| profile.id().to_owned()).collect())
}

fn patterns(profile: &Profile) -> String {
    shortened(profile.rules().names.iter().map(ToString::to_string).collect())
}

fn shortened(words: Vec<String>) -> String {
    let more = words.len().saturating_sub(MAX_PROFILES);
    let mut out = words.into_iter().take(MAX_PROFILES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}
