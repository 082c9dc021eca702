-- What is spent and reserved of each limit: one row for each holder and window, deleted when the window has ended.
-- Rows change with every turn: room in each page keeps the new versions beside the old ones, out of the indexes.
CREATE TABLE budget_window (
    tenant_id text COLLATE "C" NOT NULL, environment text COLLATE "C" NOT NULL, assistant text COLLATE "C" NOT NULL,
    holder text COLLATE "C" NOT NULL, per text COLLATE "C" NOT NULL, began_us bigint NOT NULL, ends_us bigint NOT NULL,
    requests bigint NOT NULL, tokens_spent bigint NOT NULL, tokens_reserved bigint NOT NULL,
    microusd_spent bigint NOT NULL, microusd_reserved bigint NOT NULL, changes bigint NOT NULL,
    PRIMARY KEY (tenant_id, environment, assistant, holder, per, began_us)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX budget_window_ends ON budget_window (ends_us);

ALTER TABLE budget_window ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_window FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON budget_window TO customhouse_control, customhouse_gateway
 USING (tenant_id = (SELECT customhouse.acting_tenant())) WITH CHECK (tenant_id = (SELECT customhouse.acting_tenant()));
-- It takes away windows that have ended, of whichever tenant.
CREATE POLICY every_log ON budget_window TO customhouse_sequencer USING (true) WITH CHECK (false);

GRANT SELECT ON budget_window TO customhouse_control;
GRANT SELECT, INSERT, UPDATE ON budget_window TO customhouse_gateway;
GRANT SELECT, DELETE ON budget_window TO customhouse_sequencer;
