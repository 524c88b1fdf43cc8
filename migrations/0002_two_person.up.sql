-- Two-person integrity: quorums of several steps, what happens to a request besides votes, delegations, and changes
-- of the policy. Only a table's rules change here, never what a row says; whatever is new stands in tables of its own.

-- A table is made anew under its rules as SQLite advises (https://www.sqlite.org/lang_altertable.html, section 7).
-- Triggers that look at it go first, and come back after it.
DROP TRIGGER IF EXISTS decisions_bound_to_content;
DROP TRIGGER IF EXISTS jobs_freed_by_approval;
DROP TRIGGER IF EXISTS jobs_cancelled_by_end;
DROP TRIGGER IF EXISTS jobs_start;
DROP TRIGGER IF EXISTS requests_terminal;
DROP TRIGGER IF EXISTS requests_fixed;
DROP TRIGGER IF EXISTS requests_no_delete;
DROP TRIGGER IF EXISTS requests_start_pending;
DROP TRIGGER IF EXISTS jobs_fixed;
DROP TRIGGER IF EXISTS request_timers_no_delete;

CREATE TABLE approval_requests_2 (
    row                 INTEGER PRIMARY KEY,
    id                  TEXT NOT NULL UNIQUE,
    kind                TEXT NOT NULL CHECK (kind IN
                            ('cert_issuance', 'cert_renewal', 'cert_revocation', 'policy_change', 'ca_operation')),
    -- Written out, as in the triggers that each decision passes: for a list of three or more SQLite fills a table each
    -- time.
    state               TEXT NOT NULL CHECK (state = 'pending' OR state = 'approved' OR state = 'rejected'
                            OR state = 'expired' OR state = 'voided' OR state = 'withdrawn'),
    certificate_id      TEXT REFERENCES certificates (id),
    job_id              TEXT REFERENCES jobs (id),
    submission_id       INTEGER REFERENCES submissions (id),
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
    names_total         INTEGER NOT NULL CHECK (names_total >= 0),
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
    -- A change of the policy has neither certificate nor job: it takes force in the transaction that completes its
    -- quorum. All else has both.
    CHECK ((kind = 'policy_change') = (certificate_id IS NULL)),
    CHECK ((kind = 'policy_change') = (job_id IS NULL)),
    CHECK ((kind = 'policy_change') = (submission_id IS NULL)),
    CHECK ((kind = 'policy_change') = (names_total = 0)),
    CHECK ((state = 'pending') = (decided_at IS NULL)),
    CHECK ((state = 'pending') = (decided_by IS NULL))
) STRICT;

INSERT INTO approval_requests_2 SELECT * FROM approval_requests;
DROP TABLE approval_requests;
ALTER TABLE approval_requests_2 RENAME TO approval_requests;

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
                 AND r.state <> 'pending' AND r.state <> 'approved')
BEGIN SELECT RAISE(ABORT, 'a job is cancelled with its request'); END;
CREATE TRIGGER jobs_start BEFORE INSERT ON jobs
WHEN NOT (NEW.state = 'awaiting_approval'
       OR (NEW.state = 'pending' AND (NEW.request_id IS NULL
           OR EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id AND r.state = 'approved'))))
BEGIN SELECT RAISE(ABORT, 'a job begins blocked, unattended, or under an approval'); END;
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
CREATE TRIGGER requests_terminal BEFORE UPDATE ON approval_requests
WHEN OLD.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a request that has ended does not change'); END;
CREATE TRIGGER requests_fixed BEFORE UPDATE ON approval_requests
WHEN NEW.row <> OLD.row OR NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.certificate_id IS NOT OLD.certificate_id
  OR NEW.job_id IS NOT OLD.job_id OR NEW.profile_id <> OLD.profile_id OR NEW.environment <> OLD.environment
  OR NEW.requester_uid <> OLD.requester_uid OR NEW.requester_account <> OLD.requester_account
  OR NEW.requester_person IS NOT OLD.requester_person OR NEW.requester_login_uid IS NOT OLD.requester_login_uid
  OR NEW.requester_login_account IS NOT OLD.requester_login_account
  OR NEW.requester_login_person IS NOT OLD.requester_login_person
  OR NEW.requester_session IS NOT OLD.requester_session OR NEW.primary_name <> OLD.primary_name
  OR NEW.created_at <> OLD.created_at OR NEW.expires_at <> OLD.expires_at
  OR NEW.created_tick <> OLD.created_tick OR NEW.deadline_tick <> OLD.deadline_tick
  OR NEW.requested_seq <> OLD.requested_seq
  OR (NEW.version <= OLD.version AND (NEW.version <> OLD.version OR NEW.digest <> OLD.digest
      OR NEW.submission_id IS NOT OLD.submission_id OR NEW.votes_needed <> OLD.votes_needed OR NEW.names <> OLD.names OR NEW.names_total <> OLD.names_total
      OR NEW.risks <> OLD.risks))
