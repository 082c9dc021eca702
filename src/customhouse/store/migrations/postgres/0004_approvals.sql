-- Held tool calls that wait for people, and what people answered. No arguments: those are payloads of the trace.
CREATE TABLE approval (
    tenant_id text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, environment text COLLATE "C" NOT NULL,
    assistant text COLLATE "C" NOT NULL, trace_id text COLLATE "C" NOT NULL, call_id text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL, tool_digest text COLLATE "C" NOT NULL, effect text COLLATE "C" NOT NULL,
    binding text COLLATE "C" NOT NULL, body_digest text COLLATE "C" NOT NULL, key_id text COLLATE "C" NOT NULL,
    key_created_by text COLLATE "C" NOT NULL, on_behalf_of text COLLATE "C", assertion text COLLATE "C" NOT NULL,
    reasons text NOT NULL, approvers text NOT NULL, quorum bigint NOT NULL, requested_at_us bigint NOT NULL,
    expires_at_us bigint NOT NULL, arguments_bytes bigint NOT NULL, state text COLLATE "C" NOT NULL,
    decided_at_us bigint, notified_at_us bigint,
    PRIMARY KEY (tenant_id, id)
);
-- People name a held call by its id alone; ids are times first, so this is also the order of the newest.
CREATE UNIQUE INDEX approval_id ON approval (id);
CREATE INDEX approval_open ON approval (expires_at_us) WHERE state IN ('requested', 'approved');

CREATE TABLE approval_answer (
    tenant_id text COLLATE "C" NOT NULL, approval text COLLATE "C" NOT NULL, approver text COLLATE "C" NOT NULL,
    verdict text COLLATE "C" NOT NULL, reason text NOT NULL, at_us bigint NOT NULL,
    PRIMARY KEY (tenant_id, approval, approver),
    FOREIGN KEY (tenant_id, approval) REFERENCES approval (tenant_id, id)
);

ALTER TABLE approval ENABLE ROW LEVEL SECURITY;
ALTER TABLE approval FORCE ROW LEVEL SECURITY;
ALTER TABLE approval_answer ENABLE ROW LEVEL SECURITY;
ALTER TABLE approval_answer FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON approval TO customhouse_control, customhouse_gateway
 USING (tenant_id = (SELECT customhouse.acting_tenant())) WITH CHECK (tenant_id = (SELECT customhouse.acting_tenant()));
CREATE POLICY own ON approval_answer TO customhouse_control, customhouse_gateway
 USING (tenant_id = (SELECT customhouse.acting_tenant())) WITH CHECK (tenant_id = (SELECT customhouse.acting_tenant()));
-- Operators are the organisation's people: they list and answer the held calls of every tenant.
CREATE POLICY every_log_read ON approval FOR SELECT TO customhouse_control USING (true);
CREATE POLICY every_log_read ON approval_answer FOR SELECT TO customhouse_control USING (true);
-- The leader ends what has expired, whosever it is.
CREATE POLICY every_log ON approval TO customhouse_sequencer USING (true) WITH CHECK (true);
-- A yes is a person's: a gateway that was taken over asks, lets expire and uses up, and approves nothing.
CREATE POLICY asks ON approval AS RESTRICTIVE FOR INSERT TO customhouse_gateway WITH CHECK (state = 'requested');
CREATE POLICY ends ON approval AS RESTRICTIVE FOR UPDATE TO customhouse_gateway
 USING (state IN ('requested', 'approved')) WITH CHECK (state IN ('consumed', 'expired'));
CREATE POLICY expires ON approval AS RESTRICTIVE FOR UPDATE TO customhouse_sequencer
 USING (state IN ('requested', 'approved')) WITH CHECK (state IN ('requested', 'expired'));

GRANT SELECT ON approval TO customhouse_control, customhouse_gateway, customhouse_sequencer;
GRANT INSERT ON approval TO customhouse_gateway;
GRANT UPDATE (state, decided_at_us) ON approval TO customhouse_gateway;
GRANT UPDATE (state, decided_at_us, notified_at_us) ON approval TO customhouse_control, customhouse_sequencer;
GRANT SELECT, INSERT ON approval_answer TO customhouse_control;
GRANT SELECT ON approval_answer TO customhouse_gateway;
-- When a call is released the gateway looks once more who has approved it, and whether he still may.
GRANT SELECT ON charter TO customhouse_gateway;
GRANT SELECT (email, roles, created_by, created_at_us, revoked_at_us) ON person TO customhouse_gateway;
