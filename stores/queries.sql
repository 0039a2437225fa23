-- open_case --
-- Put a case on record with its first message.
SELECT version, repeated FROM open_case($1, $2, $3, $4, $5, $6, $7)

-- commit_steps --
-- Commit steps of a case: state, version check, audit, checkpoints.
SELECT version, repeated FROM commit_steps($1, $2, $3, $4, $5)

-- load_state --
-- All that makes a case's state at a version: its steps, sections and messages, in one round trip.
SELECT 'case' AS kind, c.customer_id AS name, c.version, NULL::bytea AS body,
       c.opened_at AS at, NULL AS status, NULL AS owner, NULL AS error, c.schema_version::text AS extra
  FROM cases c WHERE c.case_id = $1 AND c.branch = $2
UNION ALL
SELECT 'step', k.step, k.version, NULL, k.created_at, k.status, k.owner, k.error, k.retries::text
  FROM checkpoints k WHERE k.case_id = $1 AND k.branch = $2 AND k.version <= $3
UNION ALL
SELECT * FROM (
    SELECT DISTINCT ON (s.name) 'section', s.name, s.version, s.body, NULL::timestamptz, s.encoding, s.owner, NULL,
           coalesce(s.bytes, octet_length(s.body))::text
      FROM sections s WHERE s.case_id = $1 AND s.branch = $2 AND s.version <= $3
     ORDER BY s.name, s.version DESC) AS newest
UNION ALL
SELECT * FROM (
    SELECT 'message', m.message_id, m.version, m.body, m.received_at, NULL, NULL, NULL, m.position::text
      FROM messages m WHERE m.case_id = $1 AND m.branch = $2 AND m.version <= $3
     ORDER BY m.position DESC LIMIT $5) AS newest_messages
UNION ALL
SELECT 'refunded', p.code, refunded_lately(c.customer_id, p.code, $4, $1, $2), NULL, NULL, NULL, NULL, NULL, NULL
  FROM cases c,
       LATERAL (SELECT DISTINCT e.currency AS code FROM effects e
                 WHERE e.customer_id = c.customer_id AND e.kind = 'refund') AS p
 WHERE c.case_id = $1 AND c.branch = $2
UNION ALL
SELECT 'unpaid', e.duplicate_group, count(*), NULL, NULL, NULL, NULL, NULL, NULL
  FROM cases c JOIN effects e ON e.customer_id = c.customer_id AND e.kind = 'refund'
   AND e.state IN ('rejected', 'failed') AND (e.case_id, e.branch) <> (c.case_id, c.branch)
 WHERE c.case_id = $1 AND c.branch = $2 GROUP BY e.duplicate_group

-- read_archive --
-- One long text of a case.
SELECT encoding, bytes, body FROM archive WHERE case_id = $1 AND digest = $2

-- list_checkpoints --
-- A branch's newest checkpoints before a version, oldest first; one row of nulls for a case that has
-- none there.
SELECT k.* FROM cases c
  LEFT JOIN LATERAL (
    SELECT version, parent_branch, parent_version, step, owner, status, size, schema_version, created_at
      FROM checkpoints WHERE case_id = c.case_id AND branch = c.branch AND version < $4
     ORDER BY version DESC LIMIT $3) AS k ON true
 WHERE c.case_id = $1 AND c.branch = $2 ORDER BY k.version

-- read_audit --
-- A branch's audit rows before a seq, newest first, each with the written value and the one before it
-- where there is one; one row of nulls for a case without rows.
SELECT a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.detail, a.hash,
       s.body, s.encoding, s.bytes, o.body AS old_body, o.encoding AS old_encoding, o.bytes AS old_bytes
  FROM cases c
  LEFT JOIN case_audit a ON (a.case_id, a.branch) = (c.case_id, c.branch) AND a.seq < $3
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
  LEFT JOIN sections o ON (o.case_id, o.branch, o.name, o.version)
                        = (a.case_id, a.branch, a.section, a.old_version)
 WHERE c.case_id = $1 AND c.branch = $2 ORDER BY a.seq DESC LIMIT $4

