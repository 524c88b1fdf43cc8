-- The inventory: certificates that stand on this host, where they were seen, and what was in the way of seeing more.

-- A certificate as it was read, once, wherever it stands; leaves, and what leads up from them.
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
    ca           INTEGER NOT NULL CHECK (ca = 0 OR ca = 1),
    not_before   TEXT NOT NULL CHECK (length(not_before) = 24),
    not_after    TEXT NOT NULL CHECK (length(not_after) = 24),
    first_seen   TEXT NOT NULL CHECK (length(first_seen) = 24)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS inventory_certificates_stay BEFORE UPDATE ON inventory_certificates
BEGIN SELECT RAISE(ABORT, 'a certificate that was found does not change'); END;
CREATE TRIGGER IF NOT EXISTS inventory_certificates_no_delete BEFORE DELETE ON inventory_certificates
BEGIN SELECT RAISE(ABORT, 'what was found is kept'); END;

-- A certificate at a place, from when it was first seen there until it went, was succeeded, or is looked at no more.
CREATE TABLE IF NOT EXISTS inventory (
    row          INTEGER PRIMARY KEY,
    place        TEXT NOT NULL CHECK (place GLOB 'file:/*' OR place GLOB 'tls:*'),
    -- Empty where the place has no aliases.
    alias        TEXT NOT NULL,
    sha256       TEXT NOT NULL REFERENCES inventory_certificates (sha256),
    -- Who says so: empty for the daemon itself, `uid:N` for somebody's import. One importer's word says nothing of what
    -- others have seen.
    seen_by      TEXT NOT NULL CHECK (seen_by = '' OR seen_by GLOB 'uid:[0-9]*'),
    role         TEXT NOT NULL CHECK (role = 'leaf' OR role = 'authority'),
    -- Whether its end there is somebody's business: leaves, and authorities whose file was named itself.
    counts       INTEGER NOT NULL CHECK (counts = 0 OR counts = 1),
    -- JSON: the fingerprints of what leads up from it there, nearest first.
    chain        TEXT NOT NULL CHECK (json_valid(chain)),
    usable_until TEXT NOT NULL CHECK (length(usable_until) = 24),
    owner_uid    INTEGER,
    state        TEXT NOT NULL CHECK (state = 'present' OR state = 'unknown' OR state = 'gone' OR state = 'succeeded'
                     OR state = 'left_out'),
    first_seen   TEXT NOT NULL CHECK (length(first_seen) = 24),
    last_seen    TEXT NOT NULL CHECK (length(last_seen) = 24),
    ended_at     TEXT CHECK (length(ended_at) = 24),
    successor    TEXT REFERENCES inventory_certificates (sha256),
    lineage      TEXT CHECK (lineage = 'names_and_key' OR lineage = 'names' OR lineage = 'key' OR lineage = 'some_names'),
    -- Whom the place belonged to when the successor was seen there; whoever has one place says nothing of another.
    successor_uid INTEGER,
    CHECK ((state = 'present' OR state = 'unknown') = (ended_at IS NULL)),
    CHECK ((state = 'succeeded') = (successor IS NOT NULL)),
    CHECK ((successor IS NULL) = (lineage IS NULL)),
    CHECK (successor IS NOT NULL OR successor_uid IS NULL),
    CHECK (successor IS NULL OR successor <> sha256)
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS inventory_once_at_a_place ON inventory (place, alias, sha256, seen_by)
    WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS inventory_by_certificate ON inventory (sha256, row);
CREATE TRIGGER IF NOT EXISTS inventory_same BEFORE UPDATE OF place, alias, sha256, seen_by, first_seen ON inventory
BEGIN SELECT RAISE(ABORT, 'a sighting stays the same certificate at the same place'); END;
CREATE TRIGGER IF NOT EXISTS inventory_ended BEFORE UPDATE ON inventory WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what has ended does not come back; it is seen anew'); END;
CREATE TRIGGER IF NOT EXISTS inventory_no_delete BEFORE DELETE ON inventory
BEGIN SELECT RAISE(ABORT, 'sightings are kept'); END;

-- Certificates that are looked after without having been asked for here: those that were not issued here, and versions
-- that were, have been replaced or revoked, and are still presented by a listener.
CREATE TABLE IF NOT EXISTS found_certificates (
    row           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE CHECK (id GLOB 'mc-?*'),
    sha256        TEXT NOT NULL UNIQUE REFERENCES inventory_certificates (sha256),
    source        TEXT NOT NULL CHECK (source = 'scan' OR source = 'import'),
    -- Whom the file or socket belongs to, or who imported it.
    owner_uid     INTEGER,
    owner_account TEXT,
    owner_person  TEXT,
    created_at    TEXT NOT NULL CHECK (length(created_at) = 24),
    -- Counts ends: it goes up when what it stands with at its places ends at another time.
    version       INTEGER NOT NULL CHECK (version >= 1),
    usable_until  TEXT NOT NULL CHECK (length(usable_until) = 24),
    -- Whether it is seen anywhere, and whether alerts are raised for it.
    there         INTEGER NOT NULL CHECK (there = 0 OR there = 1),
    watched       INTEGER NOT NULL CHECK (watched = 0 OR watched = 1),
    -- The record that made it known.
    seq           INTEGER NOT NULL UNIQUE REFERENCES audit_events (seq),
    -- The version of which an admin said after its end that nobody looks after it.
    retired       INTEGER CHECK (retired <= version),
    -- Whom somebody gave it to since, and the newest record of that. Whom it was found with stays as it was.
    given_uid     INTEGER,
    given_account TEXT,
    given_person  TEXT,
    given_seq     INTEGER UNIQUE REFERENCES audit_events (seq) CHECK (given_seq > seq),
    CHECK ((owner_uid IS NULL) = (owner_account IS NULL)),
    CHECK ((given_uid IS NULL) = (given_account IS NULL) AND (given_uid IS NULL) = (given_seq IS NULL)),
    CHECK (given_person IS NULL OR given_seq IS NOT NULL),
    CHECK (there = 1 OR watched = 0),
    CHECK (watched = 0 OR retired IS NULL OR retired < version)
) STRICT;

-- Pages, newest first, and those that end soon.
CREATE INDEX IF NOT EXISTS found_there ON found_certificates (row) WHERE there = 1;
CREATE INDEX IF NOT EXISTS found_by_end ON found_certificates (usable_until) WHERE there = 1;
CREATE INDEX IF NOT EXISTS found_imported ON found_certificates (owner_uid) WHERE source = 'import' AND there = 1;
CREATE INDEX IF NOT EXISTS versions_by_end ON certificate_versions (not_after, certificate_id) WHERE state = 'active';

CREATE TRIGGER IF NOT EXISTS found_fixed BEFORE UPDATE ON found_certificates
WHEN NEW.id <> OLD.id OR NEW.sha256 <> OLD.sha256 OR NEW.source <> OLD.source OR NEW.created_at <> OLD.created_at
  OR NEW.owner_uid IS NOT OLD.owner_uid OR NEW.owner_account IS NOT OLD.owner_account
  OR NEW.owner_person IS NOT OLD.owner_person OR NEW.seq <> OLD.seq OR NEW.version < OLD.version
  OR (NEW.usable_until <> OLD.usable_until) <> (NEW.version <> OLD.version)
  OR coalesce(NEW.retired, 0) < coalesce(OLD.retired, 0) OR coalesce(NEW.given_seq, 0) < coalesce(OLD.given_seq, 0)
  OR (NEW.given_seq IS OLD.given_seq AND (NEW.given_uid IS NOT OLD.given_uid OR NEW.given_account IS NOT OLD.given_account
      OR NEW.given_person IS NOT OLD.given_person))
BEGIN SELECT RAISE(ABORT, 'a found certificate stays the one that was found; another end is another version'); END;
CREATE TRIGGER IF NOT EXISTS found_no_delete BEFORE DELETE ON found_certificates
BEGIN SELECT RAISE(ABORT, 'what was found is kept'); END;

-- Nobody can forget to watch one.
CREATE TRIGGER IF NOT EXISTS found_watched AFTER INSERT ON found_certificates WHEN NEW.watched = 1
BEGIN
    INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, due_at, renew_at, epoch, seq)
    SELECT NEW.id, NEW.version, c.not_before, NEW.usable_until, NULL, NULL, 0, NEW.seq
    FROM inventory_certificates c WHERE c.sha256 = NEW.sha256;
