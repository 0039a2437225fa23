-- The effect ledger and the approvals it consumes.

CREATE TABLE approvers (
    name       text        PRIMARY KEY,
    token_hash bytea       NOT NULL UNIQUE,
    limits     jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz
);

CREATE TABLE approvals (
    approval_id  text        PRIMARY KEY,
    case_id      text        NOT NULL,
    branch       text        NOT NULL,
    digest       text        NOT NULL,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    currency     text        NOT NULL,
    orders       bytea       NOT NULL,
    rule         text        NOT NULL,
    state        text        NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'void')),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    reminded_at  timestamptz,
    decided_by   text REFERENCES approvers,
    decided_at   timestamptz,
    note         text        NOT NULL DEFAULT '',
    consumed_by  text[]      NOT NULL DEFAULT '{}',
    UNIQUE (case_id, branch, digest),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);
CREATE INDEX approvals_open ON approvals (requested_at) WHERE state = 'pending';

CREATE TABLE effects (
    key              text        PRIMARY KEY,
    kind             text        NOT NULL,
    case_id          text        NOT NULL,
    branch           text        NOT NULL,
    customer_id      text        NOT NULL,
    amount_minor     bigint      CHECK (amount_minor > 0),
    currency         text,
    charge_id        text,
    duplicate_group  text,
    parameters_hash  text        NOT NULL,
    intent           bytea       NOT NULL,
    approval_id      text REFERENCES approvals,
    state            text        NOT NULL DEFAULT 'sending'
        CHECK (state IN ('sending', 'succeeded', 'pending', 'rejected', 'unknown')),
    receipt          text,
    code             text,
    attempts         integer     NOT NULL DEFAULT 1,
    claimed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at       timestamptz,
    FOREIGN KEY (case_id, branch) REFERENCES cases,
    CHECK ((kind = 'refund') = (amount_minor IS NOT NULL AND charge_id IS NOT NULL))
);
-- Two cases cannot refund the two twins of one pair, and no charge is refunded under two groups.
CREATE UNIQUE INDEX one_refund_per_group ON effects (duplicate_group)
    WHERE kind = 'refund' AND state <> 'rejected';
CREATE UNIQUE INDEX one_refund_per_charge ON effects (charge_id)
    WHERE kind = 'refund' AND state <> 'rejected';
CREATE INDEX effects_of_customer ON effects (customer_id, claimed_at) WHERE kind = 'refund';
CREATE INDEX effects_of_case ON effects (case_id, branch);
