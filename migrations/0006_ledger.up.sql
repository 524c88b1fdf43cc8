-- What shows the ledger to somebody who does not trust this host: nodes of its tree, signed checkpoints, and what came
-- back of them from outside.

-- Complete nodes of every fourth level (proof/src/tree/nodes.rs). A cache: every verification makes them again.
CREATE TABLE IF NOT EXISTS ledger_nodes (
    level INTEGER NOT NULL CHECK (level BETWEEN 4 AND 60 AND level % 4 = 0),
    idx   INTEGER NOT NULL CHECK (idx >= 0),
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS ledger_nodes_no_update BEFORE UPDATE ON ledger_nodes
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_nodes_no_delete BEFORE DELETE ON ledger_nodes
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_nodes_in_order BEFORE INSERT ON ledger_nodes
WHEN NEW.idx <> (SELECT coalesce(max(idx) + 1, 0) FROM ledger_nodes WHERE level = NEW.level)
BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;

-- The public keys under which checkpoints were signed, as verifier keys; the last one is in use.
CREATE TABLE IF NOT EXISTS checkpoint_keys (
    id         INTEGER PRIMARY KEY,
    vkey       TEXT NOT NULL CHECK (vkey GLOB '?*+????????+?*'),
    adopted_at TEXT NOT NULL CHECK (length(adopted_at) = 24),
    -- The record that says so.
    seq        INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq)
) STRICT;

CREATE TRIGGER IF NOT EXISTS checkpoint_keys_no_update BEFORE UPDATE ON checkpoint_keys
BEGIN SELECT RAISE(ABORT, 'a key stays on record'); END;
CREATE TRIGGER IF NOT EXISTS checkpoint_keys_no_delete BEFORE DELETE ON checkpoint_keys
BEGIN SELECT RAISE(ABORT, 'a key stays on record'); END;

-- Checkpoints that were signed: one for each size, never of fewer records than the one before.
CREATE TABLE IF NOT EXISTS checkpoints (
    size    INTEGER PRIMARY KEY CHECK (size >= 1),
    root    BLOB NOT NULL CHECK (length(root) = 32),
    -- The signed note, with the ledger's own signatures.
    note    TEXT NOT NULL,
    made_at TEXT NOT NULL CHECK (length(made_at) = 24)
) STRICT;

CREATE TRIGGER IF NOT EXISTS checkpoints_no_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint stands as it was signed'); END;
CREATE TRIGGER IF NOT EXISTS checkpoints_no_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint stands as it was signed'); END;
CREATE TRIGGER IF NOT EXISTS checkpoints_forward BEFORE INSERT ON checkpoints
WHEN NEW.size <= (SELECT max(size) FROM checkpoints)
  OR NEW.size > coalesce((SELECT size FROM ledger_frontier WHERE id = 1), 0)
BEGIN SELECT RAISE(ABORT, 'checkpoints only go forward, and not beyond what is committed'); END;

-- Lines by which witnesses cosigned a checkpoint.
CREATE TABLE IF NOT EXISTS checkpoint_signatures (
    size     INTEGER NOT NULL REFERENCES checkpoints (size),
    name     TEXT NOT NULL,
    key_id   TEXT NOT NULL CHECK (length(key_id) = 8),
    line     TEXT NOT NULL,
    added_at TEXT NOT NULL CHECK (length(added_at) = 24),
    PRIMARY KEY (size, name, key_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS checkpoint_signatures_no_update BEFORE UPDATE ON checkpoint_signatures
BEGIN SELECT RAISE(ABORT, 'a cosignature stands as it was given'); END;
CREATE TRIGGER IF NOT EXISTS checkpoint_signatures_no_delete BEFORE DELETE ON checkpoint_signatures
BEGIN SELECT RAISE(ABORT, 'a cosignature stands as it was given'); END;

-- Checkpoints that came back from outside, those that show damage included.
CREATE TABLE IF NOT EXISTS anchors (
    row      INTEGER PRIMARY KEY,
    -- Of the note.
    sha256   TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    size     INTEGER NOT NULL CHECK (size >= 0),
    root     BLOB NOT NULL CHECK (length(root) = 32),
    -- The note, with those signatures alone that are known to be right.
    note     TEXT NOT NULL,
    -- What it said of the ledger when it came.
    verdict  TEXT NOT NULL CHECK (verdict = 'equal' OR verdict = 'ahead' OR verdict = 'different'),
    added_at TEXT NOT NULL CHECK (length(added_at) = 24),
    -- The record that says who brought it.
    seq      INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq)
) STRICT;

CREATE INDEX IF NOT EXISTS anchors_by_size ON anchors (verdict, size);
CREATE TRIGGER IF NOT EXISTS anchors_no_update BEFORE UPDATE ON anchors
BEGIN SELECT RAISE(ABORT, 'an anchor stands as it came'); END;
CREATE TRIGGER IF NOT EXISTS anchors_no_delete BEFORE DELETE ON anchors
BEGIN SELECT RAISE(ABORT, 'an anchor stands as it came'); END;
CREATE TRIGGER IF NOT EXISTS anchors_forward BEFORE INSERT ON anchors
WHEN NEW.row <> (SELECT coalesce(max(row) + 1, 1) FROM anchors) OR NEW.seq <= (SELECT max(seq) FROM anchors)
BEGIN SELECT RAISE(ABORT, 'anchors are kept in the order in which they came'); END;

-- The nodes of the records that are there already are added at the next start, those that are missing.
DELETE FROM meta WHERE key = 'ledger_nodes';
