//! A ledger beside checkpoints that were kept elsewhere: what root on this host cannot rewrite.

use std::fmt;

use countersign_shared::digest::Digest;

use crate::checkpoint::{Checkpoint, Log, NotOfLog, SignedCheckpoint};
use crate::lines::shown;
use crate::short::{ShortForm, ShortFormError};
use crate::tree::{Nodes, root_at};

/// A checkpoint from outside: the note, or its short form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The note.
    Note(SignedCheckpoint),
    /// The digits of a QR code.
    Short(ShortForm),
}

impl Anchor {
    /// Reads either form: digits with white space between them, or a note.
    pub fn parse(octets: &[u8]) -> Result<Self, String> {
        let digits = octets.iter().all(|octet| octet.is_ascii_digit() || octet.is_ascii_whitespace());
        match std::str::from_utf8(octets) {
            Ok(text) if digits => text.parse().map(Self::Short).map_err(|error: ShortFormError| error.to_string()),
            _ => SignedCheckpoint::parse(octets).map(Self::Note).map_err(|error| error.to_string()),
        }
    }

    /// How many records it is of, as it says.
    pub fn size(&self) -> u64 {
        match self {
            Self::Note(signed) => signed.checkpoint().size(),
            Self::Short(short) => short.size(),
        }
    }

    /// The checkpoint, once it is verified to be one of `log`.
    pub fn open(&self, log: &Log) -> Result<Checkpoint, NotOfLog> {
        match self {
            Self::Note(signed) => log.verify(signed).map(|_| signed.checkpoint().clone()),
            Self::Short(short) => short.open(log),
        }
    }
}

/// What an anchor says about a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The records up to this size are those that were anchored: none was changed, dropped, added or moved.
    Equal {
        /// How many.
        size: u64,
    },
    /// More records were anchored than there are: the end was cut off, or an older state was restored.
    Ahead {
        /// How many were anchored.
        anchored: u64,
        /// Their root.
        root: Digest,
        /// How many there are.
        size: u64,
    },
    /// Other records were anchored: something up to this size was edited, or this is another branch of a forked ledger.
    Different {
        /// How many were anchored.
        size: u64,
        /// The root that was anchored.
        anchored: Digest,
        /// The root of as many records of this ledger.
        found: Digest,
    },
    /// Not a checkpoint of this ledger, or not signed by its key: it says nothing about the records.
    Unusable(NotOfLog),
}

impl Verdict {
    /// True where the anchor shows that the ledger is not what it was.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Different { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal { size } => write!(f, "the first {size} records are those that were anchored"),
            Self::Ahead { anchored, root, size } => write!(
                f,
                "{anchored} records were anchored (root {root}), {size} are there: the end was cut off, or an older state \
                 was restored"
            ),
            Self::Different { size, anchored, found } => write!(
                f,
                "the first {size} records are not those that were anchored (root {found} instead of {anchored}): they were \
                 edited, or this is another branch of a forked ledger"
            ),
            Self::Unusable(NotOfLog::Origin(origin)) => {
                write!(f, "an anchor of another ledger, {}: it says nothing about this one", shown(origin))
            }
            Self::Unusable(error) => write!(f, "the anchor cannot be trusted: {error}"),
        }
    }
}

/// The roots of a ledger at the sizes that anchors are of.
///
/// Where the ledger is not trusted, they come from a pass over its records (see [`sizes`]), not from stored nodes.
pub trait Roots {
    /// Why a root could not be read.
    type Error;

    /// How many records there are.
    fn size(&self) -> u64;

    /// The root of the first `size` records; asked only for sizes up to [`Roots::size`].
    fn root_at(&self, size: u64) -> Result<Digest, Self::Error>;
}

/// A ledger whose stored nodes are right: `(size, nodes)`.
impl<N: Nodes> Roots for (u64, N) {
    type Error = N::Error;

    fn size(&self) -> u64 {
        self.0
    }

    fn root_at(&self, size: u64) -> Result<Digest, N::Error> {
        root_at(&self.1, size)
    }
}

/// The sizes at which a pass over the records has to keep the root, ascending, each once.
pub fn sizes<'a>(anchors: impl IntoIterator<Item = &'a Anchor>) -> Vec<u64> {
    let mut sizes: Vec<u64> = anchors.into_iter().map(Anchor::size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Compares a ledger with one anchor.
pub fn compare<R: Roots + ?Sized>(ledger: &R, log: &Log, anchor: &Anchor) -> Result<Verdict, R::Error> {
    let checkpoint = match anchor.open(log) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return Ok(Verdict::Unusable(error)),
    };
    let (anchored, size) = (checkpoint.size(), ledger.size());
    if anchored > size {
        return Ok(Verdict::Ahead { anchored, root: checkpoint.root(), size });
    }
    let found = ledger.root_at(anchored)?;
    Ok(if found == checkpoint.root() {
        Verdict::Equal { size: anchored }
    } else {
        Verdict::Different { size: anchored, anchored: checkpoint.root(), found }
    })
}

/// What all anchors together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// One for each anchor, in their order.
    pub verdicts: Vec<Verdict>,
    /// The records that are known to be right: up to the largest anchor that agrees. Those behind are not anchored.
    pub covered: Option<u64>,
    /// True where an anchor shows damage.
    pub damaged: bool,
}

