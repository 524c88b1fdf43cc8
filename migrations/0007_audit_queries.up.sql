-- What questions of the ledger are answered from: by time, and by category in the order of the sequence.

CREATE INDEX IF NOT EXISTS audit_by_time ON audit_events (created_at, category);
CREATE INDEX IF NOT EXISTS audit_by_category ON audit_events (category, seq);
