-- now_us [postgres] --
-- The database's time: replicas are told apart by one clock, which nobody else's is compared with.
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT);

-- now_us [sqlite] --
-- The machine's time: one machine has the file.
SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER);

-- replica_put --
-- Say that a replica runs, and what it says of itself. Starting again under its id takes the place of the one that ended.
INSERT INTO replica (id, name, version, started_at_us, seen_at_us, ended_at_us, state)
VALUES (:id, :name, :version, :started_at_us, :now_us, NULL, :state)
    ON CONFLICT (id) DO UPDATE
   SET name = excluded.name, version = excluded.version, started_at_us = excluded.started_at_us,
       seen_at_us = excluded.seen_at_us, ended_at_us = NULL, state = excluded.state;

-- replica_end --
-- Say that a replica stopped in order, and in which state: nobody waits for it any more.
UPDATE replica SET ended_at_us = :now_us, state = :state WHERE id = :id;

-- replicas --
-- Every replica that is known, running or not.
SELECT id, name, version, started_at_us, seen_at_us, ended_at_us, state FROM replica ORDER BY name, id;

-- acknowledgement_put --
-- Say which generation a replica has in force; the time is that of the first report.
INSERT INTO acknowledgement (replica, name, generation, applied_at_us) VALUES (:replica, :name, :generation, :now_us)
    ON CONFLICT (replica, name) DO UPDATE SET generation = excluded.generation, applied_at_us = excluded.applied_at_us
 WHERE acknowledgement.generation <> excluded.generation;

-- acknowledgements --
-- What each replica has in force, by its own report.
SELECT replica, name, generation, applied_at_us FROM acknowledgement ORDER BY replica, name;

-- acknowledgements_forget --
-- Forget what a replica reported that was not heard of for long.
DELETE FROM acknowledgement WHERE replica IN (SELECT id FROM replica WHERE seen_at_us < :before_us);

-- replicas_forget --
-- Forget replicas that were not heard of for long; evidence names none of them.
DELETE FROM replica WHERE seen_at_us < :before_us;

-- generations --
-- The newest generation of everything that replicas apply.
SELECT name, generation FROM environment UNION ALL SELECT 'switches', generation FROM switch_generation
 UNION ALL SELECT 'access', generation FROM access_generation ORDER BY 1;
