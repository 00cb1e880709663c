"""Garbage, duplicates and wrong keys among good events: an exact account of what becomes of each."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import asyncpg
import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from support.expected import offline
from support.topics import Offsets, read_states, read_topic
from support.waiting import eventually
from support.workers import WorkerProcess, send
from ubi_stream.data.records import ProducerRecord
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import EVENTS
from ubi_stream.settings import Settings
from ubi_stream.synthetic.chaos import Chaos, ChaosOptions

MakeWorker = Callable[..., WorkerProcess]
OPTIONS = ChaosOptions(duplicates=0.05, keyless=0.05, poison=0.05, huge_bytes=2_000_000)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Events on a topic that was there before, with a name of its own."""
    return settings.model_copy(update={"events_topic_name": f"{settings.topic_prefix}.clicks"})


async def test_garbage_becomes_dead_letters_and_all_else_is_processed(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    good = shop_events[:1_500]
    contents = {record.value for record in good}
    chaos = Chaos(OPTIONS)
    sent = list(chaos.spoil(misdirected(good)))
    account = chaos.account
    garbage = [record for record in sent if record.value not in contents]
    assert len(garbage) == account.poison.total() > 50
    assert len(account.dead_letters) >= 6

    await make_events_topic(settings, max_bytes=4_000_000)
    worker = await make_worker().started()
    assert await send(settings, sent) == account.records
    async with Offsets(settings) as offsets:
        await offsets.all_committed(account.records)
    assert worker.running

    letters = [msgspec.json.decode(record.value) for record in await read_topic(settings, settings.dead_letters_topic)]
    places = {(one["source"]["topic"], one["source"]["partition"], one["source"]["offset"]) for one in letters}
    assert len(places) == len(letters) == len(garbage)
    assert Counter(letter["reason"] for letter in letters) == account.dead_letters
    whole = Counter((_bytes(letter["key_base64"]), _bytes(letter["value_base64"])) for letter in letters)
    assert whole == Counter((record.key, record.value) for record in garbage)
    assert max(len(value or b"") for _, value in whole) > 2_000_000

    expected = offline(settings, good)
    states = await read_states(settings)
    assert {user: state.events for user, state in states.items()} == {
        user: state.events for user in states if (state := expected.state(user)) is not None
    }
    assert len(states) == expected.run.users()
    await assert_counted(worker, account.good, account.duplicates, moved=moved(sent, contents))
    await in_the_index(settings, Counter(letter["reason"] for letter in letters))


def misdirected(records: Iterable[ProducerRecord]) -> Iterator[ProducerRecord]:
    """Every thirtieth under the key of another user."""
    for number, record in enumerate(records):
        yield record if number % 30 else ProducerRecord(b"somebody else", record.value, record.time_ms)


def moved(sent: list[ProducerRecord], good: set[bytes | None]) -> int:
    """Good events without their user's key."""
    return sum(
        record.key != msgspec.json.decode(record.value)["user_id"].encode()
        for record in sent
        if record.value is not None and record.value in good
    )


async def make_events_topic(settings: Settings, *, max_bytes: int) -> None:
    """A broker's owner may allow larger records than Kafka by itself."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        config = {**EVENTS, "max.message.bytes": str(max_bytes)}
        await admin.create_topics([NewTopic(settings.events_topic, settings.partitions, 1, topic_configs=config)])
    finally:
        await admin.close()


async def assert_counted(worker: WorkerProcess, accepted: int, duplicates: int, *, moved: int) -> None:
    async def counted(outcome: str, event_type: str = "any") -> float:
        return await worker.metric(
            f'ubi_events_total{{event_type="{event_type}",outcome="{outcome}",pack="ecommerce"}}'
        )

    types = load_pack("ecommerce").events.types
    assert sum([await counted("accepted", event_type) for event_type in types]) == accepted
    assert await counted("duplicate") == duplicates
    assert await counted("moved") == moved


async def in_the_index(settings: Settings, reasons: Counter[str]) -> None:
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:

        async def same() -> bool:
            rows = await connection.fetch("SELECT reason, count(*) AS n FROM dead_letters GROUP BY reason")
            return {row["reason"]: row["n"] for row in rows} == reasons

        await eventually(same, 20, "Postgres has an index of the dead letters")
    finally:
        await connection.close()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
