//! The anchors from outside beside a pass.

use countersign_proof::anchor::{Anchor, Roots as _, compare, sizes};

use super::{Against, Anchored, word};
use crate::chain::Chain;
use crate::pass::Pass;

/// A pass from the first record on that keeps the roots that the anchors are of, and those at the sizes `also`.
pub fn begin(against: &Against, also: Vec<u64>) -> Pass {
    Pass::begin(Chain::default(), sizes(against.anchors.iter().map(|(_, anchor)| anchor)).into_iter().chain(also))
}

/// Each anchor, and how many records they cover; `whole` where every record that there is was passed.
pub fn anchors(pass: &Pass, against: &Against, whole: Result<(), &str>) -> (Vec<Anchored>, Option<u64>) {
    let mut covered = None;
    let anchors = against.anchors.iter().map(|(name, anchor)| {
        let (verdict, text) = said(pass, against, anchor, whole);
        if verdict == "equal" {
            covered = covered.max(Some(anchor.size()));
        }
        Anchored { anchor: name.clone(), verdict, text }
    });
    (anchors.collect(), covered)
}

fn said(pass: &Pass, against: &Against, anchor: &Anchor, whole: Result<(), &str>) -> (&'static str, String) {
    let Some(log) = &against.log else {
        return ("unusable", "the ledger's own key is needed to trust an anchor".to_owned());
    };
    match (whole, pass.size() < anchor.size()) {
        (Err(why), true) => ("unreached", why.to_owned()),
        _ => match compare(pass, log, anchor) {
            Ok(verdict) => (word(&verdict), verdict.to_string()),
            Err(size) => ("unreached", format!("the root of {size} records was not kept")),
        },
    }
}
