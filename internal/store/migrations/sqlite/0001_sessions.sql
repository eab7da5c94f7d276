-- +goose Up
-- No index is partial: SQLite would then prepare every statement with a
-- parameter anew at each use, to see whether the index applies.
CREATE TABLE sessions (
    id            BLOB    PRIMARY KEY,
    authority     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    issuer        TEXT    NOT NULL,
    sid           TEXT    NOT NULL,
    session_state TEXT    NOT NULL,
    sealed        BLOB    NOT NULL,
    device        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    ends_at       INTEGER NOT NULL
);
CREATE INDEX sessions_by_sid ON sessions (sid);
CREATE INDEX sessions_by_session_state ON sessions (session_state);
CREATE INDEX sessions_by_person ON sessions (authority, subject);
CREATE INDEX sessions_by_end ON sessions (ends_at);

CREATE TABLE session_tokens (
    session_id BLOB    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    resource   TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, resource)
);

CREATE TABLE used_values (
    digest BLOB    PRIMARY KEY,
    until  INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE used_values;
DROP TABLE session_tokens;
DROP TABLE sessions;
