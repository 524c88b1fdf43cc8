//! The status of a command that did several things.

/// From the best to the worst: done, not ended in time, ended by its people, failed, conflict, not found, usage,
/// refused, daemon unreachable, internal (design §6).
const FROM_BEST: [u8; 12] = [0, 124, 12, 11, 10, 13, 5, 4, 2, 3, 6, 1];

/// The worst of two statuses; one that no command has is worse than all others.
pub(super) fn worst(one: u8, other: u8) -> u8 {
    let rank = |status| FROM_BEST.iter().position(|&known| known == status).unwrap_or(FROM_BEST.len());
    if rank(one) >= rank(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_hides_nothing_and_a_fault_hides_behind_nothing() {
        for status in FROM_BEST {
            assert_eq!((worst(0, status), worst(status, 0)), (status, status));
            assert_eq!((worst(1, status), worst(status, 1)), (1, 1));
        }
        assert_eq!(worst(5, 3), 3, "a refusal weighs more than a conflict");
        assert_eq!(worst(10, 13), 13);
        assert_eq!(worst(1, 99), 99);
    }
}
