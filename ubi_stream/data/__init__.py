"""Event files: formats, order, records, and sending them to Kafka."""
