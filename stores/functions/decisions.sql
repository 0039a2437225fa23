-- Requests for a person's decision: asked, decided (the first committed decision stands), ended.

-- Ask a person, or withdraw the question. A new request voids any other of the case that is open, or
-- approved and not used yet; one that was voided before and is asked again, as its facts are back,
-- waits again, and no vote of before counts.
CREATE OR REPLACE FUNCTION change_approvals(INOUT p_row cases, p_step jsonb, p_bodies bytea[])
LANGUAGE plpgsql AS $$
DECLARE
    v_ask  jsonb := p_step->'approval';
    v_void text;
BEGIN
    FOR v_void IN UPDATE approvals SET state = 'void', decided_at = clock_timestamp()
            WHERE case_id = p_row.case_id AND branch = p_row.branch
                AND (state = 'pending' OR (state = 'approved' AND consumed_by = '{}'))
                AND digest IS DISTINCT FROM v_ask->>'digest'
            RETURNING approval_id LOOP
        p_row := append_audit(p_row, p_step->>'owner', 'approval_voided', p_step->>'step',
            NULL, NULL, sha256(''), v_void);
    END LOOP;
    IF v_ask IS NOT NULL THEN
        INSERT INTO approvals (approval_id, case_id, branch, digest, amount_minor, currency, orders,
                rule, needed, expires_at)
            VALUES (v_ask->>'approval_id', p_row.case_id, p_row.branch, v_ask->>'digest',
                (v_ask->>'amount_minor')::bigint, v_ask->>'currency',
                p_bodies[(v_ask->>'orders')::integer], v_ask->>'rule',
                (v_ask->>'needed')::smallint,
                clock_timestamp() + make_interval(secs => (v_ask->>'expires_in_s')::bigint))
            ON CONFLICT (case_id, branch, digest) DO UPDATE
                SET state = 'pending', requested_at = clock_timestamp(),
                    expires_at = excluded.expires_at, reminded_at = NULL, decided_at = NULL,
                    decided_by = NULL, note = '', asked = approvals.asked + 1
                WHERE approvals.state = 'void';
        PERFORM queue_message('request', v_ask->>'approval_id');
        p_row := register_compensation(p_row, 'withdraw_request');
    END IF;
END $$;

-- Why a person may not decide a request like this, or NULL if they may: nobody decides about a case
-- that they opened or that is about themselves, or a promotion that they asked for, and nobody approves
-- more than their own limit.
CREATE OR REPLACE FUNCTION objection(
    p_approver approvers, p_ask approvals, p_case cases, p_verdict text
) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_approver.revoked_at IS NOT NULL THEN 'revoked'
        WHEN lower(p_approver.name) = lower(p_case.opened_by) THEN 'own_request'
        WHEN lower(p_approver.name) = lower(p_ask.requested_by) THEN 'own_promotion'
        WHEN p_approver.customer_id = p_case.customer_id THEN 'own_customer'
        WHEN p_verdict = 'approved'
            AND coalesce((p_approver.limits->>p_ask.currency)::bigint, -1) < p_ask.amount_minor
            THEN 'above_limit'
    END
$$;

-- Who has approved a request since it was last asked, and may do so still; oldest first.
CREATE OR REPLACE FUNCTION approvers_of(p_approval text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(v.approver ORDER BY v.at), '{}')
      FROM approvals a JOIN cases c USING (case_id, branch)
      JOIN approval_votes v USING (approval_id, asked) JOIN approvers p ON p.name = v.approver
     WHERE a.approval_id = p_approval AND v.verdict = 'approved'
       AND objection(p, a, c, 'approved') IS NULL
$$;

