"""`ubi erase`: what is sent, what is printed, how it ends. Kafka itself is in `integration/runtime`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from ubi_stream.clock import Clock
from ubi_stream.events.erase import erase_event
from ubi_stream.local.ports import free_port
from ubi_stream.operations import erasing
from ubi_stream.settings import Settings

Ubi = Callable[..., Result]

RECEIPT: dict[str, Any] = {
    "id": "r-1",
    "at": "2026-11-21T10:00:00.000Z",
    "label": "erased",
    "summary": "What was known about the [user] was erased",
    "evidence": {"erased_id": "5f3a", "parts": ["state", "what_was_told"]},
}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any] | None], list[tuple[object, ...]]]:
    """Give the receipt that is to come; returns what is asked for."""

    def answer(receipt: dict[str, Any] | None) -> list[tuple[object, ...]]:
        asked: list[tuple[object, ...]] = []

        async def erase(user: str, settings: Settings, event_id: str, _: Clock, *, within_s: float) -> dict[str, Any]:
            asked.append((user, settings.broker, within_s))
            return {"event_id": event_id, "insight": receipt}

        monkeypatch.setattr(erasing, "erase_user", erase)
        return asked

    return answer


Answered = Callable[[dict[str, Any] | None], list[tuple[object, ...]]]


def test_the_receipt_is_printed(ubi: Ubi, answered: Answered) -> None:
    asked = answered(RECEIPT)
    result = ubi("erase", "--user", "u1", "--broker", "k:1", "--wait", "7")
    assert result.exit_code == 0, result.stderr
    assert asked == [("u1", "k:1", 7.0)]
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["erased", *RECEIPT["summary"].split()]
    assert lines[1:] == [["receipt", "r-1"], ["gone", "state"], ["gone", "what", "was", "told"]]


def test_for_programs_it_is_one_object_and_each_command_its_own_event(ubi: Ubi, answered: Answered) -> None:
    answered(RECEIPT)
    delayed_labels = [json.loads(ubi("erase", "--user", "u1", "--json").stdout) for _ in range(2)]
    assert delayed_labels[0]["insight"] == RECEIPT
    assert len({answer["event_id"] for answer in delayed_labels}) == 2
    assert all(answer["event_id"].startswith("erase/") for answer in delayed_labels)


def test_an_erasure_that_no_worker_has_come_to_is_on_the_topic(ubi: Ubi, answered: Answered) -> None:
    answered(None)
    result = ubi("erase", "--user", "u1", "--wait", "0")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "on the topic" in result.stderr


@pytest.mark.parametrize(
    ("user", "code", "words"),
    [("", 64, "user_id is empty"), ("u" * 257, 64, "more than 256 bytes"), ("u1", 69, "can't be reached")],
)
def test_what_is_wrong_is_one_sentence(ubi: Ubi, user: str, code: int, words: str) -> None:
    result = ubi("erase", "--user", user, "--broker", f"127.0.0.1:{free_port()}")
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_the_command_says_whom_and_nothing_else() -> None:
    event = json.loads(erase_event("erase/1", 5, "u1"))
    assert event == {"event_id": "erase/1", "event_time": 5, "event_type": "$erase", "user_id": "u1"}
