-- open_case --
-- Put a case on record with its first message.
SELECT version, repeated FROM open_case($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- commit_steps --
-- Commit steps of a case: state, version check, audit, checkpoints.
SELECT version, repeated FROM commit_steps($1, $2, $3, $4, $5)

-- load_state --
-- All that makes a case's state at a version: its steps, sections and messages, in one round trip. A
-- branch has those of its ancestors too, and the customer's words as they were edited.
WITH line AS MATERIALIZED (SELECT * FROM lineage($1, $2, $3))
SELECT 'case' AS kind, c.customer_id AS name, c.version, NULL::bytea AS body,
       c.opened_at AS at, NULL AS status, NULL AS owner, NULL AS error, c.schema_version::text AS extra
  FROM cases c WHERE c.case_id = $1 AND c.branch = $2
UNION ALL
SELECT 'step', k.step, k.version, NULL, k.created_at, k.status, k.owner, k.error, k.retries::text
  FROM line l JOIN checkpoints k ON k.case_id = $1 AND k.branch = l.branch AND k.version <= l.until
UNION ALL
SELECT * FROM (
    SELECT DISTINCT ON (s.name) 'section', s.name, s.version, s.body, NULL::timestamptz, s.encoding, s.owner, NULL,
           coalesce(s.bytes, octet_length(s.body))::text
      FROM line l JOIN sections s ON s.case_id = $1 AND s.branch = l.branch AND s.version <= l.until
     ORDER BY s.name, s.version DESC) AS newest
UNION ALL
SELECT * FROM (
    SELECT DISTINCT ON (m.position) 'message', m.message_id, m.version, m.body, m.received_at, NULL, NULL, NULL,
           m.position::text
      FROM line l JOIN messages m ON m.case_id = $1 AND m.branch = l.branch AND m.version <= l.until
     ORDER BY m.position DESC, m.version DESC LIMIT $5) AS newest_messages
UNION ALL
SELECT 'refunded', p.code, refunded_lately(c.customer_id, p.code, $4, $1), NULL, NULL, NULL, NULL, NULL, NULL
  FROM cases c,
       LATERAL (SELECT DISTINCT e.currency AS code FROM effects e
                 WHERE e.customer_id = c.customer_id AND e.kind = 'refund') AS p
 WHERE c.case_id = $1 AND c.branch = $2
UNION ALL
SELECT 'unpaid', e.duplicate_group, count(*), NULL, NULL, NULL, NULL, NULL, NULL
  FROM cases c JOIN effects e ON e.customer_id = c.customer_id AND e.kind = 'refund'
   AND e.state IN ('rejected', 'failed') AND e.case_id <> c.case_id
 WHERE c.case_id = $1 AND c.branch = $2 GROUP BY e.duplicate_group

-- read_archive --
-- One long text of a case.
SELECT encoding, bytes, body FROM archive WHERE case_id = $1 AND digest = $2

-- list_checkpoints --
-- A branch's newest checkpoints before a version, its ancestors' included, oldest first; one row of nulls
-- for a case that has none there.
SELECT k.* FROM cases c
  LEFT JOIN LATERAL (
    SELECT k.branch, k.version, k.parent_branch, k.parent_version, k.step, k.owner, k.status, k.size,
           k.schema_version, k.created_at
      FROM lineage(c.case_id, c.branch, $4::bigint - 1) l
      JOIN checkpoints k ON k.case_id = c.case_id AND k.branch = l.branch AND k.version <= l.until
     ORDER BY k.version DESC LIMIT $3) AS k ON true
 WHERE c.case_id = $1 AND c.branch = $2 ORDER BY k.version

-- fork_case --
-- Begin a branch after a checkpoint, with the edits as its first step.
SELECT fork_case($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS version

-- list_branches --
-- The lines of a case, the main line first.
SELECT case_id, branch, parent_branch, parent_version, status, version, base_version, forked_by, opened_at,
       closed_at, promoted_at
  FROM cases WHERE case_id = $1 ORDER BY parent_branch IS NOT NULL, opened_at, branch

-- list_branch_effects --
-- What a branch wants done outside, and how that was answered.
SELECT key, kind, mode, version, amount_minor, currency, charge_id, state, receipt, code, intent, at
  FROM branch_effects WHERE case_id = $1 AND branch = $2 ORDER BY at, key

-- read_audit --
-- A branch's audit rows before a seq, newest first, each with the written value and the one before it
-- where there is one; one row of nulls for a case without rows.
SELECT a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.detail, a.hash,
       s.body, s.encoding, s.bytes, o.body AS old_body, o.encoding AS old_encoding, o.bytes AS old_bytes
  FROM cases c
  LEFT JOIN case_audit a ON (a.case_id, a.branch) = (c.case_id, c.branch) AND a.seq < $3
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
  LEFT JOIN sections o ON (o.case_id, o.name, o.version) = (a.case_id, a.section, a.old_version)
                       AND (o.branch = c.branch OR c.parent_branch IS NOT NULL AND o.branch IN (
                            SELECT l.branch FROM lineage(c.case_id, c.branch, a.old_version) l
                             WHERE l.until >= a.old_version))
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
             WHERE (e.case_id, e.branch) = (c.case_id, c.branch)) AS effects,
           (SELECT count(*) FROM branch_effects e
             WHERE (e.case_id, e.branch) = (c.case_id, c.branch)) AS branch_effects
      FROM unnest($1::text[], $2::text[]) AS given(case_id, branch)
      JOIN cases c USING (case_id, branch))
