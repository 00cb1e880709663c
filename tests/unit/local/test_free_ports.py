from __future__ import annotations

import socket

import pytest

from ubi_stream.local import ports
from ubi_stream.local.ports import free_port, is_free


def test_a_free_port_is_outside_the_range_of_outgoing_connections() -> None:
    given = {free_port() for _ in range(50)}
    assert all(15_000 <= port < 32_000 for port in given)
    assert len(given) == 50


def test_a_process_is_given_a_port_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_port(), free_port()
    monkeypatch.setattr(ports, "_given", {first})
    monkeypatch.setattr("random.SystemRandom.choices", lambda *_, **__: [first, first, second])
    assert free_port() == second
    with pytest.raises(OSError, match="no free port"):
        free_port()


def test_ports_in_a_row_are_all_free_and_all_given(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port(in_a_row=3)
    assert all(is_free(port) for port in range(first, first + 3))
    monkeypatch.setattr("random.SystemRandom.choices", lambda *_, **__: [first - 1, first + 2])
    with pytest.raises(OSError, match="no free port"):  # one of each two was given
        free_port(in_a_row=2)


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
