-- Back to a ledger without checkpoints. The records that tell of keys and anchors stay.
DROP TABLE IF EXISTS anchors;
DROP TABLE IF EXISTS checkpoint_signatures;
DROP TABLE IF EXISTS checkpoints;
DROP TABLE IF EXISTS checkpoint_keys;
DROP TABLE IF EXISTS ledger_nodes;
DELETE FROM meta WHERE key = 'ledger_nodes';
