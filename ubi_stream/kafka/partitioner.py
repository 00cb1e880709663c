"""Where Kafka's Java client and aiokafka put a key: murmur2. Other clients may choose otherwise (librdkafka: CRC32)."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key among so many.

    >>> partition_of(b"u-1", 4)
    3
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
