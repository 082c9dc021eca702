-- Browsers that are signed in to the console: known by the SHA-256 of their token, good as long as the person's own key is.
CREATE TABLE session (
    token_hash BLOB NOT NULL PRIMARY KEY, key_hash BLOB NOT NULL, began_at_us INTEGER NOT NULL, ends_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_key ON session (key_hash, began_at_us);