/// Compares a ledger with every anchor.
pub fn compare_all<'a, R: Roots + ?Sized>(
    ledger: &R,
    log: &Log,
    anchors: impl IntoIterator<Item = &'a Anchor>,
) -> Result<Comparison, R::Error> {
    let verdicts: Vec<Verdict> =
        anchors.into_iter().map(|anchor| compare(ledger, log, anchor)).collect::<Result<_, _>>()?;
    let covered = verdicts
        .iter()
        .filter_map(|verdict| if let Verdict::Equal { size } = verdict { Some(*size) } else { None })
        .max();
    let damaged = verdicts.iter().any(Verdict::is_damage);
    Ok(Comparison { verdicts, covered, damaged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{KeyName, NoteError, Signer};
    use crate::tree::reference::{Stored, numbered, tree_hash};

    type Change = fn(&mut Vec<Vec<u8>>);

    fn signer(name: &str, seed: u8) -> Signer {
        Signer::from_seed(KeyName::new(name).unwrap(), &[seed; 32]).unwrap()
    }

    fn ledger(leaves: &[Vec<u8>]) -> (u64, Stored) {
        (leaves.len() as u64, Stored::of(leaves))
    }

    /// Both forms of a checkpoint over the first `size` leaves.
    fn anchors(signer: &Signer, leaves: &[Vec<u8>], size: usize) -> [Anchor; 2] {
        let signed = SignedCheckpoint::sign(signer, size as u64, tree_hash(&leaves[..size])).unwrap();
        let short = ShortForm::of(&signed, signer.key()).unwrap();
        [signed.to_string(), short.to_string()].map(|text| Anchor::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_was_done_to_a_ledger_shows_beside_an_anchor() {
        let signer = signer("ca.example/ledger", 1);
        let log = Log::of_key(signer.key().clone());
        let honest = numbered(40);
        let edit = |change: Change| {
            let mut leaves = honest.clone();
            change(&mut leaves);
            leaves
        };
        let unchanged: Change = |_| {};
        let cases: [(&str, Change, &str); 9] = [
            ("nothing", unchanged, "equal"),
            ("grown", |leaves| leaves.extend(numbered(9)), "equal"),
            ("edited behind the anchor", |leaves| leaves[35] = b"edited".to_vec(), "equal"),
            ("edited", |leaves| leaves[7] = b"edited".to_vec(), "different"),
            ("a record dropped", |leaves| drop(leaves.remove(7)), "different"),
            ("a record inserted", |leaves| leaves.insert(7, b"more".to_vec()), "different"),
            ("two swapped", |leaves| leaves.swap(7, 8), "different"),
            ("cut off", |leaves| leaves.truncate(29), "ahead"),
            (
                "cut off and filled up",
                |leaves| {
                    leaves.truncate(29);
                    leaves.extend(numbered(20))
                },
                "different",
            ),
        ];
        for (what, change, expected) in cases {
            for anchor in anchors(&signer, &honest, 30) {
                let verdict = compare(&ledger(&edit(change)), &log, &anchor).unwrap();
                let found = match verdict {
                    Verdict::Equal { size: 30 } => "equal",
                    Verdict::Different { size: 30, .. } => "different",
                    Verdict::Ahead { anchored: 30, size: 29, .. } => "ahead",
                    _ => "?",
                };
                assert_eq!(found, expected, "{what}: {verdict}");
                assert_eq!(verdict.is_damage(), expected != "equal");
            }
        }
    }

    #[test]
    fn foreign_and_forged_anchors_say_nothing() {
        let ours = signer("ca.example/ledger", 1);
        let log = Log::of_key(ours.key().clone());
        let leaves = numbered(10);
        let ledger = ledger(&leaves);
        for anchor in anchors(&signer("ca2.example/ledger", 1), &leaves, 5) {
            let verdict = compare(&ledger, &log, &anchor).unwrap();
            assert!(matches!(verdict, Verdict::Unusable(_)) && !verdict.is_damage(), "{verdict}");
        }
        for anchor in anchors(&signer("ca.example/ledger", 2), &leaves, 5) {
            let verdict = compare(&ledger, &log, &anchor).unwrap();
            assert!(matches!(verdict, Verdict::Unusable(NotOfLog::Signatures(NoteError::NoKnownKey(_)))), "{verdict}");
        }
        // A size that the key never signed, in both forms.
        let [note, short] = anchors(&ours, &leaves, 5);
        let (Anchor::Note(note), Anchor::Short(short)) = (note, short) else { panic!() };
        let digits = short.to_string();
        for bent in [note.to_string().replace("\n5\n", "\n6\n"), format!("{}6{}", &digits[..21], &digits[22..])] {
            let anchor = Anchor::parse(bent.as_bytes()).unwrap();
            assert_eq!(anchor.size(), 6);
            let verdict = compare(&ledger, &log, &anchor).unwrap();
            assert!(
                matches!(verdict, Verdict::Unusable(NotOfLog::Signatures(NoteError::Signature { .. }))),
                "{verdict}"
            );
        }
    }

    #[test]
    fn all_anchors_together() {
        let signer = signer("ca.example/ledger", 1);
        let log = Log::of_key(signer.key().clone());
        let leaves = numbered(40);
        let all: Vec<Anchor> = [20, 10, 20, 0].iter().flat_map(|size| anchors(&signer, &leaves, *size)).collect();
        assert_eq!(sizes(&all), [0, 10, 20]);
        let comparison = compare_all(&ledger(&leaves), &log, &all).unwrap();
        assert_eq!((comparison.covered, comparison.damaged, comparison.verdicts.len()), (Some(20), false, 8));
        let comparison = compare_all(&ledger(&leaves[..15]), &log, &all).unwrap();
        assert_eq!((comparison.covered, comparison.damaged), (Some(10), true));
        let comparison = compare_all(&ledger(&leaves), &log, []).unwrap();
        assert_eq!((comparison.covered, comparison.damaged), (None, false));
    }

    #[test]
    fn neither_form() {
        for bad in ["", "12345", "no note", "\n\n", "１２"] {
            assert!(Anchor::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
