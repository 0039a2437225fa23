-- The outside world. Made when it is first used, and brought up to date in place; nothing of
-- Casekeeper's own state is in here. It all runs in one transaction, one caller at a time.
SELECT pg_advisory_xact_lock(7305);

CREATE SCHEMA IF NOT EXISTS sandbox;

-- How far the sandbox's own clock is ahead of ours.
CREATE TABLE IF NOT EXISTS sandbox.clock (
    single boolean  PRIMARY KEY DEFAULT true CHECK (single),
    ahead  interval NOT NULL
);
INSERT INTO sandbox.clock (ahead) VALUES ('0') ON CONFLICT (single) DO NOTHING;

CREATE OR REPLACE FUNCTION sandbox.now() RETURNS timestamptz LANGUAGE sql
AS 'SELECT clock_timestamp() + (SELECT ahead FROM sandbox.clock)';

CREATE TABLE IF NOT EXISTS sandbox.customers (
    id     text    PRIMARY KEY,
    email  text    NOT NULL,
    name   text    NOT NULL,
    locked boolean NOT NULL
);

CREATE TABLE IF NOT EXISTS sandbox.charges (
    id           text        PRIMARY KEY,
    customer_id  text        NOT NULL REFERENCES sandbox.customers,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    currency     text        NOT NULL,
    merchant     text        NOT NULL,
    description  text        NOT NULL,
    created_at   timestamptz NOT NULL,
    status       text        NOT NULL
);
CREATE INDEX IF NOT EXISTS charges_of_customer ON sandbox.charges (customer_id);
-- What the next calls for a refund of it come to, one word for each call.
ALTER TABLE sandbox.charges ADD COLUMN IF NOT EXISTS script text[] NOT NULL DEFAULT '{}';

-- Refunds, ours with the idempotency key they were asked for with: they keep it for ever.
CREATE TABLE IF NOT EXISTS sandbox.refunds (
    id              text        PRIMARY KEY,
    charge_id       text        NOT NULL REFERENCES sandbox.charges,
    amount_minor    bigint      NOT NULL CHECK (amount_minor > 0),
    currency        text        NOT NULL,
    status          text        NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text,
    parameters_hash text
);
ALTER TABLE sandbox.refunds
    DROP CONSTRAINT IF EXISTS refunds_idempotency_key_key,
    ALTER COLUMN created_at SET DEFAULT sandbox.now(),
    -- When and how a pending refund ends; none for one that is pending for good.
    ADD COLUMN IF NOT EXISTS settles_at timestamptz,
    ADD COLUMN IF NOT EXISTS settles_as text;
CREATE INDEX IF NOT EXISTS refunds_of_charge ON sandbox.refunds (charge_id);
CREATE INDEX IF NOT EXISTS refunds_of_key ON sandbox.refunds (idempotency_key);
CREATE INDEX IF NOT EXISTS refunds_in_order ON sandbox.refunds (created_at, id);

-- Refunds with the status that they have by now.
CREATE OR REPLACE VIEW sandbox.current_refunds AS
SELECT id, charge_id, amount_minor, currency, created_at, idempotency_key, parameters_hash,
       CASE WHEN settles_at IS NULL THEN status
            WHEN settles_at <= sandbox.now() THEN settles_as ELSE status END AS status
  FROM sandbox.refunds;

-- The answers that the provider repeats to a key, for the 24 hours that it knows it.
CREATE TABLE IF NOT EXISTS sandbox.idempotency_keys (
    key             text        PRIMARY KEY,
    parameters_hash text        NOT NULL,
    response        jsonb       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT sandbox.now()
);
-- The last version knew no such answers: its refunds were what it knew of a key.
INSERT INTO sandbox.idempotency_keys
SELECT idempotency_key, parameters_hash,
       jsonb_build_object('status', 200, 'refund', id, 'refund_status', status), created_at
  FROM sandbox.refunds
 WHERE idempotency_key IS NOT NULL AND created_at > sandbox.now() - interval '24 hours'
ON CONFLICT (key) DO NOTHING;

-- Everything that was mailed; kind is reset, answer or notice.
CREATE TABLE IF NOT EXISTS sandbox.mails (
    id              text        PRIMARY KEY,
    kind            text        NOT NULL,
    customer_id     text,
    case_id         text        NOT NULL,
    body            text        NOT NULL,
    created_at      timestamptz NOT NULL,
    idempotency_key text        NOT NULL UNIQUE
);
ALTER TABLE sandbox.mails
    ALTER COLUMN created_at SET DEFAULT sandbox.now(),
    -- Notices go to approvers, and to no customer.
    ALTER COLUMN customer_id DROP NOT NULL,
    -- Since when the link of a reset mail is useless.
    ADD COLUMN IF NOT EXISTS revoked_at timestamptz;
CREATE INDEX IF NOT EXISTS resets_of_customer ON sandbox.mails (customer_id) WHERE kind = 'reset';

-- What we had done to accounts, kind as of the effect; the same key does it once.
CREATE TABLE IF NOT EXISTS sandbox.account_changes (
    idempotency_key text        PRIMARY KEY,
    kind            text        NOT NULL,
    customer_id     text        NOT NULL,
    case_id         text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT sandbox.now()
);
