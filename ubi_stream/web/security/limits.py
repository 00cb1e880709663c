"""How often a caller may ask: a budget for each key, token or address, in each class of routes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import msgspec
from limits import RateLimitItemPerSecond
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from ubi_stream.clock import Clock, SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.web.routes import Limit

MAX_CALLERS: Final = 2_000
"""Addresses that have a budget of their own, and as many keys and tokens. Further ones share one: memory is bounded."""
_ADDRESS: Final = "address "
_MACHINE: Final = SystemClock()
"""The library counts by the machine's clock, and says so when a window ends."""


class Budget(msgspec.Struct, frozen=True):
    """What is left for a caller.

    Attributes
    ----------
    allowed
        Whether this request still is within it.
    limit, remaining
        Requests of a window, and how many are left.
    reset_s
        Seconds until the window ends.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers `RateLimit-*` of an answer."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


class RateLimits:
    """Counts requests in fixed windows.

    Parameters
    ----------
    requests
        Requests of a window, for each class of routes.
    window_s
        Length of a window.
    redis_url
        Where workers count together; in the memory of each on its own, unless given.
    """

    def __init__(
        self, requests: Mapping[Limit, int], *, window_s: int, clock: Clock, redis_url: str | None = None
    ) -> None:
        self._requests = dict(requests)
        self._window_s = window_s
        self._clock = clock
        self._remote = redis_url is not None
        self._limiter = FixedWindowRateLimiter(_shared(redis_url) if redis_url else MemoryStorage())
        self._addresses: OrderedDict[str, float] = OrderedDict()
        self._known: OrderedDict[str, float] = OrderedDict()

    async def take(self, caller: str, limit: Limit, requests: int | None = None) -> Budget:
        """Take one request from the budget of a caller; `requests` is what a key has of its own."""
        item = RateLimitItemPerSecond(requests or self._requests[limit], self._window_s)
        name = self._counted_as(caller)
        if not self._remote:
            return self._count(item, limit, name)
        return await asyncio.to_thread(self._count, item, limit, name)  # Redis would block the event loop

    def _count(self, item: RateLimitItemPerSecond, limit: Limit, name: str) -> Budget:
        allowed = self._limiter.hit(item, limit, name)
        stats = self._limiter.get_window_stats(item, limit, name)
        reset_s = max(1, min(self._window_s, round(stats.reset_time - _MACHINE.now_ms() / 1000)))
        return Budget(allowed, item.amount, max(0, stats.remaining), reset_s)

    def _counted_as(self, caller: str) -> str:
        seen = self._addresses if caller.startswith(_ADDRESS) else self._known  # addresses must not displace keys
        now_s = self._clock.monotonic_s()
        while seen and next(iter(seen.values())) <= now_s - self._window_s:
            seen.popitem(last=False)
        if caller not in seen and len(seen) >= MAX_CALLERS:
            return "other addresses" if seen is self._addresses else "others"
        seen[caller] = now_s
        seen.move_to_end(caller)
        return caller


def _shared(redis_url: str) -> Storage:
    try:
        storage = storage_from_string(redis_url)
    except ConfigurationError as error:
        raise ConfigError(
            f"UBI_RATE_LIMIT_REDIS_URL can't be used: {error}; the extra `redis` brings what it needs"
        ) from error
    assert isinstance(storage, Storage), "a URL without async+ is a synchronous store"
    return storage


def address_name(address: str | None) -> str:
    """What an address is counted as: of IPv6 the network, for a host has as many addresses as it likes.

    >>> address_name("192.0.2.7"), address_name("2001:db8::17")
    ('address 192.0.2.7', 'address 2001:db8::/64')
    """
    try:
        found = ip_address(address or "")
    except ValueError:
        return f"{_ADDRESS}unknown"
    if found.version == 6:
        mapped = found.ipv4_mapped
        return f"{_ADDRESS}{mapped or ip_address(int(found) >> 64 << 64)}" + ("" if mapped else "/64")
    return f"{_ADDRESS}{found}"
