DROP INDEX IF EXISTS audit_by_category;
DROP INDEX IF EXISTS audit_by_time;
