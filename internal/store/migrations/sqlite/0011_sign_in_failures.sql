-- +goose Up
-- Sign-ins that failed, for the help desk. Anybody can cause them: their number is
-- bounded, apart for those that were begun here and for others.
CREATE TABLE sign_in_failures (
    reference TEXT    PRIMARY KEY,
    at        INTEGER  NOT NULL,
    code      TEXT    NOT NULL,
    begun     BOOLEAN NOT NULL,
    sealed    BLOB   NOT NULL
);
CREATE INDEX sign_in_failures_by_age ON sign_in_failures (begun, at, reference);
CREATE INDEX sign_in_failures_by_time ON sign_in_failures (at, reference);

-- +goose Down
DROP TABLE sign_in_failures;
