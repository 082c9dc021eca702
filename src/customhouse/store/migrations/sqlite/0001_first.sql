-- The first schema: registry, access, ledger. Times are microseconds since the epoch, UTC.

CREATE TABLE version (
    digest TEXT NOT NULL, assistant TEXT NOT NULL, plane TEXT NOT NULL, number INTEGER NOT NULL,
    document BLOB NOT NULL, git_commit TEXT, created_by TEXT NOT NULL, created_at_us INTEGER NOT NULL,
    PRIMARY KEY (assistant, plane, digest), UNIQUE (assistant, plane, number)
) STRICT;

CREATE TABLE release (
    digest TEXT NOT NULL PRIMARY KEY, assistant TEXT NOT NULL, number INTEGER NOT NULL,
    statement BLOB NOT NULL, signature BLOB NOT NULL, key_id TEXT NOT NULL, created_at_us INTEGER NOT NULL,
    UNIQUE (assistant, number)
) STRICT;

CREATE TABLE charter (
    assistant TEXT NOT NULL, number INTEGER NOT NULL, document BLOB NOT NULL,
    created_by TEXT NOT NULL, created_at_us INTEGER NOT NULL,
    PRIMARY KEY (assistant, number)
) STRICT;

-- The one row that every change of pins compares and sets.
CREATE TABLE environment (
    name TEXT NOT NULL PRIMARY KEY, generation INTEGER NOT NULL, reviewers INTEGER NOT NULL, moved_at_us INTEGER NOT NULL
) STRICT;

CREATE TABLE pin (
    environment TEXT NOT NULL, assistant TEXT NOT NULL, plane TEXT NOT NULL,
    digest TEXT NOT NULL, release_number INTEGER NOT NULL, pinned_at_us INTEGER NOT NULL, pinned_by TEXT NOT NULL,
    PRIMARY KEY (environment, assistant, plane)
) STRICT;

-- The release that was promoted last; pins taken from another release are shown as overrides of it.
CREATE TABLE base_release (
    environment TEXT NOT NULL, assistant TEXT NOT NULL, release_number INTEGER NOT NULL,
    PRIMARY KEY (environment, assistant)
) STRICT;

CREATE TABLE pin_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, environment TEXT NOT NULL, assistant TEXT NOT NULL, kind TEXT NOT NULL,
    release_number INTEGER NOT NULL, event BLOB NOT NULL, generation INTEGER NOT NULL, actor TEXT NOT NULL, at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX pin_event_assistant ON pin_event (assistant, seq);

-- Inserted when a version is rolled back; lifting inserts a hold_lift row, so nothing is forgotten.
CREATE TABLE hold (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, environment TEXT NOT NULL, assistant TEXT NOT NULL, plane TEXT NOT NULL,
    digest TEXT NOT NULL, reason TEXT NOT NULL, held_by TEXT NOT NULL, held_at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE hold_lift (
    hold INTEGER NOT NULL PRIMARY KEY REFERENCES hold (seq), reason TEXT NOT NULL, lifted_by TEXT NOT NULL,
    lifted_at_us INTEGER NOT NULL
) STRICT;

CREATE TABLE change (
    id TEXT NOT NULL PRIMARY KEY, environment TEXT NOT NULL, assistant TEXT NOT NULL, proposal BLOB NOT NULL,
    requested_by TEXT NOT NULL, requested_at_us INTEGER NOT NULL, state TEXT NOT NULL, decided_at_us INTEGER
) STRICT;
CREATE TABLE change_review (
    change TEXT NOT NULL REFERENCES change (id), reviewer TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (change, reviewer)
) STRICT;

CREATE TABLE person (
    email TEXT NOT NULL PRIMARY KEY, roles TEXT NOT NULL, key_hash BLOB NOT NULL UNIQUE,
    created_by TEXT NOT NULL, created_at_us INTEGER NOT NULL, revoked_at_us INTEGER
) STRICT;

CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY, key_hash BLOB NOT NULL UNIQUE, assistant TEXT NOT NULL, environment TEXT NOT NULL,
    tenants TEXT NOT NULL, delegate TEXT NOT NULL, note TEXT NOT NULL,
    created_by TEXT NOT NULL, created_at_us INTEGER NOT NULL, revoked_at_us INTEGER
) STRICT;

-- Bumped by every change of keys and people, so that a running server sees it at its next poll.
CREATE TABLE access_generation (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL) STRICT;
INSERT INTO access_generation (id, generation) VALUES (1, 1);

-- One row a log: its length and the hash of its last link. Advanced by compare-and-set in the record's own transaction.
CREATE TABLE chain_head (
    tenant_id TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, hash BLOB NOT NULL
) STRICT;

CREATE TABLE evidence (
    tenant_id TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, trace_id TEXT NOT NULL, kind TEXT NOT NULL,
    canonical BLOB NOT NULL, leaf_hash BLOB NOT NULL, link_hash BLOB NOT NULL,
    PRIMARY KEY (tenant_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_trace ON evidence (tenant_id, trace_id, position);

-- Every id a person may hold in hand (tool call, release, document, change), to the trace it stands in.
CREATE TABLE reference (
    tenant_id TEXT NOT NULL, name TEXT NOT NULL, trace_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name, trace_id)
) STRICT, WITHOUT ROWID;

-- Encrypted under the tenant's key; evidence names it by keyed commitment only.
CREATE TABLE payload (
    tenant_id TEXT NOT NULL, commitment TEXT NOT NULL, trace_id TEXT NOT NULL, kind TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (tenant_id, trace_id, commitment)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant_key (
    tenant_id TEXT NOT NULL PRIMARY KEY, wrapped BLOB NOT NULL, created_at_us INTEGER NOT NULL
) STRICT;

-- Model calls that have begun and not ended. Whoever starts next settles what a crash left here as model.unknown.
CREATE TABLE open_call (
    tenant_id TEXT NOT NULL, span_id TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (tenant_id, span_id)
) STRICT, WITHOUT ROWID;
