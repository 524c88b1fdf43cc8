//! Witnesses' lines under checkpoints: which hold, and on whose word a key is that witness's.

use std::collections::BTreeSet;

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::VerifierKey;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

/// The rule of every finding here.
pub const RULE: &str = "cosignature";

/// Keys by which signature lines are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The ledger's own: their lines are no cosignatures.
    pub log: &'a [VerifierKey],
    /// Witnesses' keys that came from outside. Each has to have cosigned one of the checkpoints.
    pub outside: &'a [VerifierKey],
    /// Keys of which only the file itself says that they are witnesses'.
    pub named: &'a [VerifierKey],
}

/// What the lines say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cosigned {
    /// Lines that are none, by the place of their checkpoint.
    pub wrong: Vec<(usize, String)>,
    /// Witnesses from outside that cosigned none of them.
    pub missing: Vec<String>,
    /// Lines that hold, and those that nobody could look at.
    pub notes: Vec<String>,
}

/// Looks at the lines under each checkpoint, which stands beside the name that it is reported by.
pub fn check(checkpoints: &[(&str, &SignedCheckpoint)], keys: Keys<'_>) -> Cosigned {
    let (mut found, mut cosigned) = (Cosigned::default(), BTreeSet::new());
    for (at, (name, signed)) in checkpoints.iter().enumerate() {
        let (mut unknown, size) = (0_usize, signed.checkpoint().size());
        for line in signed.note().signatures() {
            let by = |key: &&VerifierKey| key.name() == line.name() && key.id() == line.id();
            if keys.log.iter().any(|key| by(&key)) {
                continue;
            }
            let outside = keys.outside.iter().find(by);
            let Some(key) = outside.or_else(|| keys.named.iter().find(by)) else {
                unknown += 1;
                continue;
            };
            let time = match signed.verify_witnesses(std::slice::from_ref(key)) {
                Ok(valid) => valid.first().and_then(|valid| valid.time),
                Err(error) => {
                    found.wrong.push((at, Untrusted::new(error.to_string()).safe().to_string()));
                    continue;
                }
            };
            let trust = if outside.is_some() {
                cosigned.insert(shown(key));
                "whose key was given from outside"
            } else {
                "whose key the bundle itself names and nobody else: whoever made the file could have made both. --witness \
                 with the key from outside shows that the witness did"
            };
            let text = format!("{name}, of {size} records, was cosigned{} by {}, {trust}", when(time), shown(key));
            found.notes.push(text);
        }
        if unknown > 0 {
            let text =
                format!("{name}: {unknown} further signatures, by keys that are not known here, were not looked at");
            found.notes.push(text);
        }
    }
    let missing = keys.outside.iter().map(shown).filter(|key| !cosigned.contains(key));
    found.missing = missing.collect::<BTreeSet<_>>().into_iter().collect();
    found
}

/// The time that a witness signed; its own clock said so.
fn when(seconds: Option<u64>) -> String {
    let millis = seconds.and_then(|seconds| i64::try_from(seconds).ok()).and_then(|seconds| seconds.checked_mul(1000));
    millis.and_then(Timestamp::from_unix_millis).map(|time| format!(" at {time}")).unwrap_or_default()
}

fn shown(key: &VerifierKey) -> String {
    format!("{}+{}", Untrusted::from(key.name().as_str()).safe(), key.id())
}

/// What is said of a witness that was named, and did not cosign.
pub fn not_cosigned(witness: &str) -> String {
    format!("{witness} has cosigned no checkpoint of these")
}
