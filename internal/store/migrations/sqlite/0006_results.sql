-- +goose Up
-- The results of a scan: sizes and times in the clear, all else sealed. They go
-- with their scan.
CREATE TABLE result_sets (
    scan_id       TEXT    PRIMARY KEY REFERENCES scans (id) ON DELETE CASCADE,
    authority     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    row_count     INTEGER NOT NULL,
    segment_count INTEGER NOT NULL,
    byte_count    INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    head          BLOB    NOT NULL
);
CREATE INDEX result_sets_by_person ON result_sets (authority, subject, created_at DESC, scan_id);
CREATE INDEX result_sets_by_time ON result_sets (created_at);

CREATE TABLE result_segments (
    scan_id TEXT    NOT NULL REFERENCES result_sets (scan_id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    sealed  BLOB    NOT NULL,
    PRIMARY KEY (scan_id, number)
);

-- +goose Down
DROP TABLE result_segments;
DROP TABLE result_sets;
