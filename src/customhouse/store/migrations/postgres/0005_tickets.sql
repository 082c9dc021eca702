-- A ticket that was redeemed: its id alone, until it has expired. Who comes second is refused by the key.
CREATE TABLE ticket_redemption (
    tenant_id text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, expires_us bigint NOT NULL,
    redeemed_us bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ticket_redemption_expires ON ticket_redemption (expires_us);

ALTER TABLE ticket_redemption ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket_redemption FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON ticket_redemption TO customhouse_control, customhouse_gateway
 USING (tenant_id = (SELECT customhouse.acting_tenant())) WITH CHECK (tenant_id = (SELECT customhouse.acting_tenant()));
-- It takes away tickets that have expired, of whichever tenant.
CREATE POLICY every_log ON ticket_redemption TO customhouse_sequencer USING (true) WITH CHECK (false);

GRANT INSERT ON ticket_redemption TO customhouse_gateway;
GRANT SELECT, DELETE ON ticket_redemption TO customhouse_sequencer;