BEGIN SELECT RAISE(ABORT, 'a request keeps what it was made with; other content is another version'); END;
CREATE TRIGGER requests_no_delete BEFORE DELETE ON approval_requests
BEGIN SELECT RAISE(ABORT, 'requests are kept'); END;
CREATE TRIGGER requests_start_pending BEFORE INSERT ON approval_requests
WHEN NEW.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a request begins as pending'); END;

-- What each version of a request was made under. The ledger record `seq` says the same.
CREATE TABLE IF NOT EXISTS request_terms (
    request_id      TEXT NOT NULL REFERENCES approval_requests (id),
    version         INTEGER NOT NULL CHECK (version >= 1),
    digest          TEXT NOT NULL CHECK (length(digest) = 64),
    submission_id   INTEGER REFERENCES submissions (id),
    terms           TEXT NOT NULL,
    not_before      TEXT,
    not_before_tick INTEGER,
    batch           TEXT,
    created_at      TEXT NOT NULL,
    seq             INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    PRIMARY KEY (request_id, version),
    CHECK ((not_before IS NULL) = (not_before_tick IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS request_terms_by_batch ON request_terms (batch) WHERE batch IS NOT NULL;

-- What time does to a pending request, besides its end.
CREATE TABLE IF NOT EXISTS request_timers (
    request_id TEXT NOT NULL REFERENCES approval_requests (id),
    kind       TEXT NOT NULL CHECK (kind IN ('escalate', 'auto_approve')),
    level      INTEGER NOT NULL CHECK (level >= 0),
    due_tick   INTEGER NOT NULL,
    due_at     TEXT NOT NULL,
    done_seq   INTEGER REFERENCES audit_events (seq),
    PRIMARY KEY (request_id, kind, level)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS request_timers_due ON request_timers (due_tick) WHERE done_seq IS NULL;

CREATE TABLE IF NOT EXISTS remarks (
    id         INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES approval_requests (id),
    version    INTEGER NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('comment', 'void', 'withdraw')),
    uid        INTEGER NOT NULL,
    account    TEXT NOT NULL,
    person     TEXT,
    text       TEXT NOT NULL,
    text_salt  BLOB NOT NULL,
    at         TEXT NOT NULL,
    seq        INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq)
) STRICT;

CREATE INDEX IF NOT EXISTS remarks_by_request ON remarks (request_id, id);

-- The policy that a request of kind `policy_change` would put in force.
CREATE TABLE IF NOT EXISTS proposals (
    request_id   TEXT PRIMARY KEY REFERENCES approval_requests (id),
    base_version INTEGER NOT NULL REFERENCES policies (version),
    base_sha256  TEXT NOT NULL CHECK (length(base_sha256) = 64),
    sha256       TEXT NOT NULL CHECK (length(sha256) = 64),
    document     TEXT NOT NULL,
    differences  TEXT NOT NULL,
    findings     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    reason_salt  BLOB NOT NULL,
    reason_sha256 TEXT NOT NULL CHECK (length(reason_sha256) = 64)
) STRICT, WITHOUT ROWID;

-- A say that was handed over. It ends once.
CREATE TABLE IF NOT EXISTS delegations (
    row           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    giver_uid     INTEGER NOT NULL,
    giver_account TEXT NOT NULL,
    giver_person  TEXT,
    to_person     TEXT NOT NULL,
    profiles      TEXT,
    reason        TEXT NOT NULL,
    reason_salt   BLOB NOT NULL,
    created_at    TEXT NOT NULL,
    until_at      TEXT NOT NULL,
    until_tick    INTEGER NOT NULL,
    ended_at      TEXT,
    ended_by      TEXT,
    seq           INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    ended_seq     INTEGER REFERENCES audit_events (seq),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_seq IS NULL))
) STRICT;

CREATE INDEX IF NOT EXISTS delegations_open ON delegations (to_person, until_tick) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS delegations_due ON delegations (until_tick) WHERE ended_at IS NULL;

