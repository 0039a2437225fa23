-- The outside world. Made when it is first used; nothing of Casekeeper's own state is in here.
CREATE SCHEMA IF NOT EXISTS sandbox;

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

-- Refunds, ours with the idempotency key they were asked for with.
CREATE TABLE IF NOT EXISTS sandbox.refunds (
    id              text        PRIMARY KEY,
    charge_id       text        NOT NULL REFERENCES sandbox.charges,
    amount_minor    bigint      NOT NULL CHECK (amount_minor > 0),
    currency        text        NOT NULL,
    status          text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    idempotency_key text        UNIQUE,
    parameters_hash text
);
CREATE INDEX IF NOT EXISTS refunds_of_charge ON sandbox.refunds (charge_id);

-- Everything that was mailed; kind is reset or answer.
CREATE TABLE IF NOT EXISTS sandbox.mails (
    id              text        PRIMARY KEY,
    kind            text        NOT NULL,
    customer_id     text        NOT NULL,
    case_id         text        NOT NULL,
    body            text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    idempotency_key text        NOT NULL UNIQUE
);
