-- +goose Up
CREATE TABLE scans (
    id              TEXT    PRIMARY KEY,
    authority       TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    idempotency_key TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    requested_at    BIGINT  NOT NULL,
    changed_at      BIGINT  NOT NULL,
    ended_at        BIGINT  NOT NULL,
    problem_code    TEXT    NOT NULL,
    problem_message TEXT    NOT NULL,
    problem_next    TEXT    NOT NULL,
    version         BIGINT  NOT NULL,
    UNIQUE (authority, subject, idempotency_key)
);
CREATE INDEX scans_by_owner ON scans (authority, subject, requested_at DESC, id);

CREATE TABLE scan_parts (
    scan_id         TEXT    NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    subscription_id TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    scan_request_id TEXT    NOT NULL,
    queue_status    TEXT    NOT NULL,
    message         TEXT    NOT NULL,
    since           BIGINT  NOT NULL,
    retry_at        BIGINT  NOT NULL,
    completed_at    BIGINT  NOT NULL,
    PRIMARY KEY (scan_id, position)
);

-- +goose Down
DROP TABLE scan_parts;
DROP TABLE scans;
