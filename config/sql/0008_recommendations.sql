-- One row a choice among recommendations, its reward, or a person's answer; docs/recommendations.md.
CREATE TABLE recommendations (
    id            uuid             PRIMARY KEY,
    type          text             NOT NULL,
    pack          text             NOT NULL,
    entity        text             NOT NULL,
    user_id       text             NOT NULL,
    at            timestamptz      NOT NULL,
    insight_id    uuid             NOT NULL,
    segment       text             NOT NULL,
    action        text,
    policy        text,
    propensity    double precision,
    probabilities jsonb,
    context       jsonb,
    rewards_seen  bigint,
    reward        double precision,
    rewarded_by   text,
    answer        text,
    author        text,
    note          text,
    trace_id      text,
    recorded_at   timestamptz      NOT NULL DEFAULT now()
);

COMMENT ON COLUMN recommendations.type IS 'choice, reward or answer';
COMMENT ON COLUMN recommendations.insight_id IS 'Insight or visit that carried the recommendation';

CREATE INDEX recommendations_of_user ON recommendations (entity, user_id, at DESC, id);
CREATE INDEX recommendations_of_insight ON recommendations (insight_id);
CREATE INDEX recommendations_of_segment ON recommendations (segment, type, at DESC);
