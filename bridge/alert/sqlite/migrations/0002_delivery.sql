-- alert_ids are those of a notification of several alerts, as a JSON array.
-- waiting_since is when its news were first owed, in notifications that were
-- withdrawn in its favour. progress is a JSON object, empty for none.
ALTER TABLE outbox ADD COLUMN alert_ids TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN waiting_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN progress TEXT NOT NULL DEFAULT '';

-- urgent is 1 where it tells that a critical alert fires.
ALTER TABLE outbox ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;

UPDATE outbox SET waiting_since = owed_at;

CREATE INDEX outbox_pending_of_many ON outbox (channel, seq) WHERE state = 'pending' AND alert_ids != '';
CREATE INDEX outbox_pending_urgent ON outbox (channel, seq) WHERE state = 'pending' AND urgent = 1;
CREATE INDEX outbox_waiting ON outbox (waiting_since) WHERE state = 'pending';

CREATE TABLE channels (
    seq   INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    body  TEXT NOT NULL
) STRICT;

-- One row: what tells this installation from others, for as long as it has this
-- database.
CREATE TABLE installation (
    id  TEXT NOT NULL
) STRICT;

INSERT INTO installation VALUES (lower(hex(randomblob(8))));
