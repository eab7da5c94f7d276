-- +goose Up
-- Has a scan this subscription?
CREATE INDEX scan_parts_by_subscription ON scan_parts (subscription_id, scan_id);
CREATE INDEX scans_by_time ON scans (authority, requested_at);
CREATE INDEX scans_open ON scans (authority, state) WHERE ended_at = 0;

-- +goose Down
DROP INDEX scans_open;
DROP INDEX scans_by_time;
DROP INDEX scan_parts_by_subscription;
