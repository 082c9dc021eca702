-- Records in ordinary rows (docs/adr/0039): one of a kilobyte then shares a page with two others, and is added at the end of
-- its table. Clustered by the primary key it took a page for itself, and a dozen were written again to keep the tree even.

DROP INDEX evidence_trace;
ALTER TABLE evidence RENAME TO evidence_before;
CREATE TABLE evidence (
    tenant_id TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, trace_id TEXT NOT NULL, kind TEXT NOT NULL,
    canonical BLOB NOT NULL, leaf_hash BLOB NOT NULL, link_hash BLOB NOT NULL,
    PRIMARY KEY (tenant_id, position)
) STRICT;
INSERT INTO evidence (tenant_id, position, id, trace_id, kind, canonical, leaf_hash, link_hash)
SELECT tenant_id, position, id, trace_id, kind, canonical, leaf_hash, link_hash FROM evidence_before ORDER BY tenant_id, position;

-- Not one record is left behind: the step fails, and with it the whole upgrade, unless every one is there, byte for byte.
CREATE TEMP TABLE left_behind (records INTEGER NOT NULL CHECK (records = 0)) STRICT;
INSERT INTO left_behind (records)
SELECT COUNT(*) FROM evidence_before AS e
 WHERE NOT EXISTS (SELECT 1 FROM evidence AS c
                    WHERE c.tenant_id = e.tenant_id AND c.position = e.position AND c.id = e.id AND c.trace_id = e.trace_id
                      AND c.kind = e.kind AND c.canonical = e.canonical AND c.leaf_hash = e.leaf_hash
                      AND c.link_hash = e.link_hash);
DROP TABLE temp.left_behind;

DROP TABLE evidence_before;
CREATE INDEX evidence_trace ON evidence (tenant_id, trace_id, position);
