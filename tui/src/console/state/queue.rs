//! The requests that are loaded, which of them are shown, and where the next page begins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::RequestSummary;

use super::{Field, List};
use crate::console::action::Refusal;

/// Where the next page of the queue begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPage {
    /// A page of one state, or of all.
    At {
        /// The state asked for; all where it is left out.
        state: Option<RequestState>,
        /// The daemon's cursor; the first page where it is left out.
        cursor: Option<String>,
    },
    /// Everything is loaded.
    End,
}

/// The queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// What is loaded.
    pub rows: BTreeMap<RequestId, RequestSummary>,
    /// What is shown, in order.
    pub list: List<RequestId>,
    /// Only this state; all where it is left out.
    pub state: Option<RequestState>,
    /// Only with this text.
    pub filter: Field,
    /// True while the filter is typed.
    pub filtering: bool,
    /// What to load next.
    pub next: NextPage,
    /// True once a page has arrived.
    pub loaded: bool,
    /// Why this person may not list requests.
    pub refused: Option<Refusal>,
    /// True where the next page takes the place of everything loaded.
    pub replace: bool,
    /// Requests whose rows are older than an event about them.
    pub stale: BTreeSet<RequestId>,
    /// Requests that are marked to be decided together, shown or not.
    pub marks: BTreeSet<RequestId>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            list: List::default(),
            state: Some(RequestState::Pending),
            filter: Field::default(),
            filtering: false,
            next: NextPage::End,
            loaded: false,
            refused: None,
            replace: false,
            stale: BTreeSet::new(),
            marks: BTreeSet::new(),
        }
    }
}

impl Queue {
    /// The selected row.
    pub fn selected(&self) -> Option<&RequestSummary> {
        self.rows.get(self.list.selected()?)
    }

    /// Where loading begins under the state in force. Without one, what is pending comes first: it must not
    /// lie behind a million requests that have ended.
    pub fn first_page(&self) -> NextPage {
        NextPage::At { state: self.state.or(Some(RequestState::Pending)), cursor: None }
    }

    /// Where loading goes on after a page of `state`.
    pub fn page_after(&self, state: Option<RequestState>, cursor: Option<String>) -> NextPage {
        match (cursor, state) {
            (Some(cursor), _) => NextPage::At { state, cursor: Some(cursor) },
            (None, Some(_)) if self.state.is_none() => NextPage::At { state: None, cursor: None },
            (None, _) => NextPage::End,
        }
    }

    /// Chooses and orders the rows again: newest first, among all states pending before the rest. The selected
    /// row stays, in its place, although its state fits no more, so that what happened to it can be seen; it
    /// leaves when the selection does. What is pending no more loses its mark.
    pub fn arrange(&mut self, height: usize) {
        let rows = &self.rows;
        self.marks.retain(|id| rows.get(id).is_none_or(|row| row.state == RequestState::Pending));
        let selected = self.list.selected();
        let stays = |row: &RequestSummary| {
            let right_state = self.state.is_none_or(|state| state == row.state) || selected == Some(&row.id);
            right_state && holds(row, self.filter.text())
        };
        let mut shown: Vec<&RequestSummary> = self.rows.values().filter(|row| stays(row)).collect();
        let mixed = self.state.is_none();
        shown.sort_by_key(|row| (mixed && row.state != RequestState::Pending, Reverse((row.created_at, &row.id))));
        let order = shown.into_iter().map(|row| row.id.clone()).collect();
        self.list.set_order(order, height);
    }

    /// The marked requests, newest first as in the list.
    pub fn marked(&self) -> Vec<RequestId> {
        let mut marked: Vec<&RequestId> = self.marks.iter().collect();
        // An id that is not loaded has no age but its own: ids are made in the order of time.
        marked.sort_by_key(|id| Reverse((self.rows.get(*id).map(|row| row.created_at), *id)));
        marked.into_iter().cloned().collect()
    }

    /// The state after this one in the cycle of the state filter.
    pub fn next_state(&self) -> Option<RequestState> {
        let all = RequestState::ALL;
        match self.state {
            Some(RequestState::Pending) => None,
            None => all.iter().copied().find(|state| *state != RequestState::Pending),
            Some(state) => {
                let at = all.iter().position(|other| *other == state).map_or(0, |at| at + 1);
                Some(all.get(at).copied().unwrap_or(RequestState::Pending))
            }
        }
    }
}

/// True where the row holds the text where the daemon would look for it, without regard to ASCII case.
fn holds(row: &RequestSummary, text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let wanted = text.to_ascii_lowercase();
    let has = |field: &str| field.to_ascii_lowercase().contains(&wanted);
    has(row.id.as_str())
        || has(row.primary_name.raw())
        || has(row.reason.raw())
        || has(&row.requester.account)
        || row.requester.person.as_deref().is_some_and(has)
        || row.ticket.as_ref().is_some_and(|ticket| has(ticket.raw()))
        || row.names.iter().any(|name| has(name.value().raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_states_are_loaded_pending_first() {
        let mut queue = Queue { state: None, ..Queue::default() };
        let at = |state, cursor: Option<&str>| NextPage::At { state, cursor: cursor.map(str::to_owned) };
        let pending = Some(RequestState::Pending);
        assert_eq!(queue.first_page(), at(pending, None));
        assert_eq!(queue.page_after(pending, Some("c1".into())), at(pending, Some("c1")));
        assert_eq!(queue.page_after(pending, None), at(None, None));
        assert_eq!(queue.page_after(None, Some("c2".into())), at(None, Some("c2")));
        assert_eq!(queue.page_after(None, None), NextPage::End);
        queue.state = Some(RequestState::Expired);
        assert_eq!(queue.first_page(), at(Some(RequestState::Expired), None));
        assert_eq!(queue.page_after(Some(RequestState::Expired), None), NextPage::End);
    }

    #[test]
    fn the_state_filter_goes_through_every_state_once() {
        let mut queue = Queue::default();
        let mut seen = Vec::new();
        for _ in 0..=RequestState::ALL.len() {
            seen.push(queue.state);
            queue.state = queue.next_state();
        }
        assert_eq!(queue.state, Some(RequestState::Pending));
        assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), RequestState::ALL.len() + 1);
    }
}
