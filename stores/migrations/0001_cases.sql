-- Cases: their state by section, their steps, their audit.
-- Bodies are opaque bytes: the database stores them as they came and never looks inside.

CREATE TABLE cases (
    case_id        text        NOT NULL,
    branch         text        NOT NULL,
    customer_id    text        NOT NULL,
    status         text        NOT NULL,
    version        bigint      NOT NULL DEFAULT 0,
    schema_version integer     NOT NULL,
    current_owner  text,
    error          text,
    retries        jsonb       NOT NULL DEFAULT '{}',
    audit_seq      bigint      NOT NULL DEFAULT 0,
    audit_head     bytea       NOT NULL DEFAULT '\x',
    opened_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at      timestamptz,
    PRIMARY KEY (case_id, branch)
);
CREATE INDEX cases_open ON cases (opened_at) WHERE closed_at IS NULL;

-- One row per section and version: a step's cost does not grow with the case, and every past
-- state can be read again.
CREATE TABLE sections (
    case_id text   NOT NULL,
    branch  text   NOT NULL,
    name    text   NOT NULL,
    version bigint NOT NULL,
    owner   text   NOT NULL,
    body    bytea  NOT NULL,
    PRIMARY KEY (case_id, branch, name, version),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);

-- One row per committed step. Its payload is the section rows up to its version.
CREATE TABLE checkpoints (
    case_id        text        NOT NULL,
    branch         text        NOT NULL,
    version        bigint      NOT NULL,
    step           text        NOT NULL,
    owner          text        NOT NULL,
    parent_branch  text,
    parent_version bigint,
    status         text        NOT NULL,
    error          text,
    retries        jsonb       NOT NULL,
    size           bigint      NOT NULL,
    schema_version integer     NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (case_id, branch, version),
    UNIQUE (case_id, branch, step),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);

CREATE TABLE messages (
    case_id     text        NOT NULL,
    branch      text        NOT NULL,
    message_id  text        NOT NULL,
    version     bigint      NOT NULL,
    position    integer     NOT NULL,
    body        bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, branch, message_id),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);

-- Append-only. Each row's hash covers its content and the hash of the row before it.
CREATE TABLE case_audit (
    case_id     text        NOT NULL,
    branch      text        NOT NULL,
    seq         bigint      NOT NULL,
    version     bigint      NOT NULL,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    event       text        NOT NULL,
    step        text        NOT NULL,
    section     text,
    old_version bigint,
    body_hash   bytea       NOT NULL,
    detail      text        NOT NULL,
    prev_hash   bytea       NOT NULL,
    hash        bytea       NOT NULL,
    PRIMARY KEY (case_id, branch, seq),
    FOREIGN KEY (case_id, branch) REFERENCES cases
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER case_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sections_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sections
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The hash of an audit row: every field with its length before it, so that no two rows look alike.
CREATE FUNCTION chain_hash(prev bytea, VARIADIC fields text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(prev || string_agg(
        int8send(octet_length(convert_to(coalesce(field, ''), 'UTF8'))::bigint)
            || convert_to(coalesce(field, ''), 'UTF8'), ''::bytea ORDER BY ordinal))
    FROM unnest(fields) WITH ORDINALITY AS given(field, ordinal)
$$;

-- Append one audit row; the caller holds the case's row lock.
CREATE FUNCTION append_audit(
    p_case text, p_branch text, p_version bigint, p_actor text, p_event text, p_step text,
    p_section text, p_old_version bigint, p_body_hash bytea, p_detail text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_seq  bigint;
    v_prev bytea;
    v_hash bytea;
    v_at   timestamptz := clock_timestamp();
BEGIN
    SELECT audit_seq + 1, audit_head INTO v_seq, v_prev
        FROM cases WHERE case_id = p_case AND branch = p_branch;
    v_hash := chain_hash(v_prev, p_case, p_branch, v_seq::text, p_version::text,
        (extract(epoch FROM v_at) * 1000000)::bigint::text, p_actor, p_event, p_step,
        p_section, p_old_version::text, encode(p_body_hash, 'hex'), p_detail);
    INSERT INTO case_audit VALUES (p_case, p_branch, v_seq, p_version, v_at, p_actor, p_event,
        p_step, p_section, p_old_version, p_body_hash, p_detail, v_prev, v_hash);
    UPDATE cases SET audit_seq = v_seq, audit_head = v_hash
        WHERE case_id = p_case AND branch = p_branch;
END $$;
