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

-- evidence_of_trace --
-- The records of one trace, in the order they were written.
SELECT position, canonical, leaf_hash, link_hash FROM evidence
 WHERE tenant_id = :tenant AND trace_id = :trace_id ORDER BY position;

-- evidence_page --
-- A run of a log, for verification.
SELECT position, canonical, leaf_hash, link_hash FROM evidence
 WHERE tenant_id = :tenant AND position >= :first ORDER BY position LIMIT :limit;

-- evidence_last_trace --
-- The trace of the newest completed or refused turn of a tenant.
SELECT trace_id FROM evidence
 WHERE tenant_id = :tenant AND kind IN ('response.completed', 'request.refused', 'request.accepted')
 ORDER BY position DESC LIMIT 1;

-- reference_insert --
-- Let a trace be found by another id.
INSERT OR IGNORE INTO reference (tenant_id, name, trace_id) VALUES (:tenant, :name, :trace_id);

-- reference_find --
-- The traces known under an id, newest first (UUIDv7 sorts by time).
SELECT trace_id FROM reference WHERE tenant_id = :tenant AND name = :name ORDER BY trace_id DESC LIMIT 20;

-- reference_find_first --
-- The traces known under an id, oldest first.
SELECT trace_id FROM reference WHERE tenant_id = :tenant AND name = :name ORDER BY trace_id LIMIT 20;

-- payload_insert --
-- Store a sealed payload; the same commitment in the same trace is the same payload.
INSERT OR IGNORE INTO payload (tenant_id, commitment, trace_id, kind, sealed)
VALUES (:tenant, :commitment, :trace_id, :kind, :sealed);

-- payloads_of_trace --
-- The sealed payloads of one trace.
SELECT commitment, kind, sealed FROM payload WHERE tenant_id = :tenant AND trace_id = :trace_id ORDER BY kind DESC;

-- tenant_key_get --
-- A tenant's wrapped key.
SELECT wrapped FROM tenant_key WHERE tenant_id = :tenant;

-- tenant_key_insert --
-- Keep a tenant's first key; the primary key refuses a second one.
INSERT INTO tenant_key (tenant_id, wrapped, created_at_us) VALUES (:tenant, :wrapped, :now_us);

-- open_call_insert --
-- Note a model call that has begun, in the transaction of its model.called record.
INSERT INTO open_call (tenant_id, span_id, record) VALUES (:tenant, :span_id, :record);

-- open_call_close --
-- The call's outcome is being recorded in this transaction.
DELETE FROM open_call WHERE tenant_id = :tenant AND span_id = :span_id;

-- open_calls --
-- What a crash left behind. Organisation-wide: read once, at the start of the only server of this file.
SELECT tenant_id, span_id, record FROM open_call ORDER BY span_id;
