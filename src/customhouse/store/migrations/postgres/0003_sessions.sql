-- Browsers that are signed in to the console: known by the SHA-256 of their token, good as long as the person's own key is.
CREATE TABLE session (
    token_hash bytea NOT NULL PRIMARY KEY, key_hash bytea NOT NULL, began_at_us bigint NOT NULL, ends_at_us bigint NOT NULL
);
CREATE INDEX session_key ON session (key_hash, began_at_us);

-- Hashes of secrets: nobody but the control role reads them, no auditor either.
GRANT SELECT, INSERT, DELETE ON session TO customhouse_control;
