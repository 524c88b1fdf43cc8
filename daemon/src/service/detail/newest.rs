//! What a page shows of a list that people can make long: its newest entries, as far as they fit into the answer.

use serde::Serialize;

/// The octets of JSON that each such list has at most: two of them, the content and the CSR fit into one result.
const ROOM: usize = 256 * 1024;

/// The newest of `items` that fit, in their order.
pub(super) fn newest<T: Serialize>(mut items: Vec<T>) -> Vec<T> {
    let mut room = ROOM;
    let fitting = items.iter().rev().take_while(|item| {
        let octets = serde_json::to_vec(item).map_or(usize::MAX, |json| json.len());
        let fits = octets <= room;
        room = room.saturating_sub(octets);
        fits
    });
    let kept = fitting.count();
    items.drain(..items.len() - kept);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_fit_stay_in_their_order() {
        assert_eq!(newest(vec!["a", "b", "c"]), ["a", "b", "c"]);
        assert_eq!(newest(Vec::<String>::new()), Vec::<String>::new());
        // As JSON a control character takes six octets.
        let text = |octets: usize| "\u{1}".repeat(octets);
        let items = vec![text(1), text(ROOM / 12), text(ROOM / 24), text(ROOM / 24 + 1)];
        assert_eq!(newest(items).iter().map(String::len).collect::<Vec<_>>(), [ROOM / 24, ROOM / 24 + 1]);
        let items = vec!["old".to_owned(), text(ROOM), "new".to_owned()];
        assert_eq!(newest(items), ["new"], "nothing older stands beside a gap");
    }
}
