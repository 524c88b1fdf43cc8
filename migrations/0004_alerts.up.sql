-- Expiry and messages: when certificates are looked at, which alerts were raised, and what is still to be sent.

-- Each certificate version that somebody has to look after; the row goes with the version that it is about, and when the
-- certificate is dealt with (revoked, retired). Times as everywhere: RFC 3339 in UTC with milliseconds, which sort.
CREATE TABLE IF NOT EXISTS expiry_watch (
    -- One that was issued here, or one that was found.
    certificate_id TEXT PRIMARY KEY,
    version        INTEGER NOT NULL CHECK (version >= 1),
    not_before     TEXT NOT NULL CHECK (length(not_before) = 24),
    not_after      TEXT NOT NULL CHECK (length(not_after) = 24),
    -- When alerts are looked at again, and when renewal is; nothing happens by time where there is none.
    due_at         TEXT CHECK (length(due_at) = 24),
    renew_at       TEXT CHECK (length(renew_at) = 24),
    -- The plan that both were made by: another policy, or time set back, makes another plan of all of them.
    epoch          INTEGER NOT NULL CHECK (epoch >= 0),
    -- The record that made the version known.
    seq            INTEGER NOT NULL REFERENCES audit_events (seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS expiry_watch_due ON expiry_watch (due_at);
CREATE INDEX IF NOT EXISTS expiry_watch_renew ON expiry_watch (renew_at);
CREATE INDEX IF NOT EXISTS expiry_watch_stale ON expiry_watch (epoch);
-- How many end when: the metrics ask.
CREATE INDEX IF NOT EXISTS expiry_watch_ends ON expiry_watch (not_after);

-- At most one alert for each version, stage and target. `days` before the end, negative after it; `target` is a channel,
-- `?` and a name that is none, or nothing where a tier has no channels. What became of it stands in the notification.
CREATE TABLE IF NOT EXISTS alert_events (
    certificate_id  TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    days            INTEGER NOT NULL CHECK (days <= 365),
    target          TEXT NOT NULL CHECK (length(target) <= 65),
    severity        TEXT NOT NULL CHECK (severity = 'informational' OR severity = 'warning' OR severity = 'critical'),
    raised_at       TEXT NOT NULL CHECK (length(raised_at) = 24),
    notification_id INTEGER NOT NULL REFERENCES notification_events (id),
    PRIMARY KEY (certificate_id, version, days, target)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX IF NOT EXISTS alert_events_by_notification ON alert_events (notification_id);

-- What a message needs besides its notification, for as long as that is kept: it is written anew at each attempt.
CREATE TABLE IF NOT EXISTS messages (
    notification_id INTEGER PRIMARY KEY REFERENCES notification_events (id),
    channel         TEXT NOT NULL CHECK (channel = 'Email' OR channel = 'Slack' OR channel = 'Teams'
                        OR channel = 'PagerDuty' OR channel = 'OpsGenie' OR channel = 'Webhook' OR channel = 'Syslog'
                        OR channel = 'Command' OR channel = 'Wall'),
    severity        TEXT NOT NULL CHECK (severity = 'informational' OR severity = 'warning' OR severity = 'critical'),
    -- JSON: what its kind needs and no other table has.
    params          TEXT NOT NULL CHECK (json_valid(params)),
    -- When the other side accepted it.
    accepted_at     TEXT CHECK (length(accepted_at) = 24),
    -- JSON: whom it had not reached when it died, where it had reached others: it is queued again for these alone.
    remaining       TEXT CHECK (remaining IS NULL OR json_valid(remaining))
) STRICT;

CREATE INDEX IF NOT EXISTS messages_accepted ON messages (channel, accepted_at) WHERE accepted_at IS NOT NULL;

-- What is still to be sent: a row lives as long as its notification is open.
CREATE TABLE IF NOT EXISTS outbox (
    notification_id INTEGER PRIMARY KEY REFERENCES notification_events (id),
    channel         TEXT NOT NULL CHECK (channel = 'Email' OR channel = 'Slack' OR channel = 'Teams'
                        OR channel = 'PagerDuty' OR channel = 'OpsGenie' OR channel = 'Webhook' OR channel = 'Syslog'
                        OR channel = 'Command' OR channel = 'Wall'),
    resource_id     TEXT NOT NULL,
    severity        TEXT NOT NULL CHECK (severity = 'informational' OR severity = 'warning' OR severity = 'critical'),
    -- JSON: the recipients that an attempt did not reach; all of them before the first.
    remaining       TEXT CHECK (remaining IS NULL OR json_valid(remaining)),
    -- Attempts that failed; the fifth is the last.
    attempts        INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 4),
    -- On the daemon's time line: the next attempt, and since when one is under way.
    next_tick       INTEGER NOT NULL,
    claimed_tick    INTEGER
) STRICT;

-- Each channel on its own: one that is slow is asked for nothing while the others go on.
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (channel, severity, next_tick) WHERE claimed_tick IS NULL;
CREATE INDEX IF NOT EXISTS outbox_claimed ON outbox (claimed_tick) WHERE claimed_tick IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_by_resource ON outbox (resource_id);
-- What became of the messages about one object, and of those on one channel.
CREATE INDEX IF NOT EXISTS notifications_by_resource ON notification_events (resource_id);
CREATE INDEX IF NOT EXISTS notifications_by_channel ON notification_events (channel);
CREATE INDEX IF NOT EXISTS notifications_failed ON notification_events (id) WHERE state = 'failed';
CREATE INDEX IF NOT EXISTS notifications_dead ON notification_events (id) WHERE state = 'dead';

-- Each issued version anew; nobody can forget to watch one.
CREATE TRIGGER IF NOT EXISTS versions_watched AFTER INSERT ON certificate_versions WHEN NEW.state = 'active'
BEGIN
    INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, due_at, renew_at, epoch, seq)
    VALUES (NEW.certificate_id, NEW.version, NEW.not_before, NEW.not_after, NULL, NULL, 0, NEW.seq)
    ON CONFLICT (certificate_id) DO UPDATE SET version = excluded.version, not_before = excluded.not_before,
        not_after = excluded.not_after, due_at = NULL, renew_at = NULL, epoch = 0, seq = excluded.seq;
END;
INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, due_at, renew_at, epoch, seq)
SELECT certificate_id, version, not_before, not_after, NULL, NULL, 0, seq FROM certificate_versions
WHERE state = 'active' AND certificate_id NOT IN (SELECT certificate_id FROM expiry_watch);

