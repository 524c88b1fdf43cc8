//! Whether a demand for signed decisions can be met at all: somebody has to have a key for it.

use countersign_shared::protocol::SignatureDemand;

use super::report::{Place, Report};
use super::{Policy, quorum};

/// Reports demands that fewer people can meet than have to agree.
pub(super) fn check(policy: &Policy, places: &[Place], change_control: Option<&Place>, report: &mut Report) {
    for (profile, place) in policy.profiles().iter().zip(places) {
        let Some(demand) = profile.rules().decision_signature else { continue };
        enough(policy, demand, profile.votes_needed(), place, report);
    }
    let control = policy.change_control();
    if let (Some(demand), Some(place)) = (control.decision_signature, change_control) {
        enough(policy, demand, quorum::people_needed(&control.quorum), place, report);
    }
}

fn enough(policy: &Policy, demand: SignatureDemand, needed: u32, place: &Place, report: &mut Report) {
    let able = policy.people().iter().filter(|person| person.signing_keys(Some(demand)).next().is_some()).count();
    let needed = usize::try_from(needed.max(1)).unwrap_or(usize::MAX);
    if able < needed {
        let kind = if demand == SignatureDemand::Ssh { "an SSH" } else { "a FIDO2" };
        let what = format!("{needed} have to sign, and {able} people have {kind} key: add keys to [[person]]");
        report.error(place, "decision_signature", what);
    }
}
