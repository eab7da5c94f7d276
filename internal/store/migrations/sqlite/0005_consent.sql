-- +goose Up
CREATE TABLE consent_requests (
    id            TEXT    PRIMARY KEY,
    authority     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    object_id     TEXT    NOT NULL,
    scope         TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    asked_at      INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    by_authority  TEXT    NOT NULL,
    by_subject    TEXT    NOT NULL,
    by_name       TEXT    NOT NULL,
    decided_at    INTEGER NOT NULL,
    answer        TEXT    NOT NULL,
    for_tenant    BOOLEAN NOT NULL,
    reference     TEXT    NOT NULL
);
CREATE UNIQUE INDEX consent_requests_once ON consent_requests (authority, subject, scope) WHERE state = 'pending';
CREATE INDEX consent_requests_by_person ON consent_requests (authority, subject, asked_at DESC);
CREATE INDEX consent_requests_by_state ON consent_requests (authority, state, asked_at);
CREATE INDEX consent_requests_decided ON consent_requests (authority, decided_at DESC);

CREATE TABLE audit_log (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    operation       TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    actor_authority TEXT    NOT NULL,
    actor_subject   TEXT    NOT NULL,
    actor_name      TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    client_id       TEXT    NOT NULL,
    client_name     TEXT    NOT NULL,
    resource_id     TEXT    NOT NULL,
    resource_name   TEXT    NOT NULL,
    scope           TEXT    NOT NULL,
    target_id       TEXT    NOT NULL,
    target_name     TEXT    NOT NULL,
    reference       TEXT    NOT NULL,
    code            TEXT    NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (at DESC, id DESC);
CREATE INDEX audit_log_by_operation ON audit_log (operation);

-- What was written stays as it was written, whoever has the connection.
-- +goose StatementBegin
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- +goose StatementEnd
-- INSERT OR REPLACE deletes without the trigger above.
-- +goose StatementBegin
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_log;
DROP TABLE consent_requests;
