"""Who may call which route: the whole table with every role and with none, keys, tokens, sessions, hops."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from joserfc import jwt
from joserfc.jwk import OctKey

from support.web_access import JWT_SECRET, TOKENS, Keyring, Service, as_role, token
from support.web_worker import NOW_MS, SECRET, Client, MemoryWorker, Serve, path_of
from ubi_stream.clock import ManualClock
from ubi_stream.errors import ConfigError
from ubi_stream.settings import Settings
from ubi_stream.web.app import ROUTES
from ubi_stream.web.routes import ANYBODY, AUTHENTICATED, Route
from ubi_stream.web.security.guard import HOP
from ubi_stream.web.security.keys import KeyKind, is_well_formed, new_key
from ubi_stream.web.security.principal import LOCAL, Role
from ubi_stream.web.security.signed import Hops

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
LET_IN = {200, 201, 202, 204, 400, 404, 408, 413, 415, 429, 503}


def routes_of(client: Client) -> tuple[Route, ...]:
    return client.app[ROUTES]


def url(route: Route) -> str:
    return route.path.replace("{id}", "someone")


async def call(client: Client, route: Route, headers: dict[str, str]) -> ClientResponse:
    return await client.request(route.method, url(route), headers=headers)


async def test_without_a_key_only_the_log_in_is_answered(guarded: Client) -> None:
    answered = set()
    for route in routes_of(guarded):
        response = await call(guarded, route, {})
        if response.status != 401:
            answered.add((route.method, route.path))
        else:
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
    page = {(route.method, route.path) for route in routes_of(guarded) if route.path.startswith(("/static/", "/llms"))}
    preflights = {(route.method, route.path) for route in routes_of(guarded) if route.method == "OPTIONS"}
    assert answered == preflights | page | {("GET", "/"), ("POST", "/api/v1/session"), ("DELETE", "/api/v1/session")}


@pytest.mark.parametrize("role", [*Role, "owner", None])
async def test_each_role_is_let_into_its_routes_alone(guarded: Client, role: str | None) -> None:
    for route in routes_of(guarded):
        response = await call(guarded, route, as_role(*([role] if role else [])))
        open_to_all = route.roles in (ANYBODY, AUTHENTICATED)
        granted = role in route.roles and role != Role.USER  # a user's own: see below
        if open_to_all or granted:
            assert response.status in LET_IN, (role, route.method, route.path, response.status)
        else:
            assert response.status == 403, (role, route.method, route.path, response.status)


async def test_a_route_without_roles_is_nobodys(serve_routes: Service) -> None:
    async def never(_request: Any) -> Any:
        raise AssertionError("nobody comes here")

    client = await serve_routes([Route("GET", "/forgotten", never)])
    for role in Role:
        assert (await client.get("/forgotten", headers=as_role(role))).status == 403


async def test_a_user_reads_their_own_alone(guarded: Client) -> None:
    mine = as_role("user", sub="u1")
    assert (await guarded.get(path_of("u1"), headers=mine)).status == 200
    assert (await guarded.get(path_of("u1").with_query(entity="user"), headers=mine)).status == 200
    for path in (path_of("u2"), path_of("u1").with_query(entity="terminal"), path_of("U1"), path_of("u1 ")):
        assert (await guarded.get(path, headers=mine)).status == 403
    assert (await guarded.get("/api/v1/insights?user_id=u1", headers=mine)).status == 503  # let in: no database
    for query in ("", "?user_id=u2", "?user_id=u1&user_id=u2", "?user_id=u1&entity=terminal", "?entity=user"):
        assert (await guarded.get(f"/api/v1/insights{query}", headers=mine)).status == 403
    assert (await guarded.get("/api/v1/models", headers=mine)).status == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_MS / 1000 - 31},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": NOW_MS / 1000 + 60},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"roles": None},
        {"roles": "admin"},
        {"iss": "https://elsewhere.example"},
        {"aud": ["others"]},
    ],
)
async def test_a_token_that_lacks_something_is_none(serve: Serve, worker: MemoryWorker, claims: dict[str, Any]) -> None:
    strict = TOKENS.model_copy(update={"jwt_issuer": "https://id.example", "jwt_audience": "ubi"})
    client = await serve(worker, strict)
    whole = {"iss": "https://id.example", "aud": "ubi"}
    assert (await client.get("/api/v1/models", headers=as_role("viewer", **whole))).status == 200
    assert (await client.get("/api/v1/models", headers=as_role("viewer", **(whole | claims)))).status == 401


async def test_forged_tokens_are_none(guarded: Client) -> None:
    good = token("admin")
    header, payload, _ = good.split(".")
    none = b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    other = jwt.encode({"alg": "HS256"}, {"sub": "a", "roles": ["admin"], "exp": 2e9}, OctKey.import_key(SECRET))
    longer = jwt.encode(
        {"alg": "HS512"}, {"sub": "a", "roles": ["admin"], "exp": 2e9}, OctKey.import_key(JWT_SECRET), ["HS512"]
    )
    for forged in (
        f"{none}.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{payload}.AAAA",
        other,
        longer,
        good + "x" * 7000,
        "a.b.c",
        "ü",
        "",
        "....",
    ):
        response = await guarded.get("/api/v1/models", headers={"Authorization": f"Bearer {forged}"})
        assert response.status == 401, forged


async def test_a_key_grants_its_scopes_and_a_403_names_the_one_that_is_missing(
    serve: Serve, worker: MemoryWorker, tmp_path: Path
) -> None:
    keyring = Keyring(tmp_path)
    key, writes = keyring.add("models:read"), keyring.add("users:write")
    client = await serve(worker, keyring.settings)
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-Api-Key": key}):
        assert (await client.get("/api/v1/models", headers=headers)).status == 200
        response = await client.get(path_of("u1"), headers=headers)
        assert response.status == 403
        assert "lacks the scope users:read" in (await response.json(content_type=None))["detail"]
    assert (await client.get(path_of("u1"), headers={"X-Api-Key": writes})).status == 200  # who may write may read
    current = await (await client.get("/api/v1/keys/current", headers={"X-Api-Key": key})).json()
    assert (current["scopes"], current["good"], current["key"]) == (["models:read"], True, None)
    assert key not in str(current)


async def test_keys_that_are_over_or_never_were_open_nothing(
    serve: Serve, worker: MemoryWorker, tmp_path: Path, clock: ManualClock
) -> None:
    keyring = Keyring(tmp_path)
    revoked = keyring.add("*:read", revoked_at=NOW)
    expires = keyring.add("*:read", expires_at=NOW + timedelta(seconds=10))
    client = await serve(worker, keyring.settings)
    assert (await client.get("/api/v1/models", headers={"X-Api-Key": expires})).status == 200
    clock.advance_ms(10_000)
    mistyped = expires[:20] + ("a" if expires[20] != "a" else "b") + expires[21:]
    for key in (revoked, expires, mistyped, new_key(KeyKind.SECRET), "ubi_", "x"):
        assert (await client.get("/api/v1/models", headers={"X-Api-Key": key})).status == 401
    assert not is_well_formed(mistyped)


async def test_an_ingest_key_reads_nothing(serve: Serve, worker: MemoryWorker, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    key = keyring.add(kind=KeyKind.INGEST)
    client = await serve(worker, keyring.settings)
    for route in routes_of(client):
        takes_events = Role.INGEST in route.roles
        if route.method == "GET" and not takes_events and route.roles not in (ANYBODY, AUTHENTICATED):
            assert (await call(client, route, {"X-Api-Key": key})).status == 403


async def test_a_key_in_the_url_opens_nothing(serve: Serve, worker: MemoryWorker, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    key = keyring.add("*:write")
    client = await serve(worker, keyring.settings)
    for name in ("api_key", "key", "access_token", "token", "writeKey"):
        assert (await client.get(f"/api/v1/models?{name}={key}")).status == 401


async def test_two_credentials_are_none(serve: Serve, worker: MemoryWorker, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    key = keyring.add("*:read")
    client = await serve(worker, keyring.settings)
    both = {"Authorization": f"Bearer {key}", "X-Api-Key": key}
    assert (await client.get("/api/v1/models", headers=both)).status == 401
    basic = {"Authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}
    assert (await client.get("/api/v1/models", headers=basic)).status == 401  # for ingest keys alone


async def test_without_keys_this_machine_alone_is_answered(client: Client) -> None:
    assert (await client.get("/api/v1/models")).status == 200
    who = await (await client.get("/api/v1/session")).json()
    assert (who["kind"], who["open"]) == ("local", True)
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"},
                    {"Sec-Fetch-Site": "cross-site"}):  # fmt: skip
        response = await client.get("/api/v1/models", headers=headers)
        assert response.status == 401
        assert "ubi keys create" in (await response.json(content_type=None))["detail"]


async def test_without_keys_no_page_of_another_site_writes_events(client: Client) -> None:
    assert (await client.post("/api/v1/events", data=b"[]")).status == 400  # it came in: an empty list is no event
    for more in ({}, {"Sec-Fetch-Site": "cross-site"}):
        headers = {"Origin": "https://evil.example", **more}
        assert (await client.post("/api/v1/events", data=b"[]", headers=headers)).status == 401


async def test_once_there_is_a_key_this_machine_needs_one_too(
    serve: Serve, worker: MemoryWorker, tmp_path: Path
) -> None:
    keyring = Keyring(tmp_path)
    keyring.add("*:read", revoked_at=NOW)  # one that is good no longer does not open the door again
    client = await serve(worker, keyring.settings)
    assert (await client.get("/api/v1/models")).status == 401


async def test_what_is_public_is_a_setting(serve: Serve, worker: MemoryWorker) -> None:
    client = await serve(worker, TOKENS.model_copy(update={"web_public": "health, metrics"}))
    assert (await client.get("/health/live")).status == 200
    assert (await client.get("/metrics")).status == 200
    assert (await client.get("/api/v1/models")).status == 401


async def test_a_hop_is_for_its_request_and_its_time_alone(guarded: Client, clock: ManualClock) -> None:
    hops = Hops(SECRET, clock)
    target = "/api/v1/models"

    async def ask(hop: str, path: str = target) -> int:
        return (await guarded.get(path, headers={HOP: hop})).status

    good = hops.sign(LOCAL, "GET", target, b"")
    assert await ask(good) == 200
    assert await ask(good, "/api/v1/features") == 401
    for forged in ("1", "", good[:-2], hops.sign(LOCAL, "POST", target, b""), hops.sign(LOCAL, "GET", target, b"x"),
                   Hops(b"another secret of others", clock).sign(LOCAL, "GET", target, b"")):  # fmt: skip
        assert await ask(forged) == 401
    assert (await guarded.get(target, headers={HOP: "1", **as_role("admin")})).status == 401
    clock.advance_ms(15_001)
    assert await ask(good) == 401


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_cant_use(
    serve: Serve, worker: MemoryWorker, tmp_path: Path
) -> None:
    keyring = Keyring(tmp_path)
    key, ingest = keyring.add(roles=[Role.ANALYST]), keyring.add(kind=KeyKind.INGEST)
    client = await serve(worker, keyring.settings)
    for wrong in ("nonsense", ingest, new_key(KeyKind.SECRET)):
        assert (await client.post("/api/v1/session", json={"credential": wrong})).status == 401
    response = await client.post("/api/v1/session", json={"credential": key})
    assert response.status == 200
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert key not in cookie
    session = {"Cookie": cookie.partition(";")[0]}
    assert (await client.get("/api/v1/models", headers=session)).status == 200
    label = {"user_id": "u1", "label": True}
    for site in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await client.post("/api/v1/labels", json=label, headers=session | site)).status == 403
    local = session | {"Origin": str(client.make_url("/")).rstrip("/")}
    assert (await client.post("/api/v1/labels", json=label, headers=local)).status in (200, 404)
    ended = await client.delete("/api/v1/session", headers=local)
    assert ended.status == 204
    assert (await client.get("/api/v1/models", headers=session)).status == 401


async def test_a_budget_is_a_keys_own_and_said_in_headers(serve: Serve, worker: MemoryWorker, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    slow, other = keyring.add("models:read", requests=2), keyring.add("models:read")
    client = await serve(worker, keyring.settings)
    answers = [await client.get("/api/v1/models", headers={"X-Api-Key": slow}) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[0].headers["RateLimit-Limit"] == "2"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 900
    assert (await client.get("/api/v1/models", headers={"X-Api-Key": other})).status == 200


async def test_guesses_use_up_the_budget_of_their_address_and_no_keys(
    serve: Serve, worker: MemoryWorker, tmp_path: Path
) -> None:
    keyring = Keyring(tmp_path)
    key = keyring.add("models:read")
    client = await serve(worker, keyring.settings.model_copy(update={"rate_limit_max": 5}))
    guesses = [
        (await client.get("/api/v1/models", headers={"X-Api-Key": new_key(KeyKind.SECRET)})).status for _ in range(7)
    ]
    assert guesses == [401] * 5 + [429] * 2
    assert (await client.get("/api/v1/models", headers={"X-Api-Key": key})).status == 200


async def test_probes_and_the_files_of_the_page_are_not_counted(serve: Serve, worker: MemoryWorker) -> None:
    client = await serve(worker, TOKENS.model_copy(update={"rate_limit_max": 2, "web_public": "health"}))
    for _ in range(5):
        assert (await client.get("/health/live")).status == 200
        assert (await client.get("/static/app.js")).status == 200
    log_ins = [(await client.post("/api/v1/session", json={"credential": "x"})).status for _ in range(4)]
    assert log_ins == [401, 401, 429, 429]


async def test_a_callers_address_is_what_a_trusted_proxy_says(serve: Serve, worker: MemoryWorker) -> None:
    limited = TOKENS.model_copy(update={"rate_limit_max": 1})
    behind = await serve(worker, limited.model_copy(update={"trusted_proxies": "127.0.0.0/8"}))
    statuses = [
        (await behind.get("/api/v1/models", headers={"X-Forwarded-For": f"192.0.2.{n}"})).status for n in (1, 2, 1)
    ]
    assert statuses == [401, 401, 429]
    direct = await serve(worker, limited)
    statuses = [
        (await direct.get("/api/v1/models", headers={"X-Forwarded-For": f"192.0.2.{n}"})).status for n in (1, 2, 3)
    ]
    assert statuses == [401, 429, 429]  # nobody is trusted: all are one address


@pytest.mark.parametrize(
    "wrong",
    [{"web_public": "everything"}, {"trusted_proxies": "proxy.local"}, {"jwt_secret": "short"}],
)
async def test_a_wrong_setting_is_a_sentence(serve: Serve, worker: MemoryWorker, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="UBI_"):
        await serve(worker, Settings(_env_file=None, **wrong))
