-- +goose Up
ALTER TABLE scans ADD COLUMN problem_claims TEXT NOT NULL DEFAULT '';
-- The job that follows the scan, so that it can be hurried; 0 for scans that
-- were asked for before this column was there.
ALTER TABLE scans ADD COLUMN job_id BIGINT NOT NULL DEFAULT 0;
CREATE INDEX scans_by_change ON scans (authority, subject, changed_at);

-- +goose Down
DROP INDEX scans_by_change;
ALTER TABLE scans DROP COLUMN job_id;
ALTER TABLE scans DROP COLUMN problem_claims;
