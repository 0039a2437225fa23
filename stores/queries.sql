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
SELECT name, limits FROM find_approver($1)

-- add_approver --
-- A new approver; an existing name is left alone.
INSERT INTO approvers (name, token_hash, limits) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING
RETURNING name

-- count_approvers --
-- Whether anyone can approve at all.
SELECT count(*) FROM approvers WHERE revoked_at IS NULL