-- Decide a request as the approver whose token hash is given, and commit the case's step with it. One
-- denial denies; it is approved once as many different people as it needs have approved. A decision about
-- a promotion is no step: the case stays as it is, also a closed one.
-- Raises CK401 (no such approver), CK402 (this one may not; DETAIL says why), CK404 (no request), CK409
-- (the step was made from other votes than there are), CK410 (expired or voided), CK411 (decided), and
-- what commit_steps raises; the caller records refusals.
CREATE OR REPLACE FUNCTION decide_approval(
    p_approval text, p_token_hash bytea, p_verdict text, p_note text,
    p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_approver approvers;
    v_case     cases;
    v_ask      approvals;
    v_why      text;
    v_state    text := p_verdict;
BEGIN
    -- Whoever revokes waits for this decision, or this one sees it.
    SELECT * INTO v_approver FROM approvers WHERE token_hash = p_token_hash FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown approver' USING ERRCODE = 'CK401';
    END IF;
    -- The case's row first, as every step does: two lock orders would be a deadlock.
    SELECT c.* INTO v_case FROM cases c JOIN approvals a USING (case_id, branch)
        WHERE a.approval_id = p_approval FOR UPDATE OF c;
    SELECT * INTO v_ask FROM approvals WHERE approval_id = p_approval FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'CK404';
    END IF;
    v_why := objection(v_approver, v_ask, v_case, p_verdict);
    IF v_why IS NULL THEN
        PERFORM refuse_unless_open(v_ask);
        INSERT INTO approval_votes (approval_id, asked, approver, verdict, note)
            VALUES (p_approval, v_ask.asked, v_approver.name, p_verdict, p_note)
            ON CONFLICT DO NOTHING;
        -- Who has approved may still deny, as long as it is open.
        IF NOT FOUND AND p_verdict = 'approved' THEN
            v_why := 'approved_before';
        END IF;
    END IF;
    IF v_why IS NOT NULL THEN
        RAISE EXCEPTION 'may not decide it' USING ERRCODE = 'CK402',
            DETAIL = json_build_object('why', v_why, 'name', v_approver.name);
    END IF;
    IF p_verdict = 'approved' AND cardinality(approvers_of(p_approval)) < v_ask.needed THEN
        v_state := 'pending';
    ELSE
        UPDATE approvals SET state = v_state, decided_by = v_approver.name, note = p_note,
                decided_at = clock_timestamp()
            WHERE approval_id = p_approval;
        PERFORM queue_message('decision', p_approval);
    END IF;
    IF v_ask.promotes IS NOT NULL THEN
        v_case := append_audit(v_case, v_approver.name, 'promotion_decided', '', NULL, NULL, sha256(''),
            concat_ws(' ', v_ask.promotes, p_approval, p_verdict, nullif(p_note, '')));
        PERFORM save_case(v_case);
        version := v_case.version;
        repeated := false;
        RETURN;
    END IF;
    SELECT c.version, c.repeated INTO version, repeated
        FROM commit_steps(v_ask.case_id, v_ask.branch, p_schema, p_steps, p_bodies) c;
    IF repeated OR p_steps->0->>'step' IS DISTINCT FROM decision_step(v_ask, v_state, v_approver.name) THEN
        RAISE EXCEPTION 'made from other votes' USING ERRCODE = 'CK409',
            DETAIL = json_build_object('expected', v_case.version, 'found', v_case.version);
    END IF;
END $$;

-- Raise CK411 (decided) or CK410 (expired or voided) for a request that waits no more.
CREATE OR REPLACE FUNCTION refuse_unless_open(p_ask approvals) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_ask.state IN ('approved', 'denied') THEN
        RAISE EXCEPTION 'already decided' USING ERRCODE = 'CK411',
            DETAIL = json_build_object('state', p_ask.state, 'by', p_ask.decided_by);
    END IF;
    IF p_ask.state <> 'pending' OR p_ask.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'request is over' USING ERRCODE = 'CK410',
            DETAIL = json_build_object('state', p_ask.state);
    END IF;
END $$;

-- The name of the step that a decision, or one of several that are needed, is on record as.
CREATE OR REPLACE FUNCTION decision_step(p_ask approvals, p_state text, p_name text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT concat('approval:', p_ask.approval_id, CASE WHEN p_ask.asked > 1 THEN '.' || p_ask.asked END, ':',
        CASE WHEN p_state = 'pending' THEN 'vote:' || p_name ELSE p_state END)
$$;

-- Expire or void an open request, with the case's step. One already decided stays as it is.
CREATE OR REPLACE FUNCTION close_approval(
    p_approval text, p_state text, p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT state text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case   text;
    v_branch text;
BEGIN
    IF p_state NOT IN ('expired', 'void') THEN
        RAISE EXCEPTION 'nobody decides this way' USING ERRCODE = 'CK402', DETAIL = '{}';
    END IF;
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
    PERFORM queue_message('reminder', p_approval);
    RETURN true;
END $$;

-- The approver who holds a token; none for an unknown or revoked one. Nobody else reads the hashes.
CREATE OR REPLACE FUNCTION find_approver(p_token_hash bytea, OUT name text, OUT limits jsonb)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.name, a.limits FROM approvers a
    WHERE a.token_hash = p_token_hash AND a.revoked_at IS NULL
$$;

-- Why an approval does not let this refund out, or NULL if it does: it must stand for exactly this
-- case, charge and sum, or for the promotion that has begun, and those who approved must still be people
-- who may.
CREATE OR REPLACE FUNCTION approval_refusal(
    p_key text, p_row cases, p_charge text, p_amount bigint, p_currency text, p_approval text,
    p_digest text
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM approvals a
        WHERE a.approval_id = p_approval AND a.case_id = p_row.case_id AND a.branch = p_row.branch
            AND a.state = 'approved' AND a.digest = p_digest
            AND a.promotes IS NOT DISTINCT FROM p_row.promoting
            AND cardinality(approvers_of(a.approval_id)) >= a.needed
            AND a.currency = p_currency
            AND convert_from(a.orders, 'UTF8')::jsonb @> jsonb_build_array(jsonb_build_object(
                'charge_id', p_charge, 'amount', jsonb_build_object(
                    'amount_minor', p_amount, 'currency', p_currency)))
            AND p_amount + coalesce((SELECT sum(e.amount_minor) FROM effects e
                WHERE e.approval_id = a.approval_id AND e.key <> p_key
                    AND e.state NOT IN ('rejected', 'failed')), 0) <= a.amount_minor
        FOR UPDATE OF a;
    RETURN CASE WHEN FOUND THEN NULL ELSE 'not_approved' END;
END $$;
