//! One pass over records: the chain, the tree, and the roots at the sizes that anchors are of.

use std::collections::BTreeMap;

use countersign_proof::anchor::{Anchor, Roots, Verdict, compare, sizes};
use countersign_proof::checkpoint::Log;
use countersign_proof::request::Continuation;
use countersign_proof::tree::Frontier;
use countersign_shared::digest::Digest;

use super::{Against, Anchored, word};
use crate::columns::GENESIS;

/// Where a pass is.
pub struct Pass {
    /// How many records there were before the first that is passed.
    begin: u64,
    prev: Digest,
    frontier: Frontier,
    /// Falling.
    wanted: Vec<u64>,
    roots: BTreeMap<u64, Digest>,
    /// Later roots, to which proofs lead from those that were passed.
    reached: BTreeMap<u64, Digest>,
}

impl Pass {
    /// Before the first record. `continuations` are followed from the sizes at which they begin.
    pub fn new<'a>(against: &Against, continuations: impl IntoIterator<Item = &'a Continuation>) -> Self {
        let mut wanted = sizes(against.anchors.iter().map(|(_, anchor)| anchor));
        wanted.extend(continuations.into_iter().map(|continuation| continuation.old));
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        let (roots, reached) = Default::default();
        let mut pass = Self { begin: 0, prev: GENESIS, frontier: Frontier::default(), wanted, roots, reached };
        pass.keep();
        pass
    }

    /// Begins behind records that are not there, and whose tree somebody states: whether it is theirs shows at the anchors.
    pub fn begin_at(&mut self, frontier: Frontier) {
        self.begin = frontier.size();
        self.roots.clear();
        self.wanted.retain(|size| *size >= self.begin);
        self.frontier = frontier;
        self.keep();
    }

    /// Follows a proof that begins at a root that was passed, or to which another led; `None` where it begins elsewhere.
    pub fn follow(&mut self, continuation: &Continuation) -> Option<Result<(), String>> {
        let root = self.roots.get(&continuation.old).or_else(|| self.reached.get(&continuation.old))?;
        let now = continuation.signed.checkpoint();
        Some(continuation.verify(root).map_err(|error| error.to_string()).and_then(|()| {
            match self.reached.insert(now.size(), now.root()) {
                Some(other) if other != now.root() => {
                    Err(format!("another proof leads to {} records with the root {other}", now.size()))
                }
                _ => Ok(()),
            }
        }))
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

    /// Each anchor, and up to which record they cover what was passed; `whole` where every record that there is was passed.
    pub fn anchors(&self, against: &Against, whole: Result<(), &str>) -> (Vec<Anchored>, Option<u64>) {
        let mut covered = None;
        let anchors = against.anchors.iter().map(|(name, anchor)| {
            let (verdict, text) = self.anchor(against, anchor, whole);
            if verdict == "equal" {
                covered = covered.max(Some(anchor.size().min(self.frontier.size())));
            }
            Anchored { anchor: name.clone(), verdict, text }
        });
        (anchors.collect(), covered)
    }

    fn anchor(&self, against: &Against, anchor: &Anchor, whole: Result<(), &str>) -> (&'static str, String) {
        let Some(log) = &against.log else {
            return ("unusable", "the ledger's own key is needed to trust an anchor".to_owned());
        };
        if let (Some(found), true) = (self.reached.get(&anchor.size()), self.frontier.size() < anchor.size()) {
            return self.led_to(log, anchor, *found);
        }
        if anchor.size() < self.begin {
            let text = format!(
                "it is of {} records, which all stand before the first of these, {}: it says nothing of them",
                anchor.size(),
                self.begin
            );
            return ("unreached", text);
        }
        match (whole, self.frontier.size() < anchor.size()) {
            (Err(why), true) => ("unreached", why.to_owned()),
            _ => match compare(self, log, anchor) {
                Ok(verdict) => (word(&verdict), verdict.to_string()),
                Err(size) => ("unreached", format!("the root of {size} records was not kept")),
            },
        }
    }

    /// An anchor of more records than were passed, at a size to which a proof led.
    fn led_to(&self, log: &Log, anchor: &Anchor, found: Digest) -> (&'static str, String) {
        let anchored = match anchor.open(log) {
            Ok(checkpoint) => checkpoint.root(),
            Err(error) => {
                let verdict = Verdict::Unusable(error);
                return (word(&verdict), verdict.to_string());
            }
        };
        let (size, passed) = (anchor.size(), self.frontier.size());
        if anchored != found {
            let verdict = Verdict::Different { size, anchored, found };
            return (word(&verdict), verdict.to_string());
        }
        (
            "equal",
            format!(
                "the {size} records that were anchored begin with these, up to number {}",
                passed.saturating_sub(1)
            ),
        )
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
