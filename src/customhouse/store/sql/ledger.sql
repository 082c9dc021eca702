-- chain_head_get --
-- Read where a log stands.
SELECT size, hash FROM chain_head WHERE tenant_id = :tenant;

-- chain_head_start --
-- Begin a log. The primary key refuses a second beginning.
INSERT INTO chain_head (tenant_id, size, hash) VALUES (:tenant, :size, :hash);

-- chain_head_advance --
-- Move a log's head by compare-and-set, in the transaction that inserts the records.
UPDATE chain_head SET size = :size, hash = :hash
 WHERE tenant_id = :tenant AND size = :expected_size AND hash = :expected_hash;

-- chain_heads --
-- Every log with its length. Organisation-wide: for verification only, read by operators, never by a turn.
SELECT tenant_id, size, hash FROM chain_head ORDER BY tenant_id;

-- evidence_insert --
-- Add one record.
INSERT INTO evidence (tenant_id, position, id, trace_id, kind, canonical, leaf_hash, link_hash)
VALUES (:tenant, :position, :id, :trace_id, :kind, :canonical, :leaf_hash, :link_hash);

-- evidence_of_trace [sqlite] --
-- The records of one trace, in the order they were written. The index is named since SQLite, which has no figures about a
-- file of ours, would read the tenant's whole log by its primary key.
-- What a call began with comes last: it has its places when the call has its outcome.
SELECT position, canonical, leaf_hash, link_hash FROM (
    SELECT position, 0 AS place, canonical, leaf_hash, link_hash FROM evidence INDEXED BY evidence_trace
     WHERE tenant_id = :tenant AND trace_id = :trace_id
     UNION ALL
    SELECT NULL, leaf.key, CAST(leaf.value ->> 'canonical' AS BLOB), NULL, NULL FROM opening, json_each(leaves) AS leaf
     WHERE tenant_id = :tenant AND trace_id = :trace_id
) AS found ORDER BY position NULLS LAST, place;

-- evidence_of_trace [postgres] --
-- The same, and after them the records that are staged: one statement sees each record in exactly one of the two places.
SELECT position, canonical, leaf_hash, link_hash FROM (
    SELECT position, 0 AS seq, canonical, leaf_hash, link_hash FROM evidence
     WHERE tenant_id = :tenant AND trace_id = :trace_id
     UNION ALL
    SELECT NULL, seq, canonical, NULL, NULL FROM evidence_staged
     WHERE tenant_id = :tenant AND trace_id = :trace_id
) AS found ORDER BY position NULLS LAST, seq;

-- evidence_ids_of_trace [sqlite] --
-- The ids of a trace's records: an entry that was kept locally, and may have been written all the same, is known by it.
-- The index is named as above.
SELECT id FROM evidence INDEXED BY evidence_trace WHERE tenant_id = :tenant AND trace_id = :trace_id
 UNION ALL SELECT leaf.value ->> 'id' FROM opening, json_each(leaves) AS leaf
 WHERE tenant_id = :tenant AND trace_id = :trace_id;

-- evidence_ids_of_trace [postgres] --
-- The same, and of records that are staged: there the sequencer gives them their places later.
SELECT id FROM evidence WHERE tenant_id = :tenant AND trace_id = :trace_id
 UNION ALL SELECT id FROM evidence_staged WHERE tenant_id = :tenant AND trace_id = :trace_id;

-- evidence_page --
-- A run of a log, for verification.
SELECT position, canonical, leaf_hash, link_hash FROM evidence
 WHERE tenant_id = :tenant AND position >= :first ORDER BY position LIMIT :limit;

-- evidence_last_trace [sqlite] --
-- The trace of the newest turn of a tenant; one that has begun is newer than one that has ended.
SELECT trace_id FROM (
    SELECT 1 AS begun, MAX(trace_id) AS trace_id FROM opening WHERE tenant_id = :tenant
     UNION ALL
    SELECT 0, trace_id FROM (
        SELECT trace_id FROM evidence
         WHERE tenant_id = :tenant AND kind IN ('response.completed', 'request.refused', 'request.accepted')
         ORDER BY position DESC LIMIT 1)
) AS newest WHERE trace_id IS NOT NULL ORDER BY begun DESC LIMIT 1;