SELECT w.*, a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.body_hash,
       a.detail, a.prev_hash, a.hash, pg_catalog.sha256(s.body) AS stored_hash,
       a.event = 'message_received' AND EXISTS (
           SELECT FROM messages m WHERE (m.case_id, m.branch, m.version) = (a.case_id, a.branch, a.version)
              AND pg_catalog.sha256(m.body) = a.body_hash OFFSET 0) AS message_found,
       CASE WHEN e.key IS NOT NULL THEN pg_catalog.to_jsonb(e)
            WHEN b.key IS NOT NULL THEN pg_catalog.to_jsonb(b) END AS effect,
       coalesce(e.intent, b.intent) AS intent
  FROM wanted w
  LEFT JOIN case_audit a ON (a.case_id, a.branch) = (w.case_id, w.branch)
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
  LEFT JOIN effects e ON a.event = 'effect_claimed'
                     AND (e.key, e.case_id, e.branch) = (a.step, a.case_id, a.branch)
  LEFT JOIN branch_effects b ON a.event IN ('effect_adopted', 'effect_conflict', 'effect_simulated')
                            AND (b.key, b.case_id, b.branch) = (a.step, a.case_id, a.branch)
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
    UNION ALL SELECT 'branch_effects', case_id, branch FROM branch_effects
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
  FROM claim_effect($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)

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

-- own_refunds --
-- By what the provider's list shows a case's own refunds, on whatever line: the key from the claim on,
-- the receipt from the outcome on.
SELECT key, receipt FROM effects WHERE case_id = $1 AND kind IN ('refund', 'correction')

-- read_approval --
-- One approval request, with who has approved it so far.
SELECT a.*, approvers_of(a.approval_id) AS approved_by FROM approvals a WHERE a.approval_id = $1

-- approval_of_promotion --
-- The request about a branch that was made last, with who has approved it so far.
SELECT a.*, approvers_of(a.approval_id) AS approved_by FROM approvals a
 WHERE a.case_id = $1 AND a.promotes = $2 ORDER BY a.requested_at DESC, a.approval_id LIMIT 1

-- pending_approvals --
-- The requests of a case that wait for a person, newest first, with who has approved them so far.
SELECT a.*, approvers_of(a.approval_id) AS approved_by FROM approvals a
 WHERE a.case_id = $1 AND a.branch = $2 AND a.state = 'pending'
 ORDER BY a.requested_at DESC, a.approval_id

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
SELECT note_event($1, $2, $3, $4, $5, $6)

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

-- case_of_task --
-- The case that a task is about, if it is about one.
SELECT case_id FROM tasks WHERE task_id = $1

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
       c.closed_at IS NOT NULL AND a.promotes IS NULL AS closed, a.promotes
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
SELECT case_id, intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
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
SELECT case_id, intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE case_id = $1 AND branch = $2 ORDER BY claimed_at, key

-- refunds_of_keys --
-- The refunds of those keys that there are.
SELECT case_id, intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE key = ANY ($1) AND kind IN ('refund', 'correction')

-- refunds_made_within --
-- The next refunds of so many days that were made, or are on their way.
SELECT case_id, intent, state, receipt, claimed_at, clock_timestamp() - claimed_at AS age FROM effects
 WHERE kind IN ('refund', 'correction') AND state IN ('succeeded', 'pending')
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

-- list_idle --
-- The next cases and branches that are open, and on which nothing has gone on for so long.
SELECT opened_at, case_id, branch FROM cases
 WHERE closed_at IS NULL AND (opened_at, case_id, branch) > ($1, $2, $3)
   AND updated_at < clock_timestamp() - $4::interval
 ORDER BY opened_at, case_id, branch LIMIT $5

-- list_promoting --
-- Promotions that have begun, and on which nothing has gone on for so long: few, as people begin them.
SELECT case_id, promoting AS branch FROM cases
 WHERE branch = 'main' AND promoting IS NOT NULL AND updated_at < clock_timestamp() - $1::interval

