"""The topics: made by us, with explicit partitions and configuration, and checked at each start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, TopicAlreadyExistsError, UnknownMemberIdError, for_code
from aiokafka.structs import OffsetAndMetadata

from ubi_stream.errors import BrokerUnavailableError, TopicLayoutError
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.outbox import DEAD_LETTERS_MAX_BYTES
from ubi_stream.packs.schema import Pack
from ubi_stream.settings import Settings
from ubi_stream.tables import partitions, states

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

LOG: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * _DAY_MS),  # a week to repair whatever consumes it
}
EVENTS: Final = LOG | {
    "message.timestamp.type": "LogAppendTime",  # arrival is the broker's to say, and replays the same
}
DEAD_LETTERS: Final = LOG | {"max.message.bytes": str(DEAD_LETTERS_MAX_BYTES)}  # they are larger than their records
CHANGELOG: Final = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(_HOUR_MS),  # a zombie's late write is still told from the newer one
    "max.compaction.lag.ms": str(_DAY_MS),  # what was erased is gone a day later
    "delete.retention.ms": str(7 * _DAY_MS),
    "segment.ms": str(_HOUR_MS),  # the active segment is not compacted
    "max.message.bytes": str(1024 * 1024),  # models come in pieces of 800 kB
}


def source_topics(settings: Settings, pack: Pack) -> list[str]:
    """Topics that a worker consumes."""
    return [settings.events_topic, *(settings.repartition_topic(entity.name) for entity in pack.entities)]


def all_topics(settings: Settings, pack: Pack) -> dict[str, Mapping[str, str]]:
    """Every topic of the product and its configuration."""
    topics: dict[str, Mapping[str, str]] = dict.fromkeys(source_topics(settings, pack), EVENTS)
    for name in (
        settings.insights_topic,
        settings.visits_topic,
        settings.recommendations_topic,
        settings.windows_topic,
        settings.features_topic,
    ):
        topics[name] = LOG
    topics[settings.dead_letters_topic] = DEAD_LETTERS
    for entity in pack.entities:
        topics[settings.changelog_topic(states.name(entity.name))] = CHANGELOG
        topics[settings.changelog_topic(partitions.name(entity.name))] = CHANGELOG
    return topics


@dataclass(slots=True)
class TopicReport:
    """Names of topics made (or to be made), and of those that were there."""

    created: list[str] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)


async def check_topics(admin: AIOKafkaAdminClient, settings: Settings, pack: Pack) -> TopicReport:
    """What `ensure_topics` would do: it makes nothing.

    Raises
    ------
    TopicLayoutError
        A topic has another number of partitions than the settings say: states would be in the wrong partitions.
    """
    wanted = all_topics(settings, pack)
    found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    there = sorted(wanted.keys() & found.keys())
    for name in there:
        if found[name] != settings.partitions:
            raise TopicLayoutError(
                f"topic {name} has {found[name]} partitions, UBI_PARTITIONS says {settings.partitions}: the states "
                "were built on the partitions of the topic, so set it back; or stop all workers and move the states "
                f"with `ubi repartition --partitions {max(found[name], settings.partitions)}`; or start anew with "
                "another UBI_APP_ID and UBI_TOPIC_PREFIX"
            )
    return TopicReport(created=sorted(wanted.keys() - found.keys()), existing=there)


async def ensure_topics(admin: AIOKafkaAdminClient, settings: Settings, pack: Pack) -> TopicReport:
    """Create the topics that are missing, and check the others.

    Raises
    ------
    TopicLayoutError
        A topic has another number of partitions than the settings say: states would be in the wrong partitions.
    BrokerUnavailableError
        The broker refuses to create a topic.
    """
    wanted = all_topics(settings, pack)
    checked = await check_topics(admin, settings, pack)
    report = TopicReport(existing=checked.existing)
    missing = [
        NewTopic(name, settings.partitions, settings.replication_factor, topic_configs=dict(wanted[name]))
        for name in checked.created
    ]
    if missing:
        response = await admin.create_topics(missing, timeout_ms=15_000)
        for name, code, message in response.topic_errors:
            error = for_code(code)
            if not code:
                report.created.append(name)
            elif error is TopicAlreadyExistsError:  # another worker that starts at the same time was quicker
                report.existing.append(name)
            else:
                raise BrokerUnavailableError(f"Kafka would not create topic {name}: {message or error.__name__}")
    report.created.sort()
    await commit_start_offsets(settings, source_topics(settings, pack))
    return report


async def commit_start_offsets(settings: Settings, topics: list[str]) -> None:
    """Commit a start offset for every partition of the group that has none.

    Without a committed offset a consumer that is rewound stays where it is, and what it has read is lost to it.
    """
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=settings.app_id, enable_auto_commit=False)
    await consumer.start()
    try:
        assigned = [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
        consumer.assign(assigned)
        bare = [tp for tp in assigned if await consumer.committed(tp) is None]
        if bare:
            starts = await consumer.beginning_offsets(bare)
            await consumer.commit({tp: OffsetAndMetadata(offset, "") for tp, offset in starts.items()})
    except (CommitFailedError, UnknownMemberIdError):
        pass  # a group with live members refuses offsets from outside; its members have theirs by then
    finally:
        await consumer.stop()
