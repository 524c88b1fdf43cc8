-- Back to decisions that nobody signs. Their records keep the digests of what was signed.
DROP TABLE IF EXISTS voice_signatures;
DROP TABLE IF EXISTS decision_signatures;
