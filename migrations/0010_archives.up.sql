-- Archives: the ledger's beginning, sealed into files one after the other without a gap. The records stay where they are.

CREATE TABLE IF NOT EXISTS ledger_archives (
    number    INTEGER PRIMARY KEY CHECK (number >= 1),
    -- The records from_seq, …, to_seq - 1.
    from_seq  INTEGER NOT NULL UNIQUE CHECK (from_seq >= 0),
    to_seq    INTEGER NOT NULL UNIQUE CHECK (to_seq > from_seq),
    -- Of the tree over the first to_seq records.
    root      BLOB NOT NULL CHECK (length(root) = 32),
    -- Of the file's octets.
    sha256    BLOB NOT NULL CHECK (length(sha256) = 32),
    octets    INTEGER NOT NULL CHECK (octets > 0),
    sealed_at TEXT NOT NULL CHECK (length(sealed_at) = 24),
    -- The record that says so; it stands behind what was sealed.
    seq       INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq) CHECK (seq >= to_seq)
) STRICT;

CREATE TRIGGER IF NOT EXISTS ledger_archives_no_update BEFORE UPDATE ON ledger_archives
BEGIN SELECT RAISE(ABORT, 'an archive stands as it was sealed'); END;
CREATE TRIGGER IF NOT EXISTS ledger_archives_no_delete BEFORE DELETE ON ledger_archives
BEGIN SELECT RAISE(ABORT, 'an archive stands as it was sealed'); END;
CREATE TRIGGER IF NOT EXISTS ledger_archives_in_order BEFORE INSERT ON ledger_archives
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM ledger_archives)
  OR NEW.from_seq <> (SELECT coalesce(max(to_seq), 0) FROM ledger_archives)
BEGIN SELECT RAISE(ABORT, 'archives follow each other without a gap'); END;
