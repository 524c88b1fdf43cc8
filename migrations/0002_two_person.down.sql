-- Back to quorums of one step. Changes of the policy have no place there: the step fails, and changes nothing, while
-- there is a request for one.
DROP TRIGGER IF EXISTS decisions_bound_to_content;
DROP TRIGGER IF EXISTS jobs_freed_by_approval;
DROP TRIGGER IF EXISTS jobs_cancelled_by_end;
DROP TRIGGER IF EXISTS jobs_start;
DROP TRIGGER IF EXISTS requests_terminal;
DROP TRIGGER IF EXISTS requests_fixed;
DROP TRIGGER IF EXISTS requests_no_delete;
DROP TRIGGER IF EXISTS requests_start_pending;
DROP TRIGGER IF EXISTS jobs_fixed;
DROP INDEX IF EXISTS audit_attempts;
DROP TABLE IF EXISTS delegations;
DROP TABLE IF EXISTS proposals;
DROP TABLE IF EXISTS remarks;
DROP TABLE IF EXISTS request_timers;
DROP TABLE IF EXISTS request_terms;

CREATE TABLE approval_requests_1 (
    row                 INTEGER PRIMARY KEY,
    id                  TEXT NOT NULL UNIQUE,
    kind                TEXT NOT NULL CHECK (kind IN
                            ('cert_issuance', 'cert_renewal', 'cert_revocation', 'policy_change', 'ca_operation')),
    state               TEXT NOT NULL CHECK (state IN
                            ('pending', 'approved', 'rejected', 'expired', 'voided', 'withdrawn')),
    certificate_id      TEXT NOT NULL REFERENCES certificates (id),
    job_id              TEXT NOT NULL REFERENCES jobs (id),
    submission_id       INTEGER NOT NULL REFERENCES submissions (id),
    version             INTEGER NOT NULL CHECK (version >= 1),
    digest              TEXT NOT NULL CHECK (length(digest) = 64),
    profile_id          TEXT NOT NULL,
    environment         TEXT NOT NULL,
    requester_uid       INTEGER NOT NULL,
    requester_account   TEXT NOT NULL,
    requester_person    TEXT,
    requester_login_uid INTEGER,
    requester_login_account TEXT,
    requester_login_person  TEXT,
    requester_session   INTEGER,
    primary_name        TEXT NOT NULL,
    names               TEXT NOT NULL,
    names_total         INTEGER NOT NULL CHECK (names_total >= 1),
    risks               TEXT NOT NULL,
    votes_needed        INTEGER NOT NULL CHECK (votes_needed >= 1),
    created_at          TEXT NOT NULL,
    expires_at          TEXT NOT NULL,
    -- Milliseconds of the daemon's own time line, which no change of the wall clock moves.
    created_tick        INTEGER NOT NULL,
    deadline_tick       INTEGER NOT NULL,
    decided_at          TEXT,
    decided_by          TEXT,
    -- The record of the request itself, and the newest record about it.
    requested_seq       INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    seq                 INTEGER NOT NULL REFERENCES audit_events (seq),
    CHECK ((state = 'pending') = (decided_at IS NULL)),
    CHECK ((state = 'pending') = (decided_by IS NULL))
) STRICT;

INSERT INTO approval_requests_1 SELECT * FROM approval_requests;
DROP TABLE approval_requests;
ALTER TABLE approval_requests_1 RENAME TO approval_requests;

CREATE UNIQUE INDEX requests_one_pending_per_job ON approval_requests (job_id)
    WHERE state = 'pending';
CREATE UNIQUE INDEX requests_one_pending_per_certificate ON approval_requests (certificate_id)
    WHERE state = 'pending';
CREATE INDEX requests_by_deadline ON approval_requests (deadline_tick) WHERE state = 'pending';
CREATE INDEX requests_by_state ON approval_requests (state, row);
CREATE INDEX requests_by_profile ON approval_requests (profile_id, row);
CREATE INDEX requests_by_certificate ON approval_requests (certificate_id, row);
CREATE INDEX requests_by_requester ON approval_requests (requester_uid, row);
CREATE INDEX requests_by_environment ON approval_requests (environment, row);

