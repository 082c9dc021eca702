-- fsck_page --
-- A run of places of a log, however many rows stand at one of them.
SELECT position, id, trace_id, kind, canonical, leaf_hash, link_hash FROM evidence
 WHERE tenant_id = :tenant AND position >= :first AND position < :end ORDER BY position;

-- fsck_ends --
-- The first and the last place of a log that is taken, each by one look at the index.
SELECT (SELECT MIN(position) FROM evidence WHERE tenant_id = :tenant),
       (SELECT MAX(position) FROM evidence WHERE tenant_id = :tenant);

-- fsck_headless --
-- Logs with records and without a head. Organisation-wide: for verification only.
SELECT DISTINCT tenant_id FROM evidence
 WHERE tenant_id NOT IN (SELECT tenant_id FROM chain_head) LIMIT :limit;

-- fsck_doubles --
-- Records that stand in a log more than once.
SELECT id, COUNT(*) FROM evidence WHERE tenant_id = :tenant GROUP BY id HAVING COUNT(*) > 1 LIMIT :limit;

-- fsck_staged_twice [postgres] --
-- Records that wait for a place and have one. Organisation-wide: for verification only.
SELECT s.tenant_id, s.id FROM evidence_staged AS s
  JOIN evidence AS e ON e.tenant_id = s.tenant_id AND e.trace_id = s.trace_id AND e.id = s.id LIMIT :limit;

-- fsck_staged [postgres] --
-- How many records wait for a place, and the oldest of them; a long turn's trace is older than its last records.
-- Organisation-wide: for verification only.
SELECT COUNT(*), MIN(id) FROM evidence_staged;

-- fsck_references [sqlite] --
-- Ids that lead to no trace; the index is named, or each of them would cost a log. Organisation-wide: for verification only.
SELECT r.tenant_id, r.name, r.trace_id FROM reference AS r
 WHERE NOT EXISTS (SELECT 1 FROM evidence AS e INDEXED BY evidence_trace
                    WHERE e.tenant_id = r.tenant_id AND e.trace_id = r.trace_id)
 LIMIT :limit;

-- fsck_references [postgres] --
-- The same, where a trace may be staged. Organisation-wide: for verification only.
SELECT r.tenant_id, r.name, r.trace_id FROM reference AS r
 WHERE NOT EXISTS (SELECT 1 FROM evidence AS e WHERE e.tenant_id = r.tenant_id AND e.trace_id = r.trace_id)
   AND NOT EXISTS (SELECT 1 FROM evidence_staged AS s WHERE s.tenant_id = r.tenant_id AND s.trace_id = r.trace_id)
 LIMIT :limit;

-- fsck_payloads [sqlite] --
-- Which payloads of some traces (a JSON array) are there. Their content is not read.
SELECT trace_id, commitment FROM payload
 WHERE tenant_id = :tenant AND trace_id IN (SELECT value FROM json_each(:traces));

-- fsck_payloads [postgres] --
-- The same with PostgreSQL's word for it; the bounds keep it to the partitions of these traces' days.
SELECT trace_id, commitment FROM payload
 WHERE tenant_id = :tenant AND trace_id >= :oldest AND trace_id <= :newest
   AND trace_id IN (SELECT jsonb_array_elements_text(CAST(:traces AS JSONB)));

-- fsck_open_calls --
-- Calls without outcome, from a place on. Organisation-wide: for verification only.
SELECT tenant_id, span_id, record FROM open_call
 WHERE (tenant_id, span_id) > (:log, :span_id) ORDER BY tenant_id, span_id LIMIT :limit;

-- fsck_openings [sqlite] --
-- What calls began with that have no outcome, from a place on. Organisation-wide: for verification only.
SELECT id, tenant_id, trace_id, span_id, leaves,
       CASE WHEN json_valid(leaves) THEN json_array_length(leaves) ELSE 0 END, length(sealed) FROM opening
 WHERE (tenant_id, span_id) > (:log, :span_id) ORDER BY tenant_id, span_id LIMIT :limit;

-- fsck_placed [sqlite] --
-- Which records of a trace have their places. The index is named, or it would cost a log.
SELECT id FROM evidence INDEXED BY evidence_trace WHERE tenant_id = :tenant AND trace_id = :trace_id;

-- fsck_versions --
-- Documents with the digests that they are known by, from a place on.
SELECT assistant, plane, digest, document FROM version
 WHERE (assistant, plane, digest) > (:assistant, :plane, :digest) ORDER BY assistant, plane, digest LIMIT :limit;

-- fsck_releases --
-- Releases with their signed bytes, from a place on.
SELECT assistant, number, digest, statement FROM release
 WHERE (assistant, number) > (:assistant, :number) ORDER BY assistant, number LIMIT :limit;

-- fsck_row_security [postgres] --
-- Every table and partition that holds tenants' rows, and whether row security is on, also for its owner.
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class AS c
 WHERE c.relnamespace = 'customhouse'::regnamespace AND c.relkind IN ('r', 'p')
   AND EXISTS (SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum > 0)
 ORDER BY c.relname;

-- fsck_policies [postgres] --
-- Every policy of row security.
SELECT tablename, policyname, array_to_string(roles, ','), cmd, COALESCE(qual, ''), COALESCE(with_check, ''),
       permissive = 'RESTRICTIVE'
  FROM pg_policies WHERE schemaname = 'customhouse' ORDER BY tablename, policyname;

-- fsck_grants [postgres] --
-- What anybody but its owner may do with a table, with single columns of it, with a function (by its owner's rights where
-- it is SECURITY DEFINER) and with the schema.
SELECT c.relname, COALESCE(r.rolname, 'PUBLIC'), a.privilege_type, ''
  FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
 WHERE c.relnamespace = 'customhouse'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.grantee <> c.relowner
 UNION ALL
SELECT c.relname, COALESCE(r.rolname, 'PUBLIC'), a.privilege_type, t.attname
  FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid
 CROSS JOIN LATERAL aclexplode(t.attacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
 WHERE c.relnamespace = 'customhouse'::regnamespace AND a.grantee <> c.relowner
 UNION ALL
SELECT p.proname || '()', COALESCE(r.rolname, 'PUBLIC'),
       a.privilege_type || CASE WHEN p.prosecdef THEN ' AS OWNER' ELSE '' END, ''
  FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
  LEFT JOIN pg_roles AS r ON r.oid = a.grantee
 WHERE p.pronamespace = 'customhouse'::regnamespace AND a.grantee <> p.proowner
 UNION ALL
SELECT 'schema', COALESCE(r.rolname, 'PUBLIC'), a.privilege_type, ''
  FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
 WHERE n.nspname = 'customhouse' AND a.grantee <> n.nspowner
 ORDER BY 1, 2, 3, 4;

-- fsck_roles [postgres] --
-- The four roles, whether one may log in or go past row security, and which roles it is a member of.
SELECT r.rolname, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole, r.rolcanlogin,
       COALESCE((SELECT string_agg(g.rolname, ',' ORDER BY g.rolname)
          FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid WHERE m.member = r.oid), '')
  FROM pg_roles AS r WHERE r.rolname IN
       ('customhouse_control', 'customhouse_gateway', 'customhouse_sequencer', 'customhouse_auditor') ORDER BY 1;