-- What was revoked is dealt with.
CREATE TRIGGER IF NOT EXISTS versions_dealt_with AFTER UPDATE OF state ON certificate_versions
WHEN OLD.state = 'active' AND NEW.state = 'revoked'
BEGIN DELETE FROM expiry_watch WHERE certificate_id = NEW.certificate_id AND version = NEW.version; END;

CREATE TRIGGER IF NOT EXISTS expiry_watch_onwards BEFORE UPDATE ON expiry_watch
WHEN NEW.certificate_id <> OLD.certificate_id OR NEW.version < OLD.version
  OR (NEW.version = OLD.version AND (NEW.not_after <> OLD.not_after OR NEW.not_before <> OLD.not_before
      OR NEW.seq <> OLD.seq))
BEGIN SELECT RAISE(ABORT, 'a certificate is watched by its newest version'); END;

-- What alerts have, or may have, opened elsewhere: an attempt that failed may have been accepted all the same. Left out is
-- what nobody has tried to send, and what was refused for good at the first attempt.
CREATE VIEW IF NOT EXISTS incidents AS
SELECT a.certificate_id, a.version, a.target AS channel FROM alert_events a
CROSS JOIN notification_events n ON n.id = a.notification_id
WHERE (a.target = 'PagerDuty' OR a.target = 'OpsGenie' OR a.target = 'Webhook')
  AND NOT (n.state = 'queued' AND n.detail = ''
           AND EXISTS (SELECT 1 FROM outbox o WHERE o.notification_id = n.id AND o.claimed_tick IS NULL))
  AND NOT (n.state = 'dead' AND EXISTS (SELECT 1 FROM audit_events e WHERE e.seq = n.seq
           AND e.details ->> '$.refusal' = 'permanent' AND e.details ->> '$.attempt' = 1));

-- Alerts of what was renewed or dealt with are taken back, and what they opened elsewhere is closed, whoever ended the
-- watch. The newest record is the one that says why.
CREATE TRIGGER IF NOT EXISTS expiry_watch_replaced AFTER UPDATE OF version ON expiry_watch
WHEN NEW.version > OLD.version
BEGIN
    INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
    SELECT e.created_at, 'certificate_renewed', NEW.certificate_id, o.channel, 'queued', '', e.seq
    FROM (SELECT DISTINCT channel FROM incidents WHERE certificate_id = NEW.certificate_id AND version = OLD.version) o
    CROSS JOIN audit_events e WHERE e.seq = (SELECT max(seq) FROM audit_events);
    INSERT INTO messages (notification_id, channel, severity, params)
    SELECT n.id, n.channel, 'informational', json_object('version', NEW.version) FROM notification_events n
    WHERE n.resource_id = NEW.certificate_id AND n.kind = 'certificate_renewed' AND n.state = 'queued'
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.notification_id = n.id);
    INSERT INTO outbox (notification_id, channel, resource_id, severity, attempts, next_tick)
    SELECT n.id, n.channel, n.resource_id, 'informational', 0, coalesce(e.details ->> '$.tick', 0)
    FROM notification_events n CROSS JOIN audit_events e ON e.seq = n.seq
    WHERE n.resource_id = NEW.certificate_id AND n.kind = 'certificate_renewed' AND n.state = 'queued'
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.notification_id = n.id);
    UPDATE notification_events SET state = 'skipped', detail = 'a newer version took its place'
    WHERE id IN (SELECT o.notification_id FROM outbox o CROSS JOIN alert_events a ON a.notification_id = o.notification_id
                 WHERE o.resource_id = NEW.certificate_id AND a.version < NEW.version);
