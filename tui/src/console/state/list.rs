//! A windowed list: the order of the rows, the one that is selected, and the part that is on the screen.

/// Rows are named by a key that outlives their place: the selection follows the key, never the row.
#[derive(Clone, Debug)]
pub struct List<K> {
    order: Vec<K>,
    selected: Option<K>,
    top: usize,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { order: Vec::new(), selected: None, top: 0 }
    }
}

impl<K: Clone + PartialEq> List<K> {
    /// The key of the selected row.
    pub fn selected(&self) -> Option<&K> {
        self.selected.as_ref()
    }

    /// Where the selected row stands.
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.order.iter().position(|key| key == selected)
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The rows that a window of `height` rows shows.
    pub fn window(&self, height: usize) -> &[K] {
        let top = self.top.min(self.order.len());
        &self.order[top..self.order.len().min(top + height)]
    }

    /// Gives the rows another order. The selected row keeps its line on the screen; where it is gone, the row
    /// that took its place is selected.
    pub fn set_order(&mut self, order: Vec<K>, height: usize) {
        let before = self.position();
        let line = before.map_or(0, |position| position.saturating_sub(self.top));
        self.order = order;
        match self.position() {
            Some(position) => self.top = position.saturating_sub(line),
            None => {
                let position = before.unwrap_or(0).min(self.order.len().saturating_sub(1));
                self.selected = self.order.get(position).cloned();
            }
        }
        self.keep_visible(height);
    }

    /// Moves the selection by so many rows, stopping at the ends.
    pub fn move_by(&mut self, rows: isize, height: usize) {
        let position = self.position().unwrap_or(0).saturating_add_signed(rows);
        self.move_to(position, height);
    }

    /// Selects the row at `position`, or the last one.
    pub fn move_to(&mut self, position: usize, height: usize) {
        self.selected = self.order.get(position.min(self.order.len().saturating_sub(1))).cloned();
        self.keep_visible(height);
    }

    /// Moves the window so that the selected row is in it and no line stays empty without need.
    pub fn keep_visible(&mut self, height: usize) {
        let height = height.max(1);
        if let Some(position) = self.position() {
            self.top = self.top.clamp((position + 1).saturating_sub(height), position);
        }
        self.top = self.top.min(self.order.len().saturating_sub(height));
    }

    /// True where the end of what is loaded is less than two windows away.
    pub fn near_end(&self, height: usize) -> bool {
        self.position().unwrap_or(0) + 2 * height.max(1) >= self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_follows_the_key() {
        let mut list = List::default();
        list.set_order((0..50).collect(), 10);
        list.move_to(20, 10);
        assert_eq!((list.selected(), list.window(10).first()), (Some(&20), Some(&11)));
        list.set_order((-5..50).collect(), 10);
        assert_eq!((list.selected(), list.window(10).first()), (Some(&20), Some(&11)), "its line stays");
        list.set_order((0..10).chain(30..50).collect(), 10);
        assert_eq!(list.selected(), Some(&45), "the row in its place");
        list.set_order(vec![], 10);
        assert_eq!((list.selected(), list.window(10)), (None, &[][..]));
        list.move_by(-3, 0);
        assert_eq!(list.selected(), None);
    }
}
