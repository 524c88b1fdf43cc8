//! Rows that the daemon gives page by page: what is loaded, what is shown, and where the next page begins.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Field, List};
use crate::console::action::Refusal;

/// A row of such a list.
pub trait Row {
    /// What it is named by, for as long as it exists.
    type Key: Clone + Debug + Ord;
    /// What it is sorted by.
    type Order: Ord;
    /// Its name.
    fn key(&self) -> Self::Key;
    /// Its place: the smallest comes first.
    fn order(&self) -> Self::Order;
    /// True where it holds the text, which is in lower case.
    fn holds(&self, wanted: &str) -> bool;
}

/// What the page that is waited for does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reading {
    /// It joins what is loaded.
    #[default]
    Onward,
    /// It is one of those that take the place of what is loaded, once as many rows are there.
    Anew,
}

/// The list.
#[derive(Clone, Debug)]
pub struct Paged<R: Row> {
    /// What is loaded.
    pub rows: BTreeMap<R::Key, R>,
    /// What is shown, in order.
    pub list: List<R::Key>,
    /// Only with this text.
    pub filter: Field,
    /// True while the filter is typed.
    pub filtering: bool,
    /// Where the next page begins; none where everything is loaded.
    pub cursor: Option<String>,
    /// What the next page does.
    pub reading: Reading,
    /// What was read anew so far.
    fresh: BTreeMap<R::Key, R>,
    /// True where something happened after the rows were asked for.
    pub stale: bool,
    /// True once a page has arrived.
    pub loaded: bool,
    /// Why this person may not read it.
    pub refused: Option<Refusal>,
}

impl<R: Row> Default for Paged<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            list: List::default(),
            filter: Field::default(),
            filtering: false,
            cursor: None,
            reading: Reading::default(),
            fresh: BTreeMap::new(),
            stale: false,
            loaded: false,
            refused: None,
        }
    }
}

impl<R: Row> Paged<R> {
    /// The selected row.
    pub fn selected(&self) -> Option<&R> {
        self.rows.get(self.list.selected()?)
    }

    /// Begins to read everything that is loaded again; what is shown stays until it is there.
    pub fn anew(&mut self) {
        (self.reading, self.stale, self.cursor) = (Reading::Anew, false, None);
        self.fresh.clear();
    }

    /// Takes a page. True where another one is needed before what was read anew can be shown.
    pub fn take(&mut self, page: Vec<R>, cursor: Option<String>, height: usize) -> bool {
        self.refused = None;
        self.cursor = cursor;
        let keyed = page.into_iter().map(|row| (row.key(), row));
        match self.reading {
            Reading::Onward => self.rows.extend(keyed),
            Reading::Anew => {
                self.fresh.extend(keyed);
                if self.cursor.is_some() && self.loaded && self.fresh.len() < self.rows.len() {
                    return true;
                }
                self.rows = std::mem::take(&mut self.fresh);
                self.reading = Reading::Onward;
            }
        }
        self.loaded = true;
        self.arrange(height);
        false
    }

    /// Chooses and orders the rows again.
    pub fn arrange(&mut self, height: usize) {
        let wanted = self.filter.text().trim().to_ascii_lowercase();
        let mut shown: Vec<&R> = self.rows.values().filter(|row| row.holds(&wanted)).collect();
        shown.sort_by_cached_key(|row| row.order());
        let order = shown.into_iter().map(Row::key).collect();
        self.list.set_order(order, height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for (u32, &'static str) {
        type Key = u32;
        type Order = u32;
        fn key(&self) -> u32 {
            self.0
        }
        fn order(&self) -> u32 {
            self.0
        }
        fn holds(&self, wanted: &str) -> bool {
            self.1.contains(wanted)
        }
    }

    fn page(range: std::ops::Range<u32>) -> Vec<(u32, &'static str)> {
        range.map(|n| (n, if n % 2 == 0 { "even" } else { "odd" })).collect()
    }

    #[test]
    fn what_is_read_anew_takes_the_place_at_once_and_keeps_the_selection() {
        let mut list = Paged::default();
        list.anew();
        assert!(!list.take(page(0..100), Some("c".into()), 10));
        assert!(!list.take(page(100..200), Some("d".into()), 10));
        list.list.move_to(150, 10);
        list.anew();
        assert!(list.take(page(50..150), Some("e".into()), 10), "fewer than were loaded");
        assert_eq!((list.rows.len(), list.list.selected()), (200, Some(&150)), "nothing has gone yet");
        assert!(!list.take(page(150..260), None, 10));
        assert_eq!((list.rows.len(), list.list.selected(), list.cursor.as_deref()), (210, Some(&150), None));
        assert!(!list.rows.contains_key(&49), "what is gone is gone");
    }

    #[test]
    fn a_filter_counts_what_is_loaded() {
        let mut list = Paged::default();
        list.take(page(0..10), None, 10);
        list.filter.insert("ODD ");
        list.arrange(10);
        assert_eq!((list.list.count(), list.list.selected()), (5, Some(&1)));
    }
}
