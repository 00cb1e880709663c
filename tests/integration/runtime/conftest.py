"""Workers on a real Kafka and Postgres, each test with topics, group and database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars  # noqa: F401 - its import sets an environment variable: here, not within a test
import pytest
from pydantic import SecretStr

from support.probe import START_MS
from support.workers import WorkerProcess
from ubi_stream.data.records import ProducerRecord
from ubi_stream.local import EmbeddedKafka
from ubi_stream.settings import Settings
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

MakeWorker = Callable[..., WorkerProcess]


@pytest.fixture
def settings(kafka: EmbeddedKafka, database: str, topic_prefix: str) -> Settings:
    """Quick barriers, so that a crash finds some of them done; the shortest session that the broker allows."""
    return Settings(
        app_id=topic_prefix,
        topic_prefix=topic_prefix,
        broker=kafka.bootstrap,
        postgres_dsn=SecretStr(database),
        partitions=4,
        session_timeout_s=6.0,
        flush_interval_s=0.4,
        chunk_max_events=64,
        snapshot_key=SecretStr("a key of the tests"),
        startup_timeout_s=20.0,
    )


@pytest.fixture(scope="session")
def shop_events() -> list[ProducerRecord]:
    """A day of an invented shop, for its insights: of a real one, a day brings next to none.

    No longer than ids are kept: events that are sent again are duplicates.
    """
    options = TrafficOptions(users=1_000, rate=0.12, start_ms=START_MS, seed=1)
    return list(Traffic(options).records(6_000))


@pytest.fixture
def make_worker(settings: Settings, tmp_path: Path) -> Iterator[MakeWorker]:
    """Make worker processes, with other settings where given; whatever still runs at the end is killed."""
    made: list[WorkerProcess] = []

    def make(name: str = "worker", environment: dict[str, str] | None = None, **changes: Any) -> WorkerProcess:
        changed = Settings(**{**settings.model_dump(include=settings.model_fields_set), **changes})
        worker = WorkerProcess(changed, tmp_path, name, environment or {})
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.kill()
