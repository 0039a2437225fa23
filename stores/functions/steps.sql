-- What a step of a case does to the record: one call, one transaction, one round trip.

-- Commit the updates of one or more steps.
-- p_steps is a JSON array: {step, owner, status?, error?, retries?, detail, sections: [{name, owner,
-- expected, encoding?, bytes?, body}], messages?: [{id, received_at, body}], archive?: [{digest,
-- encoding, bytes, body}], approval?: {...}, void_approvals?}; "body" is an index (from 1) into
-- p_bodies. A step that is on record already is left as it is.
-- Returns the version of the last step and whether any of them was on record.
-- Raises CK403 (foreign write), CK404 (no such case), CK408 (closed), CK409 (version conflict).
CREATE OR REPLACE FUNCTION commit_steps(
    p_case text, p_branch text, p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases := lock_case(p_case, p_branch);
    v_done record;
BEGIN
    v_done := apply_steps(v_case, p_schema, p_steps, p_bodies);
    PERFORM save_case(v_done.p_row);
    version := v_done.version;
    repeated := v_done.repeated;
END $$;

-- The same within a transaction that holds the case's row and saves it afterwards.
CREATE OR REPLACE FUNCTION apply_steps(
    INOUT p_row cases, p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql AS $$
DECLARE
    v_step jsonb;
    v_seen bigint;
BEGIN
    version := p_row.version;
    repeated := false;
    FOR v_step IN SELECT * FROM jsonb_array_elements(p_steps) LOOP
        SELECT k.version INTO v_seen FROM lineage(p_row.case_id, p_row.branch, p_row.version) AS l
            JOIN checkpoints k ON (k.case_id, k.branch, k.step) = (p_row.case_id, l.branch, v_step->>'step')
                AND k.version <= l.until;
        IF FOUND THEN
            version := v_seen;
            repeated := true;
        ELSIF p_row.closed_at IS NOT NULL THEN
            RAISE EXCEPTION 'the case is closed' USING ERRCODE = 'CK408',
                DETAIL = json_build_object('status', p_row.status);
        ELSE
            p_row := apply_step(p_row, p_schema, v_step, p_bodies);
            version := p_row.version;
        END IF;
    END LOOP;
END $$;

-- Apply one step that is not on record yet.
CREATE OR REPLACE FUNCTION apply_step(
    INOUT p_row cases, p_schema integer, p_step jsonb, p_bodies bytea[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_size bigint := 0;
    v_seq  bigint := p_row.audit_seq;
    v_part jsonb;
    v_body bytea;
BEGIN
    p_row.version := p_row.version + 1;
    p_row.schema_version := p_schema;
    p_row.status := coalesce(p_step->>'status', p_row.status);
    p_row.error := coalesce(p_step->>'error', p_row.error);
    p_row.retries := add_counters(p_row.retries, coalesce(p_step->'retries', '{}'));
    p_row.current_owner := p_step->>'owner';
    p_row.updated_at := clock_timestamp();
    IF is_end(p_row.status) THEN
        p_row.closed_at := clock_timestamp();
        PERFORM release_compensations(p_row.case_id, p_row.branch);
    END IF;

    FOR v_part IN SELECT * FROM jsonb_array_elements(p_step->'archive') LOOP
        INSERT INTO archive VALUES (p_row.case_id, v_part->>'digest', v_part->>'encoding',
            (v_part->>'bytes')::bigint, p_bodies[(v_part->>'body')::integer]) ON CONFLICT DO NOTHING;
    END LOOP;

    FOR v_part IN SELECT * FROM jsonb_array_elements(p_step->'sections') LOOP
        v_body := p_bodies[(v_part->>'body')::integer];
        v_size := v_size + octet_length(v_body);
        p_row := write_section(p_row, p_step, v_part, v_body);
    END LOOP;

    FOR v_part IN SELECT * FROM jsonb_array_elements(p_step->'messages') LOOP
        v_body := p_bodies[(v_part->>'body')::integer];
        v_size := v_size + octet_length(v_body);
        INSERT INTO messages SELECT p_row.case_id, p_row.branch, v_part->>'id', p_row.version,
                coalesce(max(m.position), 0) + 1, v_body, (v_part->>'received_at')::timestamptz
            FROM lineage(p_row.case_id, p_row.branch, p_row.version) AS l
            JOIN messages m ON (m.case_id, m.branch) = (p_row.case_id, l.branch) AND m.version <= l.until;
        p_row := append_audit(p_row, p_step->>'owner', 'message_received', p_step->>'step',
            NULL, NULL, sha256(v_body), p_step->>'detail');
    END LOOP;

    IF p_row.audit_seq = v_seq THEN
        p_row := append_audit(p_row, p_step->>'owner', 'step_done', p_step->>'step',
            NULL, NULL, sha256(''), p_step->>'detail');
    END IF;
    IF p_step ? 'approval' OR (p_step->>'void_approvals')::boolean THEN
        p_row := change_approvals(p_row, p_step, p_bodies);
    END IF;

    INSERT INTO checkpoints (case_id, branch, version, step, owner, parent_branch, parent_version,
            status, error, retries, size, schema_version)
        VALUES (p_row.case_id, p_row.branch, p_row.version, p_step->>'step', p_step->>'owner',
            CASE WHEN p_row.version > 1 THEN p_row.branch END, nullif(p_row.version - 1, 0),
            p_row.status, p_row.error, p_row.retries, v_size, p_schema);
END $$;

-- Write a section's next version as its owner, made from the version that is the newest.
CREATE OR REPLACE FUNCTION write_section(
    INOUT p_row cases, p_step jsonb, p_part jsonb, p_body bytea
) LANGUAGE plpgsql AS $$
DECLARE
    v_name     text := p_part->>'name';
    v_expected bigint := (p_part->>'expected')::bigint;
    v_found    bigint;
    v_owner    text;
BEGIN
    SELECT o.owner, newest_section(p_row, v_name) INTO v_owner, v_found
        FROM section_owners o WHERE o.name = v_name;
    IF NOT FOUND THEN  -- nobody has ever written it, in any case
        v_owner := claim_section(v_name, p_part->>'owner');
    END IF;
    IF v_owner <> p_step->>'owner' THEN
        RAISE EXCEPTION 'foreign write' USING ERRCODE = 'CK403', DETAIL = json_build_object(
            'owner', p_step->>'owner', 'section', v_name, 'belongs_to', v_owner);
    END IF;
    -- Compared, never tested for truth: 0 is a version, and a missing one never fits.
    IF coalesce(v_found, 0) IS DISTINCT FROM v_expected THEN
        RAISE EXCEPTION 'version conflict' USING ERRCODE = 'CK409', DETAIL = json_build_object(
            'expected', v_expected, 'found', coalesce(v_found, 0));
    END IF;
    INSERT INTO sections (case_id, branch, name, version, owner, body, encoding, bytes)
        VALUES (p_row.case_id, p_row.branch, v_name, p_row.version, v_owner, p_body,
            coalesce(p_part->>'encoding', 'plain'), (p_part->>'bytes')::bigint);
    p_row := append_audit(p_row, v_owner, 'section_written', p_step->>'step', v_name, v_found,
        sha256(p_body), p_step->>'detail');
END $$;

-- A section that nobody has registered or written yet goes to who asks first; its owner.
CREATE OR REPLACE FUNCTION claim_section(p_name text, p_owner text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_owner text;
BEGIN
    INSERT INTO section_owners VALUES (p_name, p_owner) ON CONFLICT DO NOTHING;
    SELECT o.owner INTO v_owner FROM section_owners o WHERE o.name = p_name;
    RETURN v_owner;
END $$;

CREATE OR REPLACE FUNCTION add_counters(a jsonb, b jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF b = '{}' THEN
        RETURN a;
    END IF;
    RETURN a || (SELECT jsonb_object_agg(key, coalesce((a->>key)::bigint, 0) + value::bigint)
        FROM jsonb_each_text(b));
END $$;

-- Put a case on record with its first message, sealed with the customer's key as it is offered, or with
-- none. A repeat with the same request is a no-op; another one under the same id raises CK410, and a key
-- that is not the customer's CK423.
CREATE OR REPLACE FUNCTION open_case(
    p_case text, p_branch text, p_customer text, p_opened_by text, p_schema integer, p_steps jsonb,
    p_bodies bytea[], p_key text, p_wrapped_by text, p_wrapped bytea,
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases;
    v_body bytea;
BEGIN
    IF p_key IS NOT NULL THEN
        PERFORM check_key(p_key, living_key(p_customer, p_key, p_wrapped_by, p_wrapped));
    END IF;
    INSERT INTO cases (case_id, branch, customer_id, opened_by, status, schema_version)
        VALUES (p_case, p_branch, p_customer, p_opened_by, 'received', p_schema)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        v_case := lock_case(p_case, p_branch);
        SELECT m.body INTO v_body FROM messages m
            WHERE m.case_id = p_case AND m.branch = p_branch AND m.position = 1;
        IF v_case.customer_id <> p_customer OR v_body IS DISTINCT FROM p_bodies[1] THEN
            RAISE EXCEPTION 'case exists' USING ERRCODE = 'CK410';
        END IF;
    END IF;
    SELECT c.version, c.repeated INTO version, repeated
        FROM commit_steps(p_case, p_branch, p_schema, p_steps, p_bodies) c;
END $$;
