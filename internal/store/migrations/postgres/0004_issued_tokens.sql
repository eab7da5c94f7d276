-- +goose Up
-- One row for each token that was issued, never the token itself. Rows outlive
-- their session: session_id refers to nothing.
CREATE TABLE issued_tokens (
    id          TEXT    PRIMARY KEY,
    authority   TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    session_id  BYTEA   NOT NULL,
    device      TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    scopes      TEXT    NOT NULL,
    purpose     TEXT    NOT NULL,
    flow        TEXT    NOT NULL,
    issued_at   BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL,
    revealed_at BIGINT  NOT NULL,
    reveals     BIGINT  NOT NULL,
    copied_at   BIGINT  NOT NULL,
    copies      BIGINT  NOT NULL
);
CREATE INDEX issued_tokens_by_person ON issued_tokens (authority, subject, issued_at DESC, id);
CREATE INDEX issued_tokens_by_time ON issued_tokens (issued_at);

-- +goose Down
DROP TABLE issued_tokens;