CREATE TRIGGER IF NOT EXISTS request_terms_no_update BEFORE UPDATE ON request_terms
BEGIN SELECT RAISE(ABORT, 'the terms of a version stand as they were made'); END;
CREATE TRIGGER IF NOT EXISTS request_terms_no_delete BEFORE DELETE ON request_terms
BEGIN SELECT RAISE(ABORT, 'the terms of a version stand as they were made'); END;

CREATE TRIGGER IF NOT EXISTS request_timers_fixed BEFORE UPDATE ON request_timers
WHEN NEW.request_id <> OLD.request_id OR NEW.kind <> OLD.kind OR NEW.level <> OLD.level
  OR NEW.due_tick <> OLD.due_tick OR NEW.due_at <> OLD.due_at OR OLD.done_seq IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a timer goes off once, at its time'); END;
CREATE TRIGGER IF NOT EXISTS request_timers_no_delete BEFORE DELETE ON request_timers
WHEN OLD.done_seq IS NOT NULL OR EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id
                                         AND r.state = 'pending')
BEGIN SELECT RAISE(ABORT, 'only what has ended needs no timer'); END;

-- Free text can be erased, and not be replaced.
CREATE TRIGGER IF NOT EXISTS remarks_fixed BEFORE UPDATE ON remarks
WHEN NEW.id <> OLD.id OR NEW.request_id <> OLD.request_id OR NEW.version <> OLD.version OR NEW.kind <> OLD.kind
  OR NEW.uid <> OLD.uid OR NEW.account <> OLD.account OR NEW.person IS NOT OLD.person
  OR NEW.text NOT IN (OLD.text, '') OR NEW.text_salt NOT IN (OLD.text_salt, x'')
  OR NEW.at <> OLD.at OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a remark stands as it was made'); END;
CREATE TRIGGER IF NOT EXISTS remarks_no_delete BEFORE DELETE ON remarks
BEGIN SELECT RAISE(ABORT, 'remarks are kept'); END;

CREATE TRIGGER IF NOT EXISTS proposals_fixed BEFORE UPDATE ON proposals
WHEN NEW.request_id <> OLD.request_id OR NEW.base_version <> OLD.base_version OR NEW.base_sha256 <> OLD.base_sha256
  OR NEW.sha256 <> OLD.sha256 OR NEW.document <> OLD.document OR NEW.differences <> OLD.differences
  OR NEW.findings <> OLD.findings OR NEW.reason NOT IN (OLD.reason, '')
  OR NEW.reason_salt NOT IN (OLD.reason_salt, x'') OR NEW.reason_sha256 <> OLD.reason_sha256
BEGIN SELECT RAISE(ABORT, 'a proposal stands as it was made'); END;
CREATE TRIGGER IF NOT EXISTS proposals_no_delete BEFORE DELETE ON proposals
BEGIN SELECT RAISE(ABORT, 'proposals are kept'); END;

CREATE TRIGGER IF NOT EXISTS delegations_fixed BEFORE UPDATE ON delegations
WHEN NEW.row <> OLD.row OR NEW.id <> OLD.id OR NEW.giver_uid <> OLD.giver_uid
  OR NEW.giver_account <> OLD.giver_account OR NEW.giver_person IS NOT OLD.giver_person
  OR NEW.to_person <> OLD.to_person OR NEW.profiles IS NOT OLD.profiles
  OR NEW.reason NOT IN (OLD.reason, '') OR NEW.reason_salt NOT IN (OLD.reason_salt, x'')
  OR NEW.created_at <> OLD.created_at OR NEW.until_at <> OLD.until_at OR NEW.until_tick <> OLD.until_tick
  OR NEW.seq <> OLD.seq
  OR (OLD.ended_at IS NOT NULL AND (NEW.ended_at IS NOT OLD.ended_at OR NEW.ended_by IS NOT OLD.ended_by
      OR NEW.ended_seq IS NOT OLD.ended_seq))
BEGIN SELECT RAISE(ABORT, 'a delegation stands as it was granted, and ends once'); END;
CREATE TRIGGER IF NOT EXISTS delegations_no_delete BEFORE DELETE ON delegations
BEGIN SELECT RAISE(ABORT, 'delegations are kept'); END;

-- Refusals of one human, newest first, and the alarms that they raised: both are looked for at each refusal.
CREATE INDEX IF NOT EXISTS audit_attempts ON audit_events (action, details ->> '$.human', seq)
    WHERE action = 'approval_refused' OR action = 'attempts_repeated';
