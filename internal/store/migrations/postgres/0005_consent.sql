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
    asked_at      BIGINT  NOT NULL,
    state         TEXT    NOT NULL,
    by_authority  TEXT    NOT NULL,
    by_subject    TEXT    NOT NULL,
    by_name       TEXT    NOT NULL,
    decided_at    BIGINT  NOT NULL,
    answer        TEXT    NOT NULL,
    for_tenant    BOOLEAN NOT NULL,
    reference     TEXT    NOT NULL
);
CREATE UNIQUE INDEX consent_requests_once ON consent_requests (authority, subject, scope) WHERE state = 'pending';
CREATE INDEX consent_requests_by_person ON consent_requests (authority, subject, asked_at DESC);
CREATE INDEX consent_requests_by_state ON consent_requests (authority, state, asked_at);
CREATE INDEX consent_requests_decided ON consent_requests (authority, decided_at DESC);

CREATE TABLE audit_log (
    id              BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation       TEXT    NOT NULL,
    at              BIGINT  NOT NULL,
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
CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse();

-- +goose Down
DROP TABLE audit_log;
DROP FUNCTION audit_log_refuse();
DROP TABLE consent_requests;
