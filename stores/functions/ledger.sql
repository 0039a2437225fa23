-- The one place where money is allowed to move: claim before, settle after.

-- Commit an intent before anything leaves, or say what became of it. With p_compensation, how to undo
-- it is put on record in the same transaction.
-- Refuses: what a closed case would still do, what another case has claimed, another charge of the same
-- group, a customer other than the case's, an approval that does not stand, and without a person: what
-- goes above the customer's limit, and what was tried before and came to nothing. A case that a branch is
-- promoted on does what that promotion does (p_promotes names its branch) and nothing else.
CREATE OR REPLACE FUNCTION claim_effect(
    p_key text, p_kind text, p_case text, p_branch text, p_customer text,
    p_amount bigint, p_currency text, p_charge text, p_group text,
    p_parameters text, p_intent bytea, p_approval text, p_digest text,
    p_limit bigint, p_limit_days integer, p_compensation text, p_promotes text,
    OUT state text, OUT receipt text, OUT code text, OUT earlier_attempts integer, OUT intent bytea,
    OUT claimed_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case   cases := lock_case(p_case, p_branch);
    v_effect effects;
BEGIN
    -- One customer's refunds are claimed one after another: the limit is a sum over them, and the
    -- group and charge rules below are read before they are written.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_customer, 0));
    IF v_case.parent_branch IS NOT NULL THEN  -- nothing that a branch wants is let out
        SELECT a.* INTO state, receipt, code, earlier_attempts, intent, claimed_at
            FROM claim_on_branch(v_case, p_key, p_kind, p_customer, p_amount, p_currency, p_charge,
                p_group, p_parameters, p_intent) AS a;
        RETURN;
    END IF;

    SELECT * INTO v_effect FROM effects e WHERE e.key = p_key FOR UPDATE;
    IF NOT FOUND AND p_kind = 'refund' THEN
        SELECT * INTO v_effect FROM effects e WHERE e.kind = 'refund'
            AND (e.duplicate_group = p_group OR e.charge_id = p_charge
                -- The charge that this one leaves paid was paid back itself: nothing would stay paid.
                OR (e.customer_id = p_customer AND strpos(p_group, '/' || e.charge_id || '/') > 0))
            AND e.state NOT IN ('rejected', 'failed') LIMIT 1 FOR UPDATE;
    END IF;
    IF FOUND THEN
        IF v_effect.key <> p_key OR v_effect.case_id <> p_case OR v_effect.branch <> p_branch
                OR (p_kind IN ('refund', 'correction') AND v_effect.parameters_hash <> p_parameters) THEN
            code := 'already_claimed';
            receipt := v_effect.receipt;
        ELSE
            IF v_effect.state = 'sending' THEN
                UPDATE effects e SET attempts = e.attempts + 1 WHERE e.key = p_key;
            END IF;
            SELECT v_effect.state, v_effect.receipt, v_effect.code, v_effect.attempts,
                    v_effect.intent, v_effect.claimed_at
                INTO state, receipt, code, earlier_attempts, intent, claimed_at;
            RETURN;
        END IF;
    ELSIF p_customer <> v_case.customer_id THEN
        code := 'other_customer';
    ELSIF v_case.closed_at IS NOT NULL AND p_kind IN ('refund', 'correction', 'reset_mail', 'answer')
            AND v_case.promoting IS DISTINCT FROM coalesce(p_promotes, '') THEN
        code := 'case_closed';
    ELSIF p_kind = 'unlock' AND NOT EXISTS (SELECT FROM tasks t WHERE t.kind = 'unlock_account'
            AND (t.case_id, t.branch) = (p_case, p_branch) AND t.closed_by IS NOT NULL) THEN
        code := 'not_approved';
    ELSIF p_kind IN ('refund', 'correction') AND p_approval IS NULL
            AND (p_kind = 'correction' OR v_case.promoting IS NOT NULL) THEN
        code := 'not_approved';
    ELSIF p_kind = 'refund' AND p_approval IS NULL THEN
        code := limit_refusal(p_customer, p_group, p_amount, p_currency, p_limit, p_limit_days);
    ELSIF p_kind IN ('refund', 'correction') AND EXISTS (SELECT FROM effects e
            WHERE e.customer_id = p_customer AND e.kind = p_kind AND e.charge_id = p_charge
                AND e.approval_id = p_approval) THEN
        code := 'not_approved';  -- it let this charge out before, which came to nothing
    ELSIF p_kind IN ('refund', 'correction') THEN
        code := approval_refusal(p_key, v_case, p_charge, p_amount, p_currency, p_approval, p_digest);
    END IF;
    IF code IS NOT NULL THEN
        SELECT 'refused', 0, p_intent INTO state, earlier_attempts, intent;
        v_case := append_audit(v_case, 'ledger', 'effect_refused', p_key,
            NULL, NULL, decode(p_parameters, 'hex'), code);
        PERFORM save_case(v_case);
        RETURN;
    END IF;
    INSERT INTO effects (key, kind, case_id, branch, customer_id, amount_minor, currency, charge_id,
            duplicate_group, parameters_hash, intent, approval_id)
        VALUES (p_key, p_kind, p_case, p_branch, p_customer, p_amount, p_currency, p_charge,
            p_group, p_parameters, p_intent, p_approval);
    IF p_approval IS NOT NULL THEN
        UPDATE approvals SET consumed_by = consumed_by || p_key WHERE approval_id = p_approval;
    END IF;
    IF p_compensation IS NOT NULL THEN
        v_case := register_compensation(v_case, p_compensation);
    END IF;
    v_case := append_audit(v_case, 'ledger', 'effect_claimed', p_key,
        NULL, NULL, decode(p_parameters, 'hex'), p_kind || coalesce(' ' || p_approval, ''));
    PERFORM save_case(v_case);
    SELECT 'sending', 0, p_intent, clock_timestamp()
        INTO state, earlier_attempts, intent, claimed_at;
