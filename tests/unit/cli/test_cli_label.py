"""`ubi label` against a worker in this process: what is sent, what is printed, how it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiokafka.errors import KafkaConnectionError
from typer.testing import Result

from ubi_stream.local.ports import free_port
from ubi_stream.settings import Settings

Ubi = Callable[..., Result]

EVIDENCE = {
    "status": "learned",
    "probability": {"before": 0.5, "after": 0.337},
    "threshold": {"before": 0.9487, "after": 0.967},
    "peers_threshold": {"before": None, "after": None},
    "labels": 3,
    "entity_labels": 1,
}
LEARNED = {
    "event_id": "label/k",
    "status": "learned",
    "insight": {"id": "i", "at": "2019-10-01T00:00:00.000Z", "label": "false_positive", "summary": "Taken [so]",
                "evidence": EVIDENCE},
}  # fmt: skip
PENDING = {"event_id": "label/k", "status": "accepted", "insight": None}


class Worker:
    """Answers labels with what the test wants, one after another; the last answer stays."""

    def __init__(self, *delayed_labels: tuple[int, Any]) -> None:
        self.delayed_labels = list(delayed_labels)
        self.got: list[tuple[dict[str, Any], str]] = []
        self.url = f"http://127.0.0.1:{free_port()}"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/api/v1/labels", self._take)])
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", int(self.url.rpartition(":")[2])).start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((await request.json(), request.headers["Idempotency-Key"]))
        status, answer = self.delayed_labels.pop(0) if len(self.delayed_labels) > 1 else self.delayed_labels[0]
        return web.json_response(answer, status=status)


@pytest.fixture
def worker_of() -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(*delayed_labels: tuple[int, Any]) -> Worker:
        worker = Worker(*delayed_labels)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()


def test_what_is_said_is_sent_and_what_was_learned_is_printed(ubi: Ubi, worker_of: Callable[..., Worker]) -> None:
    worker = worker_of((200, LEARNED))
    result = ubi("label", "--user", "u1", "--insight", "i1", "--label", "false_positive", "--weight", "2", "--author",
                 "ann", "--key", "k", "--web-url", worker.url)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    predicted = {"user_id": "u1", "insight_id": "i1", "label": "false_positive", "weight": 2.0, "author": "ann"}
    assert worker.got == [(predicted, "k")]
    lines = result.stdout.splitlines()
    assert lines[0] == "learned  Taken [so]"
    assert lines[1].split() == ["probability", "0.5", "→", "0.337"]
    assert lines[2].split() == ["its", "threshold", "0.9487", "→", "0.967"]
    assert lines[3].endswith("3, of this 1")


@pytest.mark.parametrize(("word", "sent"), [("true", True), ("false", False), ("churned", "churned")])
def test_true_and_false_are_no_names(ubi: Ubi, worker_of: Callable[..., Worker], word: str, sent: object) -> None:
    worker = worker_of((200, LEARNED))
    assert ubi("label", "--user", "u1", "--label", word, UBI_WEB_PORT=worker.url.rpartition(":")[2]).exit_code == 0
    assert worker.got[0][0]["label"] is sent or worker.got[0][0]["label"] == sent


def test_a_worker_that_is_behind_is_asked_again_with_the_same_key(ubi: Ubi, worker_of: Callable[..., Worker]) -> None:
    worker = worker_of((503, {"detail": "rebalancing"}), (202, PENDING), (200, LEARNED))
    result = ubi("label", "--user", "u1", "--label", "confirmed", "--web-url", worker.url, "--json")
    assert json.loads(result.stdout) == LEARNED
    assert len(worker.got) == 3
    assert len({key for _, key in worker.got}) == 1


def test_a_label_that_nobody_has_come_to_is_on_the_topic(ubi: Ubi, worker_of: Callable[..., Worker]) -> None:
    worker = worker_of((202, PENDING))
    result = ubi("label", "--user", "u1", "--label", "confirmed", "--web-url", worker.url, "--wait", "0")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "on the topic" in result.stderr


def test_a_label_that_taught_nothing_ends_with_1(ubi: Ubi, worker_of: Callable[..., Worker]) -> None:
    evidence = EVIDENCE | {"probability": {"before": None, "after": None}, "labels": 0, "entity_labels": 0}
    unknown = LEARNED | {
        "status": "unknown_insight",
        "insight": {"summary": "not kept", "evidence": evidence | {"threshold": {"before": None, "after": None}}},
    }
    result = ubi("label", "--user", "u1", "--label", "confirmed", "--web-url", worker_of((200, unknown)).url)
    assert (result.exit_code, result.stdout.strip()) == (1, "unknown insight  not kept")


@pytest.mark.parametrize(
    ("status", "answer", "code", "words"),
    [
        (400, {"detail": "weight is 11"}, 64, "weight is 11"),
        (404, {"detail": "Nothing is known about this user"}, 64, "Nothing is known"),
        (503, {"detail": "Kafka does not take the label"}, 69, "Kafka does not take the label"),
        (200, ["?"], 69, "is no worker"),
        (200, {"hello": 1}, 69, "is no worker"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    ubi: Ubi, worker_of: Callable[..., Worker], status: int, answer: Any, code: int, words: str
) -> None:
    url = worker_of((status, answer)).url
    result = ubi("label", "--user", "u1", "--label", "confirmed", "--web-url", url, "--wait", "0")
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_nobody_there_is_one_sentence(ubi: Ubi) -> None:
    result = ubi("label", "--user", "u1", "--label", "confirmed", "--web-url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 69
    assert "no worker answers at" in result.stderr


@pytest.mark.parametrize(
    ("host", "shown"), [("::", "[::1]"), ("::1", "[::1]"), ("fe80::7", "[fe80::7]"), ("0.0.0.0", "127.0.0.1")]
)
def test_the_worker_of_the_settings_is_found_at_any_host(ubi: Ubi, host: str, shown: str) -> None:
    port = str(free_port())
    result = ubi("label", "--user", "u1", "--label", "confirmed", UBI_WEB_HOST=host, UBI_WEB_PORT=port)
    assert result.exit_code == 69
    assert f"no worker answers at http://{shown}:{port} (ClientConnectorError)" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--label", "bogus"],
            "label is 'bogus'; there are: true, false, confirmed, false_positive, accepted, implemented, ignored, "
            "dismissed",
        ),
        (["--label", "true", "--outcome", "bogus"], "outcome is 'bogus'; there are: buys_in_visit"),
        (["--label", "confirmed", "--weight", "11"], "weight is 11.0"),
        (["--label", "confirmed", "--entity", "shop"], "expected one of user"),
    ],
)
def test_on_the_way_to_kafka_it_is_checked_here(ubi: Ubi, options: list[str], words: str) -> None:
    result = ubi("label", "--user", "u1", *options, "--broker", f"127.0.0.1:{free_port()}")
    assert result.exit_code == 64
    assert words in result.stderr


def test_a_kafka_that_goes_away_before_the_answer_can_be_read_is_one_sentence(
    ubi: Ubi, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []

    class Consumer:
        """Stands in for a client whose broker goes away between the producer's start and its own."""

        def __init__(self, **_options: Any) -> None: ...

        async def start(self) -> None:
            raise KafkaConnectionError("gone")

        async def stop(self) -> None:
            stopped.append(True)

    @asynccontextmanager
    async def producer(_settings: Settings) -> AsyncIterator[None]:
        yield None

    monkeypatch.setattr("ubi_stream.operations.labelling.AIOKafkaConsumer", Consumer)
    monkeypatch.setattr("ubi_stream.operations.labelling.started_producer", producer)
    result = ubi("label", "--user", "u1", "--label", "confirmed", "--broker", "kafka:9092")
    assert result.exit_code == 70
    assert "Kafka did not take the label (KafkaConnectionError)" in result.stderr
    assert stopped == [True]
