//! A pass beside what came from outside: anchors, and proofs that lead to anchors of more records.

use std::collections::BTreeMap;

use countersign_proof::anchor::{Anchor, Roots as _, Verdict, compare, sizes};
use countersign_proof::checkpoint::Log;
use countersign_proof::request::Continuation;
use countersign_shared::digest::Digest;

use super::{Against, Anchored, word};
use crate::chain::Chain;
use crate::pass::Pass;

/// A pass that keeps the roots that it is held against.
pub struct Held<'a> {
    /// The pass.
    pub pass: Pass,
    against: &'a Against,
    wanted: Vec<u64>,
    /// How many records there were before the first that is passed.
    begin: u64,
    /// Later roots, to which proofs lead from those that were passed.
    reached: BTreeMap<u64, Digest>,
}

impl<'a> Held<'a> {
    /// Before the first record; keeps the roots that the anchors are of, and those at the sizes `also`.
    pub fn new(against: &'a Against, also: impl IntoIterator<Item = u64>) -> Self {
        let mut wanted = sizes(against.anchors.iter().map(|(_, anchor)| anchor));
        wanted.extend(also);
        let pass = Pass::begin(Chain::default(), wanted.iter().copied());
        Self { pass, against, wanted, begin: 0, reached: BTreeMap::new() }
    }

    /// The same pass again, before the first record.
    pub fn anew(&self) -> Pass {
        Pass::begin(Chain::default(), self.wanted.iter().copied())
    }

    /// Begins behind records that are not there, and whose tree somebody states: whether it is theirs shows at the anchors.
    pub fn begin_behind(&mut self, chain: Chain) {
        self.begin = chain.size();
        self.pass = Pass::begin(chain, self.wanted.iter().copied());
    }

    /// Follows a proof that begins at a root that was passed, or to which another led; `None` where it begins elsewhere.
    pub fn follow(&mut self, continuation: &Continuation) -> Option<Result<(), String>> {
        let passed = self.pass.root_at(continuation.old).ok();
        let root = passed.or_else(|| self.reached.get(&continuation.old).copied())?;
        let now = continuation.signed.checkpoint();
        Some(continuation.verify(&root).map_err(|error| error.to_string()).and_then(|()| {
            match self.reached.insert(now.size(), now.root()) {
                Some(other) if other != now.root() => {
                    Err(format!("another proof leads to {} records with the root {other}", now.size()))
                }
                _ => Ok(()),
            }
        }))
    }

    /// Each anchor, and up to which record they cover what was passed; `whole` where every record that there is was passed.
    pub fn anchors(&self, whole: Result<(), &str>) -> (Vec<Anchored>, Option<u64>) {
        let mut covered = None;
        let anchors = self.against.anchors.iter().map(|(name, anchor)| {
            let (verdict, text) = self.said(anchor, whole);
            if verdict == "equal" {
                covered = covered.max(Some(anchor.size().min(self.pass.size())));
            }
            Anchored { anchor: name.clone(), verdict, text }
        });
        (anchors.collect(), covered)
    }

    fn said(&self, anchor: &Anchor, whole: Result<(), &str>) -> (&'static str, String) {
        let Some(log) = &self.against.log else {
            return ("unusable", "the ledger's own key is needed to trust an anchor".to_owned());
        };
        let behind = self.pass.size() < anchor.size();
        if let (Some(found), true) = (self.reached.get(&anchor.size()), behind) {
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
        match (whole, behind) {
            (Err(why), true) => ("unreached", why.to_owned()),
            _ => match compare(&self.pass, log, anchor) {
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
        let (size, passed) = (anchor.size(), self.pass.size());
        if anchored != found {
            let verdict = Verdict::Different { size, anchored, found };
            return (word(&verdict), verdict.to_string());
        }
        let last = passed.saturating_sub(1);
        ("equal", format!("the {size} records that were anchored begin with these, up to number {last}"))
    }
}
