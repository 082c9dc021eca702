-- access_generation_get --
-- Whether anything about keys or people changed since it was last loaded: the one query of every poll.
SELECT generation FROM access_generation WHERE id = 1;

-- access_generation_bump --
-- Make running servers load keys and people again; runs in the transaction of the change.
UPDATE access_generation SET generation = generation + 1 WHERE id = 1;

-- person_get --
-- One person, revoked or not.
SELECT email, roles, created_by, created_at_us, revoked_at_us FROM person WHERE email = :email;

-- person_list --
-- Everybody who ever had a key, revoked people too.
SELECT email, roles, created_by, created_at_us, revoked_at_us FROM person ORDER BY email;

-- person_insert --
-- Add a person. The primary key refuses a second one of this address.
INSERT INTO person (email, roles, key_hash, created_by, created_at_us, revoked_at_us)
VALUES (:email, :roles, :key_hash, :created_by, :now_us, NULL);

-- person_restore --
-- Give a revoked person a new key and new roles; nothing happens to one who is not revoked.
UPDATE person SET roles = :roles, key_hash = :key_hash, created_by = :created_by, created_at_us = :now_us,
       revoked_at_us = NULL
 WHERE email = :email AND revoked_at_us IS NOT NULL;

-- person_revoke --
-- Take a person's key away, once.
UPDATE person SET revoked_at_us = :now_us WHERE email = :email AND revoked_at_us IS NULL;

-- person_active --
-- What a server holds in memory of people.
SELECT key_hash, email, roles FROM person WHERE revoked_at_us IS NULL;

-- api_key_get --
-- One data-plane key, revoked or not.
SELECT id, assistant, environment, tenants, delegate, note, created_by, created_at_us, revoked_at_us, workflow
  FROM api_key WHERE id = :id;

-- api_key_list --
-- Every data-plane key, revoked ones too, newest first.
SELECT id, assistant, environment, tenants, delegate, note, created_by, created_at_us, revoked_at_us, workflow
  FROM api_key ORDER BY created_at_us DESC, id;

-- api_key_insert --
-- Add a key. There is no statement that widens one: what a key may do is decided here, once.
INSERT INTO api_key (id, key_hash, assistant, environment, tenants, delegate, note, created_by, created_at_us, workflow)
VALUES (:id, :key_hash, :assistant, :environment, :tenants, :delegate, :note, :created_by, :now_us, :workflow);

-- api_key_revoke --
-- Revoke a key, once.
UPDATE api_key SET revoked_at_us = :now_us WHERE id = :id AND revoked_at_us IS NULL;

-- api_key_active --
-- What a server holds in memory of data-plane keys.
SELECT key_hash, id, assistant, environment, tenants, delegate, created_by, workflow
  FROM api_key WHERE revoked_at_us IS NULL;
