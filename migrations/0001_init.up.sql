-- The state of one countersign installation. Closed sets, one-way lifecycles and "at most one" rules stand
-- here a second time: whatever the program gets wrong, the database refuses.

CREATE TABLE IF NOT EXISTS meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS policies (
    version        INTEGER PRIMARY KEY,
    sha256         TEXT NOT NULL CHECK (length(sha256) = 64),
    document       TEXT NOT NULL,
    in_force_since TEXT NOT NULL,
    seq            INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS certificates (
    row           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    profile_id    TEXT NOT NULL,
    environment   TEXT NOT NULL,
    primary_name  TEXT NOT NULL,
    owner_uid     INTEGER NOT NULL,
    owner_account TEXT NOT NULL,
    owner_person  TEXT,
    created_at    TEXT NOT NULL,
    UNIQUE (profile_id, primary_name)
) STRICT;

-- What was asked for and what will be signed: one row for each version of a request, never changed.
CREATE TABLE IF NOT EXISTS submissions (
    id            INTEGER PRIMARY KEY,
    digest        TEXT NOT NULL CHECK (length(digest) = 64),
    content       TEXT NOT NULL,
    csr           BLOB NOT NULL,
    csr_subject   TEXT NOT NULL,
    profile       TEXT NOT NULL,
    policy_sha256 TEXT NOT NULL CHECK (length(policy_sha256) = 64),
    changes       TEXT NOT NULL,
    checks        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    reason_salt   BLOB NOT NULL,
    -- Stands when the reason itself has been erased.
    reason_sha256 TEXT,
    ticket        TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS jobs (
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

CREATE UNIQUE INDEX IF NOT EXISTS jobs_one_open_per_certificate ON jobs (certificate_id)
    WHERE state IN ('awaiting_approval', 'pending', 'running');
CREATE UNIQUE INDEX IF NOT EXISTS jobs_one_retry_each ON jobs (retry_of) WHERE retry_of IS NOT NULL;
-- One ledger record allows one signature.
CREATE UNIQUE INDEX IF NOT EXISTS jobs_one_signature_per_record ON jobs (record_seq)
    WHERE state IN ('pending', 'running', 'completed');
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, row);
CREATE INDEX IF NOT EXISTS jobs_by_certificate ON jobs (certificate_id, row);
CREATE INDEX IF NOT EXISTS jobs_by_request ON jobs (request_id, row);

CREATE TABLE IF NOT EXISTS approval_requests (
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

CREATE UNIQUE INDEX IF NOT EXISTS requests_one_pending_per_job ON approval_requests (job_id)
    WHERE state = 'pending';
CREATE UNIQUE INDEX IF NOT EXISTS requests_one_pending_per_certificate ON approval_requests (certificate_id)
    WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS requests_by_deadline ON approval_requests (deadline_tick) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS requests_by_state ON approval_requests (state, row);
CREATE INDEX IF NOT EXISTS requests_by_profile ON approval_requests (profile_id, row);
CREATE INDEX IF NOT EXISTS requests_by_certificate ON approval_requests (certificate_id, row);
CREATE INDEX IF NOT EXISTS requests_by_requester ON approval_requests (requester_uid, row);
CREATE INDEX IF NOT EXISTS requests_by_environment ON approval_requests (environment, row);

CREATE TABLE IF NOT EXISTS decisions (
    id         INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES approval_requests (id),
    version    INTEGER NOT NULL,
    digest     TEXT NOT NULL CHECK (length(digest) = 64),
    verdict    TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
    -- The person, or uid:N for an account of nobody in the policy: one voter, one vote.
    voter      TEXT NOT NULL,
    uid        INTEGER NOT NULL,
    account    TEXT NOT NULL,
    person     TEXT,
    login_uid  INTEGER,
    session    INTEGER,
    note       TEXT NOT NULL,
    note_salt  BLOB NOT NULL,
    decided_at TEXT NOT NULL,
    seq        INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    UNIQUE (request_id, version, voter)
) STRICT;

CREATE TABLE IF NOT EXISTS certificate_versions (
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

CREATE UNIQUE INDEX IF NOT EXISTS versions_one_active ON certificate_versions (certificate_id)
    WHERE state = 'active';
-- An issuer may answer with the same wrong certificate again: quarantine holds each answer as evidence.
CREATE UNIQUE INDEX IF NOT EXISTS versions_by_sha256 ON certificate_versions (sha256)
    WHERE state <> 'quarantined';
CREATE UNIQUE INDEX IF NOT EXISTS versions_by_serial ON certificate_versions (issuer, serial)
    WHERE state <> 'quarantined';

-- What is to be written where the policy says: the last version of each certificate.
CREATE TABLE IF NOT EXISTS deliveries (
    certificate_id TEXT PRIMARY KEY,
    version        INTEGER NOT NULL,
    -- A failed one is tried again, a dropped one is not.
    state          TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'dropped')),
    attempts       INTEGER NOT NULL CHECK (attempts >= 0),
    error          TEXT,
    FOREIGN KEY (certificate_id, version) REFERENCES certificate_versions (certificate_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (certificate_id) WHERE state IN ('pending', 'failed');

-- The ledger. `record` is what is hashed; the other columns are derived from it and compared with it.
CREATE TABLE IF NOT EXISTS audit_events (
    seq           INTEGER PRIMARY KEY CHECK (seq >= 0),
    event_id      TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    actor         TEXT NOT NULL,
    actor_type    TEXT NOT NULL CHECK (actor_type IN ('User', 'System')),
    action        TEXT NOT NULL,
    category      TEXT NOT NULL CHECK (category IN ('cert_lifecycle', 'auth', 'config')),
    resource_type TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    details       TEXT NOT NULL,
    record        BLOB NOT NULL CHECK (length(record) BETWEEN 2 AND 16384)
) STRICT;

CREATE INDEX IF NOT EXISTS audit_by_resource ON audit_events (resource_id, seq);
CREATE INDEX IF NOT EXISTS audit_by_actor ON audit_events (actor, seq);
CREATE INDEX IF NOT EXISTS audit_by_action ON audit_events (action, seq);

-- The RFC 6962 tree's size and the roots of its complete subtrees, largest first.
CREATE TABLE IF NOT EXISTS ledger_frontier (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    size  INTEGER NOT NULL CHECK (size >= 0),
    peaks BLOB NOT NULL CHECK (length(peaks) % 32 = 0)
) STRICT;

CREATE TABLE IF NOT EXISTS notification_events (
    id          INTEGER PRIMARY KEY,
    created_at  TEXT NOT NULL,
    kind        TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    channel     TEXT,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'dead', 'skipped')),
    detail      TEXT NOT NULL,
    seq         INTEGER NOT NULL REFERENCES audit_events (seq)
) STRICT;

CREATE TABLE IF NOT EXISTS idempotency (
    uid         INTEGER NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
    job_id      TEXT NOT NULL REFERENCES jobs (id),
    created_at  TEXT NOT NULL,
    PRIMARY KEY (uid, key)
) STRICT, WITHOUT ROWID;

-- The ledger only grows. This stops accidents; what stops the owner of the file stands off the host.
CREATE TRIGGER IF NOT EXISTS audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_events_in_order BEFORE INSERT ON audit_events
WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM audit_events)
BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;

CREATE TRIGGER IF NOT EXISTS decisions_no_update BEFORE UPDATE ON decisions
WHEN NEW.id <> OLD.id OR NEW.request_id <> OLD.request_id OR NEW.version <> OLD.version
  OR NEW.digest <> OLD.digest OR NEW.verdict <> OLD.verdict OR NEW.voter <> OLD.voter OR NEW.uid <> OLD.uid
  OR NEW.account <> OLD.account OR NEW.person IS NOT OLD.person OR NEW.login_uid IS NOT OLD.login_uid
  OR NEW.session IS NOT OLD.session OR NEW.decided_at <> OLD.decided_at OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a decision stands as it was given'); END;
CREATE TRIGGER IF NOT EXISTS decisions_no_delete BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'a decision stands as it was given'); END;
CREATE TRIGGER IF NOT EXISTS decisions_bound_to_content BEFORE INSERT ON decisions
WHEN NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id AND r.state = 'pending'
                 AND r.version = NEW.version AND r.digest = NEW.digest)
