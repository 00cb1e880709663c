-- Index of the dead-letter topic: why and where. The record itself stays on the topic.
-- A record that the database itself refused is listed as well, with no position on the dead-letter topic.
CREATE TABLE dead_letters (
    id                    text        PRIMARY KEY,
    reason                text        NOT NULL,
    path                  text        NOT NULL,
    message               text        NOT NULL,
    source_topic          text        NOT NULL,
    source_partition      integer     NOT NULL,
    source_offset         bigint      NOT NULL,
    at                    timestamptz,
    dead_letter_topic     text,
    dead_letter_partition integer,
    dead_letter_offset    bigint,
    recorded_at           timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN dead_letters.at IS 'Broker timestamp of the source record';

CREATE INDEX dead_letters_newest ON dead_letters (at DESC, id);
CREATE INDEX dead_letters_of_reason ON dead_letters (reason, at DESC);