END $$;

-- Why a refund may not go out without a person, or NULL if it may.
CREATE OR REPLACE FUNCTION limit_refusal(
    p_customer text, p_group text, p_amount bigint, p_currency text, p_limit bigint,
    p_limit_days integer
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF p_limit IS NULL THEN
        RETURN 'not_approved';
    END IF;
    PERFORM 1 FROM effects e WHERE e.kind = 'refund' AND e.duplicate_group = p_group
        AND e.state IN ('rejected', 'failed');
    IF FOUND THEN
        RETURN 'failed_before';
    END IF;
    RETURN CASE WHEN refunded_lately(p_customer, p_currency, p_limit_days, NULL) + p_amount
        > p_limit THEN 'above_limit' END;
END $$;

-- What the customer got without a person within so many days, in minor units; without one case
-- where that is named.
CREATE OR REPLACE FUNCTION refunded_lately(
    p_customer text, p_currency text, p_days integer, p_but_case text
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM effects e
    WHERE e.customer_id = p_customer AND e.kind = 'refund' AND e.currency = p_currency
        AND e.approval_id IS NULL AND e.state NOT IN ('rejected', 'failed')
        AND e.claimed_at > clock_timestamp() - make_interval(days => p_days)
        AND e.case_id IS DISTINCT FROM p_but_case
$$;

-- Commit an outcome and the case's steps that it belongs to. The first settled outcome stands.
-- 'refused' is the ledger's own word for what it did not claim: another's effect under the same key
-- stays as it is.
CREATE OR REPLACE FUNCTION settle_effect(
    p_key text, p_case text, p_branch text, p_state text, p_receipt text, p_code text,
    p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases := lock_case(p_case, p_branch);
    v_kind text;
    v_done record;
BEGIN
    UPDATE effects e SET state = p_state, receipt = p_receipt, code = p_code,
            settled_at = clock_timestamp()
        WHERE e.key = p_key AND e.case_id = p_case AND e.branch = p_branch
            AND e.state = 'sending' AND p_state <> 'refused'
        RETURNING e.kind INTO v_kind;
    IF FOUND THEN
        v_case := append_settled(v_case, p_key, v_kind, 'ledger', p_state, p_receipt, p_code);
    END IF;
    v_done := apply_steps(v_case, p_schema, p_steps, p_bodies);
    PERFORM save_case(v_done.p_row);
    version := v_done.version;
    repeated := v_done.repeated;
END $$;

-- Commit what was found out later about an effect, by looking or by a person; whether it changed
-- anything. What succeeded can still fail; what is over stays over.
CREATE OR REPLACE FUNCTION resolve_effect(
    p_key text, p_state text, p_receipt text, p_code text, p_actor text
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case   cases;
    v_effect effects;
BEGIN
    SELECT c.* INTO v_case FROM cases c JOIN effects e USING (case_id, branch)
        WHERE e.key = p_key FOR UPDATE OF c;
    SELECT * INTO v_effect FROM effects e WHERE e.key = p_key FOR UPDATE;
    IF NOT FOUND OR v_effect.state = p_state OR NOT (v_effect.state IN ('sending', 'pending', 'unknown')
            OR (v_effect.state, p_state) = ('succeeded', 'failed')) THEN
        RETURN false;
    END IF;
    UPDATE effects e SET state = p_state, receipt = p_receipt, code = p_code,
            settled_at = clock_timestamp()
        WHERE e.key = p_key;
    IF p_state NOT IN ('pending', 'unknown') THEN  -- nobody needs to find out any more
        UPDATE tasks SET closed_at = clock_timestamp(), note = 'settled by ' || p_actor
            WHERE kind = 'effect_unknown' AND subject = p_key AND closed_at IS NULL;
    END IF;
    v_case := append_settled(v_case, p_key, v_effect.kind, p_actor, p_state, p_receipt, p_code);
    PERFORM save_case(v_case);
    RETURN true;
END $$;

-- The audit row of an outcome. Once a refund may have moved money, nothing is undone any more.
CREATE OR REPLACE FUNCTION append_settled(
    p_row cases, p_key text, p_kind text, p_actor text, p_state text, p_receipt text, p_code text
) RETURNS cases LANGUAGE plpgsql AS $$
BEGIN
    IF p_kind = 'refund' AND p_state IN ('succeeded', 'pending', 'unknown') THEN
        PERFORM release_compensations(p_row.case_id, p_row.branch);
    END IF;
    RETURN append_audit(p_row, p_actor, 'effect_settled', p_key,
        NULL, NULL, sha256(''), concat_ws(' ', p_state, p_receipt, p_code));
END $$;

-- Note that the outside has nothing of an effect; how many seconds ago that was first noted.
CREATE OR REPLACE FUNCTION note_not_found(p_key text) RETURNS double precision
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE effects SET not_found_at = coalesce(not_found_at, clock_timestamp()) WHERE key = p_key
    RETURNING extract(epoch FROM clock_timestamp() - not_found_at)
$$;
