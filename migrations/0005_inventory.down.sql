-- Back to certificates that were issued here alone. What was found is found again; what was told of it stays told.
DELETE FROM expiry_watch WHERE certificate_id NOT IN (SELECT id FROM certificates);
DROP INDEX IF EXISTS versions_by_end;
DROP TABLE IF EXISTS inventory_scans;
DROP TABLE IF EXISTS inventory_findings;
DROP TABLE IF EXISTS inventory_intake;
DROP TABLE IF EXISTS found_certificates;
DROP TABLE IF EXISTS inventory;
DROP TABLE IF EXISTS inventory_certificates;
