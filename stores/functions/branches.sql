-- Branches: a case as it might have gone on from a checkpoint, with nothing of it let out.

-- The lines that a branch is made of: itself, then its ancestors, each up to the version at which the
-- next one left it.
CREATE OR REPLACE FUNCTION lineage(p_case text, p_branch text, p_until bigint)
RETURNS TABLE (branch text, until bigint) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE line AS (
        SELECT c.branch, p_until AS until, c.parent_branch, c.parent_version FROM cases c
         WHERE c.case_id = p_case AND c.branch = p_branch
        UNION ALL
        SELECT p.branch, least(line.until, line.parent_version), p.parent_branch, p.parent_version
          FROM line JOIN cases p ON p.case_id = p_case AND p.branch = line.parent_branch)
    SELECT line.branch, line.until FROM line
$$;

-- Begin a branch after a checkpoint. Its first step holds the edits: p_sections is a JSON array
-- {name, owner, encoding, bytes, body}, p_request NULL or {received_at, body} for other words of the
-- customer; "body" is an index (from 1) into p_bodies.
-- Raises CK404 (no such case), CK405 (no such checkpoint), CK410 (there is such a branch).
CREATE OR REPLACE FUNCTION fork_case(
    p_case text, p_parent text, p_version bigint, p_branch text, p_actor text, p_detail text,
    p_schema integer, p_sections jsonb, p_request jsonb, p_bodies bytea[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_parent cases := lock_case(p_case, p_parent);
    v_then   checkpoints;
    v_case   cases;
    v_step   text := 'fork:' || p_branch;
    v_part   jsonb;
    v_size   bigint := 0;
BEGIN
    SELECT * INTO v_then FROM checkpoints k
        WHERE (k.case_id, k.branch, k.version) = (p_case, p_parent, p_version);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such checkpoint' USING ERRCODE = 'CK405';
    END IF;
    IF p_branch = p_parent THEN  -- before the table's check, which has no words for it
        RAISE EXCEPTION 'branch exists' USING ERRCODE = 'CK410';
    END IF;
    INSERT INTO cases (case_id, branch, customer_id, opened_by, status, version, schema_version,
            current_owner, error, retries, closed_at, parent_branch, parent_version, base_version, forked_by)
        SELECT p_case, p_branch, v_parent.customer_id, v_parent.opened_by, v_then.status, p_version + 1,
            p_schema, 'fork', v_then.error, v_then.retries,
            CASE WHEN is_end(v_then.status) THEN clock_timestamp() END, p_parent, p_version, m.version,
            p_actor
          FROM cases m WHERE (m.case_id, m.branch) = (p_case, 'main')
        ON CONFLICT DO NOTHING RETURNING * INTO v_case;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'branch exists' USING ERRCODE = 'CK410';
    END IF;
    v_case := append_audit(v_case, p_actor, 'forked', v_step, NULL, NULL, sha256(''), p_detail);
    v_case := inherit_effects(v_case);

    FOR v_part IN SELECT * FROM jsonb_array_elements(p_sections) LOOP
        v_size := v_size + octet_length(p_bodies[(v_part->>'body')::integer]);
        v_case := edit_section(v_case, v_step, v_part, p_bodies[(v_part->>'body')::integer]);
    END LOOP;
    IF p_request IS NOT NULL THEN
        v_size := v_size + octet_length(p_bodies[(p_request->>'body')::integer]);
        INSERT INTO messages VALUES (p_case, p_branch, 'request', v_case.version, 1,
            p_bodies[(p_request->>'body')::integer], (p_request->>'received_at')::timestamptz);
        v_case := append_audit(v_case, p_actor, 'message_received', v_step, NULL, NULL,
            sha256(p_bodies[(p_request->>'body')::integer]), p_detail);
    END IF;

    INSERT INTO checkpoints (case_id, branch, version, step, owner, parent_branch, parent_version,
            status, error, retries, size, schema_version)
        VALUES (p_case, p_branch, v_case.version, v_step, 'fork', p_parent, p_version,
            v_case.status, v_case.error, v_case.retries, v_size, p_schema);
    PERFORM save_case(v_case);
    PERFORM save_case(append_audit(v_parent, p_actor, 'forked', v_step, NULL, NULL, sha256(''), p_detail));
    RETURN v_case.version;
END $$;

CREATE OR REPLACE FUNCTION is_end(p_status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_status IN ('answered', 'rejected', 'manual_review', 'cancelled')
$$;

-- Write a section as whoever forks wants it: the only way in which another than its owner does.
CREATE OR REPLACE FUNCTION edit_section(INOUT p_row cases, p_step text, p_part jsonb, p_body bytea)
LANGUAGE plpgsql AS $$
DECLARE
    v_owner text := claim_section(p_part->>'name', p_part->>'owner');
    v_old   bigint := newest_section(p_row, p_part->>'name');
BEGIN
    INSERT INTO sections (case_id, branch, name, version, owner, body, encoding, bytes)
        VALUES (p_row.case_id, p_row.branch, p_part->>'name', p_row.version, v_owner, p_body,
            coalesce(p_part->>'encoding', 'plain'), (p_part->>'bytes')::bigint);
    p_row := append_audit(p_row, p_row.forked_by, 'section_written', p_step, p_part->>'name', v_old,
        sha256(p_body), 'edited');
END $$;

-- The version at which a section was last written, by the line or by those it comes from; NULL for never.
CREATE OR REPLACE FUNCTION newest_section(p_row cases, p_name text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT max(s.version) FROM lineage(p_row.case_id, p_row.branch, p_row.version) AS l
      JOIN sections s ON (s.case_id, s.branch, s.name) = (p_row.case_id, l.branch, p_name)
       AND s.version <= l.until
$$;

-- What was done outside by the steps before a branch began is the branch's too.
CREATE OR REPLACE FUNCTION inherit_effects(INOUT p_row cases) LANGUAGE plpgsql AS $$
DECLARE
    v_effect branch_effects;
BEGIN
    FOR v_effect IN
        INSERT INTO branch_effects (case_id, branch, key, kind, mode, version, customer_id, amount_minor,
                currency, charge_id, duplicate_group, parameters_hash, intent, state, receipt, code)
            SELECT p_row.case_id, p_row.branch, e.key, e.kind, 'adopted', 0, e.customer_id,
                   e.amount_minor, e.currency, e.charge_id, e.duplicate_group, e.parameters_hash, e.intent,
                   e.state, e.receipt, e.code
              FROM effects e WHERE (e.case_id, e.branch) = (p_row.case_id, p_row.parent_branch)
               AND e.kind <> 'notice' AND EXISTS (SELECT FROM case_audit a
                    WHERE (a.case_id, a.branch) = (e.case_id, e.branch) AND a.event = 'effect_settled'
                      AND a.step = e.key AND a.version < p_row.parent_version)
            UNION ALL
            SELECT b.case_id, p_row.branch, b.key, b.kind, b.mode, 0, b.customer_id, b.amount_minor,
                   b.currency, b.charge_id, b.duplicate_group, b.parameters_hash, b.intent, b.state,
                   b.receipt, b.code
              FROM branch_effects b
             WHERE (b.case_id, b.branch) = (p_row.case_id, p_row.parent_branch)
               -- Two may ask side by side: what counts is whose step is done. Steps are named by kind.
               AND (b.version = 0 OR EXISTS (SELECT FROM checkpoints k
                    WHERE (k.case_id, k.branch) = (b.case_id, b.branch) AND k.version > b.version
                      AND k.version <= p_row.parent_version AND starts_with(k.step, b.kind)))
            RETURNING * LOOP
        p_row := append_on_branch(p_row, v_effect);
    END LOOP;
END $$;

-- Answer a branch that wants something done: with what the main line did, or as if it were done.
-- Refuses what another case has done, and what the main line would be refused for the branch's own state.
CREATE OR REPLACE FUNCTION claim_on_branch(
    p_row cases, p_key text, p_kind text, p_customer text, p_amount bigint, p_currency text,
    p_charge text, p_group text, p_parameters text, p_intent bytea,
    OUT state text, OUT receipt text, OUT code text, OUT earlier_attempts integer, OUT intent bytea,
    OUT claimed_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_known branch_effects;
    v_real  effects;
BEGIN
    earlier_attempts := 0;
    intent := p_intent;
    claimed_at := clock_timestamp();
    SELECT * INTO v_known FROM branch_effects b
        WHERE (b.case_id, b.branch) = (p_row.case_id, p_row.branch) AND (b.key = p_key
            OR (p_kind = 'refund' AND b.kind = 'refund' AND b.state NOT IN ('rejected', 'failed')
                AND (b.duplicate_group = p_group OR b.charge_id = p_charge
                    OR strpos(p_group, '/' || b.charge_id || '/') > 0)))
        ORDER BY b.key <> p_key LIMIT 1;
    SELECT * INTO v_real FROM effects e WHERE e.key = p_key;
    IF NOT FOUND AND p_kind = 'refund' THEN
        SELECT * INTO v_real FROM effects e WHERE e.kind = 'refund'
            AND (e.duplicate_group = p_group OR e.charge_id = p_charge
                -- The charge that this one leaves paid was paid back itself.
                OR (e.customer_id = p_customer AND strpos(p_group, '/' || e.charge_id || '/') > 0))
            AND e.state NOT IN ('rejected', 'failed') LIMIT 1;
    END IF;
    IF v_known.key = p_key AND (p_kind <> 'refund' OR v_known.parameters_hash = p_parameters) THEN
        SELECT v_known.state, v_known.receipt, v_known.code, v_known.intent
            INTO state, receipt, code, intent;
        RETURN;
    ELSIF v_known.key IS NOT NULL OR v_real.case_id <> p_row.case_id THEN
        code := 'already_claimed';
    ELSIF p_customer <> p_row.customer_id THEN
        code := 'other_customer';
    ELSIF p_row.closed_at IS NOT NULL AND p_kind IN ('refund', 'reset_mail', 'answer') THEN
        code := 'case_closed';
    END IF;
    IF code IS NOT NULL THEN
        state := 'refused';
        PERFORM save_case(append_audit(p_row, 'ledger', 'effect_refused', p_key,
            NULL, NULL, decode(p_parameters, 'hex'), code));
        RETURN;
    END IF;
    IF v_real.state = 'sending' THEN  -- the main line is in the middle of it: what comes of it counts
        SELECT 'sending', 'in_flight' INTO state, code;
        RETURN;
    END IF;
    INSERT INTO branch_effects (case_id, branch, key, kind, mode, version, customer_id, amount_minor,
            currency, charge_id, duplicate_group, parameters_hash, intent, state, receipt, code)
        SELECT p_row.case_id, p_row.branch, p_key, p_kind, answer.mode, p_row.version, p_customer,
               p_amount, p_currency, p_charge, p_group, p_parameters, p_intent,
               CASE answer.mode WHEN 'adopted' THEN v_real.state ELSE 'simulated' END,
               CASE answer.mode WHEN 'adopted' THEN v_real.receipt END,
               CASE answer.mode WHEN 'adopted' THEN v_real.code WHEN 'conflict' THEN 'conflict' END
          FROM (SELECT CASE
                WHEN v_real.key = p_key AND v_real.parameters_hash = p_parameters THEN 'adopted'
                WHEN v_real.key IS NULL OR v_real.state IN ('rejected', 'failed') THEN 'simulated'
                ELSE 'conflict' END AS mode) AS answer
        RETURNING * INTO v_known;
    SELECT v_known.state, v_known.receipt, v_known.code INTO state, receipt, code;
    PERFORM save_case(append_on_branch(p_row, v_known));
END $$;

-- The audit row of how a branch's effect was answered.
CREATE OR REPLACE FUNCTION append_on_branch(p_row cases, p_effect branch_effects) RETURNS cases
LANGUAGE sql AS $$
    SELECT append_audit(p_row, 'ledger', 'effect_' || p_effect.mode, p_effect.key, NULL, NULL,
        decode(p_effect.parameters_hash, 'hex'),
        concat_ws(' ', p_effect.kind, p_effect.state, p_effect.receipt, p_effect.code))
$$;
