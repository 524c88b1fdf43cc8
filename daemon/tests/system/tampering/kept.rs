//! What the host keeps of its own checkpoints, keys and anchors, changed.

use countersign_shared::protocol::AnchorVerdict;

use super::stage::Stage;
use crate::checkpoints::anchor;
use crate::support::can_be_people;

#[test]
fn nodes_checkpoints_keys_and_anchors_that_were_changed() {
    if !can_be_people() {
        return;
    }
    let stage = Stage::new();
    for (what, rule, sql) in [
        ("a node", "nodes", "UPDATE ledger_nodes SET hash = zeroblob(32) WHERE idx = 1"),
        ("a missing node", "nodes", "DELETE FROM ledger_nodes WHERE idx = 0"),
        ("all nodes", "nodes", "DELETE FROM ledger_nodes"),
        ("a node too many", "nodes", "INSERT INTO ledger_nodes VALUES (8, 0, zeroblob(32))"),
        ("a checkpoint's root", "checkpoint", "UPDATE checkpoints SET root = zeroblob(32)"),
        (
            "a checkpoint of nothing",
            "checkpoint",
            "INSERT INTO checkpoints SELECT 100000, root, note, made_at FROM checkpoints LIMIT 1",
        ),
        ("a note", "checkpoint", "UPDATE checkpoints SET note = replace(note, 'countersign/', 'another/x')||'x'"),
        ("another key", "state", "UPDATE checkpoint_keys SET vkey = 'x' || vkey"),
        ("a key that is none", "state", "UPDATE checkpoint_keys SET vkey = 'x+00000000+AAAA'"),
        ("an anchor's size", "state", "UPDATE anchors SET size = size - 1"),
        ("an anchor's note", "state", "UPDATE anchors SET note = replace(note, 'countersign/', 'another/x')"),
        ("an anchor that is none", "state", "UPDATE anchors SET note = 'x'"),
        ("an anchor that is gone", "state", "DELETE FROM anchors"),
        (
            "an anchor that nobody brought",
            "state",
            "INSERT INTO anchors SELECT 2, substr(sha256, 2) || 'a', size, root, note, verdict, added_at, 0 FROM anchors",
        ),
    ] {
        let mut host = stage.host();
        host.start();
        assert_eq!(anchor(&host, &stage.kept.note).verdict, AnchorVerdict::Equal);
        host.stop();
        host.tamper(sql);
        host.start();
        let status = host.oneself().status();
        assert_eq!(status.damage.map(|damage| damage.rule).as_deref(), Some(rule), "{what}");
        assert!(status.read_only, "{what}");
    }
}
