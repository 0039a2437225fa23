-- The customers' data keys, each wrapped by a key of the key file. A destroyed one leaves its row, as the
-- proof that it was: what it sealed is erased.
CREATE TABLE customer_keys (
    key_id       text        PRIMARY KEY,
    customer_id  text        NOT NULL,
    wrapped_by   text,
    wrapped      bytea,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (wrapped_by IS NULL))
);
CREATE UNIQUE INDEX one_living_key ON customer_keys (customer_id) WHERE wrapped IS NOT NULL;
CREATE INDEX cases_of_customer ON cases (customer_id);

-- Functions that take more from now on; a new database has none of them yet.
DROP FUNCTION IF EXISTS open_case(text, text, text, text, integer, jsonb, bytea[]);
DROP FUNCTION IF EXISTS claim_effect(text, text, text, text, text, bigint, text, text, text, text, bytea, text,
    text, bigint, integer, text);
DROP FUNCTION IF EXISTS promoted_by(bytea);
