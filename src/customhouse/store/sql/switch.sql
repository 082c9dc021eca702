-- switches_standing --
-- Every switch that nobody lifted. Organisation-wide: a scope may reach over all tenants and assistants.
SELECT s.seq, s.scope, s.reason, s.set_by, s.set_at_us
  FROM switch AS s
  LEFT JOIN switch_lift AS l ON l.switch = s.seq
 WHERE l.switch IS NULL ORDER BY s.seq;

-- switch_get --
-- One switch, lifted or not.
SELECT seq, scope, reason, set_by, set_at_us FROM switch WHERE seq = :seq;

-- switch_lifted --
-- Whether a switch was lifted.
SELECT switch FROM switch_lift WHERE switch = :seq;

-- switch_insert --
-- Throw a switch.
INSERT INTO switch (scope, reason, set_by, set_at_us) VALUES (:scope, :reason, :actor, :now_us) RETURNING seq;

-- switch_lift_insert --
-- Lift a switch; the primary key refuses to lift it twice.
INSERT INTO switch_lift (switch, reason, lifted_by, lifted_at_us) VALUES (:seq, :reason, :actor, :now_us);

-- switch_generation_get --
-- The generation of the switches.
SELECT generation FROM switch_generation WHERE id = 1;

-- switch_generation_advance --
-- Claim the next generation; no row comes back if someone else was first. The switch moves in the same transaction.
UPDATE switch_generation SET generation = generation + 1 WHERE id = 1 AND generation = :expected_generation
RETURNING generation;
