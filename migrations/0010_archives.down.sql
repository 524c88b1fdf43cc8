-- Back to a ledger without archives. The records that tell of them stay.
DROP TABLE IF EXISTS ledger_archives;
