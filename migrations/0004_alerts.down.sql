-- Back to notifications that nobody sends. What was raised and not sent stays as its row says.
DROP TRIGGER IF EXISTS versions_watched;
DROP TRIGGER IF EXISTS notifications_one_way;
DROP TRIGGER IF EXISTS notifications_leave_outbox;
DROP INDEX IF EXISTS notifications_by_resource;
DROP INDEX IF EXISTS notifications_by_channel;
DROP INDEX IF EXISTS notifications_failed;
DROP INDEX IF EXISTS notifications_dead;
DROP VIEW IF EXISTS incidents;
DROP TABLE IF EXISTS outbox;
DROP TABLE IF EXISTS alert_events;
DROP TABLE IF EXISTS expiry_watch;
DROP TRIGGER IF EXISTS versions_dealt_with;
DROP TABLE IF EXISTS messages;
