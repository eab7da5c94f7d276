-- +goose Up
-- Whose token endpoint may be sent what is kept. What was kept before is of no
-- known issuer, and is erased when it is looked at.
ALTER TABLE delegations ADD COLUMN issuer TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE delegations DROP COLUMN issuer;
