CREATE TABLE auth_tokens (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL,
    hash          BLOB NOT NULL, -- SHA-256 of the whole token.
    created_at    INTEGER NOT NULL, -- Unix milliseconds, as all times.
    expires_at    INTEGER NOT NULL, -- 0 for never.
    last_used_at  INTEGER NOT NULL  -- 0 for not yet.
) STRICT;

CREATE TABLE auth_users (
    name        TEXT PRIMARY KEY,
    role        TEXT NOT NULL,
    password    TEXT NOT NULL, -- bcrypt.
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE auth_sessions (
    hash        BLOB PRIMARY KEY, -- SHA-256 of the cookie.
    user        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX auth_sessions_of_user ON auth_sessions (user, created_at);

CREATE TABLE audit (
    seq   INTEGER PRIMARY KEY,
    body  TEXT NOT NULL, -- The entry as JSON, exactly as it was hashed.
    hash  BLOB NOT NULL, -- SHA-256 of the hash before, the number and the body.
    at    TEXT GENERATED ALWAYS AS (json_extract(body, '$.at')) VIRTUAL
) STRICT;

CREATE INDEX audit_at ON audit (at);

-- Where the chain begins and ends. Beginning: old entries are let go of.
CREATE TABLE audit_chain (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    first_seq   INTEGER NOT NULL,
    first_prev  BLOB NOT NULL, -- The hash before the first entry.
    last_seq    INTEGER NOT NULL,
    last_hash   BLOB NOT NULL
) STRICT;

INSERT INTO audit_chain VALUES (1, 1, zeroblob(32), 0, zeroblob(32));

-- These keep mistakes away, and not whoever may write the file: for those there
-- is the chain.
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
WHEN OLD.seq >= (SELECT first_seq FROM audit_chain)
BEGIN
    SELECT raise(ABORT, 'the audit trail is append-only');
END;
