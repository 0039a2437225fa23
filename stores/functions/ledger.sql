-- The one place where money is allowed to move: claim before, settle after.

-- Commit an intent before anything leaves, or say what became of it.
-- Refuses: what another case has claimed, another charge of the same group, a customer other than
-- the case's, an approval that does not stand, and what goes above the customer's limit without a
-- person.
CREATE OR REPLACE FUNCTION claim_effect(
    p_key text, p_kind text, p_case text, p_branch text, p_customer text,
    p_amount bigint, p_currency text, p_charge text, p_group text,
    p_parameters text, p_intent bytea, p_approval text, p_digest text,
    p_limit bigint, p_limit_days integer,
    OUT state text, OUT receipt text, OUT code text, OUT earlier_attempts integer, OUT intent bytea
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case   cases := lock_case(p_case, p_branch);
    v_effect effects;
BEGIN
    -- One customer's refunds are claimed one after another: the limit is a sum over them, and the
    -- group and charge rules below are read before they are written.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_customer, 0));

    SELECT * INTO v_effect FROM effects e WHERE e.key = p_key FOR UPDATE;
    IF NOT FOUND AND p_kind = 'refund' THEN
        SELECT * INTO v_effect FROM effects e WHERE e.kind = 'refund'
            AND (e.duplicate_group = p_group OR e.charge_id = p_charge)
            AND e.state <> 'rejected' LIMIT 1 FOR UPDATE;
    END IF;
    IF FOUND THEN
        IF v_effect.key <> p_key OR v_effect.case_id <> p_case OR v_effect.branch <> p_branch
                OR (p_kind = 'refund' AND v_effect.parameters_hash <> p_parameters) THEN
            SELECT 'refused', v_effect.receipt, 'already_claimed', 0, p_intent
                INTO state, receipt, code, earlier_attempts, intent;
            v_case := append_audit(v_case, 'ledger', 'effect_refused', p_key,
                NULL, NULL, decode(p_parameters, 'hex'), 'already_claimed');
            PERFORM save_case(v_case);
            RETURN;
        END IF;
        IF v_effect.state = 'sending' THEN
            UPDATE effects e SET attempts = e.attempts + 1 WHERE e.key = p_key;
        END IF;
        SELECT v_effect.state, v_effect.receipt, v_effect.code, v_effect.attempts, v_effect.intent
            INTO state, receipt, code, earlier_attempts, intent;
        RETURN;
    END IF;

    code := CASE WHEN p_customer <> v_case.customer_id THEN 'other_customer' ELSE
        refusal(p_key, p_case, p_branch, p_customer, p_charge, p_amount, p_currency, p_approval,
            p_digest, p_limit, p_limit_days) END;
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
    v_case := append_audit(v_case, 'ledger', 'effect_claimed', p_key,
        NULL, NULL, decode(p_parameters, 'hex'), p_kind || coalesce(' ' || p_approval, ''));
    PERFORM save_case(v_case);
    SELECT 'sending', 0, p_intent INTO state, earlier_attempts, intent;
END $$;

-- Why a refund may not go out, or NULL if it may. Other effects always may.
CREATE OR REPLACE FUNCTION refusal(
    p_key text, p_case text, p_branch text, p_customer text, p_charge text, p_amount bigint,
    p_currency text, p_approval text, p_digest text, p_limit bigint, p_limit_days integer
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_lately bigint;
BEGIN
    IF p_amount IS NULL THEN
        RETURN NULL;
    END IF;
    IF p_approval IS NOT NULL THEN
        PERFORM 1 FROM approvals a JOIN approvers p ON p.name = a.decided_by
            WHERE a.approval_id = p_approval AND a.case_id = p_case AND a.branch = p_branch
                AND a.state = 'approved' AND a.digest = p_digest AND p.revoked_at IS NULL
                AND (p.limits->>a.currency)::bigint >= a.amount_minor
                AND a.currency = p_currency
                AND convert_from(a.orders, 'UTF8')::jsonb @> jsonb_build_array(jsonb_build_object(
                    'charge_id', p_charge, 'amount', jsonb_build_object(
                        'amount_minor', p_amount, 'currency', p_currency)))
                AND p_amount + coalesce((SELECT sum(e.amount_minor) FROM effects e
                    WHERE e.approval_id = a.approval_id AND e.key <> p_key
                        AND e.state <> 'rejected'), 0) <= a.amount_minor
            FOR UPDATE OF a;
        RETURN CASE WHEN FOUND THEN NULL ELSE 'not_approved' END;
    END IF;
    IF p_limit IS NULL THEN
        RETURN 'not_approved';
    END IF;
    v_lately := refunded_lately(p_customer, p_currency, p_limit_days, NULL, NULL);
    RETURN CASE WHEN v_lately + p_amount > p_limit THEN 'above_limit' END;
END $$;

-- What the customer got without a person within so many days, in minor units; without one case
-- where that is named.
CREATE OR REPLACE FUNCTION refunded_lately(
    p_customer text, p_currency text, p_days integer, p_but_case text, p_but_branch text
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM effects e
    WHERE e.customer_id = p_customer AND e.kind = 'refund' AND e.currency = p_currency
        AND e.approval_id IS NULL AND e.state <> 'rejected'
        AND e.claimed_at > clock_timestamp() - make_interval(days => p_days)
        AND (e.case_id, e.branch) IS DISTINCT FROM (p_but_case, p_but_branch)
$$;

-- Commit an outcome and the case's step that it belongs to. The first settled outcome stands.
-- 'refused' is the ledger's own word for what it did not claim: another's effect under the same key
-- stays as it is.
CREATE OR REPLACE FUNCTION settle_effect(
    p_key text, p_case text, p_branch text, p_state text, p_receipt text, p_code text,
    p_schema integer, p_steps jsonb, p_bodies bytea[],
    OUT version bigint, OUT repeated boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_case cases := lock_case(p_case, p_branch);
    v_done record;
BEGIN
    UPDATE effects e SET state = p_state, receipt = p_receipt, code = p_code,
            settled_at = clock_timestamp()
        WHERE e.key = p_key AND e.case_id = p_case AND e.branch = p_branch
            AND e.state = 'sending' AND p_state <> 'refused';
    IF FOUND THEN
        v_case := append_audit(v_case, 'ledger', 'effect_settled', p_key,
            NULL, NULL, sha256(''), concat_ws(' ', p_state, p_receipt, p_code));
    END IF;
    v_done := apply_steps(v_case, p_schema, p_steps, p_bodies);
    PERFORM save_case(v_done.p_row);
    version := v_done.version;
    repeated := v_done.repeated;
END $$;
