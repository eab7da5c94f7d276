-- +goose Up
-- One row for each token that was issued, never the token itself. Rows outlive
-- their session: session_id refers to nothing.
CREATE TABLE issued_tokens (
    id          TEXT    PRIMARY KEY,
    authority   TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    session_id  BLOB    NOT NULL,
    device      TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    scopes      TEXT    NOT NULL,
    purpose     TEXT    NOT NULL,
    flow        TEXT    NOT NULL,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revealed_at INTEGER NOT NULL,
    reveals     INTEGER NOT NULL,
    copied_at   INTEGER NOT NULL,
    copies      INTEGER NOT NULL
);
CREATE INDEX issued_tokens_by_person ON issued_tokens (authority, subject, issued_at DESC, id);
CREATE INDEX issued_tokens_by_time ON issued_tokens (issued_at);

-- +goose Down
DROP TABLE issued_tokens;