-- promotion_facts --
-- A branch and its main line, what the one wants and the other has done, all of one moment.
SELECT m.customer_id, m.version AS main_version, m.promoting, b.branch, b.base_version, b.status,
       b.closed_at IS NOT NULL AS ended, b.promoted_at IS NOT NULL AS promoted,
       coalesce(b.forked_by, '') AS forked_by, ledger_mark(m.case_id) AS mark,
       (SELECT json_agg(json_build_object('state', w.state, 'receipt', w.receipt, 'code', w.code,
                   'intent', encode(w.intent, 'base64')) ORDER BY w.at, w.key)
          FROM branch_effects w WHERE (w.case_id, w.branch) = (b.case_id, b.branch)) AS wanted,
       (SELECT json_agg(json_build_object('state', e.state, 'receipt', e.receipt, 'code', e.code,
                   'intent', encode(e.intent, 'base64')) ORDER BY e.claimed_at, e.key)
          FROM effects e WHERE (e.case_id, e.branch) = (m.case_id, m.branch)
           AND e.kind NOT IN ('notice', 'unlock')) AS done,
       (SELECT json_object_agg(f.duplicate_group, f.times) FROM (
            SELECT e.duplicate_group, count(*) AS times FROM effects e
             WHERE e.customer_id = m.customer_id AND e.kind = 'refund' AND e.state IN ('rejected', 'failed')
             GROUP BY e.duplicate_group) AS f) AS failed
  FROM cases m LEFT JOIN cases b ON b.case_id = m.case_id AND b.branch = $2
 WHERE m.case_id = $1 AND m.branch = 'main'

-- request_promotion --
-- Ask people to approve a promotion, or find the request as it is.
SELECT request_promotion($1, $2, $3, $4, $5, $6) AS state

-- close_promotion --
-- Expire or void the request of a promotion.
SELECT close_promotion($1, $2, $3) AS state

-- begin_promotion --
-- From now on the main line does nothing but this promotion.
SELECT begin_promotion($1, $2, $3, $4, $5, $6)

-- complete_promotion --
-- The main line becomes what the branch is.
SELECT version, repeated FROM complete_promotion($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- is_task_finished --
-- Whether a person has finished the task of that subject.
SELECT closed_at IS NOT NULL AS finished FROM tasks WHERE kind = $1 AND subject = $2

-- list_past_cases --
-- The next main lines with what their last policy step saw and wrote, a row per section; one row without
-- a section for a case that has none. Only those that were decided, or else opened, at that place in
-- time or later; a case's own time is taken before that of its checkpoint.
WITH page AS MATERIALIZED (
    SELECT c.case_id, c.branch, c.customer_id, d.version, d.created_at AS decided_at
      FROM cases c
      LEFT JOIN LATERAL (
        SELECT k.version, k.created_at FROM checkpoints k
         WHERE (k.case_id, k.branch) = (c.case_id, c.branch) AND k.step LIKE 'policy:%'
         ORDER BY k.version DESC LIMIT 1) AS d ON true
     WHERE c.branch = 'main' AND c.case_id > $1 AND c.updated_at >= $2::timestamptz - interval '1 minute'
       AND (coalesce(d.created_at, c.opened_at), c.case_id) >= ($2, $3)
     ORDER BY c.case_id LIMIT $4)
SELECT p.case_id, p.customer_id, p.decided_at, s.name, s.body, s.encoding, s.bytes,
       a.state AS approval, a.needed
  FROM page p
  LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT DISTINCT ON (name) name, body, encoding, bytes FROM sections
         WHERE (case_id, branch) = (p.case_id, p.branch) AND version < p.version
           AND name IN ('understanding', 'billing', 'account')
         ORDER BY name, version DESC) AS seen
    UNION ALL
    SELECT name, body, encoding, bytes FROM sections
     WHERE (case_id, branch, name, version) = (p.case_id, p.branch, 'policy', p.version)) AS s ON true
  LEFT JOIN LATERAL (
    SELECT state, needed FROM approvals
     WHERE (case_id, branch) = (p.case_id, p.branch) AND promotes IS NULL
     ORDER BY requested_at DESC, approval_id LIMIT 1) AS a ON true
 ORDER BY p.case_id

-- refunds_of_customers --
-- All refunds of those customers, and what those cases paid on top of theirs.
SELECT customer_id, case_id, amount_minor, currency, duplicate_group, approval_id IS NULL AS alone, state,
       claimed_at, settled_at
  FROM effects WHERE kind = 'refund' AND customer_id = ANY ($1)
UNION ALL
SELECT customer_id, case_id, amount_minor, currency, NULL, approval_id IS NULL, state, claimed_at, settled_at
  FROM effects WHERE kind = 'correction' AND case_id = ANY ($2)

-- count_past_cases --
-- How many main lines were written at about that time or later.
SELECT count(*) AS cases FROM cases WHERE branch = 'main' AND updated_at >= $1::timestamptz - interval '1 minute'

-- nth_newest_decision --
-- When the policy step of so many cases, counted from the newest, was done; no row for fewer cases.
SELECT max(created_at) AS at, case_id FROM checkpoints WHERE branch = 'main' AND step LIKE 'policy:%'
 GROUP BY case_id ORDER BY at DESC, case_id DESC OFFSET $1::bigint - 1 LIMIT 1

