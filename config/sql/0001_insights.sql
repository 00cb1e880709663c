-- Insights, one row each, partitioned by month of event time so that old months are dropped, not deleted row by row.
-- The key holds `at` because a partitioned table's key must; the same id always has the same `at`, so ids stay unique.
CREATE TABLE insights (
    id               uuid             NOT NULL,
    at               timestamptz      NOT NULL,
    kind             text             NOT NULL,
    entity           text             NOT NULL,
    user_id          text             NOT NULL,
    pack             text             NOT NULL,
    label            text,
    score            double precision,
    confidence       double precision,
    severity         text             NOT NULL,
    summary          text             NOT NULL,
    explanation      jsonb            NOT NULL,
    evidence         jsonb            NOT NULL,
    model_version    text             NOT NULL,
    trace_id         text,
    source_topic     text             NOT NULL,
    source_partition integer          NOT NULL,
    source_offset    bigint           NOT NULL,
    recorded_at      timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

COMMENT ON COLUMN insights.at IS 'Event time of the event that caused the insight';
COMMENT ON COLUMN insights.source_offset IS 'Position of that event on the events topic';

CREATE INDEX insights_of_user ON insights (entity, user_id, at DESC, id);
CREATE INDEX insights_newest ON insights (at DESC, id);
CREATE INDEX insights_of_kind ON insights (kind, at DESC);

-- Takes what no month has: nothing is refused because its month is missing.
CREATE TABLE insights_default PARTITION OF insights DEFAULT;

-- Makes the month that holds `moment`, and moves there what the default partition already has of it.
-- Safe when several workers call it at once, and runs with its owner's rights so that a worker's role needs no DDL.
-- Months before 2000 or after 2099 stay in the default partition: a wrong clock must not make thousands of tables.
CREATE FUNCTION ensure_insights_partition(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month      timestamp   := date_trunc('month', moment AT TIME ZONE 'UTC');
    first      timestamptz := month AT TIME ZONE 'UTC';
    next_first timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    partition  text        := 'insights_' || to_char(month, 'YYYY_MM');
BEGIN
    IF month < '2000-01-01' OR month >= '2100-01-01' THEN
        RETURN;
    END IF;
    -- First without the lock, as nearly always the month is there. Not by to_regclass: after waiting for the lock, its
    -- cache may not yet know the table that the worker before us has made.
    FOR attempt IN 1..2 LOOP
        IF EXISTS (
            SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
            WHERE inhparent = 'insights'::regclass AND relname = partition
        ) THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('ubi.insights.partitions', 0));
    END LOOP;
    EXECUTE format('CREATE TABLE %I (LIKE insights INCLUDING DEFAULTS)', partition);
    LOCK TABLE insights_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
        'WITH moved AS (DELETE FROM insights_default WHERE at >= %L AND at < %L RETURNING *) '
        'INSERT INTO %I SELECT * FROM moved',
        first, next_first, partition
    );
    EXECUTE format(
        'ALTER TABLE insights ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, first, next_first
    );
END
$$;
