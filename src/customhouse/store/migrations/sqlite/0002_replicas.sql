-- Switches, replicas and what each of them has applied; turns found by release, key and person.

-- A standing deny over a scope. Lifting inserts a row, so nothing is forgotten.
CREATE TABLE switch (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, reason TEXT NOT NULL, set_by TEXT NOT NULL,
    set_at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE switch_lift (
    switch INTEGER NOT NULL PRIMARY KEY REFERENCES switch (seq), reason TEXT NOT NULL, lifted_by TEXT NOT NULL,
    lifted_at_us INTEGER NOT NULL
) STRICT;
-- The one row that every change of switches compares and sets.
CREATE TABLE switch_generation (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL) STRICT;
INSERT INTO switch_generation (id, generation) VALUES (1, 0);

-- A process that answers turns. `state` is what it says of itself, canonical JSON; `ended_at_us` when it stopped in order.
CREATE TABLE replica (
    id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, started_at_us INTEGER NOT NULL,
    seen_at_us INTEGER NOT NULL, ended_at_us INTEGER, state TEXT NOT NULL
) STRICT;
-- The generation of pins (by environment), of switches and of keys and people that a replica has in force.
CREATE TABLE acknowledgement (
    replica TEXT NOT NULL REFERENCES replica (id), name TEXT NOT NULL, generation INTEGER NOT NULL,
    applied_at_us INTEGER NOT NULL,
    PRIMARY KEY (replica, name)
) STRICT, WITHOUT ROWID;

-- Who has the call open, so that what a crash left behind is told from what another process is doing.
ALTER TABLE open_call ADD COLUMN replica TEXT NOT NULL DEFAULT '';

-- Turns are found by their release (with and without overrides), key and person from now on, old ones too.
INSERT OR IGNORE INTO reference (tenant_id, name, trace_id)
SELECT tenant_id, name, trace_id FROM (
    SELECT e.tenant_id AS tenant_id, e.trace_id AS trace_id, json_extract(CAST(e.canonical AS TEXT), '$.release') AS name
      FROM evidence AS e WHERE e.kind = 'request.accepted'
    UNION ALL
    SELECT e.tenant_id, e.trace_id, substr(json_extract(CAST(e.canonical AS TEXT), '$.release'), 1,
           instr(json_extract(CAST(e.canonical AS TEXT), '$.release') || '+', '+') - 1)
      FROM evidence AS e WHERE e.kind = 'request.accepted'
    UNION ALL
    SELECT e.tenant_id, e.trace_id, json_extract(CAST(e.canonical AS TEXT), '$.principal.key')
      FROM evidence AS e WHERE e.kind = 'request.accepted'
    UNION ALL
    SELECT e.tenant_id, e.trace_id, json_extract(CAST(e.canonical AS TEXT), '$.principal.on_behalf_of')
      FROM evidence AS e WHERE e.kind = 'request.accepted'
) WHERE name IS NOT NULL;
