-- What the reconciliation notes of an effect beside its outcome.

-- Note that the outside was asked about an effect and told nothing new: it is asked less and less often.
CREATE OR REPLACE FUNCTION note_looked_at(p_key text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE effects SET looked_at = clock_timestamp() WHERE key = p_key
$$;
