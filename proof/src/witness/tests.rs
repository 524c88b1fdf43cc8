use std::collections::HashMap;

use super::*;
use crate::note::{KeyName, NoteError, Signer, VerifierKey};
use crate::tree::prove_consistency;
use crate::tree::reference::{self, Stored, hash, tree_hash};
use data_encoding::BASE64;

// Log, checkpoints and witness of the tests of github.com/transparency-dev/witness.
const MONKEYS: &str = "monkeys+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT";
const WITNESS_SEED: &str = "AaLa/dfyBhyo/m0Z7WCi98ENVZWtrP8pxgRNrx7tIWiA";
const FIVE: &str = "monkeys\n5\n41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=\n\n\
    — monkeys 202fftzGl3LVoqjXfwCFZZXs8I+5G22+Ek2K0AOyBuSJ/8/CZawNF+6fNlTKOCd622pbzJNkkJFWuw9DbicZCkEx9AY=\n";
const EIGHT: &str = "monkeys\n8\nV8K9aklZ4EPB+RMOk1/8VsJUdFZR77GDtZUQq84vSbo=\n\n\
    — monkeys 202ffoUEboiQYpHzICeaFmoy3RNviHTpAxYrq/eO4QQVQMvu9UebKBMX2MJC76NLthZaKsnKbCA8GxrjePZhvDCH7Ag=\n";
const FIVE_TO_EIGHT: [&str; 4] = [
    "b9e1d62618f7fee8034e4c5010f727ab24d8e4705cb296c374bf2025a87a10d2",
    "aac66cd7a79ce4012d80762fe8eec3a77f22d1ca4145c3f4cee022e7efcd599d",
    "89d0f753f66a290c483b39cd5e9eafb12021293395fad3d4a2ad053cfbcfdc9e",
    "29e40bb79c966f4c6fe96aff6f30acfce5f3e8d84c02215175d6e018a5dee833",
];

fn monkeys() -> [Log; 1] {
    [Log::of_key(MONKEYS.parse().unwrap())]
}

fn cosigner() -> Cosigner {
    let seed = BASE64.decode(WITNESS_SEED.as_bytes()).unwrap();
    Cosigner::from_seed(KeyName::new("witness").unwrap(), seed[1..].try_into().unwrap()).unwrap()
}

fn continuation(old: u64, path: &[&str], note: &str) -> Continuation {
    let path = path.iter().map(|text| hash(text)).collect();
    Continuation { old, path, signed: SignedCheckpoint::parse(note.as_bytes()).unwrap() }
}

#[test]
fn the_checkpoints_of_the_reference_are_cosigned_in_order() {
    let first = continuation(0, &[], FIVE);
    let accepted = judge(&first, &monkeys(), |_| Head::none()).unwrap();
    let seen = accepted.head();
    assert_eq!((accepted.origin(), seen.size), ("monkeys", 5));

    let second = continuation(5, &FIVE_TO_EIGHT, EIGHT);
    let accepted = judge(&second, &monkeys(), |_| seen).unwrap();
    let mut signed = second.signed.clone();
    signed.add(accepted.cosign(&cosigner(), 1_790_000_000)).unwrap();
    let read = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
    let witnesses: [VerifierKey; 1] = [cosigner().key().clone()];
    assert_eq!(read.verify_witnesses(&witnesses).unwrap()[0].time, Some(1_790_000_000));
    assert_eq!(second.signed.verify_witnesses(&witnesses), Ok(Vec::new()));

    // The same again is cosigned again: with another time.
    let again = continuation(8, &[], EIGHT);
    assert!(judge(&again, &monkeys(), |_| accepted.head()).is_ok());
}

#[test]
fn what_is_not_the_next_state_of_the_log_is_refused() {
    let five = Head::of(&continuation(0, &[], FIVE).signed);
    let eight = Head::of(&continuation(0, &[], EIGHT).signed);
    let other = Head { root: empty_root(), ..five };
    let refused = |offered: &Continuation, seen: Head| judge(offered, &monkeys(), |_| seen).map(|_| ()).unwrap_err();

    let rollback = refused(&continuation(5, &[], FIVE), eight);
    assert_eq!(rollback, Refusal::Rollback { seen: eight, offered: five });
    let fork = refused(&continuation(5, &[], FIVE), other);
    assert_eq!(fork, Refusal::Fork { seen: other, offered: five });
    assert!(fork.is_evidence() && !rollback.is_evidence());
    let start = refused(&continuation(0, &[], EIGHT), five);
    assert_eq!(start, Refusal::OtherStart { seen: five, old: 0 });
    let start = refused(&continuation(5, &FIVE_TO_EIGHT, EIGHT), Head::none());
    assert_eq!(start, Refusal::OtherStart { seen: Head::none(), old: 5 });
    for path in [&FIVE_TO_EIGHT[..3], &FIVE_TO_EIGHT[1..], &[]] {
        assert!(matches!(refused(&continuation(5, path, EIGHT), five), Refusal::NotConsistent { .. }));
    }
    // The history that was seen is not the one that the proof begins with.
    let error = refused(&continuation(5, &FIVE_TO_EIGHT, EIGHT), other);
    assert!(matches!(error, Refusal::NotConsistent { error, .. } if matches!(*error, ProofError::EarlierRoot { .. })));
}

