-- A certificate that was found, once, wherever it stands. What was issued here has the same sha256 in
-- certificate_versions; the two are joined by it.
CREATE TABLE IF NOT EXISTS inventory_certificates (
    sha256       TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    der          BLOB NOT NULL,
    serial       TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    primary_name TEXT NOT NULL,
    -- JSON: the names that make a lineage, sorted (`dns:…`, `cn:…`).
    names        TEXT NOT NULL CHECK (json_valid(names)),
    names_total  INTEGER NOT NULL CHECK (names_total >= 0),
    key          TEXT NOT NULL,
    spki_sha256  TEXT NOT NULL CHECK (length(spki_sha256) = 64),
    ca           INTEGER NOT NULL CHECK (ca IN (0, 1)),
    not_before   TEXT NOT NULL,
    not_after    TEXT NOT NULL,
    first_seen   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS inventory_certificates_by_end ON inventory_certificates (not_after);
CREATE TRIGGER IF NOT EXISTS inventory_certificates_stay BEFORE UPDATE ON inventory_certificates
BEGIN SELECT RAISE(ABORT, 'a certificate that was found does not change'); END;

-- A certificate at a place, from when it was first seen there until it went or was succeeded.
CREATE TABLE IF NOT EXISTS inventory (
    row          INTEGER PRIMARY KEY,
    place        TEXT NOT NULL CHECK (place GLOB 'file:/*' OR place GLOB 'tls:*'),
    -- Empty where the place has no aliases.
    alias        TEXT NOT NULL,
    sha256       TEXT NOT NULL REFERENCES inventory_certificates (sha256),
    role         TEXT NOT NULL CHECK (role IN ('leaf', 'authority')),
    -- JSON: the fingerprints of what leads up from it there, nearest first.
    chain        TEXT NOT NULL CHECK (json_valid(chain)),
    usable_until TEXT NOT NULL,
    owner_uid    INTEGER,
    state        TEXT NOT NULL CHECK (state IN ('present', 'unknown', 'gone', 'succeeded')),
    first_seen   TEXT NOT NULL,
    last_seen    TEXT NOT NULL,
    ended_at     TEXT,
    successor    TEXT REFERENCES inventory_certificates (sha256),
    lineage      TEXT CHECK (lineage IN ('names_and_key', 'names', 'key', 'some_names')),
    CHECK ((state IN ('gone', 'succeeded')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'succeeded') = (successor IS NOT NULL)),
    CHECK ((successor IS NULL) = (lineage IS NULL)),
    CHECK (successor IS NULL OR successor <> sha256)
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS inventory_once_at_a_place ON inventory (place, alias, sha256)
    WHERE state IN ('present', 'unknown');
CREATE INDEX IF NOT EXISTS inventory_by_certificate ON inventory (sha256, row);
CREATE TRIGGER IF NOT EXISTS inventory_same BEFORE UPDATE OF place, alias, sha256, first_seen ON inventory
BEGIN SELECT RAISE(ABORT, 'a sighting stays the same certificate at the same place'); END;
CREATE TRIGGER IF NOT EXISTS inventory_ended BEFORE UPDATE ON inventory WHEN old.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what is gone or succeeded does not come back; it is seen anew'); END;

-- What was in the way, as the last scan that looked there found it.
CREATE TABLE IF NOT EXISTS inventory_findings (
    place      TEXT NOT NULL,
    problem    TEXT NOT NULL CHECK (problem IN ('permission_denied', 'missing', 'changed', 'needs_password',
                   'wrong_password', 'password_file', 'unreadable', 'no_certificate', 'too_large', 'limit',
                   'out_of_time', 'leads_out', 'dead_link', 'special', 'not_listed', 'refused', 'no_answer',
                   'not_tls', 'failed')),
    detail     TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    PRIMARY KEY (place, problem)
) STRICT, WITHOUT ROWID;
