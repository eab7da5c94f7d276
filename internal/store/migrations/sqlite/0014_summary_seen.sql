-- +goose Up
-- What the summary of a subscription said when its scan was looked at and it had no
-- time that can be read: then a change of it tells that there are new results.
ALTER TABLE scan_parts ADD COLUMN summary_seen TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE scan_parts DROP COLUMN summary_seen;
