-- What a turn writes before it asks a model, as one row (docs/adr/0044): durable, and in the turn's trace at once. Its records
-- join the log, and what belongs to them its tables, in the transaction that writes the call's outcome.
CREATE TABLE opening (
    id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, replica TEXT NOT NULL,
    leaves TEXT NOT NULL, sealed BLOB NOT NULL
) STRICT;
