//! One pass over records: the chain, the tree, and the roots at the sizes that anchors are of.

use std::collections::BTreeMap;

use countersign_proof::anchor::{Anchor, Roots, compare, sizes};
use countersign_proof::tree::Frontier;
use countersign_shared::digest::Digest;

use super::{Against, Anchored, word};
use crate::columns::GENESIS;

/// Where a pass is.
pub struct Pass {
    prev: Digest,
    frontier: Frontier,
    /// Falling.
    wanted: Vec<u64>,
    roots: BTreeMap<u64, Digest>,
}

impl Pass {
    /// Before the first record; the roots at `more` sizes are kept besides.
    pub fn new(against: &Against, more: impl IntoIterator<Item = u64>) -> Self {
        let mut wanted = sizes(against.anchors.iter().map(|(_, anchor)| anchor));
        wanted.extend(more);
        wanted.sort_unstable();
        wanted.dedup();
        wanted.reverse();
        let mut pass = Self { prev: GENESIS, frontier: Frontier::default(), wanted, roots: BTreeMap::new() };
        pass.keep();
        pass
    }

    /// Moves past a record with this hash, right or wrong: the tree is that of the records as they are.
    pub fn advance(&mut self, hash: Digest) {
        self.prev = hash;
        self.frontier.append(hash);
        self.keep();
    }

    fn keep(&mut self) {
        while self.wanted.last() == Some(&self.frontier.size()) {
            self.wanted.pop();
            self.roots.insert(self.frontier.size(), self.frontier.root());
        }
    }

    /// The hash of the last record.
    pub fn prev(&self) -> Digest {
        self.prev
    }

    /// How many records there were, and their tree.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Each anchor, and how many records they cover; `whole` where every record that there is was passed.
    pub fn anchors(&self, against: &Against, whole: Result<(), &str>) -> (Vec<Anchored>, Option<u64>) {
        let mut covered = None;
        let anchors = against.anchors.iter().map(|(name, anchor)| {
            let (verdict, text) = self.anchor(against, anchor, whole);
            if verdict == "equal" {
                covered = covered.max(Some(anchor.size()));
            }
            Anchored { anchor: name.clone(), verdict, text }
        });
        (anchors.collect(), covered)
    }

    fn anchor(&self, against: &Against, anchor: &Anchor, whole: Result<(), &str>) -> (&'static str, String) {
        let Some(log) = &against.log else {
            return ("unusable", "the ledger's own key is needed to trust an anchor".to_owned());
        };
        match (whole, self.frontier.size() < anchor.size()) {
            (Err(why), true) => ("unreached", why.to_owned()),
            _ => match compare(self, log, anchor) {
                Ok(verdict) => (word(&verdict), verdict.to_string()),
                Err(size) => ("unreached", format!("the root of {size} records was not kept")),
            },
        }
    }
}

impl Roots for Pass {
    type Error = u64;

    fn size(&self) -> u64 {
        self.frontier.size()
    }

    fn root_at(&self, size: u64) -> Result<Digest, u64> {
        self.roots.get(&size).copied().ok_or(size)
    }
}