-- explain_trail --
-- The audit of a branch, oldest first, with the values that it recorded and the checkpoints of its steps.
-- Of the lines that it comes from, what was decided, said and wanted before it left them; of the main
-- line also what it did, as a branch's wishes are compared with that.
SELECT a.branch, a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.detail,
       a.hash, k.status, k.created_at AS checkpoint_at, s.body, s.encoding, s.bytes,
       a.event <> 'section_written' OR coalesce(pg_catalog.sha256(s.body) = a.body_hash, false) AS intact
  FROM case_audit a
  LEFT JOIN lineage($1, $2, $3) l ON l.branch = a.branch AND a.version <= l.until
  LEFT JOIN checkpoints k ON (k.case_id, k.branch, k.version, k.step)
                           = (a.case_id, a.branch, a.version, a.step)
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
 WHERE a.case_id = $1
   AND (a.branch = $2
        OR (l.branch IS NOT NULL AND a.event IN ('section_written', 'message_received', 'step_done',
            'effect_adopted', 'effect_conflict', 'effect_simulated'))
        OR (a.branch = 'main' AND a.event IN ('effect_claimed', 'effect_settled')))
 ORDER BY l.until NULLS FIRST, a.seq

-- explain_effects --
-- The effects of a case, and what a branch of it and those before it want done, in the order of their claims.
SELECT 'done' AS mode, key, kind, branch, state, receipt, code, amount_minor, currency, charge_id,
       parameters_hash, intent, approval_id, attempts, claimed_at, settled_at, NULL::bigint AS version
  FROM effects WHERE case_id = $1
UNION ALL
SELECT b.mode, b.key, b.kind, b.branch, b.state, b.receipt, b.code, b.amount_minor, b.currency, b.charge_id,
       b.parameters_hash, b.intent, NULL, 0, b.at, b.at, b.version
  FROM lineage($1, $2, $3) l JOIN branch_effects b ON (b.case_id, b.branch) = ($1, l.branch)
 ORDER BY claimed_at, key

-- explain_requests --
-- The requests for a decision of a case and its branches, with everything that was said to them.
SELECT a.approval_id, a.branch, a.digest, a.amount_minor, a.currency, a.orders, a.rule, a.state, a.needed,
       a.asked, a.requested_at, a.expires_at, a.decided_at, a.consumed_by, a.promotes, a.requested_by,
       (SELECT coalesce(json_agg(json_build_object('who', v.approver, 'verdict', v.verdict, 'note', v.note,
               'at', v.at, 'asked', v.asked) ORDER BY v.at, v.approver), '[]')
          FROM approval_votes v WHERE v.approval_id = a.approval_id) AS votes
  FROM approvals a WHERE a.case_id = $1 ORDER BY a.requested_at, a.approval_id

-- explain_case --
-- What else an explanation needs, each fact as JSON: the case, the lines that it is made of, its tasks and
-- compensations, and which long texts are kept.
SELECT 'case' AS kind, json_build_object('customer_id', c.customer_id, 'opened_by', c.opened_by,
       'opened_at', c.opened_at, 'parent_branch', c.parent_branch, 'parent_version', c.parent_version,
       'forked_by', c.forked_by)::text AS fact
  FROM cases c WHERE c.case_id = $1 AND c.branch = $2
UNION ALL
SELECT 'line', json_build_object('branch', l.branch, 'until', l.until)::text FROM lineage($1, $2, $3) l
UNION ALL
SELECT 'task', json_build_object('task_id', t.task_id, 'kind', t.kind, 'subject', t.subject,
       'detail', t.detail, 'opened_at', t.opened_at, 'closed_at', t.closed_at, 'closed_by', t.closed_by,
       'note', t.note)::text
  FROM tasks t WHERE t.case_id = $1 AND t.branch = $2
UNION ALL
SELECT 'compensation', json_build_object('name', c.name, 'state', c.state,
       'registered_at', c.registered_at, 'ended_at', c.ended_at)::text
  FROM compensations c WHERE c.case_id = $1 AND c.branch = $2
UNION ALL
SELECT 'archived', json_build_object('digest', r.digest)::text FROM archive r WHERE r.case_id = $1

-- begin_model_call --
-- A call of a model, before it is made; or whose budget of what is used up.
SELECT number, whose, spent FROM begin_model_call($1, $2, $3, $4, $5, $6, $7)

-- end_model_call --
-- How a call of a model ended, and what it has cost.
SELECT end_model_call($1, $2, $3, $4, $5, $6)

-- failed_model_calls --
-- How many calls of a model for a step of a case were not answered, or are not known to be.
SELECT count(*) AS failures FROM model_calls m
 WHERE (m.case_id, m.branch, m.step, m.model) = ($1, $2, $3, $4)
   AND (m.ended_as IS NULL OR m.ended_as = 'unavailable')

