//! Whether different people can be found for all places, when this one or that one is missing. By Hall's theorem they
//! can exactly where every set of steps has at least as many people who fit one of them as the set has places.

use crate::policy::Terms;

/// Steps of terms: eight of a quorum, and one for what no human asked for.
pub(super) const MAX_STEPS: usize = 9;

/// The steps that somebody fits, as bits.
pub(super) type Fits = u16;

/// The places of some terms, and how many people fit which.
#[derive(Clone, Debug)]
pub(super) struct Places {
    steps: usize,
    /// For every set of steps, its places.
    need: Vec<u32>,
    /// How many people fit exactly these steps.
    exactly: Vec<u32>,
}

/// [`Places`] when everybody is counted.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    need: Vec<u32>,
    /// For every set of steps, how many people fit one of them.
    touching: Vec<u32>,
    /// Steps that somebody fits of whom there may be any number.
    unbounded: Fits,
}

impl Places {
    /// Nobody is counted yet. Terms have at most [`MAX_STEPS`] steps; what is beyond is not asked for.
    pub fn of(terms: &Terms) -> Self {
        let needs: Vec<u32> = terms.steps.iter().take(MAX_STEPS).map(|step| step.need).collect();
        let sets = 1usize << needs.len();
        let inside = |set: usize| needs.iter().enumerate().filter(move |(step, _)| set >> step & 1 == 1);
        let need = (0..sets).map(|set| inside(set).map(|(_, need)| need).sum()).collect();
        Self { steps: needs.len(), need, exactly: vec![0; sets] }
    }

    /// All steps.
    pub fn all(&self) -> Fits {
        Fits::try_from(self.need.len() - 1).unwrap_or(Fits::MAX)
    }

    /// So many people more.
    pub fn add(&mut self, fits: Fits, people: u32) {
        let all = self.all();
        if let Some(count) = self.exactly.get_mut(usize::from(fits & all)) {
            *count = count.saturating_add(people);
        }
    }

