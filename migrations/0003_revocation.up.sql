-- Revocation: certificates that end before their time, and the lists that say so. A version can be revoked now, and a job
-- that revokes reserves no serial number; both tables are made anew for that, with the columns and rows that they have.

DROP INDEX IF EXISTS requests_one_pending_per_certificate;
DROP TRIGGER IF EXISTS crl_entries_carried_out;

CREATE TABLE jobs_3 (
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
    -- A serial number is reserved for what is signed; a revocation signs nothing that has one.
    CHECK (kind <> 'revoke' OR serial IS NULL),
    CHECK (kind = 'revoke' OR state NOT IN ('running', 'completed') OR serial IS NOT NULL)
) STRICT;

INSERT INTO jobs_3 SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_3 RENAME TO jobs;

-- What waits or goes on for a certificate is never in the way of its end.
CREATE UNIQUE INDEX jobs_one_open_per_certificate ON jobs (certificate_id)
    WHERE state IN ('awaiting_approval', 'pending', 'running') AND kind <> 'revoke';
CREATE UNIQUE INDEX jobs_one_retry_each ON jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE UNIQUE INDEX jobs_one_signature_per_record ON jobs (record_seq)
    WHERE state IN ('pending', 'running', 'completed');
CREATE INDEX jobs_by_state ON jobs (state, row);
CREATE INDEX jobs_by_certificate ON jobs (certificate_id, row);
CREATE INDEX jobs_by_request ON jobs (request_id, row);
-- What one owns is found from the jobs that issued it to one.
CREATE INDEX jobs_issued_to_uid ON jobs (requester_uid, id) WHERE state = 'completed';
CREATE INDEX jobs_issued_to_person ON jobs (requester_person, id) WHERE state = 'completed';
CREATE UNIQUE INDEX requests_one_pending_per_certificate ON approval_requests (certificate_id)
    WHERE state = 'pending' AND kind <> 'cert_revocation';

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

CREATE TABLE certificate_versions_3 (
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    version        INTEGER NOT NULL CHECK (version >= 1),
    state          TEXT NOT NULL CHECK (state IN ('active', 'superseded', 'quarantined', 'revoked')),
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

INSERT INTO certificate_versions_3 SELECT * FROM certificate_versions;
DROP TABLE certificate_versions;
ALTER TABLE certificate_versions_3 RENAME TO certificate_versions;

CREATE UNIQUE INDEX versions_one_active ON certificate_versions (certificate_id)
    WHERE state = 'active';
CREATE UNIQUE INDEX versions_by_sha256 ON certificate_versions (sha256)
    WHERE state <> 'quarantined';
CREATE UNIQUE INDEX versions_by_serial ON certificate_versions (issuer, serial)
    WHERE state <> 'quarantined';
-- Keys that are looked for before they are certified again.
CREATE INDEX versions_revoked_keys ON certificate_versions (spki_sha256) WHERE state = 'revoked';

-- What is to end and why: one row for each submission of that kind, never changed.
CREATE TABLE IF NOT EXISTS revocations (
    submission_id  INTEGER PRIMARY KEY REFERENCES submissions (id),
    certificate_id TEXT NOT NULL,
    version        INTEGER NOT NULL,
    issuer         TEXT NOT NULL,
    serial         TEXT NOT NULL,
    sha256         TEXT NOT NULL CHECK (length(sha256) = 64),
    reason         TEXT NOT NULL CHECK (reason IN ('unspecified', 'key_compromise', 'affiliation_changed', 'superseded',
                       'cessation_of_operation', 'privilege_withdrawn')),
    FOREIGN KEY (certificate_id, version) REFERENCES certificate_versions (certificate_id, version)
) STRICT;

CREATE INDEX IF NOT EXISTS revocations_by_version ON revocations (certificate_id, version);

-- What has ended: the entries of the lists.
CREATE TABLE IF NOT EXISTS crl_entries (
    issuer         TEXT NOT NULL,
    serial         TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    version        INTEGER NOT NULL,
    reason         TEXT NOT NULL CHECK (reason IN ('unspecified', 'key_compromise', 'affiliation_changed', 'superseded',
                       'cessation_of_operation', 'privilege_withdrawn')),
    revoked_at     TEXT NOT NULL,
    -- Until when it has to stand in a list.
    not_after      TEXT NOT NULL,
    job_id         TEXT NOT NULL UNIQUE REFERENCES jobs (id),
    seq            INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    PRIMARY KEY (issuer, serial),
    UNIQUE (certificate_id, version),
    FOREIGN KEY (certificate_id, version) REFERENCES certificate_versions (certificate_id, version)
) STRICT, WITHOUT ROWID;

-- The newest list of each issuer.
CREATE TABLE IF NOT EXISTS crls (
    issuer      TEXT PRIMARY KEY,
    number      INTEGER NOT NULL CHECK (number >= 1),
    this_update TEXT NOT NULL,
    next_update TEXT NOT NULL,
    -- When the next one is to be signed, on the daemon's time line.
    due_tick    INTEGER NOT NULL,
    -- The entries that there were when it was signed, those of certificates long expired among them.
    entries     INTEGER NOT NULL CHECK (entries >= 0),
    sha256      TEXT NOT NULL CHECK (length(sha256) = 64),
    der         BLOB NOT NULL,
    seq         INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq)
) STRICT;

