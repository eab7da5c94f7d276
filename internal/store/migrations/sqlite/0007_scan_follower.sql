-- +goose Up
ALTER TABLE scans ADD COLUMN problem_claims TEXT NOT NULL DEFAULT '';
-- The job that follows the scan, so that it can be hurried; 0 for scans that
-- were asked for before this column was there.
ALTER TABLE scans ADD COLUMN job_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scans ADD COLUMN schedule_id TEXT NOT NULL DEFAULT '';
CREATE INDEX scans_by_change ON scans (authority, subject, changed_at);

CREATE TABLE schedules (
    id             TEXT    PRIMARY KEY,
    authority      TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    cadence        TEXT    NOT NULL,
    weekday        INTEGER NOT NULL,
    hour           INTEGER NOT NULL,
    zone           TEXT    NOT NULL,
    subscriptions  TEXT    NOT NULL, -- ids, one a line
    state          TEXT    NOT NULL,
    agreed_at      INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    changed_at     INTEGER NOT NULL,
    next_at        INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    last_scan      TEXT    NOT NULL,
    notice_code    TEXT    NOT NULL,
    notice_message TEXT    NOT NULL,
    notice_next    TEXT    NOT NULL,
    notice_at      INTEGER NOT NULL,
    version        INTEGER NOT NULL
);
CREATE INDEX schedules_by_owner ON schedules (authority, subject, created_at DESC, id);
CREATE INDEX schedules_by_time ON schedules (state, next_at);

-- Refresh tokens that outlive sessions, for schedules; one for each person.
CREATE TABLE delegations (
    authority TEXT NOT NULL,
    subject   TEXT NOT NULL,
    sealed    BLOB NOT NULL,
    kept_at   INTEGER NOT NULL,
    PRIMARY KEY (authority, subject)
);

-- +goose Down
DROP TABLE delegations;
DROP TABLE schedules;
ALTER TABLE scans DROP COLUMN schedule_id;
DROP INDEX scans_by_change;
ALTER TABLE scans DROP COLUMN job_id;
ALTER TABLE scans DROP COLUMN problem_claims;
