-- Refunds that fail later, several deciders, stored compensations, what is to be delivered, and what
-- a person must do.

-- 'failed': the provider took a refund and later did not carry it out, so the money is back.
-- not_found_at: when the outside was first asked about an old attempt and had nothing.
-- looked_at: when the reconciler last asked about it and heard nothing new.
ALTER TABLE effects DROP CONSTRAINT effects_state_check, ADD CONSTRAINT effects_state_check
    CHECK (state IN ('sending', 'succeeded', 'pending', 'rejected', 'failed', 'unknown'));
ALTER TABLE effects ADD COLUMN not_found_at timestamptz, ADD COLUMN looked_at timestamptz;
DROP INDEX one_refund_per_group, one_refund_per_charge;
CREATE UNIQUE INDEX one_refund_per_group ON effects (duplicate_group)
    WHERE kind = 'refund' AND state NOT IN ('rejected', 'failed');
CREATE UNIQUE INDEX one_refund_per_charge ON effects (charge_id)
    WHERE kind = 'refund' AND state NOT IN ('rejected', 'failed');
CREATE INDEX effects_ended_unpaid ON effects (duplicate_group)
    WHERE kind = 'refund' AND state IN ('rejected', 'failed');
CREATE INDEX effects_open ON effects (claimed_at) WHERE state IN ('sending', 'pending', 'unknown');
CREATE INDEX refunds_by_claim ON effects (claimed_at, key) WHERE kind = 'refund';

-- Who opened a case for the customer, and which customer an approver is: nobody decides their own.
ALTER TABLE cases ADD COLUMN opened_by text NOT NULL DEFAULT '';
ALTER TABLE approvers ADD COLUMN customer_id text;

-- needed: how many different people must approve. asked: how often the request has waited; votes of
-- an earlier time do not count.
ALTER TABLE approvals ADD COLUMN needed smallint NOT NULL DEFAULT 1 CHECK (needed BETWEEN 1 AND 3),
    ADD COLUMN asked smallint NOT NULL DEFAULT 1;
CREATE TABLE approval_votes (
    approval_id text        NOT NULL REFERENCES approvals,
    asked       smallint    NOT NULL,
    approver    text        NOT NULL REFERENCES approvers,
    verdict     text        NOT NULL CHECK (verdict IN ('approved', 'denied')),
    note        text        NOT NULL DEFAULT '',
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (approval_id, asked, approver)
);
INSERT INTO approval_votes SELECT approval_id, 1, decided_by, state, note, decided_at FROM approvals
    WHERE decided_by IS NOT NULL AND state IN ('approved', 'denied');
CREATE TRIGGER approval_votes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approval_votes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What must be undone if a case is stopped before its refund; in the order of seq, newest first.
CREATE TABLE compensations (
    case_id       text        NOT NULL,
    branch        text        NOT NULL,
    name          text        NOT NULL,
    seq           integer     NOT NULL,
    state         text        NOT NULL DEFAULT 'registered'
        CHECK (state IN ('registered', 'done', 'failed', 'released')),
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at      timestamptz,
    PRIMARY KEY (case_id, branch, name),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);

-- What only a person can finish. A subject is a task once: what was finished does not come back.
CREATE TABLE tasks (
    task_id   text        PRIMARY KEY,
    kind      text        NOT NULL,
    subject   text        NOT NULL,
    case_id   text,
    branch    text,
    detail    text        NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    closed_by text REFERENCES approvers,
    note      text        NOT NULL DEFAULT '',
    UNIQUE (kind, subject)
);
CREATE INDEX tasks_open ON tasks (opened_at) WHERE closed_at IS NULL;

-- What is to be told: a decision to its case, a request or a reminder to the approvers.
CREATE TABLE outbox (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('decision', 'request', 'reminder')),
    approval_id  text        NOT NULL REFERENCES approvals,
    asked        smallint    NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    UNIQUE (approval_id, asked, kind)
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE delivered_at IS NULL;

-- These take other arguments now.
DROP FUNCTION open_case(text, text, text, integer, jsonb, bytea[]);
DROP FUNCTION claim_effect(text, text, text, text, text, bigint, text, text, text, text, bytea, text,
    text, bigint, integer);
DROP FUNCTION refusal(text, text, text, text, text, bigint, text, text, text, bigint, integer);