CREATE TRIGGER decisions_bound_to_content BEFORE INSERT ON decisions
WHEN NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id AND r.state = 'pending'
                 AND r.version = NEW.version AND r.digest = NEW.digest)
BEGIN SELECT RAISE(ABORT, 'a decision is bound to the pending content'); END;
CREATE TRIGGER jobs_freed_by_approval BEFORE UPDATE OF state ON jobs
WHEN OLD.state = 'awaiting_approval' AND NEW.state = 'pending'
 AND NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id AND r.state = 'approved')
BEGIN SELECT RAISE(ABORT, 'only an approval frees a job'); END;
CREATE TRIGGER jobs_cancelled_by_end BEFORE UPDATE OF state ON jobs
WHEN NEW.state = 'cancelled'
 AND NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id
                 AND r.state IN ('rejected', 'expired', 'voided', 'withdrawn'))
BEGIN SELECT RAISE(ABORT, 'a job is cancelled with its request'); END;
CREATE TRIGGER jobs_start BEFORE INSERT ON jobs
WHEN NOT (NEW.state = 'awaiting_approval'
       OR (NEW.state = 'pending' AND (NEW.request_id IS NULL
           OR EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id AND r.state = 'approved'))))
BEGIN SELECT RAISE(ABORT, 'a job begins blocked, unattended, or under an approval'); END;
CREATE TRIGGER jobs_fixed BEFORE UPDATE ON jobs
WHEN NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.certificate_id <> OLD.certificate_id
  OR NEW.request_id IS NOT OLD.request_id OR NEW.submission_id <> OLD.submission_id
  OR NEW.profile_id <> OLD.profile_id OR NEW.requester_uid <> OLD.requester_uid
  OR NEW.requester_account <> OLD.requester_account OR NEW.requester_person IS NOT OLD.requester_person
  OR NEW.retry_of IS NOT OLD.retry_of OR NEW.created_at <> OLD.created_at
  OR (OLD.record_seq IS NOT NULL AND NEW.record_seq IS NOT OLD.record_seq)
  OR (OLD.serial IS NOT NULL AND NEW.serial IS NOT OLD.serial)
  OR OLD.state IN ('completed', 'failed', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'a job keeps what it was made with'); END;
CREATE TRIGGER requests_terminal BEFORE UPDATE ON approval_requests
WHEN OLD.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a request that has ended does not change'); END;
CREATE TRIGGER requests_fixed BEFORE UPDATE ON approval_requests
WHEN NEW.row <> OLD.row OR NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.certificate_id <> OLD.certificate_id
  OR NEW.job_id <> OLD.job_id OR NEW.profile_id <> OLD.profile_id OR NEW.environment <> OLD.environment
  OR NEW.requester_uid <> OLD.requester_uid OR NEW.requester_account <> OLD.requester_account
  OR NEW.requester_person IS NOT OLD.requester_person OR NEW.requester_login_uid IS NOT OLD.requester_login_uid
  OR NEW.requester_login_account IS NOT OLD.requester_login_account
  OR NEW.requester_login_person IS NOT OLD.requester_login_person
  OR NEW.requester_session IS NOT OLD.requester_session OR NEW.primary_name <> OLD.primary_name
  OR NEW.votes_needed <> OLD.votes_needed OR NEW.created_at <> OLD.created_at OR NEW.expires_at <> OLD.expires_at
  OR NEW.created_tick <> OLD.created_tick OR NEW.deadline_tick <> OLD.deadline_tick
  OR NEW.requested_seq <> OLD.requested_seq
  OR (NEW.version <= OLD.version AND (NEW.version <> OLD.version OR NEW.digest <> OLD.digest
      OR NEW.submission_id <> OLD.submission_id OR NEW.names <> OLD.names OR NEW.names_total <> OLD.names_total
      OR NEW.risks <> OLD.risks))
BEGIN SELECT RAISE(ABORT, 'a request keeps what it was made with; other content is another version'); END;
CREATE TRIGGER requests_no_delete BEFORE DELETE ON approval_requests
BEGIN SELECT RAISE(ABORT, 'requests are kept'); END;
CREATE TRIGGER requests_start_pending BEFORE INSERT ON approval_requests
WHEN NEW.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a request begins as pending'); END;
