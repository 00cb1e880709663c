"""Runs events of before through the pipeline: offline, live, and as a shadow beside what is live."""
