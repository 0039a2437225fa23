-- A person's decision: the first committed one stands.

-- Decide a request as the approver whose token hash is given, and commit the case's step with it.
-- Raises CK401 (no such approver), CK402 (above the own limit), CK404 (no request), CK410 (expired or
-- voided), CK411 (decided), and what commit_steps raises; the caller records refusals.
CREATE OR REPLACE FUNCTION decide_approval(
    p_approval text, p_token_hash bytea, p_verdict text, p_note text,
    p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_approver approvers;
    v_ask      approvals;
BEGIN
    SELECT * INTO v_approver FROM approvers WHERE token_hash = p_token_hash AND revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown approver' USING ERRCODE = 'CK401';
    END IF;
    -- The case's row first, as every step does: two lock orders would be a deadlock.
    PERFORM 1 FROM cases c JOIN approvals a USING (case_id, branch)
        WHERE a.approval_id = p_approval FOR UPDATE OF c;
    SELECT * INTO v_ask FROM approvals WHERE approval_id = p_approval FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'CK404';
    END IF;
    IF v_ask.state IN ('approved', 'denied') THEN
        RAISE EXCEPTION 'already decided' USING ERRCODE = 'CK411',
            DETAIL = json_build_object('state', v_ask.state, 'by', v_ask.decided_by);
    END IF;
    IF v_ask.state <> 'pending' OR v_ask.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'request is over' USING ERRCODE = 'CK410';
    END IF;
    IF p_verdict = 'approved'
            AND coalesce((v_approver.limits->>v_ask.currency)::bigint, -1) < v_ask.amount_minor THEN
        RAISE EXCEPTION 'above own limit' USING ERRCODE = 'CK402';
    END IF;
    UPDATE approvals SET state = p_verdict, decided_by = v_approver.name, note = p_note,
            decided_at = clock_timestamp()
        WHERE approval_id = p_approval;
    SELECT c.version, c.repeated INTO version, repeated
        FROM commit_steps(v_ask.case_id, v_ask.branch, p_schema, p_steps, p_bodies) c;
END $$;

-- Expire or void an open request, with the case's step. One already decided stays as it is.
CREATE OR REPLACE FUNCTION close_approval(
    p_approval text, p_state text, p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT state text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case   text;
    v_branch text;
BEGIN
    SELECT c.case_id, c.branch INTO v_case, v_branch FROM cases c
        JOIN approvals a USING (case_id, branch) WHERE a.approval_id = p_approval FOR UPDATE OF c;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'CK404';
    END IF;
    UPDATE approvals a SET state = p_state, decided_at = clock_timestamp()
        WHERE a.approval_id = p_approval AND a.state = 'pending';
    IF FOUND THEN
        PERFORM commit_steps(v_case, v_branch, p_schema, p_steps, p_bodies);
    END IF;
    SELECT a.state INTO state FROM approvals a WHERE a.approval_id = p_approval;
END $$;

-- Note that approvers were reminded; true for the one call that did, with its audit row.
CREATE OR REPLACE FUNCTION remind_approval(p_approval text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases;
BEGIN
    SELECT c.* INTO v_case FROM cases c
        JOIN approvals a USING (case_id, branch) WHERE a.approval_id = p_approval FOR UPDATE OF c;
    UPDATE approvals SET reminded_at = clock_timestamp()
        WHERE approval_id = p_approval AND state = 'pending' AND reminded_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_case := append_audit(v_case, 'approval', 'approval_reminded', '',
        NULL, NULL, sha256(''), p_approval);
    PERFORM save_case(v_case);
    RETURN true;
END $$;

-- The approver who holds a token; none for an unknown or revoked one. Nobody else reads the hashes.
CREATE OR REPLACE FUNCTION find_approver(p_token_hash bytea, OUT name text, OUT limits jsonb)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.name, a.limits FROM approvers a
    WHERE a.token_hash = p_token_hash AND a.revoked_at IS NULL
$$;
