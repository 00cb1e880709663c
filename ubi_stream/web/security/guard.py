"""Who sent a request, how often they may, and whether they may at all. What no rule allows is refused."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web
from yarl import URL

from ubi_stream.web.middleware.request_id import current_request_id
from ubi_stream.web.problems import ProblemError, ProblemType
from ubi_stream.web.routes import ANYBODY, AUTHENTICATED, Exposure, Limit, Route, admit, principal_of
from ubi_stream.web.security.audit import Audit
from ubi_stream.web.security.key_store import KeyStore
from ubi_stream.web.security.keys import is_ingest_key, is_well_formed
from ubi_stream.web.security.limits import Budget, RateLimits, address_name
from ubi_stream.web.security.principal import LOCAL, NOBODY, Kind, Principal
from ubi_stream.web.security.sessions import Sessions
from ubi_stream.web.security.signed import Hops
from ubi_stream.web.security.tokens import Tokens

HOP: Final = "Ubi-Hop"
"""Header with the token of another worker."""
NO_KEYS: Final = (
    "There is no key yet, and without one only this machine itself is answered, by its own name: "
    "`ubi keys create ops --role admin` makes one"
)
API_KEY: Final = "X-Api-Key"
BUDGET: Final = web.RequestKey("budget", Budget)
_WAITS: Final = web.RequestKey("waits_for_body", bool)
_SUBJECT: Final = web.RequestKey("subject", str)
_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_OURS: Final = frozenset({"none", "same-origin"})
"""Where a browser's request comes from if no page of another site sends it."""
_FORWARDED: Final = (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED, "X-Real-IP")


class RequestGuard:
    """The guard of the route table.

    Parameters
    ----------
    public
        Groups of routes that need no key.
    """

    def __init__(
        self,
        keys: KeyStore,
        tokens: Tokens,
        sessions: Sessions,
        hops: Hops,
        limits: RateLimits,
        audit: Audit,
        *,
        public: Collection[Exposure] = (),
    ) -> None:
        self.keys, self.sessions, self.audit = keys, sessions, audit
        self._tokens, self._hops, self._limits = tokens, hops, limits
        self._public = frozenset(public)

    async def admit(self, route: Route, request: web.Request) -> None:
        """Admit a request, or raise; a request whose credentials are in its body, or signed with it, waits for it."""
        admit(request, NOBODY)
        if route.limit is Limit.INGEST and _is_local(request) and _is_local_page(request) and await self.is_open():
            admit(request, LOCAL)  # SDKs send nothing without a key: before the first one is made, any will do
            return
        by_body = route.find_key is not None and _credential(request) is None
        if route.body is not None and (HOP in request.headers or by_body):
            request[_WAITS] = True
            return
        await self._admit(route, request, b"")

    async def admit_by_body(self, route: Route, request: web.Request, body: bytes) -> None:
        """Admit a request that waited for its body, or raise."""
        if request.get(_WAITS):
            await self._admit(route, request, body)

    async def answered(self, route: Route, request: web.Request, status: int) -> None:
        """Note a request to an audited route, where it came in first."""
        principal = principal_of(request) if route.audited else NOBODY
        if not route.audited or principal.hop:
            return
        self.audit.note(
            actor=principal.name or principal.kind,
            role=",".join(sorted(principal.roles or principal.scopes)) or principal.kind,
            action=request.method,
            route=route.path,
            subject=request.get(_SUBJECT) or _named(route, request),
            request_id=current_request_id(),
            status=status,
        )

    async def identify(self, credential: str) -> Principal | None:
        """Whose key or token this is."""
        if credential.startswith("ubi_"):
            found = await self.keys.find(credential) if is_well_formed(credential) else None
            return found.principal() if found else None
        return await self._tokens.read(credential) if self._tokens.are_taken else None

    async def is_open(self) -> bool:
        """Whether nobody could have a key yet: this machine then needs none."""
        return not self._tokens.are_taken and await self.keys.is_empty()

    async def _admit(self, route: Route, request: web.Request, body: bytes) -> None:
        try:
            is_public = route.roles == ANYBODY or route.exposure in self._public
            sender = NOBODY if is_public and route.find_key is None else await self._sender(route, request, body)
            admit(request, sender)
            if sender.kind is Kind.NOBODY and not is_public:
                raise await self._unauthenticated(request)
        except ProblemError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                await self._take(request, address_name(request.remote), Limit.PUBLIC)
            raise
        await self._count(route, request, sender)
        if not is_public:
            _authorize(route, request, sender)

    async def _sender(self, route: Route, request: web.Request, body: bytes) -> Principal:
        if (hop := request.headers.get(HOP)) is not None:
            found = self._hops.read(hop, request.method, request.rel_url.raw_path_qs, body)
            if found is None:
                raise _refused("The token of this hop is not one of a worker's")
            return found
        if (credential := _credential(request)) is not None:
            return await self._known(credential)
        if route.find_key is not None and (key := route.find_key(request, body)) is not None:
            if not is_ingest_key(key):
                raise _refused("Only an ingest key may be sent outside a header")
            return await self._known(key)
        session = self.sessions.read(request)
        if session is not None and (session.key_id is None or await self.keys.by_id(session.key_id)):
            return session
        # Where events come in, senders of this machine were admitted before.
        is_ours = route.limit is not Limit.INGEST and request.headers.get("Sec-Fetch-Site", "none") in _OURS
        return LOCAL if is_ours and _is_local(request) and await self.is_open() else NOBODY

    async def _known(self, credential: str) -> Principal:
        found = await self.identify(credential)
        if found is None:
            raise _refused("This key or token is not known, or is good no longer")
        return found

    async def _unauthenticated(self, request: web.Request) -> ProblemError:
        if await self.is_open():
            return _refused(NO_KEYS)
        return _refused("Send a key or a token as `Authorization: Bearer …`")

    async def _count(self, route: Route, request: web.Request, sender: Principal) -> None:
        if sender.kind is Kind.LOCAL or sender.hop:  # a hop was counted where it came in
            return
        if sender.kind is Kind.NOBODY:
            if request.method in _READING:  # files of the page and probes: cheap, and many browsers share an address
                return
            await self._take(request, address_name(request.remote), Limit.PUBLIC)
            return
        key = await self.keys.by_id(sender.key_id) if sender.key_id else None
        limit = Limit.PAGE if sender.kind is Kind.SESSION and route.limit is Limit.READ else route.limit
        await self._take(request, f"{sender.kind} {sender.name}", limit, key.requests if key else None)

    async def _take(self, request: web.Request, caller: str, limit: Limit, requests: int | None = None) -> None:
        budget = await self._limits.take(caller, limit, requests)
        request[BUDGET] = budget
        if not budget.allowed:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                ProblemType.TOO_MANY_REQUESTS,
                f"More than {budget.limit:,} requests in a window; ask again in {budget.reset_s} s",
                headers={hdrs.RETRY_AFTER: str(budget.reset_s)},
            )


