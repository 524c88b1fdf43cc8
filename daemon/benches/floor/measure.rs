//! Two things measured in turns, so that whatever else the machine does meets both alike.

use crate::Result;

/// A figure of every round.
pub struct Pair {
    /// Ours, in the order measured.
    pub ours: Vec<f64>,
    /// The floor's.
    pub floor: Vec<f64>,
}

/// Measures ours, the floor, ours, the floor …; the first round of each warms up and does not count.
pub fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut floor: impl FnMut() -> Result<f64>,
) -> Result<Pair> {
    let mut pair = Pair { ours: Vec::with_capacity(rounds), floor: Vec::with_capacity(rounds) };
    for round in 0..=rounds {
        let (one, other) = (ours()?, floor()?);
        if round > 0 {
            pair.ours.push(one);
            pair.floor.push(other);
        }
    }
    Ok(pair)
}

impl Pair {
    /// Ours by the floor, of each round.
    pub fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.floor).map(|(ours, floor)| ours / floor).collect()
    }
}

/// The middle one; of an even number, the upper.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
