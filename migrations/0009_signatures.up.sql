-- Decisions that people signed with their own keys. The text that was signed is not kept: it is made again from what it says,
-- and its digests stand in the decision's record.

CREATE TABLE IF NOT EXISTS decision_signatures (
    -- The decision's record.
    seq             INTEGER PRIMARY KEY REFERENCES decisions (seq),
    -- Armored, in the SSHSIG format of OpenSSH.
    signature       TEXT NOT NULL CHECK (length(signature) <= 16384),
    -- The public key without its comment, and its fingerprint as ssh-keygen writes it.
    key             TEXT NOT NULL,
    key_fingerprint TEXT NOT NULL CHECK (key_fingerprint GLOB 'SHA256:*'),
    -- The state of the ledger that the signer saw.
    origin          TEXT NOT NULL,
    size            INTEGER NOT NULL CHECK (size >= 1 AND size <= seq),
    root            BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;

CREATE TRIGGER IF NOT EXISTS decision_signatures_no_update BEFORE UPDATE ON decision_signatures
BEGIN SELECT RAISE(ABORT, 'a signature stands as it was given'); END;
CREATE TRIGGER IF NOT EXISTS decision_signatures_no_delete BEFORE DELETE ON decision_signatures
BEGIN SELECT RAISE(ABORT, 'a signature stands as it was given'); END;

-- Voices that people signed with their own keys: for acknowledging damage, and for erasing a text. A record can have several.
CREATE TABLE IF NOT EXISTS voice_signatures (
    -- The record of the voice, and the place in its list of voices.
    seq             INTEGER NOT NULL REFERENCES audit_events (seq),
    idx             INTEGER NOT NULL CHECK (idx >= 0),
    -- The account that spoke, as the text says it.
    account         TEXT NOT NULL,
    signature       TEXT NOT NULL CHECK (length(signature) <= 16384),
    key             TEXT NOT NULL,
    key_fingerprint TEXT NOT NULL CHECK (key_fingerprint GLOB 'SHA256:*'),
    -- What keeps the reason in the text from being guessed.
    salt            BLOB NOT NULL CHECK (length(salt) = 16),
    origin          TEXT NOT NULL,
    size            INTEGER NOT NULL CHECK (size >= 1 AND size <= seq),
    root            BLOB NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (seq, idx)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS voice_signatures_no_update BEFORE UPDATE ON voice_signatures
BEGIN SELECT RAISE(ABORT, 'a signature stands as it was given'); END;
CREATE TRIGGER IF NOT EXISTS voice_signatures_no_delete BEFORE DELETE ON voice_signatures
BEGIN SELECT RAISE(ABORT, 'a signature stands as it was given'); END;