def about(request: web.Request, subject: str) -> None:
    """Say whom a request is about, for the audit, where its route does not."""
    request[_SUBJECT] = subject


def _authorize(route: Route, request: web.Request, sender: Principal) -> None:
    if route.roles != AUTHENTICATED and not sender.grants(route.roles, route.scope):
        raise _forbidden(_missing(route, sender))
    if sender.is_user_alone and not _is_own(route, request, sender):
        raise _forbidden("A token of the role user reads what is about that user alone")


def _missing(route: Route, sender: Principal) -> str:
    if sender.kind is Kind.KEY and not sender.roles and route.scope:
        return f"This key lacks the scope {route.scope}"
    needed = f"one of the roles {', '.join(sorted(route.roles))}" if route.roles else "what nobody has"
    return f"This needs {needed}" + (f", or the scope {route.scope}" if route.scope else "")


def _named(route: Route, request: web.Request) -> str | None:
    """The user that a request names."""
    if route.own == "path:id":
        return request.match_info["id"]
    if route.own == "query:user_id":
        return request.query.get("user_id")
    return None


def _is_own(route: Route, request: web.Request, sender: Principal) -> bool:
    users, kinds = request.query.getall("user_id", []), request.query.getall("entity", [])
    if not {*kinds} <= {"user"} or len(kinds) > 1:
        return False
    if route.own == "path:id":
        return request.match_info["id"] == sender.name
    if route.own == "query:user_id":
        return users == [sender.name]
    return route.own == "sub" and users in ([], [sender.name])


def _credential(request: web.Request) -> str | None:
    """The key or token in the headers.

    Raises
    ------
    ProblemError
        It is there twice, or in a form that is not known.
    """
    given = request.headers.getall(hdrs.AUTHORIZATION, []) + request.headers.getall(API_KEY, [])
    if not given:
        return None
    if len(given) > 1:
        raise _refused("A key or token is sent once")
    if API_KEY in request.headers:
        return given[0]
    scheme, _, value = given[0].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        return _user_of_basic(value.strip())
    raise _refused("Authorization is neither Bearer nor Basic")


def _user_of_basic(value: str) -> str:
    """An ingest key as clients of Segment send it: as the name, without a password."""
    try:
        key = b64decode(value, validate=True).decode("ascii").partition(":")[0]
    except (Base64Error, ValueError):
        raise _refused("Authorization is no Basic") from None
    if not is_ingest_key(key):
        raise _refused("Basic is for ingest keys alone; send other keys as Bearer")
    return key


def _is_local(request: web.Request) -> bool:
    """Whether this machine itself asks, directly and by its own name.

    A name of another site that resolves to this machine is that site's script in a browser; a proxy's header is
    somebody behind the proxy.
    """
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if not peer or any(name in request.headers for name in _FORWARDED):
        return False
    return _is_loopback(peer[0]) and _is_loopback(_host_name(request))


def _is_local_page(request: web.Request) -> bool:
    """Whether no page of another machine sends this, by way of a browser here."""
    origin = request.headers.get(hdrs.ORIGIN)
    try:
        return origin is None or _is_loopback(URL(origin).host or "")
    except ValueError:
        return False


def _host_name(request: web.Request) -> str:
    try:
        return URL.build(scheme="http", authority=request.host).host or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _refused(detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        ProblemType.UNAUTHENTICATED,
        detail,
        headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="ubi-stream"'},
    )


def _forbidden(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, ProblemType.FORBIDDEN, detail)
