//! Whether votes fill the places of a quorum: by trying all there are.

use std::collections::BTreeSet;

use super::ledger::Record;
use super::rules::Step;

/// A right to a place: whose it is by the policy, and the humans that it uses up.
pub struct Vote<'a> {
    pub record: &'a Record,
    pub right_of: u32,
    pub humans: BTreeSet<&'static str>,
}

/// Whether every place can be given to a vote of its own, each human used once and nobody who is behind the
/// request.
pub fn filled(
    quorum: &[Step],
    votes: &[Vote<'_>],
    behind: &BTreeSet<&str>,
    fills: &dyn Fn(&Vote<'_>, &str) -> bool,
) -> bool {
    let places: Vec<&str> =
        quorum.iter().flat_map(|(group, need)| std::iter::repeat_n(group.as_str(), *need)).collect();
    let mut used: BTreeSet<&str> = behind.clone();
    used.insert("root");
    place(&places, votes, &mut used, fills)
}

fn place<'v>(
    places: &[&str],
    votes: &'v [Vote<'_>],
    used: &mut BTreeSet<&'v str>,
    fills: &dyn Fn(&Vote<'_>, &str) -> bool,
) -> bool {
    let Some((group, rest)) = places.split_first() else { return true };
    votes.iter().any(|vote| {
        if vote.humans.iter().any(|human| used.contains(human)) || !fills(vote, group) {
            return false;
        }
        used.extend(&vote.humans);
        let found = place(rest, votes, used, fills);
        used.retain(|human| !vote.humans.contains(human));
        found
    })
}
