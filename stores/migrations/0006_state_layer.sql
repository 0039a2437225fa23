-- Bodies that may be compressed, long texts in an archive, one owner per section everywhere, and
-- no change of what was recorded. From here on functions live in stores/functions, each in one place.

-- 'plain' or 'zlib', and the bytes before compression (null: as many as are stored). What is hashed
-- and never changed is the stored body.
ALTER TABLE sections ADD COLUMN encoding text NOT NULL DEFAULT 'plain', ADD COLUMN bytes bigint;

-- Long texts of a case, by the SHA-256 of their bytes before compression; `bytes` counts those.
CREATE TABLE archive (
    case_id  text   NOT NULL,
    digest   text   NOT NULL,
    encoding text   NOT NULL,
    bytes    bigint NOT NULL,
    body     bytea  NOT NULL,
    PRIMARY KEY (case_id, digest)
);

-- Who may write a section: the agent that it was registered for, or that wrote it first.
CREATE TABLE section_owners (
    name  text PRIMARY KEY,
    owner text NOT NULL
);
INSERT INTO section_owners SELECT name, min(owner) FROM sections GROUP BY name;

CREATE TRIGGER archive_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archive
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER messages_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON messages
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was written lately, for the export of signed heads: rows come in the order of their time.
CREATE INDEX case_audit_at ON case_audit USING brin (at);

-- These take other arguments now.
DROP FUNCTION append_audit(text, text, bigint, text, text, text, text, bigint, bytea, text);
DROP FUNCTION commit_step(text, text, integer, jsonb, bytea[]);
DROP FUNCTION change_approvals(text, text, bigint, jsonb, bytea[]);
