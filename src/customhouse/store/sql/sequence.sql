-- sequencer_elect [postgres] --
-- Begin a term: whoever was elected before writes nothing from now on. Only PostgreSQL has a sequencer, and these queries.
UPDATE sequencer SET epoch = epoch + 1, replica = :replica, since_us = :now_us WHERE id = 1 RETURNING epoch;

-- sequencer_term_insert [postgres] --
-- Keep who led when.
INSERT INTO sequencer_term (epoch, replica, since_us) VALUES (:epoch, :replica, :now_us);

-- sequencer_fence [postgres] --
-- Hold the term for this transaction: no row comes back if another was elected, and nobody is until it ends.
SELECT epoch FROM sequencer WHERE id = 1 AND epoch = :epoch FOR UPDATE;

-- sequencer_get [postgres] --
-- Who leads, since when.
SELECT epoch, replica, since_us FROM sequencer WHERE id = 1;

-- staged_take [postgres] --
-- The oldest staged records. Organisation-wide: the sequencer serves every log.
SELECT seq, tenant_id, trace_id, canonical FROM evidence_staged ORDER BY seq LIMIT :limit;

-- staged_backlog [postgres] --
-- How many records wait for their places, and the oldest of them. Organisation-wide: for readiness and metrics.
SELECT COUNT(*), MIN(id) FROM evidence_staged;

-- evidence_place [postgres] --
-- Move staged records to their places. Values are arrays: one statement for all logs of a batch, and the records' bytes
-- never leave the server again. Organisation-wide: the sequencer serves every log.
WITH placed AS (
    DELETE FROM evidence_staged
     USING unnest(CAST(:seq AS BIGINT[]), CAST(:position AS BIGINT[]), CAST(:leaf_hash AS BYTEA[]),
                  CAST(:link_hash AS BYTEA[])) AS place (number, position, leaf_hash, link_hash)
     WHERE evidence_staged.seq = place.number
    RETURNING tenant_id, place.position, id, trace_id, kind, canonical, place.leaf_hash, place.link_hash
)
INSERT INTO evidence (tenant_id, position, id, trace_id, kind, canonical, leaf_hash, link_hash)
SELECT tenant_id, position, id, trace_id, kind, canonical, leaf_hash, link_hash FROM placed;

-- chain_heads_start [postgres] --
-- Begin logs; the primary key refuses a second beginning. Values are arrays. Organisation-wide: for the sequencer.
INSERT INTO chain_head (tenant_id, size, hash)
SELECT started.log, started.size, started.hash
  FROM unnest(CAST(:log AS TEXT[]), CAST(:size AS BIGINT[]), CAST(:hash AS BYTEA[])) AS started (log, size, hash);

-- chain_heads_advance [postgres] --
-- Move heads by compare-and-set. Values are arrays: one statement for a batch. Organisation-wide: for the sequencer.
UPDATE chain_head AS head SET size = moved.size, hash = moved.hash
  FROM unnest(CAST(:log AS TEXT[]), CAST(:size AS BIGINT[]), CAST(:hash AS BYTEA[]),
              CAST(:expected_size AS BIGINT[]), CAST(:expected_hash AS BYTEA[]))
    AS moved (log, size, hash, expected_size, expected_hash)
 WHERE head.tenant_id = moved.log AND head.size = moved.expected_size AND head.hash = moved.expected_hash;

-- partitions_ensure [postgres] --
-- Make the partitions of days, given as days since 1970; returns how many were made.
SELECT SUM(ensure_day(DATE '1970-01-01' + n)) FROM generate_series(CAST(:first AS INTEGER), CAST(:last AS INTEGER)) AS n;

-- payloads_drop [postgres] --
-- Drop the payloads of whole days before a day, given as days since 1970; returns the days.
SELECT drop_payloads(DATE '1970-01-01' + CAST(:before AS INTEGER));

-- payload_insert [postgres] --
-- As on SQLite; values are arrays, one statement for a group.
INSERT INTO payload (tenant_id, commitment, trace_id, kind, sealed)
SELECT :tenant, each.commitment, each.trace_id, each.kind, each.sealed
  FROM unnest(CAST(:commitment AS TEXT[]), CAST(:trace_id AS TEXT[]), CAST(:kind AS TEXT[]), CAST(:sealed AS BYTEA[]))
    AS each (commitment, trace_id, kind, sealed)
    ON CONFLICT DO NOTHING;

-- reference_insert [postgres] --
-- As on SQLite; values are arrays, one statement for a group.
INSERT INTO reference (tenant_id, name, trace_id)
SELECT :tenant, each.name, each.trace_id
  FROM unnest(CAST(:name AS TEXT[]), CAST(:trace_id AS TEXT[])) AS each (name, trace_id)
    ON CONFLICT DO NOTHING;

-- open_call_insert [postgres] --
-- As on SQLite; values are arrays, one statement for a group.
INSERT INTO open_call (tenant_id, span_id, record, replica)
SELECT :tenant, each.span_id, each.record, each.replica
  FROM unnest(CAST(:span_id AS TEXT[]), CAST(:record AS BYTEA[]), CAST(:replica AS TEXT[]))
    AS each (span_id, record, replica)
    ON CONFLICT DO NOTHING;

-- open_call_close [postgres] --
-- As on SQLite; values are arrays, one statement for a group.
DELETE FROM open_call USING unnest(CAST(:span_id AS TEXT[])) AS closed (span_id)
 WHERE open_call.tenant_id = :tenant AND open_call.span_id = closed.span_id;