-- safety --
-- Who we are to this server, and whether it keeps what it is given.
SELECT r.rolsuper AS superuser,
       NOT r.rolsuper AND (has_schema_privilege('public', 'CREATE') OR EXISTS (
           SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
              AND pg_has_role(c.relowner, 'MEMBER'))) AS owner,
       current_setting('synchronous_commit') = 'off' AS forgetful,
       current_setting('fsync') = 'off' AS unsynced,
       pg_is_in_recovery() AS replica
  FROM pg_roles r WHERE r.rolname = current_user

-- backlog --
-- How much waits for people, and for how many seconds the oldest request has.
SELECT 'task:' || kind AS name, count(*) AS number FROM tasks WHERE closed_at IS NULL GROUP BY kind
UNION ALL SELECT 'effects_unknown', count(*) FROM effects WHERE state = 'unknown'
UNION ALL SELECT 'approvals', count(*) FROM approvals WHERE state = 'pending'
UNION ALL SELECT 'oldest_approval_s',
       coalesce(extract(epoch FROM clock_timestamp() - min(requested_at)), 0)::bigint
  FROM approvals WHERE state = 'pending'

-- list_lines --
-- The next lines of cases that an invariant is checked of: of those cases, or those that are open or went
-- on since that time.
SELECT case_id, branch, customer_id, status,
       EXISTS (SELECT FROM case_audit a WHERE (a.case_id, a.branch, a.event)
                    = (c.case_id, c.branch, 'customer_erased')) AS erased
  FROM cases c
 WHERE (case_id, branch) > ($1, $2) AND ($3::text[] IS NULL OR case_id = ANY ($3))
   AND ($4::timestamptz IS NULL OR closed_at IS NULL OR updated_at >= $4)
 ORDER BY case_id, branch LIMIT $5

-- unknown_cases --
-- Which of these ids no case has.
SELECT given.case_id FROM unnest($1::text[]) AS given(case_id)
 WHERE NOT EXISTS (SELECT FROM cases c WHERE c.case_id = given.case_id) ORDER BY given.case_id

-- breaches --
-- What these lines break of the invariants that the tables alone can tell, all of one moment. $3: at the end
-- of a test nothing is on its way any more; $4: how many calls of models a case may make.
WITH lines AS MATERIALIZED (
    SELECT c.*, c.status IN ('answered', 'rejected', 'manual_review', 'cancelled') AS ended,
           EXISTS (SELECT FROM checkpoints k WHERE (k.case_id, k.branch) = (c.case_id, c.branch)
                      AND starts_with(k.step, 'promotion:')) AS promoted,
           EXISTS (SELECT FROM checkpoints k
                    WHERE (k.case_id, k.branch, k.step) = (c.case_id, c.branch, 'taken_over')) AS taken_over
      FROM unnest($1::text[], $2::text[]) AS given(case_id, branch) JOIN cases c USING (case_id, branch)),
done AS MATERIALIZED (
    SELECT e.key, e.kind, e.case_id, e.branch, e.amount_minor, e.currency, e.charge_id, e.duplicate_group,
           e.approval_id, e.state, e.claimed_at, clock_timestamp() - e.claimed_at AS age, l.status, l.ended,
           EXISTS (SELECT FROM tasks t WHERE (t.kind, t.subject) = ('effect_unknown', e.key)) AS handed_over
      FROM lines l JOIN effects e USING (case_id, branch)),
asked AS MATERIALIZED (
    SELECT a.*, l.customer_id, l.opened_by FROM lines l JOIN approvals a USING (case_id, branch)),
answers AS MATERIALIZED (
    SELECT l.case_id, l.branch, count(d.key) AS claimed, count(d.key) FILTER (WHERE d.state = 'succeeded') AS sent
      FROM lines l LEFT JOIN done d ON (d.case_id, d.branch, d.kind) = (l.case_id, l.branch, 'answer')
     GROUP BY l.case_id, l.branch)
SELECT 'I1' AS invariant, d.case_id, d.branch, concat('the ledger has ', n.refunds, ' refunds that stand of ',
       d.charge_id, ' or its duplicate group') AS problem
  FROM done d, LATERAL (SELECT count(*) AS refunds FROM effects o
        WHERE o.kind = 'refund' AND o.state NOT IN ('rejected', 'failed')
          AND (o.duplicate_group = d.duplicate_group OR o.charge_id = d.charge_id)) AS n
 WHERE d.kind = 'refund' AND d.state NOT IN ('rejected', 'failed') AND n.refunds > 1
UNION ALL
SELECT 'I2', d.case_id, d.branch, concat(d.kind, ' of ', d.charge_id, ': claimed before any rule had decided')
  FROM done d WHERE d.kind IN ('refund', 'correction') AND NOT EXISTS (
       SELECT FROM case_audit a JOIN case_audit p ON (p.case_id, p.branch) = (a.case_id, a.branch) AND p.seq < a.seq
        WHERE (a.case_id, a.branch, a.event, a.step) = (d.case_id, d.branch, 'effect_claimed', d.key)
          AND (p.event = 'promotion_begun' OR (p.event, p.section, p.actor) = ('section_written', 'policy', 'policy')))
