-- open_case --
-- Put a case on record with its first message.
SELECT version, repeated FROM open_case($1, $2, $3, $4, $5, $6)

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
    SELECT DISTINCT ON (s.name) 'section', s.name, s.version, s.body, NULL::timestamptz, NULL, s.owner, NULL, NULL
      FROM sections s WHERE s.case_id = $1 AND s.branch = $2 AND s.version <= $3
     ORDER BY s.name, s.version DESC) AS newest
UNION ALL
SELECT 'message', m.message_id, m.version, m.body, m.received_at, NULL, NULL, NULL, m.position::text
  FROM messages m WHERE m.case_id = $1 AND m.branch = $2 AND m.version <= $3
UNION ALL
SELECT 'refunded', p.code, refunded_lately(c.customer_id, p.code, $4, $1, $2), NULL, NULL, NULL, NULL, NULL, NULL
  FROM cases c,
       LATERAL (SELECT DISTINCT e.currency AS code FROM effects e
                 WHERE e.customer_id = c.customer_id AND e.kind = 'refund') AS p
 WHERE c.case_id = $1 AND c.branch = $2

-- list_checkpoints --
-- A branch's checkpoints, oldest first.
SELECT version, parent_branch, parent_version, step, owner, status, size, schema_version, created_at
  FROM checkpoints WHERE case_id = $1 AND branch = $2 ORDER BY version LIMIT $3

-- read_audit --
-- A branch's audit rows, oldest first, with the written value where there is one.
SELECT a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.body_hash,
       a.detail, a.prev_hash, a.hash, s.body
  FROM case_audit a
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
 WHERE a.case_id = $1 AND a.branch = $2 ORDER BY a.seq

-- read_chain --
-- What verifying needs, of one moment: a branch's audit rows (one row of nulls where there is none),
-- where the case says the chain ends, and whether the recorded message is still there.
SELECT a.seq, a.version, a.at, a.actor, a.event, a.step, a.section, a.old_version, a.body_hash,
       a.detail, a.prev_hash, a.hash, s.body, c.audit_seq, c.audit_head,
       (SELECT count(*) FROM sections w WHERE (w.case_id, w.branch) = ($1, $2)) AS sections,
       (SELECT count(*) FROM messages w WHERE (w.case_id, w.branch) = ($1, $2)) AS messages,
       EXISTS (SELECT FROM messages m WHERE (m.case_id, m.branch, m.version) = ($1, $2, a.version)
                  AND sha256(m.body) = a.body_hash) AS message_found
  FROM cases c
  LEFT JOIN case_audit a ON (a.case_id, a.branch) = (c.case_id, c.branch)
  LEFT JOIN sections s ON (s.case_id, s.branch, s.name, s.version)
                        = (a.case_id, a.branch, a.section, a.version)
 WHERE c.case_id = $1 AND c.branch = $2 ORDER BY a.seq

-- claim_effect --
-- Commit an intent before anything leaves, or say what became of it.
SELECT state, receipt, code, earlier_attempts, intent
  FROM claim_effect($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- settle_effect --
-- Commit an outcome and the case's step that it belongs to.
SELECT version, repeated FROM settle_effect($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- list_effects --
-- A case's effects, in the order in which they were claimed.
SELECT key, kind, case_id, branch, state, amount_minor, currency, charge_id, receipt, attempts,
       claimed_at, settled_at
  FROM effects WHERE case_id = $1 AND branch = $2 ORDER BY claimed_at

-- read_approval --
-- One approval request.
SELECT * FROM approvals WHERE approval_id = $1

-- list_approvals --
-- Requests that wait for a person, oldest first.
SELECT * FROM approvals WHERE state = 'pending' ORDER BY requested_at, approval_id LIMIT $1

-- newest_approval --
-- The request of a case that was made last.
SELECT * FROM approvals WHERE case_id = $1 AND branch = $2 ORDER BY requested_at DESC, approval_id LIMIT 1

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
SELECT name, limits FROM approvers WHERE token_hash = $1 AND revoked_at IS NULL

-- add_approver --
-- A new approver; an existing name is left alone.
INSERT INTO approvers (name, token_hash, limits) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING
RETURNING name

-- count_approvers --
-- Whether anyone can approve at all.
SELECT count(*) FROM approvers WHERE revoked_at IS NULL
