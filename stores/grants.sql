-- What the role that runs cases may do: look, and call the functions that keep the rules. It can
-- neither change nor remove what is recorded, nor make itself an approver.
DO $$
DECLARE
    v_app      text := current_setting('casekeeper.app_role');
    v_function regprocedure;
BEGIN
    FOR v_function IN SELECT oid FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, %I', v_function, v_app);
    END LOOP;
    FOR v_function IN SELECT oid FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole
                AND (prosecdef OR proname IN ('refunded_lately', 'lineage')) LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', v_function, v_app);
    END LOOP;
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, %I', v_app);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', v_app);
    EXECUTE format('GRANT SELECT ON cases, sections, checkpoints, messages, case_audit, archive, '
        'section_owners, effects, approvals, approval_votes, branch_effects, compensations, tasks, outbox, model_calls, '
        'customer_keys, '
        'schema_migrations TO %I', v_app);
    EXECUTE format('GRANT SELECT (name, limits, customer_id, created_at, revoked_at) ON approvers TO %I', v_app);
END $$;