UNION ALL
SELECT 'I2', d.case_id, d.branch, concat(d.kind, ' of ', d.charge_id, ': no person''s approval stands before it')
  FROM done d WHERE d.kind IN ('refund', 'correction') AND (d.approval_id IS NOT NULL OR d.kind = 'correction')
   AND NOT EXISTS (SELECT FROM asked a WHERE (a.approval_id, a.state) = (d.approval_id, 'approved')
       AND (a.case_id, a.branch, a.currency) = (d.case_id, d.branch, d.currency) AND a.decided_at <= d.claimed_at)
UNION ALL
SELECT 'I2', a.case_id, a.branch, concat('more was paid than ', a.approval_id, ' approves')
  FROM asked a WHERE a.amount_minor < (SELECT sum(d.amount_minor) FROM done d
       WHERE d.approval_id = a.approval_id AND d.state NOT IN ('rejected', 'failed'))
UNION ALL
SELECT 'I3', l.case_id, l.branch, concat('it stands at ', l.status, CASE WHEN l.closed_at IS NULL
       THEN ', and is not closed' ELSE ', and is closed' END)
  FROM lines l WHERE l.ended <> (l.closed_at IS NOT NULL) AND l.promoting IS NULL
UNION ALL
SELECT 'I3', l.case_id, l.branch, concat('it is still open, at ', l.status)
  FROM lines l WHERE $3 AND NOT l.ended
UNION ALL
SELECT 'I3', l.case_id, l.branch, 'a promotion of it has begun and not ended' FROM lines l
 WHERE $3 AND l.promoting IS NOT NULL
UNION ALL
SELECT 'I3', l.case_id, l.branch, concat('it is open, and nothing has gone on since ', l.updated_at::date)
  FROM lines l WHERE NOT $3 AND NOT l.ended AND l.updated_at < clock_timestamp() - interval '96 hours'
UNION ALL
SELECT 'I3', l.case_id, l.branch, concat('it stands at ', l.status, ', version ', l.version,
       ', and its newest step does not')
  FROM lines l WHERE NOT EXISTS (SELECT FROM checkpoints k WHERE (k.case_id, k.branch, k.version, k.status)
       = (l.case_id, l.branch, l.version, l.status))
UNION ALL
SELECT 'I4', d.case_id, d.branch, concat(d.kind, ' ', d.key, ' was claimed, and nobody knows what became of it')
  FROM done d WHERE d.state = 'sending' AND NOT d.handed_over
   AND (($3 AND d.kind <> 'notice') OR d.age > interval '21 hours')
UNION ALL
SELECT 'I4', d.case_id, d.branch, concat(d.kind, ' ', d.key, ' is ', d.state, ', and no person was told')
  FROM done d WHERE NOT d.handed_over AND ((d.state = 'pending' AND d.age > interval '31 days')
        OR (d.state = 'unknown' AND d.ended AND d.status <> 'manual_review'))
UNION ALL
SELECT 'I5', l.case_id, l.branch, concat('checkpoint ', k.version, ' has no row in the audit')
  FROM lines l JOIN checkpoints k USING (case_id, branch)
 WHERE NOT EXISTS (SELECT FROM case_audit a
       WHERE (a.case_id, a.branch, a.version, a.step) = (k.case_id, k.branch, k.version, k.step))
UNION ALL
SELECT 'I5', l.case_id, l.branch, concat('row ', a.seq, ' of the audit is of a step that left no checkpoint')
  FROM lines l JOIN case_audit a USING (case_id, branch)
 WHERE a.event IN ('section_written', 'message_received', 'step_done') AND NOT EXISTS (SELECT FROM checkpoints k
       WHERE (k.case_id, k.branch, k.version, k.step) = (a.case_id, a.branch, a.version, a.step))
UNION ALL
SELECT 'I7', m.case_id, m.branch, concat(m.what, ' has the amount ', m.amount_minor, ' and the currency ', m.currency)
  FROM (SELECT d.case_id, d.branch, d.key AS what, d.amount_minor, d.currency FROM done d
        UNION ALL SELECT a.case_id, a.branch, a.approval_id, a.amount_minor, a.currency FROM asked a
        UNION ALL SELECT l.case_id, l.branch, b.key, b.amount_minor, b.currency
          FROM lines l JOIN branch_effects b USING (case_id, branch)) AS m
 WHERE (m.amount_minor IS NULL) <> (m.currency IS NULL) OR m.amount_minor <= 0 OR m.currency !~ '^[A-Z]{3}$'
UNION ALL
SELECT 'I9', n.case_id, n.branch, concat('the ledger has ', n.claimed, ' answers') FROM answers n WHERE n.claimed > 1
UNION ALL
SELECT 'I9', l.case_id, l.branch, concat('it is closed as ', l.status, ', and the customer has no answer')
  FROM lines l JOIN answers n USING (case_id, branch)
 WHERE l.parent_branch IS NULL AND l.ended AND l.promoting IS NULL AND n.sent = 0 AND NOT l.promoted
   AND NOT l.taken_over AND (l.status <> 'manual_review' OR n.claimed = 0)
