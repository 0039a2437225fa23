-- Branches of a case: what else might have been done from a checkpoint on, and making it come true.

-- A branch begins after a checkpoint of its parent, and all before that is the parent's. Versions go
-- on from there, so that each version of a branch and its ancestors belongs to one step.
-- base_version: where the main line stood when the branch was made; once it stands elsewhere the
-- branch is stale. promoting: the branch whose promotion the main line has begun to carry out.
ALTER TABLE cases ADD COLUMN parent_branch text, ADD COLUMN parent_version bigint,
    ADD COLUMN base_version bigint, ADD COLUMN forked_by text, ADD COLUMN promoting text,
    ADD COLUMN promoted_at timestamptz,
    ADD CONSTRAINT cases_parent FOREIGN KEY (case_id, parent_branch) REFERENCES cases (case_id, branch),
    ADD CONSTRAINT cases_parent_whole CHECK (
        (parent_branch IS NULL) = (parent_version IS NULL)
        AND (parent_branch IS NULL) = (base_version IS NULL) AND branch <> parent_branch);

-- What a branch wants done outside. 'adopted': the main line did just that, and its receipt stands.
-- 'conflict': the main line did it otherwise. 'simulated': nobody has done it. None of them leaves.
-- version: where the branch stood when it asked; 0 for what was done before it began.
CREATE TABLE branch_effects (
    case_id         text        NOT NULL,
    branch          text        NOT NULL,
    key             text        NOT NULL,
    kind            text        NOT NULL,
    mode            text        NOT NULL CHECK (mode IN ('adopted', 'simulated', 'conflict')),
    version         bigint      NOT NULL,
    customer_id     text        NOT NULL,
    amount_minor    bigint      CHECK (amount_minor > 0),
    currency        text,
    charge_id       text,
    duplicate_group text,
    parameters_hash text        NOT NULL,
    intent          bytea       NOT NULL,
    state           text        NOT NULL,
    receipt         text,
    code            text,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (case_id, branch, key),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);
CREATE TRIGGER branch_effects_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON branch_effects
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- 'correction': what is paid on top of a refund that was too small, as a promoted branch wants it.
ALTER TABLE effects DROP CONSTRAINT effects_check, ADD CONSTRAINT effects_check
    CHECK ((kind IN ('refund', 'correction')) = (amount_minor IS NOT NULL AND charge_id IS NOT NULL));
DROP INDEX refunds_by_claim;
CREATE INDEX refunds_by_claim ON effects (claimed_at, key) WHERE kind IN ('refund', 'correction');

-- promotes: the branch that the request is about; requested_by may not approve it.
ALTER TABLE approvals ADD COLUMN promotes text, ADD COLUMN requested_by text NOT NULL DEFAULT '';

-- This one takes other arguments now.
DROP FUNCTION refunded_lately(text, text, integer, text, text);