-- evidence_last_trace [postgres] --
-- The same; what is staged is newer than what has its place.
SELECT trace_id FROM (
    (SELECT 1 AS staged, trace_id FROM evidence_staged
      WHERE tenant_id = :tenant AND kind IN ('response.completed', 'request.refused', 'request.accepted')
      ORDER BY seq DESC LIMIT 1)
     UNION ALL
    (SELECT 0, trace_id FROM evidence
      WHERE tenant_id = :tenant AND kind IN ('response.completed', 'request.refused', 'request.accepted')
      ORDER BY position DESC LIMIT 1)
) AS newest ORDER BY staged DESC LIMIT 1;

-- logs [sqlite] --
-- The name of every log, with those of which no record has its place yet. Organisation-wide: a trace is looked for in all.
SELECT tenant_id FROM chain_head UNION SELECT tenant_id FROM opening ORDER BY 1;

-- logs [postgres] --
-- The same, with logs of which no record has its place yet. Organisation-wide: a trace is looked for in all of them.
SELECT tenant_id FROM chain_head UNION SELECT staged_logs() ORDER BY 1;

-- reference_insert --
-- Let a trace be found by another id.
INSERT INTO reference (tenant_id, name, trace_id) VALUES (:tenant, :name, :trace_id) ON CONFLICT DO NOTHING;

-- reference_find [sqlite] --
-- The traces known under an id, newest first (UUIDv7 sorts by time), with those that have just begun.
SELECT trace_id FROM (
    SELECT trace_id FROM reference WHERE tenant_id = :tenant AND name = :name ORDER BY trace_id DESC LIMIT 20)
 UNION
SELECT trace_id FROM opening, json_each(leaves) AS leaf, json_each(leaf.value, '$.names') AS known
 WHERE tenant_id = :tenant AND known.value = :name ORDER BY trace_id DESC LIMIT 20;

-- reference_find [postgres] --
-- The traces known under an id, newest first.
SELECT trace_id FROM reference WHERE tenant_id = :tenant AND name = :name ORDER BY trace_id DESC LIMIT 20;

-- reference_find_first [sqlite] --
-- The traces known under an id, oldest first, with those that have just begun.
SELECT trace_id FROM (
    SELECT trace_id FROM reference WHERE tenant_id = :tenant AND name = :name ORDER BY trace_id LIMIT 20)
 UNION
SELECT trace_id FROM opening, json_each(leaves) AS leaf, json_each(leaf.value, '$.names') AS known
 WHERE tenant_id = :tenant AND known.value = :name ORDER BY trace_id LIMIT 20;

-- reference_find_first [postgres] --
-- The traces known under an id, oldest first.
SELECT trace_id FROM reference WHERE tenant_id = :tenant AND name = :name ORDER BY trace_id LIMIT 20;

-- payload_insert --
-- Store a sealed payload; the same commitment in the same trace is the same payload.
INSERT INTO payload (tenant_id, commitment, trace_id, kind, sealed)
VALUES (:tenant, :commitment, :trace_id, :kind, :sealed) ON CONFLICT DO NOTHING;

-- payloads_of_trace [sqlite] --
-- The sealed payloads of one trace, with those of a call that has just begun: pieces of one text of bytes.
SELECT commitment, kind, sealed FROM payload WHERE tenant_id = :tenant AND trace_id = :trace_id
 UNION ALL
SELECT one.value ->> 'commitment', one.value ->> 'kind',
       substr(sealed, 1 + (one.value ->> 'first'), one.value ->> 'size')
  FROM opening, json_each(leaves) AS leaf, json_each(leaf.value, '$.payloads') AS one
 WHERE tenant_id = :tenant AND trace_id = :trace_id ORDER BY kind DESC;

