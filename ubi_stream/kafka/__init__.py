"""Kafka below Faust: client, consumer, transport, recovery, changelog stores, producer, topics."""
