-- +goose Up
CREATE TABLE sessions (
    id            BYTEA   PRIMARY KEY,
    authority     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    issuer        TEXT    NOT NULL,
    sid           TEXT    NOT NULL,
    session_state TEXT    NOT NULL,
    sealed        BYTEA   NOT NULL,
    device        TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    last_seen_at  BIGINT  NOT NULL,
    expires_at    BIGINT  NOT NULL,
    ends_at       BIGINT  NOT NULL
);
CREATE INDEX sessions_by_sid ON sessions (sid);
CREATE INDEX sessions_by_session_state ON sessions (session_state);
CREATE INDEX sessions_by_person ON sessions (authority, subject);
CREATE INDEX sessions_by_end ON sessions (ends_at);

CREATE TABLE session_tokens (
    session_id BYTEA   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    resource   TEXT    NOT NULL,
    sealed     BYTEA   NOT NULL,
    expires_at BIGINT  NOT NULL,
    PRIMARY KEY (session_id, resource)
);

CREATE TABLE used_values (
    digest BYTEA   PRIMARY KEY,
    until  BIGINT  NOT NULL
);

-- +goose Down
DROP TABLE used_values;
DROP TABLE session_tokens;
DROP TABLE sessions;