-- read_chains --
-- What verifying needs, of one moment: the audit rows of these cases (one row of nulls where there is
-- none), where each case says its chain ends, and what the tables hold now of what a row recorded.
-- OFFSET 0 has each message looked up by its key: else all messages of all cases would be hashed.
WITH wanted AS MATERIALIZED (
    SELECT c.case_id, c.branch, c.audit_seq, c.audit_head,
           (SELECT count(*) FROM sections s
             WHERE (s.case_id, s.branch) = (c.case_id, c.branch)) AS sections,
           (SELECT count(*) FROM messages m
             WHERE (m.case_id, m.branch) = (c.case_id, c.branch)) AS messages,
           (SELECT count(*) FROM effects e
             WHERE (e.case_id, e.branch) = (c.case_id, c.branch)) AS effects
      FROM unnest($1::text[], $2::text[]) AS given(case_id, branch)
      JOIN cases c USING (case_id, branch))
SELECT w.*, a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.body_hash,
       a.detail, a.prev_hash, a.hash, pg_catalog.sha256(s.body) AS stored_hash,
       a.event = 'message_received' AND EXISTS (
           SELECT FROM messages m WHERE (m.case_id, m.branch, m.version) = (a.case_id, a.branch, a.version)
              AND pg_catalog.sha256(m.body) = a.body_hash OFFSET 0) AS message_found,
       CASE WHEN e.key IS NOT NULL THEN pg_catalog.to_jsonb(e) END AS effect
  FROM wanted w
  LEFT JOIN case_audit a ON (a.case_id, a.branch) = (w.case_id, w.branch)
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
  LEFT JOIN effects e ON a.event = 'effect_claimed'
                     AND (e.key, e.case_id, e.branch) = (a.step, a.case_id, a.branch)
 ORDER BY w.case_id, w.branch, a.seq

-- list_heads --
-- Where the chains of the next cases end, in the order of their names.
SELECT case_id, branch, audit_seq AS seq, audit_head AS hash, now() AS at FROM cases
 WHERE (case_id, branch) > ($1, $2) ORDER BY case_id, branch LIMIT $3

-- heads_since --
-- Where the chains end that have a row of this time or later.
SELECT case_id, branch, audit_seq AS seq, audit_head AS hash, now() AS at FROM cases
 WHERE (case_id, branch) IN (SELECT a.case_id, a.branch FROM case_audit a WHERE a.at >= $1)
 ORDER BY case_id, branch

-- unlike_heads --
-- Which of these signed heads the tables do not bear out, and what they have instead.
SELECT given.place, c.case_id IS NOT NULL AS has_case, a.hash IS NOT NULL AS has_row
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
       WITH ORDINALITY AS given(case_id, branch, seq, hash, place)
  LEFT JOIN cases c ON (c.case_id, c.branch) = (given.case_id, given.branch)
  LEFT JOIN case_audit a ON (a.case_id, a.branch, a.seq) = (given.case_id, given.branch, given.seq)
 WHERE c.case_id IS NULL OR encode(a.hash, 'hex') IS DISTINCT FROM given.hash

-- list_strays --
-- What belongs to a case that is not there: no role but the tables' owner can bring that about.
SELECT rest.name, rest.case_id, rest.branch, count(*) AS rows FROM (
    SELECT 'case_audit' AS name, case_id, branch FROM case_audit
    UNION ALL SELECT 'sections', case_id, branch FROM sections
    UNION ALL SELECT 'messages', case_id, branch FROM messages
    UNION ALL SELECT 'checkpoints', case_id, branch FROM checkpoints
    UNION ALL SELECT 'effects', case_id, branch FROM effects) AS rest
 WHERE NOT EXISTS (SELECT FROM cases c WHERE (c.case_id, c.branch) = (rest.case_id, rest.branch))
 GROUP BY rest.name, rest.case_id, rest.branch ORDER BY rest.case_id, rest.branch, rest.name

