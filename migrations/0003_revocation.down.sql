-- Back to certificates that end in their time. Revocations have no place there: the step fails, and changes nothing, where
-- one was ever asked for.
CREATE TEMP TABLE none_was_asked_for (count INTEGER CHECK (count = 0));
INSERT INTO none_was_asked_for SELECT count(*) FROM jobs WHERE kind = 'revoke';
DROP TABLE none_was_asked_for;
DROP TRIGGER IF EXISTS jobs_one_open_revocation;
DROP TRIGGER IF EXISTS jobs_revoke_what_is_named;
DROP TRIGGER IF EXISTS versions_revoked_with_entry;
DROP TABLE IF EXISTS crls;
DROP TABLE IF EXISTS crl_entries;
DROP TABLE IF EXISTS revocations;
DROP INDEX IF EXISTS requests_one_pending_per_certificate;

CREATE TABLE jobs_2 (
    row            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    kind           TEXT NOT NULL CHECK (kind IN ('issue', 'renew', 'deploy', 'revoke')),
    state          TEXT NOT NULL CHECK (state IN
                       ('awaiting_approval', 'pending', 'running', 'completed', 'failed', 'cancelled')),
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    profile_id     TEXT NOT NULL,
    -- The job comes first and names its request. No other reference is deferred: while one is open, each
    -- insertion into a table that deferred references lead to searches the tables that they come from.
    request_id     TEXT REFERENCES approval_requests (id) DEFERRABLE INITIALLY DEFERRED,
    submission_id  INTEGER NOT NULL REFERENCES submissions (id),
    -- The ledger record that allows the signature: the gate reads it back before it makes its proof.
    record_seq     INTEGER REFERENCES audit_events (seq),
    serial         TEXT UNIQUE,
    requester_uid  INTEGER NOT NULL,
    requester_account TEXT NOT NULL,
    requester_person  TEXT,
    retry_of       TEXT REFERENCES jobs (id),
    error          TEXT,
    created_at     TEXT NOT NULL,
    started_at     TEXT,
    finished_at    TEXT,
    CHECK (state <> 'awaiting_approval' OR (request_id IS NOT NULL AND record_seq IS NULL)),
    CHECK (state IN ('awaiting_approval', 'cancelled') OR record_seq IS NOT NULL),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (state NOT IN ('failed', 'cancelled') OR error IS NOT NULL),
    CHECK (state NOT IN ('running', 'completed') OR serial IS NOT NULL)
) STRICT;

INSERT INTO jobs_2 SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_2 RENAME TO jobs;

CREATE UNIQUE INDEX jobs_one_open_per_certificate ON jobs (certificate_id)
    WHERE state IN ('awaiting_approval', 'pending', 'running');
CREATE UNIQUE INDEX jobs_one_retry_each ON jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE UNIQUE INDEX jobs_one_signature_per_record ON jobs (record_seq)
    WHERE state IN ('pending', 'running', 'completed');
CREATE INDEX jobs_by_state ON jobs (state, row);
CREATE INDEX jobs_by_certificate ON jobs (certificate_id, row);
CREATE INDEX jobs_by_request ON jobs (request_id, row);
CREATE UNIQUE INDEX requests_one_pending_per_certificate ON approval_requests (certificate_id)
    WHERE state = 'pending';

CREATE TRIGGER jobs_one_way BEFORE UPDATE OF state ON jobs
WHEN NOT (NEW.state = OLD.state
       OR (OLD.state = 'awaiting_approval' AND NEW.state IN ('pending', 'cancelled'))
       OR (OLD.state = 'pending' AND NEW.state = 'running')
       OR (OLD.state = 'running' AND NEW.state IN ('completed', 'failed')))
BEGIN SELECT RAISE(ABORT, 'no such transition of a job'); END;
CREATE TRIGGER jobs_freed_by_approval BEFORE UPDATE OF state ON jobs
WHEN OLD.state = 'awaiting_approval' AND NEW.state = 'pending'
 AND NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id AND r.state = 'approved')
BEGIN SELECT RAISE(ABORT, 'only an approval frees a job'); END;
CREATE TRIGGER jobs_cancelled_by_end BEFORE UPDATE OF state ON jobs
WHEN NEW.state = 'cancelled'
 AND NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id
                 AND r.state <> 'pending' AND r.state <> 'approved')
BEGIN SELECT RAISE(ABORT, 'a job is cancelled with its request'); END;
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
CREATE TRIGGER jobs_start BEFORE INSERT ON jobs
WHEN NOT (NEW.state = 'awaiting_approval'
       OR (NEW.state = 'pending' AND (NEW.request_id IS NULL
           OR EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id AND r.state = 'approved'))))
BEGIN SELECT RAISE(ABORT, 'a job begins blocked, unattended, or under an approval'); END;
CREATE TRIGGER jobs_no_delete BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ABORT, 'jobs are kept'); END;

CREATE TABLE certificate_versions_2 (
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    version        INTEGER NOT NULL CHECK (version >= 1),
    state          TEXT NOT NULL CHECK (state IN ('active', 'superseded', 'quarantined')),
    issuer         TEXT NOT NULL,
    serial         TEXT NOT NULL,
    sha256         TEXT NOT NULL CHECK (length(sha256) = 64),
    spki_sha256    TEXT NOT NULL CHECK (length(spki_sha256) = 64),
    content        TEXT NOT NULL,
    not_before     TEXT NOT NULL,
    not_after      TEXT NOT NULL,
    chain_pem      TEXT NOT NULL,
    job_id         TEXT NOT NULL UNIQUE REFERENCES jobs (id),
    seq            INTEGER NOT NULL REFERENCES audit_events (seq),
    PRIMARY KEY (certificate_id, version)
) STRICT;

INSERT INTO certificate_versions_2 SELECT * FROM certificate_versions;
DROP TABLE certificate_versions;
ALTER TABLE certificate_versions_2 RENAME TO certificate_versions;

CREATE UNIQUE INDEX versions_one_active ON certificate_versions (certificate_id)
    WHERE state = 'active';
CREATE UNIQUE INDEX versions_by_sha256 ON certificate_versions (sha256)
    WHERE state <> 'quarantined';
CREATE UNIQUE INDEX versions_by_serial ON certificate_versions (issuer, serial)
    WHERE state <> 'quarantined';

CREATE TRIGGER versions_fixed BEFORE UPDATE ON certificate_versions
WHEN OLD.state <> 'active' OR NEW.state <> 'superseded'
  OR NEW.certificate_id <> OLD.certificate_id OR NEW.version <> OLD.version OR NEW.issuer <> OLD.issuer
  OR NEW.serial <> OLD.serial OR NEW.sha256 <> OLD.sha256 OR NEW.spki_sha256 <> OLD.spki_sha256
  OR NEW.content <> OLD.content OR NEW.not_before <> OLD.not_before OR NEW.not_after <> OLD.not_after
  OR NEW.chain_pem <> OLD.chain_pem OR NEW.job_id <> OLD.job_id OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a version stands as it was issued until the next one takes its place'); END;
CREATE TRIGGER versions_no_delete BEFORE DELETE ON certificate_versions
BEGIN SELECT RAISE(ABORT, 'versions are kept'); END;
