"""The commands that talk to Kafka and Postgres but need no worker: topics, migrate, doctor, replay, generate."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from support.running_ubi import RunningUbi
from support.topics import make_topics
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.kafka.client import client_options
from ubi_stream.local.ports import free_port
from ubi_stream.operations.demo.topics import read_results, watching
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.sending import started_producer
from ubi_stream.runtime.backlog import Offsets
from ubi_stream.runtime.topics import all_topics
from ubi_stream.settings import Settings

Ubi = Callable[..., RunningUbi]


async def events_sent(settings: Settings) -> int:
    async with watching(settings, load_pack(settings.pack), SystemClock()) as topics:
        return sum((await topics.ends([settings.events_topic])).values())


def test_topics_are_made_once_and_checked(ubi: Ubi, environment: dict[str, str], settings: Settings) -> None:
    wanted = sorted(all_topics(settings, load_pack("ecommerce")))
    missing = ubi("topics", "--check", **environment)
    assert missing.process.returncode == 1
    assert missing.out.splitlines() == [f"missing   {name}" for name in wanted]
    made = ubi("topics", **environment)
    assert (made.process.returncode, made.err) == (0, "")
    assert made.out.splitlines() == [f"created   {name}" for name in wanted]
    for again in (ubi("topics", **environment), ubi("topics", "--check", **environment)):
        assert again.process.returncode == 0
        assert again.out.splitlines() == [f"there     {name}" for name in wanted]


def test_another_number_of_partitions_is_refused(ubi: Ubi, environment: dict[str, str]) -> None:
    assert ubi("topics", **environment).process.returncode == 0
    refused = ubi("topics", **environment | {"UBI_PARTITIONS": "3"})
    assert refused.process.returncode == 65
    assert "has 2 partitions, UBI_PARTITIONS says 3" in refused.err
    assert "Traceback" not in refused.err


def test_migrate_brings_the_database_up_to_date(ubi: Ubi, database: str) -> None:
    assert ubi("migrate", "--check", UBI_POSTGRES_DSN=database).process.returncode == 1
    applied = ubi("migrate", UBI_POSTGRES_DSN=database)
    assert applied.process.returncode == 0
    assert applied.err.startswith("applied: 0001_insights.sql, ")
    for again in (ubi("migrate", UBI_POSTGRES_DSN=database), ubi("migrate", "--check", UBI_POSTGRES_DSN=database)):
        assert (again.process.returncode, again.err) == (0, "the database is up to date\n")


def test_migrate_without_a_database_gives_up_in_time_with_a_sentence(ubi: Ubi) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    result = ubi("migrate", UBI_POSTGRES_DSN=f"postgresql://a:geheim@{nobody}/ubi", UBI_STARTUP_TIMEOUT_S="0.3")
    assert result.process.returncode == 69
    assert f"error: Postgres at {nobody}/ubi did not answer within 0.3 s" in result.err
    assert "Traceback" not in result.err
    assert "geheim" not in result.err


def test_doctor_is_content_with_servers_that_are_ready(ubi: Ubi, environment: dict[str, str], database: str) -> None:
    environment |= {"UBI_POSTGRES_DSN": database, "UBI_WEB_PORT": "0", "UBI_SNAPSHOT_KEY": "long enough"}

    def findings(**changes: str) -> dict[str, tuple[str, str]]:
        result = ubi("doctor", "--json", **environment | changes)
        found = {item["check"]: (item["status"], item["found"]) for item in json.loads(result.out)}
        assert result.process.returncode == any(status == "FAIL" for status, _ in found.values())
        return found

    before = findings()
    assert (before["broker"][0], before["topics"][0], before["database"][0]) == ("OK", "WARN", "OK")
    assert before["migrations"][0] == "WARN"
    assert "are missing" in before["topics"][1]
    ubi("topics", **environment)
    ubi("migrate", **environment)
    ubi("generate", "--count", "10", "--speed", "max", **environment)
    ready = findings()
    assert {status for status, _ in ready.values()} == {"OK"}
    assert ready.keys() >= {
        "broker",
        "topics",
        "clock of the broker",
        "database",
        "migrations",
        "clock of the database",
    }
    assert findings(UBI_PARTITIONS="5")["topics"][0] == "FAIL"


@pytest.mark.parametrize("command", [["replay", "shop.csv", "-m", "rees46"], ["generate", "--count", "5"]])
def test_nothing_is_sent_where_there_is_no_topic(
    ubi: Ubi, shop_file: Path, environment: dict[str, str], command: list[str]
) -> None:
    result = ubi(*command, **environment)
    assert result.process.returncode == 65
    assert f"topic {environment['UBI_TOPIC_PREFIX']}.events does not exist: run `ubi topics` first" in result.err


async def test_replay_sends_every_row(
    ubi: Ubi, shop_file: Path, environment: dict[str, str], settings: Settings
) -> None:
    await make_topics(settings)
    result = await asyncio.to_thread(ubi, "replay", shop_file, "-m", "rees46", **environment)
    assert result.process.returncode == 0, result.err
    assert f"3,000 events sent to {settings.events_topic}" in result.err
    assert await events_sent(settings) == 3_000


async def test_generate_sends_what_it_says_and_ends_at_ctrl_c(
    start_ubi: Ubi, environment: dict[str, str], settings: Settings
) -> None:
    await make_topics(settings)
    process = start_ubi("generate", "--rate", "200", "--users", "50", **environment)

    async def some() -> bool:
        return await events_sent(settings) >= 50

    await eventually(some, within_s=30, message="50 events were sent")
    process.signal(signal.SIGINT)
    assert await asyncio.to_thread(process.wait, 10) == 130
    assert "Traceback" not in process.err
    predicted = int(process.err.rpartition(" good")[0].rpartition(": ")[2].replace(",", ""))
    assert 0 <= predicted - await events_sent(settings) <= 1  # the one that was waiting for its moment


async def produce(settings: Settings, topic: str, *values: bytes) -> None:
    async with started_producer(settings) as producer:
        for value in values:
            await (await producer.send(topic, value=value, key=b"u1"))


async def commit_ends(settings: Settings, group: str, offsets: Offsets) -> None:
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


async def test_settled_means_that_both_groups_have_reached_the_ends(settings: Settings) -> None:
    await make_topics(settings)
    async with watching(settings, load_pack("ecommerce"), SystemClock()) as topics:
        assert await topics.settled()
        await produce(settings, settings.events_topic, b"{}", b"{}")
        assert not await topics.settled()
        await commit_ends(settings, settings.app_id, await topics.ends([settings.events_topic]))
        assert await topics.settled()
        await produce(settings, settings.insights_topic, b"{}")
        assert not await topics.settled()
        await commit_ends(settings, f"{settings.app_id}-sink", await topics.result_ends())
        assert await topics.settled()


async def test_results_since_the_marks_are_told_apart(settings: Settings) -> None:
    def insight(name: str, kind: str) -> bytes:
        return json.dumps({"id": name, "data": {"kind": kind}}).encode()

    await make_topics(settings)
    async with watching(settings, load_pack("ecommerce"), SystemClock()) as topics:
        await produce(settings, settings.insights_topic, insight("a", "risk"))
        await produce(settings, settings.dead_letters_topic, b'{"id": "x"}')
        applied_labels = await topics.result_ends()
        await produce(settings, settings.insights_topic, insight("b", "segment"), insight("b", "segment"))
        await produce(settings, settings.dead_letters_topic, b'{"id": "y"}')
        results = await read_results(topics, settings, applied_labels)
    assert results.all_insights == {"a", "b"}
    assert results.insights == {"b": "segment"}
    assert results.dead_letters == {"y"}
