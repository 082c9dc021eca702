-- The workflow that a key is bound to, if any: each of its turns runs in it.
ALTER TABLE api_key ADD COLUMN workflow TEXT;