UNION ALL
SELECT 'I10', l.case_id, l.branch, concat(c.calls, ' calls of models, and ', $4::bigint, ' are allowed')
  FROM lines l, LATERAL (SELECT count(*) AS calls FROM model_calls m
        WHERE (m.case_id, m.branch) = (l.case_id, l.branch)) AS c
 WHERE c.calls > $4
UNION ALL
SELECT 'I11', a.case_id, a.branch, concat(a.approval_id, ' is approved, and too few who may have approved it')
  FROM asked a WHERE a.state = 'approved' AND a.needed > (
       SELECT count(*) FROM approval_votes v JOIN approvers p ON p.name = v.approver
        WHERE (v.approval_id, v.asked, v.verdict) = (a.approval_id, a.asked, 'approved')
          AND lower(p.name) NOT IN (lower(a.opened_by), lower(a.requested_by))
          AND p.customer_id IS DISTINCT FROM a.customer_id
          AND coalesce((p.limits->>a.currency)::numeric, -1) >= a.amount_minor
          AND (p.revoked_at IS NULL OR p.revoked_at > greatest(v.at,
               (SELECT max(d.claimed_at) FROM done d WHERE d.approval_id = a.approval_id))))
UNION ALL
SELECT 'I11', a.case_id, a.branch, concat(a.approval_id, ' is denied, and nobody denied it')
  FROM asked a WHERE a.state = 'denied' AND NOT EXISTS (SELECT FROM approval_votes v
       WHERE (v.approval_id, v.asked, v.verdict) = (a.approval_id, a.asked, 'denied'))
UNION ALL
SELECT 'I11', d.case_id, d.branch, concat(d.approval_id, ' was used for ', d.key, ', and does not say so once')
  FROM done d WHERE d.approval_id IS NOT NULL AND 1 <> (SELECT count(*)
       FROM approvals a, unnest(a.consumed_by) AS used(key) WHERE (a.approval_id, used.key) = (d.approval_id, d.key))
UNION ALL
SELECT 'I11', a.case_id, a.branch, concat(a.approval_id, ' was used for ', used.key, ', which does not name it')
  FROM asked a, unnest(a.consumed_by) AS used(key) WHERE NOT starts_with(used.key, 'promotion:')
   AND NOT EXISTS (SELECT FROM done d WHERE (d.key, d.approval_id) = (used.key, a.approval_id))
UNION ALL
SELECT 'I11', d.case_id, d.branch, concat(d.approval_id, ' let ', d.charge_id, ' out ', count(*), ' times')
  FROM done d WHERE d.approval_id IS NOT NULL
 GROUP BY d.case_id, d.branch, d.approval_id, d.kind, d.charge_id HAVING count(*) > 1
UNION ALL
SELECT 'I11', d.case_id, d.branch, 'an account was unlocked, and no person has said so'
  FROM done d WHERE d.kind = 'unlock' AND NOT EXISTS (SELECT FROM tasks t
       WHERE (t.case_id, t.branch, t.kind) = (d.case_id, d.branch, 'unlock_account') AND t.closed_by IS NOT NULL)
 ORDER BY 1, 2, 3, 4

-- list_money_claims --
-- At which version of these lines each of their refunds was claimed.
SELECT e.case_id, e.branch, e.key, a.version
  FROM unnest($1::text[], $2::text[]) AS given(case_id, branch)
  JOIN effects e USING (case_id, branch)
  JOIN case_audit a ON (a.case_id, a.branch, a.event, a.step) = (e.case_id, e.branch, 'effect_claimed', e.key)
 WHERE e.kind IN ('refund', 'correction') ORDER BY e.case_id, e.branch, e.key

-- unfit_for_money --
-- What could hold a fraction of a minor unit: a column of ours, or an approver's limit.
SELECT concat('the column ', c.table_name, '.', c.column_name, ' is of type ', c.data_type) AS problem
  FROM information_schema.columns c WHERE c.table_schema = 'public'
   AND c.data_type IN ('real', 'double precision', 'numeric', 'money')
UNION ALL
SELECT concat('the limit of ', p.name, ' in ', l.key, ' is ', l.value)
  FROM approvers p, jsonb_each_text(p.limits) AS l WHERE l.value !~ '^[0-9]+$' OR l.key !~ '^[A-Z]{3}$'

-- list_open_texts --
-- The words of these lines that are kept as they are, where they could hold something private: an @, a
-- number as long as a telephone's, or the beginning of an IBAN. Bodies, intents and notes are not among them,
-- nor is what is sealed.
WITH lines AS MATERIALIZED (
    SELECT c.* FROM unnest($1::text[], $2::text[]) AS given(case_id, branch) JOIN cases c USING (case_id, branch))
