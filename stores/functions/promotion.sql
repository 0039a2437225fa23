-- Promotion: a branch becomes the case's main line, and what it wants is carried out for real.

-- What the ledger holds of a case's main line, as one value: another one as soon as anything else is
-- claimed or settled.
CREATE OR REPLACE FUNCTION ledger_mark(p_case text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(encode(sha256(convert_to(string_agg(
            concat_ws(' ', e.key, e.state), ',' ORDER BY e.key), 'UTF8')), 'hex'), '')
      FROM effects e WHERE (e.case_id, e.branch) = (p_case, 'main') AND e.kind <> 'notice'
$$;

-- Raise CK420 unless the branch, as a plan was made of it, can be promoted still. The caller holds the
-- main line's row, and reads the facts again to say why.
CREATE OR REPLACE FUNCTION refuse_promotion(p_main cases, p_branch text, p_mark text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM cases b WHERE (b.case_id, b.branch) = (p_main.case_id, p_branch)
        AND b.parent_branch IS NOT NULL AND b.closed_at IS NOT NULL AND b.promoted_at IS NULL
        AND b.base_version = p_main.version AND p_main.promoting IS NULL
        AND ledger_mark(p_main.case_id) = p_mark;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cannot be promoted' USING ERRCODE = 'CK420';
    END IF;
END $$;

-- Void the requests of a case's main line that are open, or approved and not used: not the named one,
-- and where p_branch is given only those about that branch.
CREATE OR REPLACE FUNCTION void_requests(INOUT p_main cases, p_but text, p_branch text, p_actor text)
LANGUAGE plpgsql AS $$
DECLARE
    v_void text;
BEGIN
    FOR v_void IN UPDATE approvals SET state = 'void', decided_at = clock_timestamp()
            WHERE case_id = p_main.case_id AND branch = p_main.branch
                AND (state = 'pending' OR (state = 'approved' AND consumed_by = '{}'))
                AND approval_id IS DISTINCT FROM p_but AND (p_branch IS NULL OR promotes = p_branch)
            RETURNING approval_id LOOP
        p_main := append_audit(p_main, p_actor, 'approval_voided', '', NULL, NULL, sha256(''), v_void);
    END LOOP;
END $$;

-- Ask people to approve a promotion, or find the same request as it is; its state. What was voided or
-- has expired is asked again, and no vote of before counts. p_ask without an id withdraws what was asked.
-- Raises CK404, CK411 (the same was denied), CK420 (it cannot be promoted), CK422 (another branch's
-- request waits).
CREATE OR REPLACE FUNCTION request_promotion(
    p_case text, p_branch text, p_mark text, p_ask jsonb, p_orders bytea, p_by text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_main  cases := lock_case(p_case, 'main');
    v_id    text := p_ask->>'approval_id';
    v_found approvals;
BEGIN
    PERFORM refuse_promotion(v_main, p_branch, p_mark);
    SELECT * INTO v_found FROM approvals a WHERE a.approval_id = v_id FOR UPDATE;
    IF v_found.state = 'denied' THEN
        RAISE EXCEPTION 'was denied' USING ERRCODE = 'CK411',
            DETAIL = json_build_object('state', v_found.state, 'by', v_found.decided_by);
    END IF;
    SELECT * INTO v_found FROM approvals a WHERE (a.case_id, a.branch) = (p_case, 'main')
        AND a.promotes <> p_branch AND a.state = 'pending' AND a.expires_at > clock_timestamp() LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'another one waits' USING ERRCODE = 'CK422',
            DETAIL = json_build_object('branch', v_found.promotes);
    END IF;
    v_main := void_requests(v_main, v_id, p_branch, p_by);
    IF v_id IS NOT NULL THEN
        INSERT INTO approvals AS a (approval_id, case_id, branch, digest, amount_minor, currency, orders,
                rule, needed, promotes, requested_by, expires_at)
            VALUES (v_id, p_case, 'main', p_ask->>'digest', (p_ask->>'amount_minor')::bigint,
                p_ask->>'currency', p_orders, 'promotion', (p_ask->>'needed')::smallint, p_branch, p_by,
                clock_timestamp() + make_interval(secs => (p_ask->>'expires_in_s')::bigint))
            ON CONFLICT (case_id, branch, digest) DO UPDATE
                SET state = 'pending', requested_at = clock_timestamp(), expires_at = excluded.expires_at,
                    needed = excluded.needed, requested_by = excluded.requested_by, reminded_at = NULL,
                    decided_at = NULL, decided_by = NULL, note = '', asked = a.asked + 1
                WHERE a.state IN ('void', 'expired')
                    OR (a.state = 'pending' AND a.expires_at <= clock_timestamp());
        IF FOUND THEN
            v_main := append_audit(v_main, p_by, 'promotion_requested', '', NULL, NULL,
                decode(p_ask->>'digest', 'hex'), p_branch || ' ' || v_id);
            PERFORM queue_message('request', v_id);
        END IF;
    END IF;
    PERFORM save_case(v_main);
    RETURN (SELECT a.state FROM approvals a WHERE a.approval_id = v_id);
END $$;

-- Expire or void the request of a promotion, with its audit row; what is decided, or used, stays. One that
-- was approved can still be voided, as the promotion was refused. Its state.
CREATE OR REPLACE FUNCTION close_promotion(p_approval text, p_state text, p_why text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_main  cases;
    v_state text;
BEGIN
    SELECT c.* INTO v_main FROM cases c JOIN approvals a USING (case_id, branch)
        WHERE a.approval_id = p_approval AND a.promotes IS NOT NULL FOR UPDATE OF c;
    UPDATE approvals a SET state = p_state, decided_at = clock_timestamp()
        WHERE a.approval_id = p_approval AND v_main.promoting IS DISTINCT FROM a.promotes
            AND p_state IN ('expired', 'void') AND a.promotes IS NOT NULL AND (a.state = 'pending'
                OR (p_state = 'void' AND a.state = 'approved' AND a.consumed_by = '{}'));
    IF FOUND THEN
        PERFORM save_case(append_audit(v_main, 'promotion', 'promotion_' || p_state, '', NULL, NULL,
            sha256(''), concat_ws(': ', p_approval, nullif(p_why, ''))));
    END IF;
    SELECT a.state INTO v_state FROM approvals a WHERE a.approval_id = p_approval;
    RETURN v_state;
END $$;

-- From now on the main line does nothing but this promotion. A repeat is a no-op.
-- Raises CK404, CK420 (it cannot be promoted), CK421 (the approval does not stand).
CREATE OR REPLACE FUNCTION begin_promotion(
    p_case text, p_branch text, p_mark text, p_approval text, p_digest text, p_by text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_main   cases := lock_case(p_case, 'main');
    v_branch cases;
BEGIN
    IF v_main.promoting = p_branch THEN
        RETURN;
    END IF;
    v_branch := lock_case(p_case, p_branch);
    PERFORM refuse_promotion(v_main, p_branch, p_mark);
    IF p_approval IS NOT NULL THEN
        PERFORM 1 FROM approvals a WHERE a.approval_id = p_approval AND a.case_id = p_case
            AND a.promotes = p_branch AND a.state = 'approved' AND a.digest = p_digest
            AND cardinality(approvers_of(a.approval_id)) >= a.needed FOR UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'not approved' USING ERRCODE = 'CK421';
        END IF;
        UPDATE approvals SET consumed_by = consumed_by || ('promotion:' || p_branch)
            WHERE approval_id = p_approval;
    END IF;
    v_main := void_requests(v_main, p_approval, NULL, p_by);
    v_main.closed_at := coalesce(v_main.closed_at, clock_timestamp());
    v_main := append_audit(v_main, p_by, 'promotion_begun', '', NULL, NULL, sha256(''),
        concat_ws(' ', p_branch, p_approval));
    PERFORM save_case(v_main);
    UPDATE cases SET promoting = p_branch WHERE (case_id, branch) = (p_case, 'main');
    PERFORM release_compensations(p_case, 'main');
    PERFORM save_case(append_audit(v_branch, p_by, 'promotion_begun', '', NULL, NULL, sha256(''),
        concat_ws(' ', p_branch, p_approval)));
END $$;

-- The main line becomes what the branch is: one step that writes the branch's newest sections, but for
-- p_left_out, and those of p_steps, which say what was really done. A repeat is a no-op.
-- Raises CK404, CK420 (it was not begun).
CREATE OR REPLACE FUNCTION complete_promotion(
    p_case text, p_branch text, p_status text, p_schema integer, p_steps jsonb, p_bodies bytea[],
    p_left_out text[], p_by text, p_detail text,
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_main   cases := lock_case(p_case, 'main');
    v_branch cases := lock_case(p_case, p_branch);
    v_step   jsonb;
    v_part   jsonb;
    v_name   text := 'promotion:' || p_branch;
    v_size   bigint := 0;
    v_copy   sections;
BEGIN
    SELECT k.version INTO version FROM checkpoints k
        WHERE (k.case_id, k.branch, k.step) = (p_case, 'main', v_name);
    repeated := FOUND;
    IF repeated THEN
        RETURN;
    END IF;
    IF v_main.promoting IS DISTINCT FROM p_branch THEN
        RAISE EXCEPTION 'not begun' USING ERRCODE = 'CK420';
    END IF;
    v_main.version := v_main.version + 1;
    v_main.schema_version := p_schema;
    v_main.status := p_status;
    v_main.error := v_branch.error;
    v_main.current_owner := 'promotion';
    v_main.updated_at := clock_timestamp();
    v_main.closed_at := clock_timestamp();

    FOR v_copy IN SELECT DISTINCT ON (s.name) s.* FROM lineage(p_case, p_branch, v_branch.version) l
            JOIN sections s ON (s.case_id, s.branch) = (p_case, l.branch) AND s.version <= l.until
            WHERE s.name <> ALL (p_left_out) ORDER BY s.name, s.version DESC LOOP
        IF v_copy.body IS DISTINCT FROM (SELECT s.body FROM sections s WHERE (s.case_id, s.branch, s.name)
                = (p_case, 'main', v_copy.name) ORDER BY s.version DESC LIMIT 1) THEN
            v_size := v_size + octet_length(v_copy.body);
            v_main := promote_section(v_main, v_name, v_copy, p_by, p_detail);
        END IF;
    END LOOP;
    FOR v_step IN SELECT * FROM jsonb_array_elements(p_steps) LOOP
        FOR v_part IN SELECT * FROM jsonb_array_elements(v_step->'sections') LOOP
            v_size := v_size + octet_length(p_bodies[(v_part->>'body')::integer]);
            v_copy.name := v_part->>'name';
            v_copy.owner := claim_section(v_copy.name, v_part->>'owner');
            v_copy.body := p_bodies[(v_part->>'body')::integer];
            v_copy.encoding := v_part->>'encoding';
            v_copy.bytes := (v_part->>'bytes')::bigint;
            v_main := promote_section(v_main, v_name, v_copy, p_by, p_detail);
        END LOOP;
    END LOOP;

    INSERT INTO checkpoints (case_id, branch, version, step, owner, parent_branch, parent_version,
            status, error, retries, size, schema_version)
        VALUES (p_case, 'main', v_main.version, v_name, 'promotion', 'main', v_main.version - 1,
            v_main.status, v_main.error, v_main.retries, v_size, p_schema);
    v_main := append_audit(v_main, p_by, 'promoted', v_name, NULL, NULL, sha256(''), p_detail);
    PERFORM save_case(v_main);
    UPDATE cases SET promoting = NULL WHERE (case_id, branch) = (p_case, 'main');
    PERFORM save_case(append_audit(v_branch, p_by, 'promoted', v_name, NULL, NULL, sha256(''), p_detail));
    UPDATE cases SET promoted_at = clock_timestamp() WHERE (case_id, branch) = (p_case, p_branch);
    version := v_main.version;
END $$;

-- Write a branch's section on the main line, as its owner's, by whoever has the branch promoted.
CREATE OR REPLACE FUNCTION promote_section(
    INOUT p_main cases, p_step text, p_section sections, p_by text, p_detail text
) LANGUAGE plpgsql AS $$
DECLARE
    v_old bigint := newest_section(p_main, p_section.name);
BEGIN
    INSERT INTO sections (case_id, branch, name, version, owner, body, encoding, bytes)
        VALUES (p_main.case_id, p_main.branch, p_section.name, p_main.version, p_section.owner,
            p_section.body, p_section.encoding, p_section.bytes);
    p_main := append_audit(p_main, p_by, 'section_written', p_step, p_section.name, v_old,
        sha256(p_section.body), p_detail);
END $$;
