"""Runs `ubi` as a person does: as a process of its own, away from their environment and `.env` file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.running_ubi import RunningUbi
from support.shop_file import write_shop_file
from ubi_stream.local import EmbeddedKafka
from ubi_stream.settings import Settings


@pytest.fixture
def start_ubi(tmp_path: Path) -> Iterator[Callable[..., RunningUbi]]:
    """Start `ubi` with these arguments and environment; it is killed if the test leaves it."""
    started: list[RunningUbi] = []

    def start(*arguments: str | Path, **environment: str) -> RunningUbi:
        running = RunningUbi(tmp_path, [str(argument) for argument in arguments], environment)
        started.append(running)
        return running

    yield start
    for running in started:
        running.kill()


@pytest.fixture
def ubi(start_ubi: Callable[..., RunningUbi]) -> Callable[..., RunningUbi]:
    """Run `ubi` to its end."""

    def run(*arguments: str | Path, **environment: str) -> RunningUbi:
        running = start_ubi(*arguments, **environment)
        running.wait()
        return running

    return run


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    """3,000 events of 200 users in the form of the mapping `rees46`."""
    return write_shop_file(tmp_path / "shop.csv", events=3_000, users=200)


@pytest.fixture
def public_file() -> Callable[[str], Path]:
    """Path of a public data file; skips the test where the folder of such files is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"

    def find(name: str) -> Path:
        if not folder.is_dir():
            pytest.skip("the folder of public data, ../shared/data, is not here")
        return folder / name

    return find


@pytest.fixture
def environment(kafka: EmbeddedKafka, topic_prefix: str) -> dict[str, str]:
    """Settings of this test's own topics and groups on the tests' Kafka."""
    return {
        "UBI_BROKER": kafka.bootstrap,
        "UBI_TOPIC_PREFIX": topic_prefix,
        "UBI_APP_ID": topic_prefix,
        "UBI_PARTITIONS": "2",
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same, for this process."""
    values: dict[str, Any] = {name.removeprefix("UBI_").lower(): value for name, value in environment.items()}
    return Settings(**values)