SELECT words.case_id, words.branch, words.place, open.text FROM (
    SELECT l.case_id, l.branch, w.place, w.text
      FROM lines l, LATERAL (VALUES ('cases.case_id', l.case_id), ('cases.branch', l.branch),
           ('cases.customer_id', l.customer_id), ('cases.error', l.error)) AS w(place, text)
    UNION ALL
    SELECT l.case_id, l.branch, w.place, w.text
      FROM lines l JOIN checkpoints k USING (case_id, branch),
           LATERAL (VALUES ('checkpoints.step', k.step), ('checkpoints.error', k.error)) AS w(place, text)
    UNION ALL
    SELECT l.case_id, l.branch, w.place, w.text
      FROM lines l JOIN case_audit a USING (case_id, branch),
           LATERAL (VALUES ('case_audit.step', a.step), ('case_audit.detail', a.detail)) AS w(place, text)
    UNION ALL
    SELECT l.case_id, l.branch, w.place, w.text
      FROM lines l JOIN effects e USING (case_id, branch),
           LATERAL (VALUES ('effects.key', e.key), ('effects.charge_id', e.charge_id), ('effects.code', e.code),
               ('effects.duplicate_group', e.duplicate_group), ('effects.receipt', e.receipt)) AS w(place, text)
    UNION ALL
    SELECT l.case_id, l.branch, w.place, w.text
      FROM lines l JOIN branch_effects e USING (case_id, branch),
           LATERAL (VALUES ('branch_effects.key', e.key), ('branch_effects.charge_id', e.charge_id),
               ('branch_effects.duplicate_group', e.duplicate_group), ('branch_effects.code', e.code),
               ('branch_effects.receipt', e.receipt)) AS w(place, text)
    UNION ALL
    SELECT l.case_id, l.branch, w.place, w.text
      FROM lines l JOIN tasks t USING (case_id, branch),
           LATERAL (VALUES ('tasks.subject', t.subject), ('tasks.detail', t.detail)) AS w(place, text)
    UNION ALL
    SELECT l.case_id, l.branch, 'approvals.rule', a.rule FROM lines l JOIN approvals a USING (case_id, branch)
    UNION ALL
    SELECT l.case_id, l.branch, 'model_calls.step', m.step FROM lines l JOIN model_calls m USING (case_id, branch)
    ) AS words(case_id, branch, place, stored),
    LATERAL (SELECT regexp_replace(words.stored, 'sealed:[0-9a-f]{16}:[A-Za-z0-9_-]+', '', 'g') AS text) AS open
 WHERE open.text ~ '@|%40|([0-9][ ()./-]{0,3}){7}|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}'

-- key_of_case --
-- What a case's customer is sealed with; the offered key where there is none.
SELECT key_id, wrapped_by, wrapped FROM key_of_case($1, $2, $3, $4)

-- read_customer_keys --
-- Data keys by their ids, without what wraps them where they were destroyed.
SELECT key_id, wrapped_by, wrapped FROM customer_keys WHERE key_id = ANY ($1)

-- list_customer_keys --
-- The next living keys that another key than this one wraps.
SELECT key_id, wrapped_by, wrapped FROM customer_keys
 WHERE wrapped IS NOT NULL AND wrapped_by <> $1 AND key_id > $2 ORDER BY key_id LIMIT $3

-- rewrap_key --
-- Wrap a data key anew.
SELECT rewrap_key($1, $2, $3, $4) AS changed

-- erase_customer --
-- Destroy a customer's keys; how many there were.
SELECT erase_customer($1, $2, $3) AS keys

-- lines_of_customer --
-- The cases and branches of a customer.
SELECT case_id, branch FROM cases WHERE customer_id = $1 ORDER BY case_id, branch

-- left_in_clear --
-- How many rows of a customer were stored before there were keys, by their table.
WITH theirs AS MATERIALIZED (SELECT case_id, branch FROM cases WHERE customer_id = $1)
SELECT found.name, count(*) AS rows FROM (
    SELECT 'sections' AS name, s.body FROM theirs JOIN sections s USING (case_id, branch)
    UNION ALL SELECT 'messages', m.body FROM theirs JOIN messages m USING (case_id, branch)
    UNION ALL SELECT 'archive', a.body FROM archive a WHERE a.case_id IN (SELECT case_id FROM theirs)
    UNION ALL SELECT 'effects', e.intent FROM theirs JOIN effects e USING (case_id, branch)
     WHERE e.kind = 'answer'
    UNION ALL SELECT 'branch_effects', e.intent FROM theirs JOIN branch_effects e USING (case_id, branch)
     WHERE e.kind = 'answer'
    UNION ALL SELECT 'approval_votes', convert_to(v.note, 'UTF8')
      FROM theirs JOIN approvals p USING (case_id, branch) JOIN approval_votes v USING (approval_id)
     WHERE v.note <> '' AND v.note NOT LIKE 'sealed:%') AS found(name, body)
 WHERE substring(found.body FROM 1 FOR 4) <> '\x00434b31'::bytea GROUP BY found.name ORDER BY found.name
