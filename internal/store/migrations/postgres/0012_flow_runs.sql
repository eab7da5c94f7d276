-- +goose Up
-- What was said when a person ran a flow: sealed, but for what it is found by.
CREATE TABLE flow_runs (
    id         TEXT PRIMARY KEY,
    authority  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    share      BYTEA, -- hash of what opens it to the help desk; null for nothing
    head       BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX flow_runs_by_person ON flow_runs (authority, subject, started_at DESC, id);
CREATE UNIQUE INDEX flow_runs_by_share ON flow_runs (share);
CREATE INDEX flow_runs_by_end ON flow_runs (ends_at);

-- +goose Down
DROP TABLE flow_runs;
