"""Free TCP ports for servers that keep their port over a restart."""

from __future__ import annotations

import random
import socket

# Below the ranges that Linux (32768) and macOS (49152) hand out to outgoing connections: while a server is down, a
# client that retries could otherwise be given the very port it wants to reach, and connect to itself.
_FIRST, _LAST = 15_000, 31_999
_ATTEMPTS = 200
_given: set[int] = set()
"""What this process was given: nobody may listen there yet when it asks again."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now.

    Parameters
    ----------
    port
        1 to 65535.
    host
        Address of this machine.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection of the last server that is still being closed doesn't block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1", *, in_a_row: int = 1) -> int:
    """Return a port nobody listens on, outside the range of outgoing connections; each one once.

    Random, so that two processes that ask at the same time rarely get the same one.

    Parameters
    ----------
    in_a_row
        So many ports, of which the first is returned.

    Raises
    ------
    OSError
        When none of 200 tries is free.
    """
    for first in random.SystemRandom().choices(range(_FIRST, _LAST + 2 - in_a_row), k=_ATTEMPTS):
        ports = range(first, first + in_a_row)
        if _given.isdisjoint(ports) and all(is_free(port, host) for port in ports):
            _given.update(ports)
            return first
    raise OSError(f"no free port on {host} between {_FIRST} and {_LAST} in {_ATTEMPTS} tries")
