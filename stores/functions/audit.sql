-- The chain of audit rows. Who appends holds the case's row lock and saves the row at the end, so
-- that a step with many audit rows writes the case's row once.

-- The hash of an audit row: every field with its length before it, so that no two rows look alike.
CREATE OR REPLACE FUNCTION chain_hash(prev bytea, VARIADIC fields text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(prev || string_agg(
        int8send(octet_length(convert_to(coalesce(field, ''), 'UTF8'))::bigint)
            || convert_to(coalesce(field, ''), 'UTF8'), ''::bytea ORDER BY ordinal))
    FROM unnest(fields) WITH ORDINALITY AS given(field, ordinal)
$$;

-- Lock a case; nobody else writes to it until the transaction ends.
CREATE OR REPLACE FUNCTION lock_case(p_case text, p_branch text) RETURNS cases
LANGUAGE plpgsql AS $$
DECLARE
    v_case cases;
BEGIN
    SELECT * INTO v_case FROM cases c
        WHERE c.case_id = p_case AND c.branch = p_branch FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such case' USING ERRCODE = 'CK404';
    END IF;
    RETURN v_case;
END $$;

-- Write back what a transaction made of the case's row.
CREATE OR REPLACE FUNCTION save_case(p_row cases) RETURNS void LANGUAGE sql AS $$
    UPDATE cases SET version = p_row.version, schema_version = p_row.schema_version,
            status = p_row.status, error = p_row.error, retries = p_row.retries,
            current_owner = p_row.current_owner, updated_at = p_row.updated_at,
            closed_at = p_row.closed_at, audit_seq = p_row.audit_seq, audit_head = p_row.audit_head
        WHERE case_id = p_row.case_id AND branch = p_row.branch
$$;

-- Append one audit row; the case's row comes back with the new end of its chain.
CREATE OR REPLACE FUNCTION append_audit(
    INOUT p_row cases, p_actor text, p_event text, p_step text, p_section text,
    p_old_version bigint, p_body_hash bytea, p_detail text
) LANGUAGE plpgsql AS $$
DECLARE
    v_prev bytea := p_row.audit_head;
    v_at   timestamptz := clock_timestamp();
BEGIN
    p_row.audit_seq := p_row.audit_seq + 1;
    p_row.audit_head := chain_hash(v_prev, p_row.case_id, p_row.branch, p_row.audit_seq::text,
        p_row.version::text, (extract(epoch FROM v_at) * 1000000)::bigint::text, p_actor, p_event,
        p_step, p_section, p_old_version::text, encode(p_body_hash, 'hex'), p_detail);
    INSERT INTO case_audit VALUES (p_row.case_id, p_row.branch, p_row.audit_seq, p_row.version, v_at,
        p_actor, p_event, p_step, p_section, p_old_version, p_body_hash, p_detail, v_prev,
        p_row.audit_head);
END $$;

-- Record something that was refused, or seen, without a change of the case's state. With a key p_once
-- it is recorded once.
CREATE OR REPLACE FUNCTION note_event(
    p_case text, p_branch text, p_actor text, p_event text, p_detail text, p_once text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases;
BEGIN
    SELECT * INTO v_case FROM cases c
        WHERE c.case_id = p_case AND c.branch = p_branch FOR UPDATE;
    IF FOUND AND (p_once = '' OR NOT EXISTS (SELECT FROM case_audit a
            WHERE (a.case_id, a.branch, a.event, a.step) = (p_case, p_branch, p_event, p_once))) THEN
        v_case := append_audit(v_case, p_actor, p_event, p_once, NULL, NULL, sha256(''), p_detail);
        PERFORM save_case(v_case);
    END IF;
END $$;
