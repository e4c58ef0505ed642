CREATE TABLE alerts (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    version        INTEGER NOT NULL,
    fingerprint    TEXT NOT NULL,
    id_base        TEXT NOT NULL,
    number         INTEGER NOT NULL,
    name           TEXT NOT NULL,
    status         TEXT NOT NULL,
    severity       TEXT NOT NULL,
    fired_at       INTEGER NOT NULL, -- Unix milliseconds, as all times.
    resolved_at    INTEGER NOT NULL, -- 0 while it is not resolved.
    reopens_until  INTEGER NOT NULL,
    body           TEXT NOT NULL
) STRICT;

-- At most one alert with the same labels is not resolved.
CREATE UNIQUE INDEX alerts_open ON alerts (fingerprint) WHERE resolved_at = 0;
CREATE INDEX alerts_reopening ON alerts (reopens_until) WHERE resolved_at > 0;
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at > 0;
CREATE INDEX alerts_numbers ON alerts (id_base, number);
CREATE INDEX alerts_history ON alerts (fired_at);

CREATE TABLE events (
    seq       INTEGER PRIMARY KEY,
    alert_id  TEXT NOT NULL,
    at        INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    actor     TEXT NOT NULL,
    channel   TEXT NOT NULL,
    text      TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_alert ON events (alert_id);

CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT NOT NULL UNIQUE,
    channel     TEXT NOT NULL,
    alert_id    TEXT NOT NULL, -- The only one, or the gravest of a digest.
    state       TEXT NOT NULL,
    owed_at     INTEGER NOT NULL,
    -- What counts once against the rate limit, whatever the channels; empty
    -- where it does not count.
    counts_as   TEXT NOT NULL,
    next_try    INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    settled_at  INTEGER NOT NULL DEFAULT 0,
    answer      TEXT NOT NULL DEFAULT '',
    body        TEXT NOT NULL
) STRICT;

CREATE INDEX outbox_pending ON outbox (channel, seq) WHERE state = 'pending';
CREATE INDEX outbox_pending_of_alert ON outbox (channel, alert_id, seq) WHERE state = 'pending';
CREATE INDEX outbox_owed ON outbox (owed_at);

CREATE TABLE rules (
    name         TEXT PRIMARY KEY,
    description  TEXT NOT NULL,
    severity     TEXT NOT NULL,
    expr         TEXT NOT NULL,
    for_ms       INTEGER NOT NULL,
    cooldown_ms  INTEGER NOT NULL,
    labels       TEXT NOT NULL,
    annotations  TEXT NOT NULL,
    disabled     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