BEGIN SELECT RAISE(ABORT, 'a decision is bound to the pending content'); END;

CREATE TRIGGER IF NOT EXISTS requests_terminal BEFORE UPDATE ON approval_requests
WHEN OLD.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a request that has ended does not change'); END;
CREATE TRIGGER IF NOT EXISTS requests_fixed BEFORE UPDATE ON approval_requests
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
CREATE TRIGGER IF NOT EXISTS requests_no_delete BEFORE DELETE ON approval_requests
BEGIN SELECT RAISE(ABORT, 'requests are kept'); END;
CREATE TRIGGER IF NOT EXISTS requests_start_pending BEFORE INSERT ON approval_requests
WHEN NEW.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a request begins as pending'); END;

CREATE TRIGGER IF NOT EXISTS jobs_one_way BEFORE UPDATE OF state ON jobs
WHEN NOT (NEW.state = OLD.state
       OR (OLD.state = 'awaiting_approval' AND NEW.state IN ('pending', 'cancelled'))
       OR (OLD.state = 'pending' AND NEW.state = 'running')
       OR (OLD.state = 'running' AND NEW.state IN ('completed', 'failed')))
BEGIN SELECT RAISE(ABORT, 'no such transition of a job'); END;
CREATE TRIGGER IF NOT EXISTS jobs_freed_by_approval BEFORE UPDATE OF state ON jobs
WHEN OLD.state = 'awaiting_approval' AND NEW.state = 'pending'
 AND NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id AND r.state = 'approved')
BEGIN SELECT RAISE(ABORT, 'only an approval frees a job'); END;
CREATE TRIGGER IF NOT EXISTS jobs_cancelled_by_end BEFORE UPDATE OF state ON jobs
WHEN NEW.state = 'cancelled'
 AND NOT EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = OLD.request_id
                 AND r.state IN ('rejected', 'expired', 'voided', 'withdrawn'))
