-- How far each partition's records are in this database; written in the same transaction as the rows.
-- `epoch` names the incarnation of the topic: a topic made anew starts again, whatever its namesake had reached.
CREATE TABLE sink_offsets (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    epoch       text        NOT NULL DEFAULT '',
    next_offset bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);
