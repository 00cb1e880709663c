-- Counts of panes that are still open are stored too, so that pages show the present; final ones replace them.
ALTER TABLE window_counts ADD COLUMN closed boolean NOT NULL DEFAULT true;

COMMENT ON COLUMN window_counts.closed IS 'Whether the pane is over and the count final';
