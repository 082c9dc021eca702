-- Held tool calls that wait for people, and what people answered. No arguments: those are payloads of the trace.
CREATE TABLE approval (
    tenant_id TEXT NOT NULL, id TEXT NOT NULL, environment TEXT NOT NULL, assistant TEXT NOT NULL,
    trace_id TEXT NOT NULL, call_id TEXT NOT NULL, tool TEXT NOT NULL, tool_digest TEXT NOT NULL, effect TEXT NOT NULL,
    binding TEXT NOT NULL, body_digest TEXT NOT NULL, key_id TEXT NOT NULL, key_created_by TEXT NOT NULL,
    on_behalf_of TEXT, assertion TEXT NOT NULL, reasons TEXT NOT NULL, approvers TEXT NOT NULL, quorum INTEGER NOT NULL,
    requested_at_us INTEGER NOT NULL, expires_at_us INTEGER NOT NULL, arguments_bytes INTEGER NOT NULL,
    state TEXT NOT NULL, decided_at_us INTEGER, notified_at_us INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
-- People name a held call by its id alone; ids are times first, so this is also the order of the newest.
CREATE UNIQUE INDEX approval_id ON approval (id);
CREATE INDEX approval_open ON approval (expires_at_us) WHERE state IN ('requested', 'approved');

CREATE TABLE approval_answer (
    tenant_id TEXT NOT NULL, approval TEXT NOT NULL, approver TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, approval, approver),
    FOREIGN KEY (tenant_id, approval) REFERENCES approval (tenant_id, id)
) STRICT, WITHOUT ROWID;
