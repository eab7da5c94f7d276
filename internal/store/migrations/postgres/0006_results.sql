-- +goose Up
-- The results of a scan: sizes and times in the clear, all else sealed. They go
-- with their scan.
CREATE TABLE result_sets (
    scan_id       TEXT    PRIMARY KEY REFERENCES scans (id) ON DELETE CASCADE,
    authority     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    changed_at    BIGINT  NOT NULL,
    row_count     BIGINT  NOT NULL,
    segment_count BIGINT  NOT NULL,
    byte_count    BIGINT  NOT NULL,
    version       BIGINT  NOT NULL,
    head          BYTEA   NOT NULL
);
CREATE INDEX result_sets_by_person ON result_sets (authority, subject, created_at DESC, scan_id);
CREATE INDEX result_sets_by_time ON result_sets (created_at);

CREATE TABLE result_segments (
    scan_id TEXT    NOT NULL REFERENCES result_sets (scan_id) ON DELETE CASCADE,
    number  BIGINT  NOT NULL,
    sealed  BYTEA   NOT NULL,
    PRIMARY KEY (scan_id, number)
);
-- What is sealed does not get smaller: trying to costs time.
ALTER TABLE result_segments ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- +goose Down
DROP TABLE result_segments;
DROP TABLE result_sets;
