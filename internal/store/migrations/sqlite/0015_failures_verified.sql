-- +goose Up
-- Whether somebody whom the portal knows stands behind a failed sign-in: those are
-- bounded apart from all that a stranger can cause.
ALTER TABLE sign_in_failures ADD COLUMN verified BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX sign_in_failures_by_age;
CREATE INDEX sign_in_failures_by_age ON sign_in_failures (begun, verified, at, reference);

-- +goose Down
DROP INDEX sign_in_failures_by_age;
ALTER TABLE sign_in_failures DROP COLUMN verified;
CREATE INDEX sign_in_failures_by_age ON sign_in_failures (begun, at, reference);
