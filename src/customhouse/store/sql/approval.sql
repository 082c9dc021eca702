-- approval_insert --
-- Keep a held call that waits for people, in the transaction of its evidence.
INSERT INTO approval (tenant_id, id, environment, assistant, trace_id, call_id, tool, tool_digest, effect, binding,
                      body_digest, key_id, key_created_by, on_behalf_of, assertion, reasons, approvers, quorum,
                      requested_at_us, expires_at_us, arguments_bytes, state, decided_at_us, notified_at_us)
VALUES (:tenant, :id, :environment, :assistant, :trace_id, :call_id, :tool, :tool_digest, :effect, :binding,
        :body_digest, :key_id, :key_created_by, :on_behalf_of, :assertion, :reasons, :approvers, :quorum,
        :requested_at_us, :expires_at_us, :arguments_bytes, 'requested', NULL, NULL);

-- approval_find --
-- One held call of a tenant's.
SELECT tenant_id, id, environment, assistant, trace_id, call_id, tool, tool_digest, effect, binding, body_digest, key_id,
       key_created_by, on_behalf_of, assertion, reasons, approvers, quorum, requested_at_us, expires_at_us,
       arguments_bytes, state, decided_at_us, notified_at_us
  FROM approval WHERE tenant_id = :tenant AND id = :id;

-- approval_get --
-- One held call, whosever it is. Organisation-wide: operators answer the held calls of every tenant.
SELECT tenant_id, id, environment, assistant, trace_id, call_id, tool, tool_digest, effect, binding, body_digest, key_id,
       key_created_by, on_behalf_of, assertion, reasons, approvers, quorum, requested_at_us, expires_at_us,
       arguments_bytes, state, decided_at_us, notified_at_us
  FROM approval WHERE id = :id;

-- approvals_waiting --
-- Held calls that wait for people, the oldest first. Organisation-wide: the list for operators.
SELECT tenant_id, id, environment, assistant, trace_id, call_id, tool, tool_digest, effect, binding, body_digest, key_id,
       key_created_by, on_behalf_of, assertion, reasons, approvers, quorum, requested_at_us, expires_at_us,
       arguments_bytes, state, decided_at_us, notified_at_us
  FROM approval WHERE state = 'requested' AND expires_at_us > :now_us ORDER BY expires_at_us, id LIMIT :limit;

-- approvals_newest --
-- The newest held calls, whatever became of them. Organisation-wide: the list for operators.
SELECT tenant_id, id, environment, assistant, trace_id, call_id, tool, tool_digest, effect, binding, body_digest, key_id,
       key_created_by, on_behalf_of, assertion, reasons, approvers, quorum, requested_at_us, expires_at_us,
       arguments_bytes, state, decided_at_us, notified_at_us
  FROM approval ORDER BY id DESC LIMIT :limit;

-- approvals_overdue --
-- Some held calls whose time is over and that nothing has ended. Organisation-wide: they expire, whosever they are.
SELECT tenant_id, id, environment, assistant, trace_id, call_id, tool, tool_digest, effect, binding, body_digest, key_id,
       key_created_by, on_behalf_of, assertion, reasons, approvers, quorum, requested_at_us, expires_at_us,
       arguments_bytes, state, decided_at_us, notified_at_us
  FROM approval WHERE state IN ('requested', 'approved') AND expires_at_us <= :now_us
 ORDER BY expires_at_us, id LIMIT :limit;

-- approval_move --
-- Take a held call to its next state, if it is still in the expected one.
UPDATE approval SET state = :state, decided_at_us = :decided_at_us
 WHERE tenant_id = :tenant AND id = :id AND state = :expected_state;

-- approval_answer_insert --
-- A person's answer; the primary key lets each person answer once.
INSERT INTO approval_answer (tenant_id, approval, approver, verdict, reason, at_us)
VALUES (:tenant, :approval, :approver, :verdict, :reason, :now_us);

-- approval_answers --
-- The answers to a held call, in order.
SELECT approver, verdict, reason, at_us FROM approval_answer
 WHERE tenant_id = :tenant AND approval = :approval ORDER BY at_us, approver;
