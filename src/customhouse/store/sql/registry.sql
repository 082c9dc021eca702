-- version_find --
-- The number of a version that is published already.
SELECT number FROM version WHERE assistant = :assistant AND plane = :plane AND digest = :digest;

-- version_document --
-- A version's canonical bytes.
SELECT document FROM version WHERE assistant = :assistant AND plane = :plane AND digest = :digest;

-- version_insert --
-- Publish a version under the plane's next number.
INSERT INTO version (digest, assistant, plane, number, document, git_commit, created_by, created_at_us)
SELECT :digest, :assistant, :plane, COALESCE(MAX(number), 0) + 1, :document, :git_commit, :actor, :now_us
  FROM version WHERE assistant = :assistant AND plane = :plane
RETURNING number;

-- release_get --
-- A signed release.
SELECT digest, statement, signature, key_id FROM release WHERE assistant = :assistant AND number = :number;

-- release_last --
-- The newest release's number; one row, null before the first.
SELECT MAX(number) FROM release WHERE assistant = :assistant;

-- release_insert --
-- Keep a signed release. UNIQUE (assistant, number) refuses a second one of the same number.
INSERT INTO release (digest, assistant, number, statement, signature, key_id, created_at_us)
VALUES (:digest, :assistant, :number, :statement, :signature, :key_id, :now_us);

-- charter_last --
-- The charter in force.
SELECT number, document FROM charter WHERE assistant = :assistant ORDER BY number DESC LIMIT 1;

-- charter_insert --
-- Put a charter into force. The primary key refuses a second one of the same number.
INSERT INTO charter (assistant, number, document, created_by, created_at_us)
VALUES (:assistant, :number, :document, :actor, :now_us);

-- charters_last --
-- The charter in force of every assistant. Organisation-wide: what runs where is one view over all assistants.
SELECT assistant, number, document FROM charter AS c
 WHERE number = (SELECT MAX(number) FROM charter WHERE assistant = c.assistant);

-- environment_get --
-- One environment.
SELECT name, generation, reviewers, moved_at_us FROM environment WHERE name = :name;

-- environments --
-- Every environment that was used.
SELECT name, generation, reviewers, moved_at_us FROM environment ORDER BY name;

-- environment_ensure --
-- Create an environment at its first use.
INSERT INTO environment (name, generation, reviewers, moved_at_us) VALUES (:name, 0, :reviewers, 0)
    ON CONFLICT (name) DO NOTHING;

-- environment_advance --
-- Claim the next generation; no row comes back if someone else moved first. The pins move in the same transaction.
UPDATE environment SET generation = generation + 1, moved_at_us = :now_us
 WHERE name = :name AND generation = :expected_generation
RETURNING generation;

-- environment_set_reviewers --
-- How many other people must sign a loosening off.
UPDATE environment SET reviewers = :reviewers WHERE name = :name;

-- pins_get --
-- The pins of one assistant in one environment.
SELECT plane, digest, release_number FROM pin WHERE environment = :environment AND assistant = :assistant;

-- pin_put --
-- Point one plane at a version.
INSERT INTO pin (environment, assistant, plane, digest, release_number, pinned_at_us, pinned_by)
VALUES (:environment, :assistant, :plane, :digest, :release_number, :now_us, :actor)
    ON CONFLICT (environment, assistant, plane) DO UPDATE
   SET digest = excluded.digest, release_number = excluded.release_number,
       pinned_at_us = excluded.pinned_at_us, pinned_by = excluded.pinned_by;

-- base_get --
-- The release that was promoted last.
SELECT release_number FROM base_release WHERE environment = :environment AND assistant = :assistant;

-- base_put --
-- Note the release that is promoted.
INSERT INTO base_release (environment, assistant, release_number) VALUES (:environment, :assistant, :release_number)
    ON CONFLICT (environment, assistant) DO UPDATE SET release_number = excluded.release_number;

-- pins_in_force --
-- Every pin with its base release and version number. Organisation-wide: one gateway serves all assistants.
SELECT p.environment, p.assistant, p.plane, p.digest, p.release_number, p.pinned_at_us, p.pinned_by,
       b.release_number, v.number
  FROM pin AS p
  LEFT JOIN base_release AS b ON b.environment = p.environment AND b.assistant = p.assistant
  LEFT JOIN version AS v ON v.assistant = p.assistant AND v.plane = p.plane AND v.digest = p.digest
 ORDER BY p.environment, p.assistant;

-- environments_of_assistant --
-- Where an assistant has pins.
SELECT DISTINCT environment FROM pin WHERE assistant = :assistant ORDER BY environment;

-- registry_mark --
-- Moves whenever pins, switches or charters do: every generation, and how many charters there are (only inserted).
SELECT name, generation FROM environment UNION ALL SELECT 'switches', generation FROM switch_generation
 UNION ALL SELECT '', COUNT(*) FROM charter ORDER BY 1;

