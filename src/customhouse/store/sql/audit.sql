-- audit_calls [sqlite] --
-- The next model calls of a log, in the order in which their traces began, and as many of those that have just begun. The
-- index is named since SQLite would read the tenant's whole log by its primary key.
SELECT begun, trace_id, canonical, leaf_hash FROM (
    SELECT begun, trace_id, canonical, leaf_hash FROM (
        SELECT 0 AS begun, trace_id, canonical, leaf_hash FROM evidence INDEXED BY evidence_trace
         WHERE tenant_id = :tenant AND kind = 'model.called' AND trace_id > :after AND trace_id < :before
         ORDER BY trace_id, position LIMIT :limit)
     UNION ALL
    SELECT begun, trace_id, canonical, leaf_hash FROM (
        SELECT 1 AS begun, trace_id, CAST(leaf.value ->> 'canonical' AS BLOB) AS canonical, NULL AS leaf_hash
          FROM opening, json_each(leaves) AS leaf
         WHERE tenant_id = :tenant AND leaf.value ->> 'kind' = 'model.called' AND trace_id > :after AND trace_id < :before
         ORDER BY trace_id LIMIT :limit)
) AS found ORDER BY trace_id, begun;

-- audit_calls [postgres] --
-- The same, and as many of those that are staged: one statement sees each record in exactly one of the two places. Each
-- half is ordered as its index is, so that it ends at its limit.
SELECT staged, trace_id, canonical, leaf_hash FROM (
    (SELECT 0 AS staged, trace_id, canonical, leaf_hash FROM evidence
      WHERE tenant_id = :tenant AND kind = 'model.called' AND trace_id > :after AND trace_id < :before
      ORDER BY trace_id, position LIMIT :limit)
     UNION ALL
    (SELECT 1, trace_id, canonical, NULL FROM evidence_staged
      WHERE tenant_id = :tenant AND kind = 'model.called' AND trace_id > :after AND trace_id < :before
      ORDER BY trace_id, seq LIMIT :limit)
) AS found ORDER BY trace_id, staged;

-- audit_gaps [sqlite] --
-- The next declared gaps of a log, likewise.
SELECT 0, trace_id, canonical, leaf_hash FROM evidence INDEXED BY evidence_trace
 WHERE tenant_id = :tenant AND kind = 'gap.declared' AND trace_id > :after AND trace_id < :before
 ORDER BY trace_id, position LIMIT :limit;

-- audit_gaps [postgres] --
-- The next declared gaps of a log, likewise.
SELECT staged, trace_id, canonical, leaf_hash FROM (
    (SELECT 0 AS staged, trace_id, canonical, leaf_hash FROM evidence
      WHERE tenant_id = :tenant AND kind = 'gap.declared' AND trace_id > :after AND trace_id < :before
      ORDER BY trace_id, position LIMIT :limit)
     UNION ALL
    (SELECT 1, trace_id, canonical, NULL FROM evidence_staged
      WHERE tenant_id = :tenant AND kind = 'gap.declared' AND trace_id > :after AND trace_id < :before
      ORDER BY trace_id, seq LIMIT :limit)
) AS found ORDER BY trace_id, staged;

-- audit_proposing [sqlite] --
-- The newest records of a log by their traces: how many each has, and whether a model proposed a call in it. The index is
-- named as above.
SELECT trace_id, COUNT(*), MAX(kind = 'tool.proposed') FROM (
    SELECT trace_id, kind FROM evidence INDEXED BY evidence_trace
     WHERE tenant_id = :tenant AND trace_id < :before ORDER BY trace_id DESC LIMIT :limit
) AS newest GROUP BY trace_id ORDER BY trace_id DESC;

-- audit_proposing [postgres] --
-- The same; what is staged has its place a moment later, and counts then.
SELECT trace_id, COUNT(*), MAX(CASE WHEN kind = 'tool.proposed' THEN 1 ELSE 0 END) FROM (
    SELECT trace_id, kind FROM evidence
     WHERE tenant_id = :tenant AND trace_id < :before ORDER BY trace_id DESC LIMIT :limit
) AS newest GROUP BY trace_id ORDER BY trace_id DESC;
