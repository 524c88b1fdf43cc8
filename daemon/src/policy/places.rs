//! Whether different people can be found for all places of a quorum. By Hall's theorem they can exactly where every
//! set of steps has at least as many people who fit one of them as the set has places.

use super::quorum::{MAX_STEPS, QuorumStep, people_needed};

// A set of steps is the bits of a `u8`.
const _: () = assert!(MAX_STEPS <= 8);

/// The places of a quorum's steps; no step is one place for whoever may decide.
pub(super) struct Places<'a> {
    steps: &'a [QuorumStep],
    /// How many places each set of steps has.
    needs: [u32; 256],
}

impl<'a> Places<'a> {
    /// Of at most [`MAX_STEPS`] steps.
    pub fn of(steps: &'a [QuorumStep]) -> Self {
        let mut needs = [0; 256];
        if steps.is_empty() {
            needs.fill(people_needed(&[]));
        }
        for (step, first) in steps.iter().zip((0..8).map(|bit| 1usize << bit)) {
            for set in first..2 * first {
                needs[set] = needs[set - first] + step.need;
            }
        }
        Self { steps, needs }
    }

    /// The set of all steps.
    pub fn all(&self) -> u8 {
        u8::MAX >> (8 - self.steps.len().clamp(1, 8))
    }

    /// Every set that is not empty, that of all steps first.
    pub fn sets(&self) -> impl Iterator<Item = u8> {
        let all = self.all();
        std::iter::once(all).chain(1..all)
    }

    /// How many places a set has.
    pub const fn need(&self, set: u8) -> u32 {
        self.needs[set as usize]
    }

    /// ` of group a or b` for a part of the steps, nothing for all.
    pub fn of_groups(&self, set: u8) -> String {
        if set == self.all() {
            return String::new();
        }
        let within = self.steps.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
        let names: Vec<&str> = within.map(|(_, step)| step.group.as_str()).collect();
        format!(" of group {}", names.join(" or "))
    }
}

/// How many people fit exactly which steps.
#[derive(Clone)]
pub(super) struct Filled([u32; 256]);

impl Default for Filled {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Filled {
    /// So many people more, each of whom fits these steps.
    pub fn add(&mut self, steps: u8, people: u32) {
        self.0[usize::from(steps)] += people;
    }

    /// For every set of steps, how many people fit at least one of them.
    pub fn touching(&self) -> [u32; 256] {
        let mut within = self.0;
        for bit in 0..8 {
            for set in 0..256usize {
                if set >> bit & 1 == 1 {
                    within[set] += within[set ^ (1 << bit)];
                }
            }
        }
        // Who fits none of a set fits its complement alone.
        std::array::from_fn(|set| within[255] - within[255 ^ set])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the places from `steps` on can be filled, by trying.
    fn can_be_filled(places: &[usize], people: &[u8]) -> bool {
        let Some((step, rest)) = places.split_first() else {
            return true;
        };
        (0..people.len()).filter(|i| people[*i] >> step & 1 == 1).any(|i| {
            let mut others = people.to_vec();
            others.remove(i);
            can_be_filled(rest, &others)
        })
    }

    proptest! {
        #[test]
        fn the_sets_say_what_trying_says(
            needs in prop::collection::vec(1u32..3, 1..4),
            people in prop::collection::vec(0u8..8, 0..6),
        ) {
            let steps: Vec<QuorumStep> = needs.iter().enumerate()
                .map(|(i, need)| QuorumStep { group: format!("g{i}"), need: *need }).collect();
            let places = Places::of(&steps);
            let mut filled = Filled::default();
            let people: Vec<u8> = people.iter().map(|person| person & places.all()).collect();
            people.iter().for_each(|person| filled.add(*person, 1));
            let touching = filled.touching();
            let by_sets = places.sets().all(|set| touching[usize::from(set)] >= places.need(set));
            let seats: Vec<usize> = steps.iter().enumerate()
                .flat_map(|(i, step)| std::iter::repeat_n(i, step.need as usize)).collect();
            prop_assert_eq!(by_sets, can_be_filled(&seats, &people));
        }
    }
}
