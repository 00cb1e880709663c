-- What a page of insights may be filtered by, besides kind and user.
CREATE INDEX insights_of_label ON insights (label, at DESC, id);
CREATE INDEX insights_of_session ON insights ((evidence ->> 'session_id'), at DESC) WHERE evidence ? 'session_id';
CREATE INDEX insights_of_trace ON insights (trace_id) WHERE trace_id IS NOT NULL;
