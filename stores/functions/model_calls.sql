-- Calls of language models: counted before they are made.

-- Put a call on record, or say which budget has not enough left for the most that it may cost. A
-- budget is {calls, tokens, milliseconds, micro_usd}; the customer's is for 24 hours. Raises CK404.
CREATE OR REPLACE FUNCTION begin_model_call(
    p_case text, p_branch text, p_step text, p_model text, p_most bigint[],
    p_case_budget bigint[], p_customer_budget bigint[],
    OUT number bigint, OUT whose text, OUT spent integer
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_customer text := (SELECT c.customer_id FROM cases c WHERE (c.case_id, c.branch) = (p_case, p_branch));
    v_so_far   bigint[];
BEGIN
    IF v_customer IS NULL THEN
        RAISE SQLSTATE 'CK404';
    END IF;
    -- Cases of one customer are counted one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('model_calls:' || v_customer, 0));
    SELECT ARRAY[count(*), coalesce(sum(tokens), 0), coalesce(sum(milliseconds), 0), coalesce(sum(micro_usd), 0)]
      INTO v_so_far FROM model_calls m WHERE (m.case_id, m.branch) = (p_case, p_branch);
    spent := first_above(v_so_far, p_most, p_case_budget);
    whose := 'case';
    IF spent IS NULL THEN
        SELECT ARRAY[count(*), coalesce(sum(tokens), 0), coalesce(sum(milliseconds), 0), coalesce(sum(micro_usd), 0)]
          INTO v_so_far FROM model_calls m
         WHERE m.customer_id = v_customer AND m.begun_at > clock_timestamp() - interval '24 hours';
        spent := first_above(v_so_far, p_most, p_customer_budget);
        whose := 'customer';
    END IF;
    IF spent IS NULL THEN
        whose := NULL;
        INSERT INTO model_calls (case_id, branch, customer_id, step, model, tokens, milliseconds, micro_usd)
            VALUES (p_case, p_branch, v_customer, p_step, p_model, p_most[2], p_most[3], p_most[4])
            RETURNING model_calls.number INTO begin_model_call.number;
    END IF;
END $$;

-- The place, from 1, of the first figure that would be above its budget; NULL if none would.
CREATE OR REPLACE FUNCTION first_above(p_so_far bigint[], p_most bigint[], p_budget bigint[])
RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT min(i) FROM generate_subscripts(p_budget, 1) AS i WHERE p_so_far[i] + p_most[i] > p_budget[i]
$$;

-- Say how a call ended and what it has cost: the most that it may, where that is not known (NULL). A
-- second time changes nothing.
CREATE OR REPLACE FUNCTION end_model_call(
    p_number bigint, p_ended_as text, p_input bigint, p_output bigint, p_milliseconds bigint, p_micro_usd bigint
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE model_calls SET ended_as = p_ended_as, ended_at = clock_timestamp(), input_tokens = p_input,
           output_tokens = p_output, tokens = coalesce(p_input + p_output, tokens),
           milliseconds = coalesce(p_milliseconds, milliseconds), micro_usd = coalesce(p_micro_usd, micro_usd)
     WHERE number = p_number AND ended_as IS NULL
$$;
