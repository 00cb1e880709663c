-- Partial counts of one partition in one pane of event time; the figure is the sum over partitions.
CREATE TABLE window_counts (
    pack       text             NOT NULL,
    entity     text             NOT NULL,
    partition  integer          NOT NULL,
    pane_start timestamptz      NOT NULL,
    pane_ms    integer          NOT NULL,
    measure    text             NOT NULL,
    key        text             NOT NULL,
    count      bigint           NOT NULL,
    amount     double precision NOT NULL,
    PRIMARY KEY (pack, measure, entity, pane_start, pane_ms, key, partition)
);

COMMENT ON COLUMN window_counts.pane_ms IS 'Width of the pane in milliseconds';
