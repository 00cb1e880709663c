from __future__ import annotations

import socket

from ubi_stream.local.ports import free_port, is_free


def test_a_free_port_is_outside_the_range_of_outgoing_connections() -> None:
    ports = {free_port() for _ in range(50)}
    assert all(15_000 <= port < 32_000 for port in ports)
    assert len(ports) > 40


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
