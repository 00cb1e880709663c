"""What leaves a worker: records that the broker must acknowledge before anything that follows from them is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ubi_stream.errors import DeliveryError
from ubi_stream.kafka.changelog_store import FORGOTTEN
from ubi_stream.state.codec import Tombstone

Acknowledged = asyncio.Future[Any]
Change = tuple[bytes, bytes | Tombstone]
"""Key of a changelog, and what is to be there."""

BATCH_BYTES: Final = 512 * 1024
"""Records of one request to one partition: large, because a barrier writes thousands of states at once."""
LINGER_MS: Final = 3
"""A record waits this long for others: a tenth of what an insight may take to the topic."""
DEAD_LETTERS_MAX_BYTES: Final = 4 * 1024 * 1024
"""Limit of a record of the dead-letter topic: whole records of 3 MB, in base64. The other topics keep Kafka's 1 MiB."""
STOP_WITHIN_S: Final = 1.0
"""What matters was acknowledged at a barrier: a broker that is away must not hold up the end."""


class Outbox(Protocol):
    """Hands records over to the broker."""

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Acknowledged:
        """Send a record to the partition of its key; the future is done when the broker has it."""
        ...

    async def write(self, topic: str, partition: int, records: Sequence[Change]) -> range | None:
        """Write keys and values to one partition, in order; returns when the broker has all of them.

        Returns
        -------
        Their offsets; None where somebody else's records are between them, or the broker does not say.

        Raises
        ------
        DeliveryError
            The broker did not take one, for good.
        """
        ...


async def acknowledged(sent: Sequence[Acknowledged], *, within_s: float) -> None:
    """Wait until the broker has all of these.

    Raises
    ------
    DeliveryError
        It did not take one, for good, or in time: an idempotent producer itself tries for ever.
    """
    try:
        async with asyncio.timeout(within_s):
            await asyncio.gather(*sent)
    except TimeoutError as error:
        raise DeliveryError(f"Kafka did not take {len(sent)} records within {within_s:g} s") from error
    except KafkaError as error:
        raise DeliveryError(f"Kafka did not take a record: {type(error).__name__} {error}") from error


class KafkaOutbox:
    """An outbox on one idempotent producer: what is sent twice by the client is stored once, and in order.

    Parameters
    ----------
    client_options
        Of every Kafka client.
    timeout_s
        A record that is not taken for so long has failed.
    """

    def __init__(self, client_options: Mapping[str, Any], *, timeout_s: float) -> None:
        self._options = dict(client_options)
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=DEAD_LETTERS_MAX_BYTES,
            request_timeout_ms=int(self._timeout_s * 1000),
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is left, and disconnect."""
        if self._producer is None:
            return
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._producer.stop()
        except TimeoutError:
            await self._producer.client.close()

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Acknowledged:
        try:
            future: Acknowledged = await self._started.send(topic, value, key=key, headers=list(headers) or None)
        except KafkaError as error:
            raise _failed(topic, error) from error
        return future

    async def write(self, topic: str, partition: int, records: Sequence[Change]) -> range | None:
        producer = self._started
        sent: list[Acknowledged] = []
        sizes: list[int] = []
        try:
            batch = producer.create_batch()
            for key, change in records:
                value, headers = _encoded(change)
                if batch.append(key=key, value=value, headers=headers, timestamp=None) is None:
                    sizes.append(batch.record_count())
                    sent.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    if batch.append(key=key, value=value, headers=headers, timestamp=None) is None:
                        raise DeliveryError(f"a record of {len(value or b'')} bytes for {topic} is too large")
            if batch.record_count():
                sizes.append(batch.record_count())
                sent.append(await producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise _failed(topic, error) from error
        await acknowledged(sent, within_s=self._timeout_s)
        return _offsets([one.result().offset for one in sent], sizes)

    @property
    def _started(self) -> AIOKafkaProducer:
        assert self._producer is not None, "start() comes first"
        return self._producer


def _encoded(change: bytes | Tombstone) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Value and headers of a changelog's record."""
    if isinstance(change, bytes):
        return change, []
    return None, [(FORGOTTEN, change.of)] if change.of else []


def _offsets(firsts: Sequence[int], sizes: Sequence[int]) -> range | None:
    """Offsets of batches that begin where the one before ends; None if they don't."""
    if not firsts:
        return range(0)
    follow = all(first + size == after for first, size, after in zip(firsts, sizes, firsts[1:], strict=False))
    return range(firsts[0], firsts[-1] + sizes[-1]) if follow and firsts[0] >= 0 else None


def _failed(topic: str, error: KafkaError) -> DeliveryError:
    return DeliveryError(f"Kafka did not take a record for {topic}: {type(error).__name__} {error}")
