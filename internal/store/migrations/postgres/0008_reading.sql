-- +goose Up
-- How far the results of a scan are read in. Scans that ended before these
-- columns were there are not read: their state is empty.
ALTER TABLE scans ADD COLUMN read_state TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN read_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE scans ADD COLUMN read_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE scans ADD COLUMN read_waits_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE scans ADD COLUMN read_ended_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE scans ADD COLUMN read_problem_code TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN read_problem_message TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN read_problem_next TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN read_problem_reference TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN read_problem_claims TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN read_job_id BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE scans DROP COLUMN read_job_id;
ALTER TABLE scans DROP COLUMN read_problem_claims;
ALTER TABLE scans DROP COLUMN read_problem_reference;
ALTER TABLE scans DROP COLUMN read_problem_next;
ALTER TABLE scans DROP COLUMN read_problem_message;
ALTER TABLE scans DROP COLUMN read_problem_code;
ALTER TABLE scans DROP COLUMN read_ended_at;
ALTER TABLE scans DROP COLUMN read_waits_since;
ALTER TABLE scans DROP COLUMN read_until;
ALTER TABLE scans DROP COLUMN read_since;
ALTER TABLE scans DROP COLUMN read_state;
