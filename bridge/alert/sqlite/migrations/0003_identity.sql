-- At most one alert of an origin with the same labels is not resolved. What is
-- there gets its identity with its next change: it is made of the body.
ALTER TABLE alerts ADD COLUMN identity TEXT NOT NULL DEFAULT '';
UPDATE alerts SET identity = 'fingerprint/' || fingerprint;
DROP INDEX alerts_open;
CREATE UNIQUE INDEX alerts_open ON alerts (identity) WHERE resolved_at = 0;
