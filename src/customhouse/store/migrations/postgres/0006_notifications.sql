-- Which held calls people have been told of, over which channel: an outbox. A row that is due is sent, or sent again.
CREATE TABLE notification (
    tenant_id text COLLATE "C" NOT NULL, approval text COLLATE "C" NOT NULL, channel text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL, attempts bigint NOT NULL, due_at_us bigint NOT NULL,
    PRIMARY KEY (tenant_id, approval, channel),
    FOREIGN KEY (tenant_id, approval) REFERENCES approval (tenant_id, id)
);
ALTER TABLE notification ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON notification TO customhouse_control, customhouse_gateway
 USING (tenant_id = (SELECT customhouse.acting_tenant())) WITH CHECK (tenant_id = (SELECT customhouse.acting_tenant()));
-- What is due is due whosever it is; what is written is written for one tenant.
CREATE POLICY every_log_read ON notification FOR SELECT TO customhouse_control USING (true);
GRANT SELECT, INSERT, UPDATE ON notification TO customhouse_control;
