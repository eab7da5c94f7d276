-- +goose Up
-- When a person was here last, by the first page.
CREATE TABLE visits (
    authority TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    began_at  BIGINT NOT NULL,
    seen_at   BIGINT NOT NULL,
    before_at BIGINT NOT NULL, -- 0 in the first visit
    PRIMARY KEY (authority, subject)
);

-- +goose Down
DROP TABLE visits;
