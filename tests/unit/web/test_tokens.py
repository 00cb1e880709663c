"""Tokens of an identity provider whose keys are fetched: RS256, once for many, again when a key is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from support.web_worker import NOW_MS
from ubi_stream.clock import ManualClock
from ubi_stream.errors import ConfigError
from ubi_stream.web.problems import ProblemError
from ubi_stream.web.security.tokens import AGAIN_S, FRESH_S, Jwks, Tokens

KEYS = [RSAKey.generate_key(2048, {"kid": f"k{n}", "use": "sig"}) for n in range(2)]


def signed(key: RSAKey | OctKey, algorithm: str = "RS256", **header: Any) -> str:
    claims = {"sub": "ann", "roles": ["analyst", "unknown"], "exp": NOW_MS / 1000 + 1e6}
    return jwt.encode({"alg": algorithm, **header}, claims, key, [algorithm])


class Provider:
    """An identity provider.

    Attributes
    ----------
    keys
        What it publishes.
    asked
        How often it was asked.
    """

    def __init__(self) -> None:
        self.keys = [KEYS[0]]
        self.asked = 0
        self.status = 200

    async def jwks(self, _request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(0)
        public = [key.as_dict(private=False) for key in self.keys]
        return web.json_response({"keys": public}, status=self.status)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def tokens(provider: Provider, clock: ManualClock) -> AsyncIterator[Tokens]:
    app = web.Application()
    app.router.add_get("/jwks", provider.jwks)
    async with TestServer(app) as server:
        yield Tokens(clock, jwks=Jwks(str(server.make_url("/jwks")), clock))


async def test_keys_are_fetched_once_for_many(tokens: Tokens, provider: Provider) -> None:
    found = await asyncio.gather(*(tokens.read(signed(KEYS[0], kid="k0")) for _ in range(20)))
    assert {one.name for one in found if one} == {"ann"}
    assert all(one and one.roles == {"analyst"} for one in found)
    assert provider.asked == 1


async def test_a_new_key_is_found_and_guesses_do_not_ask_again_and_again(
    tokens: Tokens, provider: Provider, clock: ManualClock
) -> None:
    assert await tokens.read(signed(KEYS[0], kid="k0"))
    provider.keys = KEYS
    for _ in range(5):
        assert await tokens.read(signed(KEYS[1], kid="k1")) is None  # asked just now
    assert provider.asked == 1
    clock.advance_ms(round(AGAIN_S * 1000) + 1)
    assert await tokens.read(signed(KEYS[1], kid="k1"))
    assert provider.asked == 2


async def test_a_provider_that_is_away_leaves_the_keys_that_are_known(
    tokens: Tokens, provider: Provider, clock: ManualClock
) -> None:
    assert await tokens.read(signed(KEYS[0], kid="k0"))
    provider.status = 500
    clock.advance_ms(round(FRESH_S * 1000) + 1)
    assert await tokens.read(signed(KEYS[0], kid="k0"))


async def test_a_provider_that_never_answered_is_a_503(tokens: Tokens, provider: Provider) -> None:
    provider.status = 500
    with pytest.raises(ProblemError) as caught:
        await tokens.read(signed(KEYS[0], kid="k0"))
    assert caught.value.status == 503


@pytest.mark.parametrize(
    "forge",
    [
        lambda: signed(KEYS[1], kid="k0"),
        lambda: signed(KEYS[0], "PS256", kid="k0"),
        lambda: signed(OctKey.import_key(b"a secret that the views do not have"), "HS256", kid="k0"),
    ],
    ids=["another's key", "another algorithm", "an algorithm without a key"],
)
async def test_other_signatures_are_none(tokens: Tokens, forge: Callable[[], str]) -> None:
    assert await tokens.read(forge()) is None


async def test_a_public_key_in_a_file_does(clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "provider.pem"
    file.write_bytes(KEYS[0].as_pem(private=False))
    tokens = Tokens(clock, public_key=file)
    assert await tokens.read(signed(KEYS[0]))
    assert await tokens.read(signed(KEYS[1])) is None
    file.write_bytes(b"no key")
    with pytest.raises(ConfigError, match=r"provider\.pem"):
        Tokens(clock, public_key=file)