BEGIN SELECT RAISE(ABORT, 'a job is cancelled with its request'); END;
CREATE TRIGGER IF NOT EXISTS jobs_fixed BEFORE UPDATE ON jobs
WHEN NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.certificate_id <> OLD.certificate_id
  OR NEW.request_id IS NOT OLD.request_id OR NEW.submission_id <> OLD.submission_id
  OR NEW.profile_id <> OLD.profile_id OR NEW.requester_uid <> OLD.requester_uid
  OR NEW.requester_account <> OLD.requester_account OR NEW.requester_person IS NOT OLD.requester_person
  OR NEW.retry_of IS NOT OLD.retry_of OR NEW.created_at <> OLD.created_at
  OR (OLD.record_seq IS NOT NULL AND NEW.record_seq IS NOT OLD.record_seq)
  OR (OLD.serial IS NOT NULL AND NEW.serial IS NOT OLD.serial)
  OR OLD.state IN ('completed', 'failed', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'a job keeps what it was made with'); END;
CREATE TRIGGER IF NOT EXISTS jobs_start BEFORE INSERT ON jobs
WHEN NOT (NEW.state = 'awaiting_approval'
       OR (NEW.state = 'pending' AND (NEW.request_id IS NULL
           OR EXISTS (SELECT 1 FROM approval_requests r WHERE r.id = NEW.request_id AND r.state = 'approved'))))
BEGIN SELECT RAISE(ABORT, 'a job begins blocked, unattended, or under an approval'); END;
CREATE TRIGGER IF NOT EXISTS jobs_no_delete BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ABORT, 'jobs are kept'); END;

-- Free text can be erased, and not be replaced.
CREATE TRIGGER IF NOT EXISTS submissions_fixed BEFORE UPDATE ON submissions
WHEN NEW.id <> OLD.id OR NEW.digest <> OLD.digest OR NEW.content <> OLD.content OR NEW.csr <> OLD.csr
  OR NEW.csr_subject <> OLD.csr_subject OR NEW.profile <> OLD.profile OR NEW.policy_sha256 <> OLD.policy_sha256
  OR NEW.changes <> OLD.changes OR NEW.checks <> OLD.checks
  OR NEW.reason NOT IN (OLD.reason, '') OR NEW.reason_salt NOT IN (OLD.reason_salt, x'')
  OR NEW.reason_sha256 IS NOT OLD.reason_sha256 OR NEW.ticket IS NOT OLD.ticket
BEGIN SELECT RAISE(ABORT, 'a submission stands as it was made'); END;
CREATE TRIGGER IF NOT EXISTS submissions_no_delete BEFORE DELETE ON submissions
BEGIN SELECT RAISE(ABORT, 'submissions are kept'); END;

CREATE TRIGGER IF NOT EXISTS policies_no_update BEFORE UPDATE ON policies
BEGIN SELECT RAISE(ABORT, 'a policy stands as it was adopted'); END;
CREATE TRIGGER IF NOT EXISTS policies_no_delete BEFORE DELETE ON policies
BEGIN SELECT RAISE(ABORT, 'policies are kept'); END;

CREATE TRIGGER IF NOT EXISTS certificates_fixed BEFORE UPDATE ON certificates
BEGIN SELECT RAISE(ABORT, 'a certificate keeps what it was made with'); END;
CREATE TRIGGER IF NOT EXISTS certificates_no_delete BEFORE DELETE ON certificates
BEGIN SELECT RAISE(ABORT, 'certificates are kept'); END;

CREATE TRIGGER IF NOT EXISTS versions_fixed BEFORE UPDATE ON certificate_versions
WHEN OLD.state <> 'active' OR NEW.state <> 'superseded'
  OR NEW.certificate_id <> OLD.certificate_id OR NEW.version <> OLD.version OR NEW.issuer <> OLD.issuer
  OR NEW.serial <> OLD.serial OR NEW.sha256 <> OLD.sha256 OR NEW.spki_sha256 <> OLD.spki_sha256
  OR NEW.content <> OLD.content OR NEW.not_before <> OLD.not_before OR NEW.not_after <> OLD.not_after
  OR NEW.chain_pem <> OLD.chain_pem OR NEW.job_id <> OLD.job_id OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a version stands as it was issued until the next one takes its place'); END;
CREATE TRIGGER IF NOT EXISTS versions_no_delete BEFORE DELETE ON certificate_versions
BEGIN SELECT RAISE(ABORT, 'versions are kept'); END;

-- What the installation is, it stays.
CREATE TRIGGER IF NOT EXISTS meta_fixed BEFORE UPDATE ON meta
WHEN OLD.key IN ('origin', 'demo') AND (NEW.key <> OLD.key OR NEW.value <> OLD.value)
BEGIN SELECT RAISE(ABORT, 'an installation stays what it is'); END;
CREATE TRIGGER IF NOT EXISTS meta_no_delete BEFORE DELETE ON meta
WHEN OLD.key IN ('origin', 'demo')
BEGIN SELECT RAISE(ABORT, 'an installation stays what it is'); END;
