-- What a step of a case does to the record: one call, one transaction, one round trip.

-- Commit the updates of one or more steps.
-- p_steps is a JSON array: {step, owner, status?, error?, retries?, detail, sections: [{name, owner,
-- expected, body}], messages: [{id, received_at, body}], approval?: {...}, void_approvals?}; "body" is
-- an index (from 1) into p_bodies. A step that is on record already is left as it is.
-- Returns the version of the last step and whether any of them was on record.
CREATE FUNCTION commit_steps(
    p_case text, p_branch text, p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql AS $$
DECLARE
    v_step jsonb;
    v_seen bigint;
BEGIN
    SELECT c.version INTO version FROM cases c
        WHERE c.case_id = p_case AND c.branch = p_branch FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such case' USING ERRCODE = 'CK404';
    END IF;
    repeated := false;
    FOR v_step IN SELECT * FROM jsonb_array_elements(p_steps) LOOP
        SELECT k.version INTO v_seen FROM checkpoints k
            WHERE k.case_id = p_case AND k.branch = p_branch AND k.step = v_step->>'step';
        IF FOUND THEN
            version := v_seen;
            repeated := true;
        ELSE
            version := commit_step(p_case, p_branch, p_schema, v_step, p_bodies);
        END IF;
    END LOOP;
END $$;

-- Commit one step that is not on record yet; the caller holds the case's row lock.
CREATE FUNCTION commit_step(
    p_case text, p_branch text, p_schema integer, p_step jsonb, p_bodies bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
    v_size    bigint := 0;
    v_part    jsonb;
    v_body    bytea;
    v_old     bigint;
    v_owner   text;
BEGIN
    UPDATE cases c SET version = c.version + 1,
            schema_version = p_schema,
            status = coalesce(p_step->>'status', c.status),
            error = coalesce(p_step->>'error', c.error),
            retries = add_counters(c.retries, coalesce(p_step->'retries', '{}')),
            current_owner = p_step->>'owner',
            updated_at = clock_timestamp(),
            closed_at = CASE WHEN p_step->>'status' IN
                ('answered', 'rejected', 'manual_review', 'cancelled')
                THEN coalesce(c.closed_at, clock_timestamp()) ELSE c.closed_at END
        WHERE c.case_id = p_case AND c.branch = p_branch
        RETURNING c.version INTO v_version;

    FOR v_part IN SELECT * FROM jsonb_array_elements(p_step->'sections') LOOP
        v_body := p_bodies[(v_part->>'body')::integer];
        SELECT s.version, s.owner INTO v_old, v_owner FROM sections s
            WHERE s.case_id = p_case AND s.branch = p_branch AND s.name = v_part->>'name'
            ORDER BY s.version DESC LIMIT 1;
        IF v_part->>'owner' <> p_step->>'owner' OR v_owner <> v_part->>'owner' THEN
            RAISE EXCEPTION 'foreign write' USING ERRCODE = 'CK403', DETAIL = json_build_object(
                'owner', p_step->>'owner', 'section', v_part->>'name',
                'belongs_to', coalesce(v_owner, v_part->>'owner'));
        END IF;
        -- Compared, never tested for truth: 0 is a version, and a missing one never fits.
        IF coalesce(v_old, 0) IS DISTINCT FROM (v_part->>'expected')::bigint THEN
            RAISE EXCEPTION 'version conflict' USING ERRCODE = 'CK409',
                DETAIL = json_build_object('expected', v_part->'expected', 'found', coalesce(v_old, 0));
        END IF;
        INSERT INTO sections VALUES
            (p_case, p_branch, v_part->>'name', v_version, v_part->>'owner', v_body);
        v_size := v_size + octet_length(v_body);
        PERFORM append_audit(p_case, p_branch, v_version, p_step->>'owner', 'section_written',
            p_step->>'step', v_part->>'name', v_old, sha256(v_body), p_step->>'detail');
    END LOOP;

    FOR v_part IN SELECT * FROM jsonb_array_elements(coalesce(p_step->'messages', '[]')) LOOP
        v_body := p_bodies[(v_part->>'body')::integer];
        INSERT INTO messages SELECT p_case, p_branch, v_part->>'id', v_version, count(*) + 1,
                v_body, (v_part->>'received_at')::timestamptz
            FROM messages m WHERE m.case_id = p_case AND m.branch = p_branch;
        v_size := v_size + octet_length(v_body);
        PERFORM append_audit(p_case, p_branch, v_version, p_step->>'owner', 'message_received',
            p_step->>'step', NULL, NULL, sha256(v_body), p_step->>'detail');
    END LOOP;

    IF jsonb_array_length(p_step->'sections') = 0
            AND jsonb_array_length(coalesce(p_step->'messages', '[]')) = 0 THEN
        PERFORM append_audit(p_case, p_branch, v_version, p_step->>'owner', 'step_done',
            p_step->>'step', NULL, NULL, sha256(''::bytea), p_step->>'detail');
    END IF;

    PERFORM change_approvals(p_case, p_branch, v_version, p_step, p_bodies);

    INSERT INTO checkpoints (case_id, branch, version, step, owner, parent_branch, parent_version,
            status, error, retries, size, schema_version)
        SELECT p_case, p_branch, v_version, p_step->>'step', p_step->>'owner',
            CASE WHEN v_version > 1 THEN p_branch END, nullif(v_version - 1, 0),
            c.status, c.error, c.retries, v_size, p_schema
        FROM cases c WHERE c.case_id = p_case AND c.branch = p_branch;
    RETURN v_version;
END $$;

CREATE FUNCTION add_counters(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT a || coalesce(jsonb_object_agg(key, coalesce((a->>key)::bigint, 0) + value::bigint), '{}')
    FROM jsonb_each_text(b)
$$;

-- Ask a person, or withdraw the question. A new request voids any other open one of the case; one
-- that was voided before and is asked again, as its facts are back, waits again.
CREATE FUNCTION change_approvals(
    p_case text, p_branch text, p_version bigint, p_step jsonb, p_bodies bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_ask  jsonb := p_step->'approval';
    v_void text;
BEGIN
    IF v_ask IS NULL AND NOT coalesce((p_step->>'void_approvals')::boolean, false) THEN
        RETURN;
    END IF;
    FOR v_void IN UPDATE approvals SET state = 'void', decided_at = clock_timestamp()
            WHERE case_id = p_case AND branch = p_branch AND state = 'pending'
                AND digest IS DISTINCT FROM v_ask->>'digest'
            RETURNING approval_id LOOP
        PERFORM append_audit(p_case, p_branch, p_version, p_step->>'owner', 'approval_voided',
            p_step->>'step', NULL, NULL, sha256(''::bytea), v_void);
    END LOOP;
    IF v_ask IS NOT NULL THEN
        INSERT INTO approvals (approval_id, case_id, branch, digest, amount_minor, currency, orders,
                rule, expires_at)
            VALUES (v_ask->>'approval_id', p_case, p_branch, v_ask->>'digest',
                (v_ask->>'amount_minor')::bigint, v_ask->>'currency',
                p_bodies[(v_ask->>'orders')::integer], v_ask->>'rule',
                clock_timestamp() + make_interval(secs => (v_ask->>'expires_in_s')::bigint))
            ON CONFLICT (case_id, branch, digest) DO UPDATE
                SET state = 'pending', requested_at = clock_timestamp(),
                    expires_at = excluded.expires_at, reminded_at = NULL, decided_at = NULL
                WHERE approvals.state = 'void';
    END IF;
END $$;

-- Put a case on record with its first message. A repeat with the same request is a no-op.
CREATE FUNCTION open_case(
    p_case text, p_branch text, p_customer text, p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql AS $$
DECLARE
    v_known text;
    v_body  bytea;
BEGIN
    INSERT INTO cases (case_id, branch, customer_id, status, schema_version)
        VALUES (p_case, p_branch, p_customer, 'received', p_schema) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT c.customer_id INTO v_known FROM cases c
            WHERE c.case_id = p_case AND c.branch = p_branch;
        SELECT m.body INTO v_body FROM messages m
            WHERE m.case_id = p_case AND m.branch = p_branch AND m.position = 1;
        IF v_known <> p_customer OR v_body IS DISTINCT FROM p_bodies[1] THEN
            RAISE EXCEPTION 'case exists' USING ERRCODE = 'CK410';
        END IF;
    END IF;
    SELECT c.version, c.repeated INTO version, repeated
        FROM commit_steps(p_case, p_branch, p_schema, p_steps, p_bodies) c;
END $$;
