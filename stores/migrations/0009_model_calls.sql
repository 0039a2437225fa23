-- Calls of language models that are paid for: each on record before it is made.

-- Until a call has ended, its figures are the most that it may cost, and after that what it did cost;
-- one whose worker died stays at the most. ended_as: answered, unavailable, refused or unusable.
CREATE TABLE model_calls (
    number        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id       text        NOT NULL,
    branch        text        NOT NULL,
    customer_id   text        NOT NULL,
    step          text        NOT NULL,
    model         text        NOT NULL,
    tokens        bigint      NOT NULL CHECK (tokens >= 0),
    milliseconds  bigint      NOT NULL CHECK (milliseconds >= 0),
    micro_usd     bigint      NOT NULL CHECK (micro_usd >= 0),
    input_tokens  bigint,
    output_tokens bigint,
    ended_as      text,
    begun_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at      timestamptz,
    FOREIGN KEY (case_id, branch) REFERENCES cases,
    CHECK ((ended_as IS NULL) = (ended_at IS NULL))
);
CREATE INDEX model_calls_by_case ON model_calls (case_id, branch);
CREATE INDEX model_calls_by_customer ON model_calls (customer_id, begun_at);
