-- notifications_due --
-- Held calls that people are to be told of over a channel, what ends first first. Organisation-wide: whosever they are.
SELECT a.tenant_id, a.id, a.tool, a.assistant, a.environment, a.expires_at_us, n.stage, n.attempts
  FROM approval AS a
  LEFT JOIN notification AS n ON n.tenant_id = a.tenant_id AND n.approval = a.id AND n.channel = :channel
 WHERE a.state = 'requested' AND a.expires_at_us > :now_us
   AND (n.stage IS NULL OR (n.stage <> 'done' AND n.due_at_us <= :now_us))
 ORDER BY a.expires_at_us, a.id LIMIT :limit;

-- notification_begin --
-- Claim a first message until :due_at_us; no row changes if somebody else was first.
INSERT INTO notification (tenant_id, approval, channel, stage, attempts, due_at_us)
VALUES (:tenant, :approval, :channel, 'requested', 1, :due_at_us)
    ON CONFLICT (tenant_id, approval, channel) DO NOTHING;

-- notification_again --
-- Claim a message that is due until :due_at_us; no row changes if somebody else was first.
UPDATE notification SET attempts = attempts + 1, due_at_us = :due_at_us
 WHERE tenant_id = :tenant AND approval = :approval AND channel = :channel AND stage = :expected_stage
   AND attempts = :expected_attempts AND due_at_us <= :now_us;

-- notification_move --
-- Say what became of a claim: what comes next and when. No row changes if somebody has claimed it since.
UPDATE notification SET stage = :stage, attempts = :attempts, due_at_us = :due_at_us
 WHERE tenant_id = :tenant AND approval = :approval AND channel = :channel AND stage = :expected_stage
   AND attempts = :expected_attempts;

-- approval_notified --
-- Say when people were first told of a held call.
UPDATE approval SET notified_at_us = :now_us WHERE tenant_id = :tenant AND id = :id AND notified_at_us IS NULL;
