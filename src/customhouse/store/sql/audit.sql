-- audit_calls [sqlite] --
-- A page of a log's model calls, in the order in which their traces began. The index is named since SQLite would read the
-- tenant's whole log by its primary key.
SELECT trace_id, id, canonical, leaf_hash FROM evidence INDEXED BY evidence_trace
 WHERE tenant_id = :tenant AND kind = 'model.called'
   AND trace_id >= :after AND trace_id < :before AND (trace_id, id) > (:after, :after_id)
 ORDER BY trace_id, id LIMIT :limit;

-- audit_calls [postgres] --
-- The same, with records that are staged: one statement sees each record in exactly one of the two places.
SELECT trace_id, id, canonical, leaf_hash FROM (
    SELECT trace_id, id, canonical, leaf_hash FROM evidence
     WHERE tenant_id = :tenant AND kind = 'model.called'
       AND trace_id >= :after AND trace_id < :before AND (trace_id, id) > (:after, :after_id)
     UNION ALL
    SELECT trace_id, id, canonical, NULL FROM evidence_staged
     WHERE tenant_id = :tenant AND kind = 'model.called'
       AND trace_id >= :after AND trace_id < :before AND (trace_id, id) > (:after, :after_id)
) AS found ORDER BY trace_id, id LIMIT :limit;

-- audit_gaps [sqlite] --
-- A page of a log's declared gaps, likewise.
SELECT trace_id, id, canonical, leaf_hash FROM evidence INDEXED BY evidence_trace
 WHERE tenant_id = :tenant AND kind = 'gap.declared'
   AND trace_id >= :after AND trace_id < :before AND (trace_id, id) > (:after, :after_id)
 ORDER BY trace_id, id LIMIT :limit;

-- audit_gaps [postgres] --
-- A page of a log's declared gaps, likewise.
SELECT trace_id, id, canonical, leaf_hash FROM (
    SELECT trace_id, id, canonical, leaf_hash FROM evidence
     WHERE tenant_id = :tenant AND kind = 'gap.declared'
       AND trace_id >= :after AND trace_id < :before AND (trace_id, id) > (:after, :after_id)
     UNION ALL
    SELECT trace_id, id, canonical, NULL FROM evidence_staged
     WHERE tenant_id = :tenant AND kind = 'gap.declared'
       AND trace_id >= :after AND trace_id < :before AND (trace_id, id) > (:after, :after_id)
) AS found ORDER BY trace_id, id LIMIT :limit;