END;
CREATE TRIGGER IF NOT EXISTS expiry_watch_ended AFTER DELETE ON expiry_watch
BEGIN
    INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
    SELECT e.created_at, 'certificate_dealt_with', OLD.certificate_id, o.channel, 'queued', '', e.seq
    FROM (SELECT DISTINCT channel FROM incidents WHERE certificate_id = OLD.certificate_id AND version = OLD.version) o
    CROSS JOIN audit_events e WHERE e.seq = (SELECT max(seq) FROM audit_events);
    INSERT INTO messages (notification_id, channel, severity, params)
    SELECT n.id, n.channel, 'informational', json_object('version', OLD.version) FROM notification_events n
    WHERE n.resource_id = OLD.certificate_id AND n.kind = 'certificate_dealt_with' AND n.state = 'queued'
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.notification_id = n.id);
    INSERT INTO outbox (notification_id, channel, resource_id, severity, attempts, next_tick)
    SELECT n.id, n.channel, n.resource_id, 'informational', 0, coalesce(e.details ->> '$.tick', 0)
    FROM notification_events n CROSS JOIN audit_events e ON e.seq = n.seq
    WHERE n.resource_id = OLD.certificate_id AND n.kind = 'certificate_dealt_with' AND n.state = 'queued'
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.notification_id = n.id);
    UPDATE notification_events SET state = 'skipped', detail = 'the certificate was dealt with'
    WHERE id IN (SELECT o.notification_id FROM outbox o CROSS JOIN alert_events a ON a.notification_id = o.notification_id
                 WHERE o.resource_id = OLD.certificate_id);
END;

CREATE TRIGGER IF NOT EXISTS alert_events_fixed BEFORE UPDATE ON alert_events
WHEN NEW.certificate_id <> OLD.certificate_id OR NEW.version <> OLD.version OR NEW.days <> OLD.days
  OR NEW.target <> OLD.target OR NEW.severity <> OLD.severity OR NEW.notification_id <> OLD.notification_id
BEGIN SELECT RAISE(ABORT, 'an alert stands as it was raised'); END;
CREATE TRIGGER IF NOT EXISTS alert_events_no_delete BEFORE DELETE ON alert_events
BEGIN SELECT RAISE(ABORT, 'alerts are kept: what was told once is not told again'); END;

CREATE TRIGGER IF NOT EXISTS notifications_one_way BEFORE UPDATE ON notification_events
WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR NEW.kind <> OLD.kind OR NEW.resource_id <> OLD.resource_id
  OR NEW.channel IS NOT OLD.channel OR OLD.state = 'sent'
  -- What was under way when it was taken back may have been accepted all the same, and then that is what happened.
  OR (OLD.state = 'skipped' AND (NEW.state <> 'sent' OR OLD.channel IS NULL))
  OR (OLD.state = 'dead' AND NEW.state <> 'queued') OR (OLD.state = 'failed' AND NEW.state = 'queued')
BEGIN SELECT RAISE(ABORT, 'no such transition of a notification'); END;
CREATE TRIGGER IF NOT EXISTS notifications_leave_outbox AFTER UPDATE OF state ON notification_events
WHEN NEW.state = 'sent' OR NEW.state = 'dead' OR NEW.state = 'skipped'
BEGIN DELETE FROM outbox WHERE notification_id = NEW.id; END;
CREATE TRIGGER IF NOT EXISTS outbox_open BEFORE INSERT ON outbox
WHEN NOT EXISTS (SELECT 1 FROM notification_events n WHERE n.id = NEW.notification_id AND n.state = 'queued'
                 AND n.channel = NEW.channel AND n.resource_id = NEW.resource_id)
BEGIN SELECT RAISE(ABORT, 'only what is queued is sent'); END;
CREATE TRIGGER IF NOT EXISTS outbox_fixed BEFORE UPDATE ON outbox
WHEN NEW.notification_id <> OLD.notification_id OR NEW.channel <> OLD.channel OR NEW.resource_id <> OLD.resource_id
  OR NEW.severity <> OLD.severity
BEGIN SELECT RAISE(ABORT, 'a message keeps what it is about'); END;
CREATE TRIGGER IF NOT EXISTS outbox_ends BEFORE DELETE ON outbox
WHEN EXISTS (SELECT 1 FROM notification_events n WHERE n.id = OLD.notification_id
             AND (n.state = 'queued' OR n.state = 'failed'))
BEGIN SELECT RAISE(ABORT, 'what is open stays to be sent'); END;
CREATE TRIGGER IF NOT EXISTS messages_fixed BEFORE UPDATE ON messages
WHEN NEW.notification_id <> OLD.notification_id OR NEW.channel <> OLD.channel OR NEW.severity <> OLD.severity
  OR NEW.params <> OLD.params OR OLD.accepted_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a message keeps what it says'); END;
