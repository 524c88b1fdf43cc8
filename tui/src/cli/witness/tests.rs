use std::os::unix::fs::PermissionsExt;

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::Signer;
use countersign_proof::tree::{Frontier, leaf_hash, node_hash};
use countersign_shared::digest::Digest;

use super::*;

const ORIGIN: &str = "ca.example/ledger";

fn signer(seed: u8) -> Signer {
    Signer::from_seed(KeyName::new(ORIGIN).unwrap(), &[seed; 32]).unwrap()
}

fn by() -> Cosigner {
    Cosigner::from_seed(KeyName::new("witness.example").unwrap(), &[9; 32]).unwrap()
}

fn leaf(number: u8) -> Digest {
    leaf_hash(&[number])
}

/// The first `size` records, at most two, signed.
fn signed(by: &Signer, leaves: &[Digest]) -> SignedCheckpoint {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    SignedCheckpoint::sign(by, frontier.size(), frontier.root()).unwrap()
}

fn offer(by: &Signer, old: u64, path: Vec<Digest>, leaves: &[Digest]) -> Vec<u8> {
    Continuation { old, path, signed: signed(by, leaves) }.to_string().into_bytes()
}

#[test]
fn a_ledger_that_grows_is_cosigned_and_one_that_does_not_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let ledger = signer(1);
    let keys = [ledger.key().clone()];
    let first = offer(&ledger, 0, vec![], &[leaf(1)]);
    let go = |keys: &[VerifierKey], octets: &[u8]| witness(&by(), &state, keys, octets, 1_790_000_000);

    let unknown = go(&[], &first).unwrap_err();
    assert!(unknown.to_string().contains("no ledger") && unknown.exit_code() == 3, "{unknown}");
    let cosigned = SignedCheckpoint::parse(go(&keys, &first).unwrap().as_bytes()).unwrap();
    let witnesses = [by().key().clone()];
    let valid = cosigned.verify_witnesses(&witnesses).unwrap();
    assert_eq!(valid[0].time, Some(1_790_000_000));

    // From here on the key is known.
    let grown = offer(&ledger, 1, vec![leaf(2)], &[leaf(1), leaf(2)]);
    go(&[], &grown).unwrap();
    // The same again is cosigned again.
    let again = offer(&ledger, 2, vec![], &[leaf(1), leaf(2)]);
    go(&[], &again).unwrap();

    let rolled_back = go(&[], &offer(&ledger, 1, vec![], &[leaf(1)])).unwrap_err();
    assert!(rolled_back.to_string().contains("2 were seen already"), "{rolled_back}");
    let fork = go(&[], &offer(&ledger, 2, vec![], &[leaf(1), leaf(3)])).unwrap_err();
    assert!(fork.to_string().contains("one of them is forged"), "{fork}");
    let evidence: Vec<_> = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".fork-2-"))
        .collect();
    let kept = Continuation::parse(&std::fs::read(&evidence[0]).unwrap()).unwrap();
    assert_eq!(kept.signed.checkpoint().root(), node_hash(&leaf(1), &leaf(3)));
    let other_start = go(&[], &offer(&ledger, 0, vec![], &[leaf(1), leaf(2), leaf(3)])).unwrap_err();
    assert!(other_start.object().data.hint.contains("--from 2"), "{other_start:?}");
    let another_history = go(&[], &offer(&ledger, 2, vec![leaf(4)], &[leaf(1), leaf(3), leaf(4)])).unwrap_err();
    assert!(another_history.to_string().contains("not shown"), "{another_history}");
    let forged = go(&[], &offer(&signer(2), 2, vec![], &[leaf(1), leaf(2)])).unwrap_err();
    assert!(forged.to_string().contains("signed by no key"), "{forged}");
    // What was seen is as before.
    let known = Seen::hold(&state).unwrap().read(ORIGIN).unwrap().unwrap();
    assert_eq!((known.head.size, known.head.root), (2, node_hash(&leaf(1), &leaf(2))));
}

#[test]
fn what_was_seen_is_never_taken_for_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (state, ledger) = (place.path().join("state"), signer(1));
    let keys = [ledger.key().clone()];
    let first = offer(&ledger, 0, vec![], &[leaf(1)]);
    witness(&by(), &state, &keys, &first, 1).unwrap();
    let file = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "seen"));
    for bent in ["", "countersign-witness v1\n", "else"] {
        std::fs::write(file.as_ref().unwrap(), bent).unwrap();
        let refused = witness(&by(), &state, &keys, &first, 1).unwrap_err();
        assert!(refused.to_string().contains("not what a witness wrote"), "{refused}");
    }
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).unwrap();
    let refused = witness(&by(), &state, &keys, &first, 1).unwrap_err();
    assert!(refused.to_string().contains("chmod 0700"), "{refused}");
}

#[test]
fn a_key_that_others_can_read_is_none() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("key");
    std::fs::write(&path, "secret").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let refused = cosigner(&path, "witness.example").unwrap_err();
    assert!(refused.to_string().contains("open to others"), "{refused}");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let refused = cosigner(&path, "witness.example").unwrap_err();
    assert!(refused.to_string().contains("Ed25519") && !refused.to_string().contains("secret"), "{refused}");
}