END;
CREATE TRIGGER IF NOT EXISTS found_watched_again AFTER UPDATE ON found_certificates
WHEN NEW.watched = 1 AND (OLD.watched = 0 OR NEW.version > OLD.version)
BEGIN
    INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, due_at, renew_at, epoch, seq)
    SELECT NEW.id, NEW.version, c.not_before, NEW.usable_until, NULL, NULL, 0, NEW.seq
    FROM inventory_certificates c WHERE c.sha256 = NEW.sha256
    ON CONFLICT (certificate_id) DO UPDATE SET version = excluded.version, not_after = excluded.not_after,
        due_at = NULL, renew_at = NULL, epoch = 0;
END;
CREATE TRIGGER IF NOT EXISTS found_dealt_with AFTER UPDATE OF watched ON found_certificates
WHEN NEW.watched = 0 AND OLD.watched = 1
BEGIN DELETE FROM expiry_watch WHERE certificate_id = NEW.id; END;

-- How much was new in the name of each account on its newest day: what somebody fills a directory with is kept for ever.
CREATE TABLE IF NOT EXISTS inventory_intake (
    -- `uid:N`, or `listeners` for those of which nobody knows whose they are.
    who       TEXT PRIMARY KEY CHECK (who = 'listeners' OR who GLOB 'uid:[0-9]*'),
    day       TEXT NOT NULL CHECK (length(day) = 10),
    sightings INTEGER NOT NULL CHECK (sightings >= 0),
    -- Of certificates that were not stored yet.
    octets    INTEGER NOT NULL CHECK (octets >= 0)
) STRICT, WITHOUT ROWID;