#[test]
fn strangers_are_refused() {
    let unknown = continuation(0, &[], FIVE);
    assert_eq!(judge(&unknown, &[], |_| Head::none()).unwrap_err(), Refusal::UnknownLog("monkeys".into()));
    let signer = Signer::from_seed(KeyName::new("monkeys").unwrap(), &[1; 32]).unwrap();
    let forged = Continuation { signed: SignedCheckpoint::sign(&signer, 5, empty_root()).unwrap(), ..unknown };
    let error = judge(&forged, &monkeys(), |_| Head::none()).unwrap_err();
    assert!(matches!(error, Refusal::Signature(NotOfLog::Signatures(NoteError::NoKnownKey(_)))), "{error}");
    let edited = continuation(0, &[], &FIVE.replace("\n5\n", "\n6\n"));
    let error = judge(&edited, &monkeys(), |_| Head::none()).unwrap_err();
    assert!(matches!(error, Refusal::Signature(NotOfLog::Signatures(NoteError::Signature { .. }))), "{error}");
}

#[test]
fn a_tree_without_records_has_one_root() {
    let signer = Signer::from_seed(KeyName::new("ledger").unwrap(), &[1; 32]).unwrap();
    let logs = [Log::of_key(signer.key().clone())];
    let offer =
        |root| Continuation { old: 0, path: Vec::new(), signed: SignedCheckpoint::sign(&signer, 0, root).unwrap() };
    assert!(judge(&offer(empty_root()), &logs, |_| Head::none()).is_ok());
    let error = judge(&offer(Digest::of(&[b"x"])), &logs, |_| Head::none()).unwrap_err();
    assert!(matches!(error, Refusal::Fork { .. }));
}

proptest::proptest! {
    /// A witness that follows one history cosigns nothing of another, whatever the order of sizes and the proofs.
    #[test]
    fn one_history_is_cosigned(
        sizes in proptest::collection::vec((1_u64..60, 0_u64..60, proptest::bool::ANY), 1..12),
        fork_at in 1_usize..60,
    ) {
        let honest = reference::numbered(60);
        let mut forged = honest.clone();
        forged[fork_at - 1] = b"forged".to_vec();
        let histories = [Stored::of(&honest), Stored::of(&forged)];
        let signer = Signer::from_seed(KeyName::new("ledger").unwrap(), &[1; 32]).unwrap();
        let logs = [Log::of_key(signer.key().clone())];
        let mut heads: HashMap<String, Head> = HashMap::new();
        let mut cosigned: Vec<(u64, Digest)> = Vec::new();
        for (size, guess, forge) in sizes {
            let leaves = if forge { &forged } else { &honest };
            let old = heads.get("ledger").map_or(0, |head| head.size).min(size);
            for old in [old, guess.min(size)] {
                let path = prove_consistency(&histories[usize::from(forge)], old, size).unwrap().unwrap();
                let signed = SignedCheckpoint::sign(&signer, size, tree_hash(&leaves[..size as usize])).unwrap();
                let offered = Continuation { old, path, signed };
                let seen = |origin: &str| heads.get(origin).copied().unwrap_or(Head::none());
                if let Ok(accepted) = judge(&offered, &logs, seen) {
                    let head = accepted.head();
                    cosigned.push((head.size, head.root));
                    heads.insert("ledger".into(), head);
                }
            }
        }
        let on = |leaves: &[Vec<u8>]| cosigned.iter().all(|(size, root)| tree_hash(&leaves[..*size as usize]) == *root);
        proptest::prop_assert!(on(&honest) || on(&forged));
        proptest::prop_assert!(cosigned.is_sorted_by_key(|(size, _)| *size));
    }
}
