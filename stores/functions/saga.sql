-- What must be undone if a case is stopped, what is to be told, and what only a person can finish.

-- Put on record how a step is undone, in the transaction that lets it act. Once a refund may have
-- moved money, nothing is undone any more.
CREATE OR REPLACE FUNCTION register_compensation(INOUT p_row cases, p_name text)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO compensations (case_id, branch, name, seq)
        SELECT p_row.case_id, p_row.branch, p_name, coalesce(max(c.seq), 0) + 1
          FROM compensations c WHERE c.case_id = p_row.case_id AND c.branch = p_row.branch
        HAVING NOT EXISTS (SELECT FROM effects e WHERE e.case_id = p_row.case_id
            AND e.branch = p_row.branch AND e.kind = 'refund'
            AND e.state IN ('succeeded', 'pending', 'unknown'))
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        p_row := append_audit(p_row, 'saga', 'compensation_registered', p_name,
            NULL, NULL, sha256(''), p_name);
    END IF;
END $$;

-- Money may have moved, or the case has come to its end: nothing is to be undone any more.
CREATE OR REPLACE FUNCTION release_compensations(p_case text, p_branch text) RETURNS void
LANGUAGE sql AS $$
    UPDATE compensations SET state = 'released', ended_at = clock_timestamp()
        WHERE case_id = p_case AND branch = p_branch AND state = 'registered'
$$;

-- Commit that something was undone, or that it could not be: then it is a person's task.
-- A compensation that was never stored, as its step did not act, is nothing to commit.
CREATE OR REPLACE FUNCTION end_compensation(
    p_case text, p_branch text, p_name text, p_state text, p_detail text
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases := lock_case(p_case, p_branch);
BEGIN
    UPDATE compensations SET state = p_state, ended_at = clock_timestamp()
        WHERE case_id = p_case AND branch = p_branch AND name = p_name AND state = 'registered';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_case := append_audit(v_case, 'saga', 'compensation_' || p_state, p_name,
        NULL, NULL, sha256(''), concat_ws(': ', p_name, nullif(p_detail, '')));
    IF p_state = 'failed' THEN
        v_case := open_task(v_case, 'compensation_failed', p_case || '/' || p_branch || '/' || p_name,
            p_detail);
    END IF;
    PERFORM save_case(v_case);
    RETURN true;
END $$;

-- A person's task about a case, once for each subject.
CREATE OR REPLACE FUNCTION open_task(INOUT p_row cases, p_kind text, p_subject text, p_detail text)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tasks (task_id, kind, subject, case_id, branch, detail)
        VALUES (task_id_of(p_kind, p_subject), p_kind, p_subject, p_row.case_id, p_row.branch, p_detail)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        p_row := append_audit(p_row, 'saga', 'task_opened', task_id_of(p_kind, p_subject),
            NULL, NULL, sha256(''), concat_ws(': ', p_kind, p_detail));
    END IF;
END $$;

CREATE OR REPLACE FUNCTION task_id_of(p_kind text, p_subject text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT 'task_' || left(encode(sha256(convert_to(p_kind || ':' || p_subject, 'UTF8')), 'hex'), 12)
$$;

-- Hand something to a person; the task's id if it is new. Without a case it has no audit row.
CREATE OR REPLACE FUNCTION hand_over(
    p_kind text, p_subject text, p_case text, p_branch text, p_detail text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases;
BEGIN
    IF EXISTS (SELECT FROM tasks t WHERE (t.kind, t.subject) = (p_kind, p_subject)) THEN
        RETURN NULL;
    END IF;
    IF p_case IS NULL THEN
        INSERT INTO tasks (task_id, kind, subject, detail)
            VALUES (task_id_of(p_kind, p_subject), p_kind, p_subject, p_detail)
            ON CONFLICT DO NOTHING;
    ELSE
        v_case := lock_case(p_case, p_branch);
        v_case := open_task(v_case, p_kind, p_subject, p_detail);
        PERFORM save_case(v_case);
    END IF;
    RETURN task_id_of(p_kind, p_subject);
END $$;

-- A person, by their token, says that a task is finished. For an effect of which nobody knew what
-- became of it, p_state says what they found out: succeeded or rejected.
-- Raises CK401 (no such approver), CK402 (about their own account), CK404 (no such task), CK411 (finished), CK412 (the effect has an
-- outcome, or the task has none to give).
CREATE OR REPLACE FUNCTION finish_task(
    p_task text, p_token_hash bytea, p_state text, p_receipt text, p_note text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_name     text;
    v_customer text;
    v_task     tasks;
    v_case     cases;
BEGIN
    SELECT a.name, a.customer_id INTO v_name, v_customer FROM approvers a
        WHERE a.token_hash = p_token_hash AND a.revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown approver' USING ERRCODE = 'CK401';
    END IF;
    -- The case's row first, as every step does: two lock orders would be a deadlock.
    PERFORM 1 FROM cases c JOIN tasks t USING (case_id, branch) WHERE t.task_id = p_task FOR UPDATE OF c;
    SELECT * INTO v_task FROM tasks t WHERE t.task_id = p_task FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such task' USING ERRCODE = 'CK404';
    END IF;
    PERFORM 1 FROM cases c WHERE (c.case_id, c.branch) = (v_task.case_id, v_task.branch)
        AND c.customer_id = v_customer;
    IF FOUND THEN
        RAISE EXCEPTION 'own account' USING ERRCODE = 'CK402';
    END IF;
    IF v_task.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'task is finished' USING ERRCODE = 'CK411',
            DETAIL = json_build_object('state', 'finished', 'by', v_task.closed_by);
    END IF;
    IF p_state IS NOT NULL AND (v_task.kind <> 'effect_unknown' OR p_state NOT IN ('succeeded', 'rejected')
            OR NOT resolve_effect(v_task.subject, p_state, p_receipt, 'found_by_person', v_name)) THEN
        RAISE EXCEPTION 'no outcome to give' USING ERRCODE = 'CK412';
    END IF;
    UPDATE tasks SET closed_at = clock_timestamp(), closed_by = v_name, note = p_note
        WHERE task_id = p_task;
    IF v_task.case_id IS NOT NULL THEN
        v_case := lock_case(v_task.case_id, v_task.branch);
        v_case := append_audit(v_case, v_name, 'task_finished', p_task, NULL, NULL, sha256(''), p_note);
        PERFORM save_case(v_case);
    END IF;
END $$;

-- Something about a request is to be told: a decision to its case, the rest to the approvers.
CREATE OR REPLACE FUNCTION queue_message(p_kind text, p_approval text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO outbox (kind, approval_id, asked)
        SELECT p_kind, a.approval_id, a.asked FROM approvals a WHERE a.approval_id = p_approval
        ON CONFLICT DO NOTHING
$$;

CREATE OR REPLACE FUNCTION mark_delivered(p_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE outbox SET delivered_at = clock_timestamp() WHERE id = p_id AND delivered_at IS NULL
$$;

-- The decision of a request was told to its case.
CREATE OR REPLACE FUNCTION mark_told(p_approval text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE outbox SET delivered_at = clock_timestamp()
        WHERE approval_id = p_approval AND kind = 'decision' AND delivered_at IS NULL
$$;