-- What was in the way, as the last scan found it.
CREATE TABLE IF NOT EXISTS inventory_findings (
    place      TEXT NOT NULL,
    problem    TEXT NOT NULL CHECK (problem IN ('permission_denied', 'missing', 'changed', 'needs_password',
                   'wrong_password', 'password_file', 'unreadable', 'no_certificate', 'too_large', 'limit',
                   'out_of_time', 'leads_out', 'dead_link', 'special', 'not_listed', 'refused', 'no_answer',
                   'not_tls', 'failed')),
    detail     TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    -- The number of the scan that found it last.
    scan       INTEGER NOT NULL,
    PRIMARY KEY (place, problem)
) STRICT, WITHOUT ROWID;

-- The newest scan, and when the next one is due on the daemon's time line.
CREATE TABLE IF NOT EXISTS inventory_scans (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    number       INTEGER NOT NULL CHECK (number >= 1),
    -- What it was to look at: another plan is not left waiting for the day to pass.
    plan_sha256  TEXT NOT NULL CHECK (length(plan_sha256) = 64),
    started_tick INTEGER NOT NULL,
    due_tick     INTEGER NOT NULL,
    started_at   TEXT NOT NULL,
    -- Nothing while it is under way, and for one that the daemon did not survive.
    ended_at     TEXT,
    sightings    INTEGER NOT NULL CHECK (sightings >= 0),
    -- Findings beyond those that are kept.
    left_out     INTEGER NOT NULL CHECK (left_out >= 0)
) STRICT;

CREATE TRIGGER IF NOT EXISTS inventory_scans_forward BEFORE UPDATE ON inventory_scans
WHEN NEW.number < OLD.number OR NEW.number > OLD.number + 1
BEGIN SELECT RAISE(ABORT, 'scans are counted one by one'); END;
