"""The collector: what tracking SDKs send over HTTP becomes events of the product's own form on Kafka."""
