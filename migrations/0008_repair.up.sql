-- Damage that people acknowledged, and free texts that were erased. Both are said by ledger records; what stands here is what
-- is looked up of them, and every verification compares the two.

CREATE TABLE IF NOT EXISTS acknowledged_damage (
    -- The record that acknowledges it, and the place in its list.
    by_seq   INTEGER NOT NULL REFERENCES audit_events (seq),
    idx      INTEGER NOT NULL CHECK (idx >= 0),
    -- The damaged record, or that of the anchor; none for a row of state.
    seq      INTEGER CHECK (seq >= 0 AND seq < by_seq),
    rule     TEXT NOT NULL,
    -- The leaf hash that is recorded; of an anchor the digest of its note.
    expected TEXT CHECK (length(expected) = 64),
    -- The digest of what stands there.
    found    TEXT CHECK (length(found) = 64),
    PRIMARY KEY (by_seq, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS acknowledged_by_seq ON acknowledged_damage (seq);
CREATE TRIGGER IF NOT EXISTS acknowledged_no_update BEFORE UPDATE ON acknowledged_damage
BEGIN SELECT RAISE(ABORT, 'what was acknowledged stays acknowledged'); END;
CREATE TRIGGER IF NOT EXISTS acknowledged_no_delete BEFORE DELETE ON acknowledged_damage
BEGIN SELECT RAISE(ABORT, 'what was acknowledged stays acknowledged'); END;

-- Why a text is to be erased, for each record that asks for it.
CREATE TABLE IF NOT EXISTS erasure_reasons (
    seq         INTEGER PRIMARY KEY REFERENCES audit_events (seq),
    reason      TEXT NOT NULL,
    reason_salt BLOB NOT NULL
) STRICT;

CREATE TRIGGER IF NOT EXISTS erasure_reasons_fixed BEFORE UPDATE ON erasure_reasons
BEGIN SELECT RAISE(ABORT, 'the reason of an erasure stands as it was given'); END;
CREATE TRIGGER IF NOT EXISTS erasure_reasons_no_delete BEFORE DELETE ON erasure_reasons
BEGIN SELECT RAISE(ABORT, 'the reason of an erasure stands as it was given'); END;

CREATE TABLE IF NOT EXISTS erasures (
    -- The record that holds the digest of the text.
    seq    INTEGER NOT NULL REFERENCES audit_events (seq),
    what   TEXT NOT NULL CHECK (what = 'note' OR what = 'reason' OR what = 'comment'),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    -- The record that says that it was erased.
    by_seq INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    PRIMARY KEY (seq, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS erasures_by_digest ON erasures (sha256);
CREATE TRIGGER IF NOT EXISTS erasures_no_update BEFORE UPDATE ON erasures
BEGIN SELECT RAISE(ABORT, 'what was erased stays erased'); END;
CREATE TRIGGER IF NOT EXISTS erasures_no_delete BEFORE DELETE ON erasures
BEGIN SELECT RAISE(ABORT, 'what was erased stays erased'); END;

-- A text goes with its salt, and only where an erasure says so.
CREATE TRIGGER IF NOT EXISTS decisions_erased BEFORE UPDATE OF note, note_salt ON decisions
WHEN (NEW.note <> OLD.note OR NEW.note_salt <> OLD.note_salt)
 AND NOT (NEW.note = '' AND NEW.note_salt = x''
          AND EXISTS (SELECT 1 FROM erasures e WHERE e.seq = OLD.seq AND e.what = 'note'))
BEGIN SELECT RAISE(ABORT, 'a text is erased where people agreed to it, and not changed'); END;
CREATE TRIGGER IF NOT EXISTS remarks_erased BEFORE UPDATE OF text, text_salt ON remarks
WHEN (NEW.text <> OLD.text OR NEW.text_salt <> OLD.text_salt)
 AND NOT (NEW.text = '' AND NEW.text_salt = x''
          AND EXISTS (SELECT 1 FROM erasures e WHERE e.seq = OLD.seq AND e.what <> 'note'))
BEGIN SELECT RAISE(ABORT, 'a text is erased where people agreed to it, and not changed'); END;
CREATE TRIGGER IF NOT EXISTS delegations_erased BEFORE UPDATE OF reason, reason_salt ON delegations
WHEN (NEW.reason <> OLD.reason OR NEW.reason_salt <> OLD.reason_salt)
 AND NOT (NEW.reason = '' AND NEW.reason_salt = x''
          AND EXISTS (SELECT 1 FROM erasures e WHERE e.seq = OLD.seq AND e.what = 'reason'))
BEGIN SELECT RAISE(ABORT, 'a text is erased where people agreed to it, and not changed'); END;
-- Versions of a request share the reason, its salt and its digest.
CREATE TRIGGER IF NOT EXISTS submissions_erased BEFORE UPDATE OF reason, reason_salt ON submissions
WHEN (NEW.reason <> OLD.reason OR NEW.reason_salt <> OLD.reason_salt)
 AND NOT (NEW.reason = '' AND NEW.reason_salt = x''
          AND EXISTS (SELECT 1 FROM erasures e WHERE e.sha256 = OLD.reason_sha256 AND e.what = 'reason'))
BEGIN SELECT RAISE(ABORT, 'a text is erased where people agreed to it, and not changed'); END;
CREATE TRIGGER IF NOT EXISTS proposals_erased BEFORE UPDATE OF reason, reason_salt ON proposals
WHEN (NEW.reason <> OLD.reason OR NEW.reason_salt <> OLD.reason_salt)
 AND NOT (NEW.reason = '' AND NEW.reason_salt = x''
          AND EXISTS (SELECT 1 FROM erasures e WHERE e.sha256 = OLD.reason_sha256 AND e.what = 'reason'))
BEGIN SELECT RAISE(ABORT, 'a text is erased where people agreed to it, and not changed'); END;

-- A cancelled job repeats why its request ended; that is erased with it, and nothing else of it changes.
DROP TRIGGER IF EXISTS jobs_fixed;
CREATE TRIGGER jobs_fixed BEFORE UPDATE ON jobs
WHEN NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.certificate_id <> OLD.certificate_id
  OR NEW.request_id IS NOT OLD.request_id
  OR NEW.profile_id <> OLD.profile_id OR NEW.requester_uid <> OLD.requester_uid
  OR NEW.requester_account <> OLD.requester_account OR NEW.requester_person IS NOT OLD.requester_person
  OR NEW.retry_of IS NOT OLD.retry_of OR NEW.created_at <> OLD.created_at
  OR (OLD.record_seq IS NOT NULL AND NEW.record_seq IS NOT OLD.record_seq)
  OR (OLD.serial IS NOT NULL AND NEW.serial IS NOT OLD.serial)
  OR OLD.state = 'completed' OR OLD.state = 'failed'
  OR (OLD.state = 'cancelled' AND NOT (NEW.state = 'cancelled' AND NEW.error = 'erased'
      AND NEW.record_seq IS OLD.record_seq AND NEW.serial IS OLD.serial AND NEW.started_at IS OLD.started_at
      AND NEW.finished_at IS OLD.finished_at AND NEW.submission_id = OLD.submission_id AND NEW.row = OLD.row
      AND EXISTS (SELECT 1 FROM erasures e JOIN approval_requests r ON r.seq = e.seq WHERE r.id = OLD.request_id)))
  -- A blocked job follows its request to a new version, and to nothing else.
  OR (NEW.submission_id <> OLD.submission_id AND NOT (OLD.state = 'awaiting_approval' AND NEW.state = OLD.state
      AND NEW.submission_id IS (SELECT r.submission_id FROM approval_requests r WHERE r.id = OLD.request_id
                                AND r.state = 'pending')))
BEGIN SELECT RAISE(ABORT, 'a job keeps what it was made with'); END;