CREATE TRIGGER versions_fixed BEFORE UPDATE ON certificate_versions
WHEN NOT ((OLD.state = 'active' AND NEW.state = 'superseded')
       OR (OLD.state IN ('active', 'superseded') AND NEW.state = 'revoked'))
  OR NEW.certificate_id <> OLD.certificate_id OR NEW.version <> OLD.version OR NEW.issuer <> OLD.issuer
  OR NEW.serial <> OLD.serial OR NEW.sha256 <> OLD.sha256 OR NEW.spki_sha256 <> OLD.spki_sha256
  OR NEW.content <> OLD.content OR NEW.not_before <> OLD.not_before OR NEW.not_after <> OLD.not_after
  OR NEW.chain_pem <> OLD.chain_pem OR NEW.job_id <> OLD.job_id OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a version stands as it was issued until the next one takes its place or it is revoked'); END;
CREATE TRIGGER versions_revoked_with_entry BEFORE UPDATE OF state ON certificate_versions
WHEN NEW.state = 'revoked' AND NOT EXISTS (SELECT 1 FROM crl_entries e WHERE e.certificate_id = NEW.certificate_id
     AND e.version = NEW.version AND e.issuer = NEW.issuer AND e.serial = NEW.serial)
BEGIN SELECT RAISE(ABORT, 'a version is revoked together with its entry in the list'); END;
CREATE TRIGGER versions_no_delete BEFORE DELETE ON certificate_versions
BEGIN SELECT RAISE(ABORT, 'versions are kept'); END;

CREATE TRIGGER jobs_one_open_revocation BEFORE INSERT ON jobs
WHEN NEW.kind = 'revoke' AND EXISTS (SELECT 1 FROM revocations mine
     JOIN revocations other ON other.certificate_id = mine.certificate_id AND other.version = mine.version
     JOIN jobs j ON j.submission_id = other.submission_id AND j.certificate_id = NEW.certificate_id
     WHERE mine.submission_id = NEW.submission_id AND j.state IN ('awaiting_approval', 'pending', 'running'))
BEGIN SELECT RAISE(ABORT, 'one open revocation of each version'); END;
CREATE TRIGGER jobs_revoke_what_is_named BEFORE INSERT ON jobs
WHEN (NEW.kind = 'revoke') <> EXISTS (SELECT 1 FROM revocations r WHERE r.submission_id = NEW.submission_id
     AND r.certificate_id = NEW.certificate_id)
BEGIN SELECT RAISE(ABORT, 'a job revokes what its submission names, and signs nothing'); END;

CREATE TRIGGER IF NOT EXISTS revocations_fixed BEFORE UPDATE ON revocations
BEGIN SELECT RAISE(ABORT, 'a revocation stands as it was asked for'); END;
CREATE TRIGGER IF NOT EXISTS revocations_no_delete BEFORE DELETE ON revocations
BEGIN SELECT RAISE(ABORT, 'revocations are kept'); END;

CREATE TRIGGER IF NOT EXISTS crl_entries_carried_out BEFORE INSERT ON crl_entries
WHEN NOT EXISTS (SELECT 1 FROM jobs j JOIN revocations r ON r.submission_id = j.submission_id
     WHERE j.id = NEW.job_id AND j.kind = 'revoke' AND j.state = 'running' AND r.certificate_id = NEW.certificate_id
     AND r.version = NEW.version AND r.issuer = NEW.issuer AND r.serial = NEW.serial AND r.reason = NEW.reason)
BEGIN SELECT RAISE(ABORT, 'an entry comes of a revocation that is carried out'); END;
CREATE TRIGGER IF NOT EXISTS crl_entries_fixed BEFORE UPDATE ON crl_entries
BEGIN SELECT RAISE(ABORT, 'what is revoked stays revoked'); END;
CREATE TRIGGER IF NOT EXISTS crl_entries_no_delete BEFORE DELETE ON crl_entries
BEGIN SELECT RAISE(ABORT, 'what is revoked stays revoked'); END;

CREATE TRIGGER IF NOT EXISTS crls_forward BEFORE UPDATE ON crls
WHEN NEW.issuer <> OLD.issuer OR NEW.number <> OLD.number + 1 OR NEW.entries < OLD.entries OR NEW.seq <= OLD.seq
BEGIN SELECT RAISE(ABORT, 'the next list has the next number'); END;
CREATE TRIGGER IF NOT EXISTS crls_no_delete BEFORE DELETE ON crls
BEGIN SELECT RAISE(ABORT, 'the newest list is kept'); END;
