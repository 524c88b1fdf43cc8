-- Takes everything away that 0001_init.up.sql made. Only an empty installation is ever rolled back this far.
DROP TABLE IF EXISTS idempotency;
DROP TABLE IF EXISTS notification_events;
DROP TABLE IF EXISTS ledger_frontier;
DROP TABLE IF EXISTS deliveries;
DROP TABLE IF EXISTS certificate_versions;
DROP TABLE IF EXISTS decisions;
DROP TABLE IF EXISTS approval_requests;
DROP TABLE IF EXISTS jobs;
DROP TABLE IF EXISTS submissions;
DROP TABLE IF EXISTS certificates;
DROP TABLE IF EXISTS audit_events;
DROP TABLE IF EXISTS policies;
DROP TABLE IF EXISTS meta;