-- pin_event_insert --
-- Add to the history.
INSERT INTO pin_event (environment, assistant, kind, release_number, event, generation, actor, at_us)
VALUES (:environment, :assistant, :kind, :release_number, :event, :generation, :actor, :now_us)
RETURNING seq;

-- pin_events --
-- An assistant's history, newest first, in one environment or (null) in all.
SELECT seq, environment, assistant, kind, event, generation, actor, at_us FROM pin_event
 WHERE assistant = :assistant AND (CAST(:environment AS TEXT) IS NULL OR environment = :environment) AND seq < :before
 ORDER BY seq DESC LIMIT :limit;

-- pin_events_newest --
-- The newest entry of every assistant in every environment. Organisation-wide: one gateway serves all assistants.
SELECT environment, assistant, event FROM pin_event
 WHERE seq IN (SELECT MAX(seq) FROM pin_event GROUP BY environment, assistant);

-- pin_event_newest --
-- The newest entry of one assistant in one environment.
SELECT event FROM pin_event WHERE assistant = :assistant AND environment = :environment ORDER BY seq DESC LIMIT 1;

-- releases_promoted --
-- The releases that were in force in an environment, newest first.
SELECT DISTINCT release_number FROM pin_event
 WHERE assistant = :assistant AND environment = :environment AND kind = 'promoted' ORDER BY release_number DESC;

-- hold_insert --
-- Hold a version that is rolled back.
INSERT INTO hold (environment, assistant, plane, digest, reason, held_by, held_at_us)
VALUES (:environment, :assistant, :plane, :digest, :reason, :actor, :now_us)
RETURNING seq;

-- holds_open --
-- The holds of one assistant in one environment that nobody lifted.
SELECT h.seq, h.environment, h.assistant, h.plane, h.digest, v.number, h.reason, h.held_by, h.held_at_us
  FROM hold AS h
  LEFT JOIN hold_lift AS l ON l.hold = h.seq
  LEFT JOIN version AS v ON v.assistant = h.assistant AND v.plane = h.plane AND v.digest = h.digest
 WHERE h.environment = :environment AND h.assistant = :assistant AND l.hold IS NULL ORDER BY h.seq;

-- holds_open_everywhere --
-- Every hold that nobody lifted. Organisation-wide: the list for operators.
SELECT h.seq, h.environment, h.assistant, h.plane, h.digest, v.number, h.reason, h.held_by, h.held_at_us
  FROM hold AS h
  LEFT JOIN hold_lift AS l ON l.hold = h.seq
  LEFT JOIN version AS v ON v.assistant = h.assistant AND v.plane = h.plane AND v.digest = h.digest
 WHERE l.hold IS NULL ORDER BY h.seq;

-- hold_get --
-- One hold, lifted or not.
SELECT h.seq, h.environment, h.assistant, h.plane, h.digest, v.number, h.reason, h.held_by, h.held_at_us
  FROM hold AS h
  LEFT JOIN version AS v ON v.assistant = h.assistant AND v.plane = h.plane AND v.digest = h.digest
 WHERE h.seq = :seq;

-- hold_lift_insert --
-- Lift a hold; the primary key refuses to lift it twice.
INSERT INTO hold_lift (hold, reason, lifted_by, lifted_at_us) VALUES (:seq, :reason, :actor, :now_us);

-- change_insert --
-- Ask for a change.
INSERT INTO change (id, environment, assistant, proposal, requested_by, requested_at_us, state, decided_at_us)
VALUES (:id, :environment, :assistant, :proposal, :actor, :now_us, 'requested', NULL);

-- change_get --
-- One change.
SELECT id, environment, assistant, proposal, requested_by, requested_at_us, state, decided_at_us FROM change
 WHERE id = :id;

-- changes_waiting --
-- Every change that waits for a person. Organisation-wide: the list for reviewers.
SELECT id, environment, assistant, proposal, requested_by, requested_at_us, state, decided_at_us FROM change
 WHERE state = 'requested' ORDER BY requested_at_us, id;

-- changes_all --
-- The newest changes, whatever became of them. Organisation-wide: the list for reviewers and auditors.
SELECT id, environment, assistant, proposal, requested_by, requested_at_us, state, decided_at_us FROM change
 ORDER BY requested_at_us DESC, id LIMIT :limit;

-- change_move --
-- Take a change to its next state, if it is still in the expected one.
UPDATE change SET state = :state, decided_at_us = :decided_at_us WHERE id = :id AND state = :expected_state;

-- change_review_insert --
-- A person's answer; the primary key lets each person answer once.
INSERT INTO change_review (change, reviewer, verdict, reason, at_us)
VALUES (:change, :reviewer, :verdict, :reason, :now_us);

-- change_reviews --
-- The answers to a change, in order.
SELECT reviewer, verdict, reason, at_us FROM change_review WHERE change = :change ORDER BY at_us, reviewer;
