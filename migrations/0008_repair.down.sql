-- Back to a ledger whose damage nobody acknowledges. The records that tell of it, and of what was erased, stay; so a ledger
-- that has any of them is damaged to the daemon of before.
DROP TRIGGER IF EXISTS decisions_erased;
DROP TRIGGER IF EXISTS remarks_erased;
DROP TRIGGER IF EXISTS delegations_erased;
DROP TRIGGER IF EXISTS submissions_erased;
DROP TRIGGER IF EXISTS proposals_erased;
DROP TRIGGER IF EXISTS jobs_fixed;
CREATE TRIGGER jobs_fixed BEFORE UPDATE ON jobs
WHEN NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.certificate_id <> OLD.certificate_id
  OR NEW.request_id IS NOT OLD.request_id
  OR NEW.profile_id <> OLD.profile_id OR NEW.requester_uid <> OLD.requester_uid
  OR NEW.requester_account <> OLD.requester_account OR NEW.requester_person IS NOT OLD.requester_person
  OR NEW.retry_of IS NOT OLD.retry_of OR NEW.created_at <> OLD.created_at
  OR (OLD.record_seq IS NOT NULL AND NEW.record_seq IS NOT OLD.record_seq)
  OR (OLD.serial IS NOT NULL AND NEW.serial IS NOT OLD.serial)
  OR OLD.state = 'completed' OR OLD.state = 'failed' OR OLD.state = 'cancelled'
  -- A blocked job follows its request to a new version, and to nothing else.
  OR (NEW.submission_id <> OLD.submission_id AND NOT (OLD.state = 'awaiting_approval' AND NEW.state = OLD.state
      AND NEW.submission_id IS (SELECT r.submission_id FROM approval_requests r WHERE r.id = OLD.request_id
                                AND r.state = 'pending')))
BEGIN SELECT RAISE(ABORT, 'a job keeps what it was made with'); END;
DROP TABLE IF EXISTS erasures;
DROP TABLE IF EXISTS erasure_reasons;
DROP TABLE IF EXISTS acknowledged_damage;