    /// One person less, who was counted.
    pub fn take(&mut self, fits: Fits) {
        let all = self.all();
        if let Some(count) = self.exactly.get_mut(usize::from(fits & all)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Everybody is counted; `unbounded` are the steps that people fit whom the policy does not name.
    pub fn counted(self, unbounded: Fits) -> Counted {
        let all = self.need.len() - 1;
        let mut within = self.exactly;
        for step in 0..self.steps {
            for set in 0..=all {
                if set >> step & 1 == 1 {
                    within[set] += within[set ^ (1 << step)];
                }
            }
        }
        // Who fits none of a set fits its complement alone.
        let touching = (0..=all).map(|set| within[all] - within[all ^ set]).collect();
        Counted { need: self.need, touching, unbounded }
    }
}

impl Counted {
    /// Named people who fit any step.
    pub fn people(&self) -> u32 {
        self.touching.last().copied().unwrap_or(0)
    }

    /// Whether all places can be filled while somebody is missing who fits `without`.
    pub fn can_be_filled(&self, without: Fits) -> bool {
        self.slacks(without).all(|(_, slack)| slack >= 0)
    }

    /// The steps of which nobody can be spared, besides the one who fits `without`: whoever fits one of them is
    /// needed. All places can be filled.
    pub fn needs_everybody_of(&self, without: Fits) -> Fits {
        self.slacks(without).filter(|(_, slack)| *slack == 0).fold(0, |needed, (set, _)| needed | set)
    }

    /// For every set that strangers do not fill, how many people it has more than places.
    fn slacks(&self, without: Fits) -> impl Iterator<Item = (Fits, i64)> + '_ {
        let sets = (0..).zip(self.need.iter().zip(&self.touching)).skip(1);
        sets.filter(|(set, _)| set & self.unbounded == 0).map(move |(set, (need, touching))| {
            let gone = i64::from(set & without != 0);
            (set, i64::from(*touching) - gone - i64::from(*need))
        })
    }
}

/// One person for each place, by position; `None` where not all can be filled. `people` fit what they say.
///
/// A maximum matching by augmenting paths. Of people who fit the same no more are tried than there are places.
pub(super) fn assign(terms: &Terms, people: &[(usize, Fits)]) -> Option<Vec<usize>> {
    let steps = terms.steps.iter().take(MAX_STEPS).enumerate();
    let places: Vec<Fits> = steps.flat_map(|(at, step)| std::iter::repeat_n(1 << at, step.need as usize)).collect();
    let mut of_kind = std::collections::BTreeMap::<Fits, usize>::new();
    let candidates: Vec<&(usize, Fits)> = people
        .iter()
        .filter(|(_, fits)| {
            let seen = of_kind.entry(*fits).or_default();
            *seen += 1;
            *fits != 0 && *seen <= places.len()
        })
        .collect();
    let mut holder: Vec<Option<usize>> = vec![None; candidates.len()];
    for place in 0..places.len() {
        let mut tried = vec![false; candidates.len()];
        if !seat(place, &places, &candidates, &mut holder, &mut tried) {
            return None;
        }
    }
    let seated = holder.iter().zip(candidates).filter(|(place, _)| place.is_some());
    Some(seated.map(|(_, (person, _))| *person).collect())
}

/// As deep as there are places, which are few.
fn seat(
    place: usize,
    places: &[Fits],
    candidates: &[&(usize, Fits)],
    holder: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for at in 0..candidates.len() {
        let suits = places.get(place).is_some_and(|step| step & candidates[at].1 != 0);
        if !suits || std::mem::replace(&mut tried[at], true) {
            continue;
        }
        let free = holder[at].is_none_or(|other| seat(other, places, candidates, holder, tried));
        if free {
            holder[at] = Some(place);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Asked;

    /// Whether the places can be filled, by trying.
    fn by_trying(places: &[usize], people: &[Fits]) -> bool {
        let Some((step, rest)) = places.split_first() else { return true };
        (0..people.len()).filter(|at| people[*at] >> step & 1 == 1).any(|at| {
            let mut others = people.to_vec();
            others.remove(at);
            by_trying(rest, &others)
        })
    }

    proptest! {
        #[test]
        fn sets_and_matchings_say_what_trying_says(
            needs in prop::collection::vec(1u32..3, 1..4),
            people in prop::collection::vec(0u16..8, 1..7),
        ) {
            let steps = needs.iter().enumerate().map(|(at, need)| Asked { group: format!("g{at}"), need: *need });
            let terms = Terms { steps: steps.collect(), ordered: false, reject_threshold: 1 };
            let seats: Vec<usize> =
                needs.iter().enumerate().flat_map(|(at, need)| std::iter::repeat_n(at, *need as usize)).collect();
            let mut places = Places::of(&terms);
            let people: Vec<Fits> = people.iter().map(|fits| fits & places.all()).collect();
            people.iter().for_each(|fits| places.add(*fits, 1));
            let counted = places.counted(0);
            prop_assert_eq!(counted.can_be_filled(0), by_trying(&seats, &people));
            let numbered: Vec<(usize, Fits)> = people.iter().copied().enumerate().collect();
            let assigned = assign(&terms, &numbered);
            prop_assert_eq!(assigned.is_some(), by_trying(&seats, &people));
            if let Some(assigned) = assigned {
                let different: std::collections::BTreeSet<_> = assigned.iter().collect();
                prop_assert_eq!(different.len(), seats.len());
                let chosen: Vec<Fits> = assigned.iter().map(|at| people[*at]).collect();
                prop_assert!(by_trying(&seats, &chosen));
            }
            // Everybody once as the one who is missing, and then each other besides.
            for gone in 0..people.len() {
                let mut rest = people.clone();
                let fits = rest.remove(gone);
                let can = by_trying(&seats, &rest);
                prop_assert_eq!(counted.can_be_filled(fits), can);
                for other in 0..rest.len() {
                    let mut fewer = rest.clone();
                    let needed = fewer.remove(other) & counted.needs_everybody_of(fits) != 0;
                    prop_assert!(!can || needed != by_trying(&seats, &fewer));
                }
            }
        }

        #[test]
        fn whoever_is_in_any_number_is_never_short(need in 1u32..10, people in 0u32..3) {
            let steps = vec![Asked { group: "a".into(), need }, Asked { group: "b".into(), need: 1 }];
            let mut places = Places::of(&Terms { steps, ordered: false, reject_threshold: 1 });
            places.add(2, people);
            prop_assert_eq!(places.counted(1).can_be_filled(0), people > 0);
        }
    }
}
