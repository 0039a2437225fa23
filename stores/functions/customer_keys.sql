-- The customers' data keys, and how one is destroyed.

-- A customer's living key; where there is none, the offered one becomes it. NULL where that was destroyed.
-- The row stays locked, so that nothing is sealed with a key that is being destroyed.
CREATE OR REPLACE FUNCTION living_key(p_customer text, p_key text, p_wrapped_by text, p_wrapped bytea)
RETURNS customer_keys LANGUAGE plpgsql AS $$
DECLARE
    v_key customer_keys;
BEGIN
    INSERT INTO customer_keys (key_id, customer_id, wrapped_by, wrapped)
        VALUES (p_key, p_customer, p_wrapped_by, p_wrapped) ON CONFLICT DO NOTHING;
    SELECT * INTO v_key FROM customer_keys k
        WHERE k.customer_id = p_customer AND k.wrapped IS NOT NULL FOR SHARE;
    RETURN v_key;
END $$;

-- Raise CK423, with the key to use if there is one, unless it is the one that was used.
CREATE OR REPLACE FUNCTION check_key(p_used text, p_living customer_keys) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_living.key_id IS DISTINCT FROM p_used THEN
        RAISE EXCEPTION 'another key' USING ERRCODE = 'CK423', DETAIL = json_build_object(
            'key_id', p_living.key_id, 'wrapped_by', p_living.wrapped_by,
            'wrapped', encode(p_living.wrapped, 'base64'));
    END IF;
END $$;

-- The living key of a case's customer, as living_key has it; no row where there is no such case.
CREATE OR REPLACE FUNCTION key_of_case(p_case text, p_key text, p_wrapped_by text, p_wrapped bytea)
RETURNS SETOF customer_keys LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_customer text;
BEGIN
    SELECT c.customer_id INTO v_customer FROM cases c WHERE (c.case_id, c.branch) = (p_case, 'main');
    IF FOUND THEN
        RETURN NEXT living_key(v_customer, p_key, p_wrapped_by, p_wrapped);
    END IF;
END $$;

-- Wrap a living key anew. For the tables' owner only, as all that follows.
CREATE OR REPLACE FUNCTION rewrap_key(p_key text, p_was text, p_wrapped_by text, p_wrapped bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customer_keys SET wrapped_by = p_wrapped_by, wrapped = p_wrapped
        WHERE key_id = p_key AND wrapped_by = p_was;
    RETURN FOUND;
END $$;

-- Destroy a customer's keys, with an audit row in each of the customer's cases; a repeat destroys nothing.
-- Raises CK404 (nothing is known of the customer), CK430 (something of theirs has not ended; says what).
CREATE OR REPLACE FUNCTION erase_customer(p_customer text, p_by text, p_reason text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_case cases;
    v_open json;
    v_keys bigint;
BEGIN
    PERFORM FROM cases c WHERE c.customer_id = p_customer ORDER BY c.case_id, c.branch FOR UPDATE;
    IF NOT FOUND AND NOT EXISTS (SELECT FROM customer_keys k WHERE k.customer_id = p_customer) THEN
        RAISE EXCEPTION 'no such customer' USING ERRCODE = 'CK404';
    END IF;
    SELECT json_agg(found.what ORDER BY found.what) INTO v_open FROM (
        SELECT 'case ' || c.case_id || CASE WHEN c.branch <> 'main' THEN ', branch ' || c.branch ELSE '' END
          FROM cases c WHERE c.customer_id = p_customer AND c.closed_at IS NULL
        UNION ALL
        SELECT 'effect ' || e.key FROM effects e JOIN cases c USING (case_id, branch)
         WHERE c.customer_id = p_customer AND e.kind <> 'notice'
           AND e.state IN ('sending', 'pending', 'unknown')
        UNION ALL
        SELECT 'task ' || t.task_id FROM tasks t JOIN cases c USING (case_id, branch)
         WHERE c.customer_id = p_customer AND t.closed_at IS NULL) AS found(what);
    IF v_open IS NOT NULL THEN
        RAISE EXCEPTION 'something has not ended' USING ERRCODE = 'CK430',
            DETAIL = json_build_object('open', v_open);
    END IF;
    UPDATE customer_keys SET wrapped = NULL, wrapped_by = NULL, destroyed_at = clock_timestamp()
        WHERE customer_id = p_customer AND wrapped IS NOT NULL;
    GET DIAGNOSTICS v_keys = ROW_COUNT;
    IF v_keys > 0 THEN
        FOR v_case IN SELECT * FROM cases c WHERE c.customer_id = p_customer
                ORDER BY c.case_id, c.branch LOOP
            PERFORM save_case(append_audit(v_case, p_by, 'customer_erased', '', NULL, NULL, sha256(''),
                p_reason));
        END LOOP;
    END IF;
    RETURN v_keys;
END $$;
