"""Where insights, window counts and the index of dead letters go: Postgres, by a consumer of its own."""
