"""What a worker counts, and how Prometheus reads it."""
