-- session_begin --
-- Keep that a browser is signed in, by the hash of its token.
INSERT INTO session (token_hash, key_hash, began_at_us, ends_at_us)
VALUES (:token_hash, :key_hash, :now_us, :ends_at_us);

-- session_get --
-- With which operator key a session began; one that has ended is none.
SELECT key_hash, ends_at_us FROM session WHERE token_hash = :token_hash AND ends_at_us > :now_us;

-- session_end --
-- Sign one browser out.
DELETE FROM session WHERE token_hash = :token_hash;

-- session_forget --
-- Take away sessions whose time is over.
DELETE FROM session WHERE ends_at_us <= :now_us;

-- session_bound --
-- Sign a person's oldest browsers out, beyond the number that may be signed in at once.
DELETE FROM session WHERE key_hash = :key_hash AND token_hash NOT IN (
       SELECT token_hash FROM session WHERE key_hash = :key_hash ORDER BY began_at_us DESC, token_hash LIMIT :limit);
