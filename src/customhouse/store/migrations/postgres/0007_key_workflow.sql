-- The workflow that a key is bound to, if any: each of its turns runs in it.
ALTER TABLE api_key ADD COLUMN workflow text COLLATE "C";
GRANT SELECT (workflow) ON api_key TO customhouse_auditor;