-- list_archive --
-- The next archived texts, of one case where it is named, to be compared with their digests.
SELECT case_id, digest, encoding, bytes, body FROM archive
 WHERE (case_id, digest) > ($1, $2) AND case_id = coalesce($3, case_id)
 ORDER BY case_id, digest LIMIT $4

-- claim_effect --
-- Commit an intent before anything leaves, or say what became of it.
SELECT state, receipt, code, earlier_attempts, intent, claimed_at
  FROM claim_effect($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- settle_effect --
-- Commit an outcome and the case's step that it belongs to.
SELECT version, repeated FROM settle_effect($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- resolve_effect --
-- What was found out later about an open effect.
SELECT resolve_effect($1, $2, $3, $4, $5) AS changed

-- note_not_found --
-- The outside has nothing of an effect; for how many seconds that is known.
SELECT note_not_found($1) AS seconds

-- find_effect --
-- One effect of the ledger.
SELECT key, kind, case_id, branch, state, amount_minor, currency, charge_id, receipt, attempts,
       claimed_at, settled_at
  FROM effects WHERE key = $1

-- list_effects --
-- A case's effects, in the order in which they were claimed.
SELECT key, kind, case_id, branch, state, amount_minor, currency, charge_id, receipt, attempts,
       claimed_at, settled_at
  FROM effects WHERE case_id = $1 AND branch = $2 ORDER BY claimed_at

-- read_approval --
-- One approval request, with who has approved it so far.
SELECT a.*, approvers_of(a.approval_id) AS approved_by FROM approvals a WHERE a.approval_id = $1

-- list_approvals --
-- Requests that wait for a person, oldest first, each with who has approved it so far.
SELECT a.*, approvers_of(a.approval_id) AS approved_by FROM approvals a
 WHERE a.state = 'pending' ORDER BY a.requested_at, a.approval_id LIMIT $1

-- newest_approval --
-- The request of a case that was made last, with who has approved it so far.
SELECT a.*, approvers_of(a.approval_id) AS approved_by FROM approvals a
 WHERE a.case_id = $1 AND a.branch = $2 ORDER BY a.requested_at DESC, a.approval_id LIMIT 1

-- decide_approval --
-- A person's decision, with the case's step.
SELECT version, repeated FROM decide_approval($1, $2, $3, $4, $5, $6, $7)

-- close_approval --
-- Expire or void an open request, with the case's step.
SELECT state FROM close_approval($1, $2, $3, $4, $5)

-- remind_approval --
-- Note that approvers were reminded, once.
SELECT remind_approval($1) AS reminded

-- note_event --
-- An audit row without a change of the state.
SELECT note_event($1, $2, $3, $4, $5)

-- find_approver --
-- The approver who holds a token.
SELECT name, limits FROM find_approver($1)

-- add_approver --
-- A new approver; a name that is taken, in whatever case, is left alone.
INSERT INTO approvers (name, token_hash, limits, customer_id)
SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM approvers WHERE lower(name) = lower($1))
ON CONFLICT (name) DO NOTHING
RETURNING name

-- list_approvers --
-- Everyone who may approve or once could, by name.
SELECT name, limits, customer_id, created_at, revoked_at FROM approvers ORDER BY name

-- revoke_approver --
-- Take someone's right to approve, from now on; who has lost it before lost it then.
WITH lost AS (UPDATE approvers SET revoked_at = clock_timestamp()
               WHERE name = $1 AND revoked_at IS NULL RETURNING revoked_at)
SELECT revoked_at, true AS changed FROM lost
UNION ALL SELECT revoked_at, false FROM approvers WHERE name = $1 AND revoked_at IS NOT NULL

-- count_approvers --
-- Whether anyone can approve at all.
SELECT count(*) FROM approvers WHERE revoked_at IS NULL

-- hand_over --
-- A task for a person; no id where it was one before.
SELECT hand_over($1, $2, $3, $4, $5) AS task_id

-- list_tasks --
-- What waits for a person, oldest first.
SELECT task_id, kind, subject, case_id, branch, detail, opened_at
  FROM tasks WHERE closed_at IS NULL ORDER BY opened_at, task_id LIMIT $1

-- finish_task --
-- A person finishes a task, with an effect's outcome where that was not known.
SELECT finish_task($1, $2, $3, $4, $5)

-- end_compensation --
-- Something was undone, or could not be.
SELECT end_compensation($1, $2, $3, $4, $5) AS ended

-- list_compensations --
-- What is to be undone of a case, newest first.
SELECT name FROM compensations WHERE case_id = $1 AND branch = $2 AND state = 'registered'
 ORDER BY seq DESC

-- list_outbox --
-- What is to be told, oldest first, a page at a time. Who decides also tells the case at once: only
-- what was not told within seconds is told again.
SELECT o.id, o.kind, o.approval_id, o.asked, a.case_id, a.branch, c.customer_id, a.amount_minor,
       a.currency, a.needed, a.expires_at, a.state, a.asked = o.asked AS current,
       c.closed_at IS NOT NULL AS closed
  FROM outbox o JOIN approvals a USING (approval_id) JOIN cases c USING (case_id, branch)
 WHERE o.delivered_at IS NULL AND o.kind = ANY ($1) AND o.id > $2
   AND (o.kind <> 'decision' OR o.created_at < clock_timestamp() - interval '5 seconds')
 ORDER BY o.id LIMIT $3

-- mark_delivered --
-- It was told.
SELECT mark_delivered($1)

-- mark_told --
-- The decision of a request was told to its case.
SELECT mark_told($1)

-- list_open_effects --
-- The next effects that are to be looked at. What was claimed a moment ago is on its way; what was
-- looked at before is again after a tenth of its age, or six hours. Notices are the outbox's business.
SELECT intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE state IN ('sending', 'pending', 'unknown') AND kind <> 'notice' AND (claimed_at, key) > ($1, $2)
   AND (state <> 'sending' OR claimed_at < clock_timestamp() - $3::interval)
   AND ($4 OR looked_at IS NULL
        OR clock_timestamp() - looked_at > least((looked_at - claimed_at) / 10, interval '6 hours'))
 ORDER BY claimed_at, key LIMIT $5

-- note_looked_at --
-- The outside was asked about an effect and told nothing new.
SELECT note_looked_at($1)

-- case_entries --
-- A case's effects with their intents, in the order in which they were claimed.
SELECT intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE case_id = $1 AND branch = $2 ORDER BY claimed_at, key

-- refunds_of_keys --
-- The refunds of those keys that there are.
SELECT intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE key = ANY ($1) AND kind = 'refund'

-- refunds_made_within --
-- The next refunds of so many days that were made, or are on their way.
SELECT intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE kind = 'refund' AND state IN ('succeeded', 'pending')
   AND claimed_at > clock_timestamp() - make_interval(days => $1) AND (claimed_at, key) > ($2, $3)
 ORDER BY claimed_at, key LIMIT $4

-- list_unended --
-- Of the cases whose runs have ended, those that have not, those that were taken over and no person
-- was told, and those that are on no record.
SELECT given.place, c.customer_id
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given(case_id, branch, place)
  LEFT JOIN cases c ON (c.case_id, c.branch) = (given.case_id, given.branch)
 WHERE (c.case_id IS NOT NULL AND c.closed_at IS NULL)
    OR NOT EXISTS (SELECT FROM tasks t WHERE t.kind = 'run_ended'
                      AND t.subject = given.case_id || '/' || given.branch)
   AND (c.case_id IS NULL OR EXISTS (
        SELECT FROM checkpoints k
         WHERE (k.case_id, k.branch, k.step) = (c.case_id, c.branch, 'taken_over')))
 ORDER BY given.place

-- is_task_finished --
-- Whether a person has finished the task of that subject.
SELECT closed_at IS NOT NULL AS finished FROM tasks WHERE kind = $1 AND subject = $2
