-- What is spent and reserved of each limit: one row for each holder and window, deleted when the window has ended.
CREATE TABLE budget_window (
    tenant_id TEXT NOT NULL, environment TEXT NOT NULL, assistant TEXT NOT NULL, holder TEXT NOT NULL, per TEXT NOT NULL,
    began_us INTEGER NOT NULL, ends_us INTEGER NOT NULL, requests INTEGER NOT NULL,
    tokens_spent INTEGER NOT NULL, tokens_reserved INTEGER NOT NULL,
    microusd_spent INTEGER NOT NULL, microusd_reserved INTEGER NOT NULL, changes INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, assistant, holder, per, began_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX budget_window_ends ON budget_window (ends_us);
