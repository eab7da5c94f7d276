-- +goose Up
ALTER TABLE scans ADD COLUMN problem_reference TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE scans DROP COLUMN problem_reference;
