"""The identity of a topic: which life of it is this? aiokafka does not ask the broker for topic ids, so we do."""

from __future__ import annotations

from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from ubi_stream.errors import TopicLayoutError
from ubi_stream.ids import combined_epoch, source_epoch
from ubi_stream.packs.schema import Pack
from ubi_stream.settings import Settings


class _Uuid(AbstractType[bytes]):
    """16 bytes, as they are."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        found: bytes = data.read(16)
        return found


class _MetadataResponse(Response):
    """Metadata, version 10: the first that tells a topic's id (KIP-516). aiokafka knows versions up to 5."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized", Int32),
        ("tags", TaggedFields),
    )


class _MetadataStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_authorized", Boolean),
        ("topic_authorized", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataStruct]):
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class([(bytes(16), self._topic, {})], False, False, False, {})


class TopicIdentity(NamedTuple):
    """What tells one life of a topic from another."""

    cluster_id: str
    topic_id: str
    partitions: int

    def epoch(self, partitions: int | None = None) -> int:
        """Source epoch of the topic; with so many partitions, if it is to get them."""
        return source_epoch(self.cluster_id, self.topic_id, partitions or self.partitions)


async def read_identity(admin: AIOKafkaAdminClient, topic: str) -> TopicIdentity:
    """Ask the broker which life of a topic this is.

    Raises
    ------
    TopicLayoutError
        There is no such topic.
    """
    client = admin._client  # the admin client has no public way to send a request of one's own
    response = await client.send(client.get_random_node(), _MetadataRequest(topic))
    _, _, cluster_id, _, topics, *_ = (getattr(response, name) for name in response.SCHEMA.names)
    error_code, _, topic_id, _, partitions, *_ = topics[0]
    if error_code:
        raise TopicLayoutError(f"topic {topic} does not exist: run `ubi topics` first")
    return TopicIdentity(cluster_id or "", topic_id.hex(), len(partitions))


async def read_epoch(admin: AIOKafkaAdminClient, topic: str) -> int:
    """Source epoch of a topic: changes when it is deleted and made again, or gets more partitions.

    Raises
    ------
    TopicLayoutError
        There is no such topic.
    """
    return (await read_identity(admin, topic)).epoch()


async def partition_epochs(
    admin: AIOKafkaAdminClient, settings: Settings, pack: Pack, *, partitions: int | None = None
) -> dict[str, int]:
    """Source epoch by kind of entity: of the events topic and of the entity's own repartition topic together.

    Parameters
    ----------
    partitions
        As if the topics had so many.

    Raises
    ------
    TopicLayoutError
        One of them does not exist.
    """
    events = (await read_identity(admin, settings.events_topic)).epoch(partitions)
    names = {entity.name: settings.repartition_topic(entity.name) for entity in pack.entities}
    return {
        entity: combined_epoch(events, (await read_identity(admin, topic)).epoch(partitions))
        for entity, topic in names.items()
    }
