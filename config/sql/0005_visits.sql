-- One row a visit that is over; a visit that goes on after its end replaces its row. Rates are per cent.
CREATE TABLE visits (
    id                       uuid             PRIMARY KEY,
    pack                     text             NOT NULL,
    entity                   text             NOT NULL,
    user_id                  text             NOT NULL,
    user_session             text             NOT NULL,
    behavior_segment         text,
    segment_color            text,
    segment_score            double precision,
    session_start            timestamptz      NOT NULL,
    session_end              timestamptz      NOT NULL,
    session_duration_minutes double precision NOT NULL,
    total_events             integer          NOT NULL,
    view_count               integer          NOT NULL,
    cart_count               integer          NOT NULL,
    purchase_count           integer          NOT NULL,
    unique_products          integer          NOT NULL,
    unique_categories        integer          NOT NULL,
    total_amount             double precision,
    engagement_rate          double precision,
    cart_conversion_rate     double precision,
    purchase_conversion_rate double precision,
    overall_conversion_rate  double precision,
    recommendations          jsonb            NOT NULL,
    action_priority          integer,
    criteria_met             jsonb            NOT NULL,
    segment                  text,
    usual_events             double precision,
    usual_duration_minutes   double precision,
    trace_id                 text,
    processing_time          timestamptz      NOT NULL DEFAULT now()
);

COMMENT ON COLUMN visits.behavior_segment IS 'Class of the visit; segment is the class of its user over time';
COMMENT ON COLUMN visits.session_end IS 'Event time of the last event';
COMMENT ON COLUMN visits.processing_time IS 'When the row was written or replaced';

CREATE INDEX visits_newest ON visits (session_end DESC, id);
CREATE INDEX visits_of_user ON visits (user_id, session_end DESC, id);
CREATE INDEX visits_of_class ON visits (behavior_segment, session_end DESC, id);
CREATE INDEX visits_of_session ON visits (user_session);