-- payloads_of_trace [postgres] --
-- The sealed payloads of one trace.
SELECT commitment, kind, sealed FROM payload WHERE tenant_id = :tenant AND trace_id = :trace_id ORDER BY kind DESC;

-- payloads_before --
-- Whether a tenant has payloads of traces before a day.
SELECT 1 FROM payload WHERE tenant_id = :tenant AND trace_id < :before LIMIT 1;

-- payload_expire --
-- Take away some of a tenant's payloads whose retention has ended; the records that name them stay.
DELETE FROM payload
 WHERE tenant_id = :tenant AND (trace_id, commitment) IN (
       SELECT trace_id, commitment FROM payload WHERE tenant_id = :tenant AND trace_id < :before LIMIT :limit);

-- tenant_key_get --
-- A tenant's wrapped key.
SELECT wrapped FROM tenant_key WHERE tenant_id = :tenant;

-- tenant_key_insert --
-- Keep a tenant's first key; the primary key refuses a second one.
INSERT INTO tenant_key (tenant_id, wrapped, created_at_us) VALUES (:tenant, :wrapped, :now_us);

-- opening_insert [sqlite] --
-- Keep what a turn wrote before its call left, as one row. Only SQLite has these rows, and these queries.
INSERT INTO opening (tenant_id, id, trace_id, span_id, replica, leaves, sealed)
VALUES (:tenant, :number, :trace_id, :span_id, :replica, :leaves, :sealed);

-- opening_take [sqlite] --
-- Take what a call began with: its records get their places in this transaction.
DELETE FROM opening WHERE tenant_id = :tenant AND id = :number AND span_id = :span_id
RETURNING trace_id, span_id, leaves, sealed;

-- openings [sqlite] --
-- What calls began with that have no outcome, in their order. Organisation-wide: for settling and moving them.
SELECT tenant_id, trace_id, span_id, leaves, sealed, replica FROM opening ORDER BY tenant_id, trace_id;

-- open_call_insert --
-- Note a model call that has begun, in the transaction of its model.called record.
INSERT INTO open_call (tenant_id, span_id, record, replica) VALUES (:tenant, :span_id, :record, :replica)
    ON CONFLICT DO NOTHING;

-- open_call_close --
-- The call's outcome is being recorded in this transaction.
DELETE FROM open_call WHERE tenant_id = :tenant AND span_id = :span_id;

-- open_calls_take --
-- Close the calls that a replica has open. Organisation-wide: for settling what a crash left behind. A call whose outcome
-- is on its way in another transaction is waited for, and is then not returned.
DELETE FROM open_call WHERE replica = :replica RETURNING tenant_id, span_id, record;

-- open_call_take --
-- Close one of them, likewise. Organisation-wide: for settling what a failing ledger left behind.
DELETE FROM open_call WHERE replica = :replica AND span_id = :span_id RETURNING tenant_id, span_id, record;

-- open_call_replicas --
-- Who has calls open. Organisation-wide: for settling what a crash left behind.
SELECT DISTINCT replica FROM open_call ORDER BY replica;

-- evidence_turn [postgres] --
-- One transaction of a replica after the other: a COMMIT that hangs is waited for, also that of a process which is gone.
SELECT pg_advisory_xact_lock(7005, hashtext(:replica));

-- evidence_stage [postgres] --
-- Keep records until the sequencer gives them their places. Values are arrays: one statement for a whole group, since
-- COPY refuses tables with row security (postgresql.org/docs/18/sql-copy.html, Notes).
INSERT INTO evidence_staged (tenant_id, id, trace_id, kind, canonical)
SELECT :tenant, each.id, each.trace_id, each.kind, each.canonical
  FROM unnest(CAST(:id AS TEXT[]), CAST(:trace_id AS TEXT[]), CAST(:kind AS TEXT[]), CAST(:canonical AS BYTEA[]))
    WITH ORDINALITY AS each (id, trace_id, kind, canonical, place) ORDER BY each.place;
