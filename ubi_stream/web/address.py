"""Where this machine reaches views that listen on a host."""

from __future__ import annotations

from typing import Final

from yarl import URL

_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Who listens on all addresses is reached on that of the machine itself."""


def local_url(host: str, port: int, *, scheme: str = "http") -> str:
    """Address of views that listen on this host and port.

    >>> local_url("0.0.0.0", 8088)
    'http://127.0.0.1:8088'
    >>> local_url("fe80::1", 8088)
    'http://[fe80::1]:8088'
    """
    return str(URL.build(scheme=scheme, host=_LOCAL.get(host, host), port=port))
