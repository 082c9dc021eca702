-- budget_take --
-- Where a counter stands, kept from everybody else until the transaction ends; one that is not there begins at nothing.
INSERT INTO budget_window (tenant_id, environment, assistant, holder, per, began_us, ends_us, requests, tokens_spent,
                           tokens_reserved, microusd_spent, microusd_reserved, changes)
VALUES (:tenant, :environment, :assistant, :holder, :per, :began_us, :ends_us, 0, 0, 0, 0, 0, 0)
    ON CONFLICT (tenant_id, environment, assistant, holder, per, began_us)
    DO UPDATE SET changes = budget_window.changes
RETURNING requests, tokens_spent, tokens_reserved, microusd_spent, microusd_reserved, changes;

-- budget_set --
-- Set a counter by compare-and-set, in the transaction that took it.
UPDATE budget_window
   SET requests = :requests, tokens_spent = :tokens_spent, tokens_reserved = :tokens_reserved,
       microusd_spent = :microusd_spent, microusd_reserved = :microusd_reserved, changes = changes + 1
 WHERE tenant_id = :tenant AND environment = :environment AND assistant = :assistant AND holder = :holder
   AND per = :per AND began_us = :began_us AND changes = :expected_changes
RETURNING changes;

-- budget_look --
-- A tenant's counters of one assistant in one window.
SELECT holder, per, began_us, ends_us, requests, tokens_spent, tokens_reserved, microusd_spent, microusd_reserved, changes
  FROM budget_window
 WHERE tenant_id = :tenant AND environment = :environment AND assistant = :assistant
   AND per = :per AND began_us = :began_us
 ORDER BY tokens_spent + tokens_reserved DESC, requests DESC, holder LIMIT 100;

-- budget_look_at --
-- One of a tenant's counters of an assistant in one window.
SELECT holder, per, began_us, ends_us, requests, tokens_spent, tokens_reserved, microusd_spent, microusd_reserved, changes
  FROM budget_window
 WHERE tenant_id = :tenant AND environment = :environment AND assistant = :assistant AND holder = :holder
   AND per = :per AND began_us = :began_us;

-- budget_forget --
-- Take away some windows that have ended. Organisation-wide: what they counted is evidence, each model call with its usage.
DELETE FROM budget_window WHERE (tenant_id, environment, assistant, holder, per, began_us) IN (
       SELECT tenant_id, environment, assistant, holder, per, began_us FROM budget_window
        WHERE ends_us <= :before_us ORDER BY ends_us LIMIT :limit);
