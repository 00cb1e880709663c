"""The route table as an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from openapi_pydantic import OpenAPI

from ubi_stream import __version__
from ubi_stream.web.problems import CONTENT_TYPE as PROBLEM
from ubi_stream.web.problems import ProblemDocument, ProblemType, status_of
from ubi_stream.web.query import is_time
from ubi_stream.web.routes import ANYBODY, AUTHENTICATED, Answer, Body, Route

_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = (ProblemType.INVALID_REQUEST, ProblemType.TOO_MANY_REQUESTS, ProblemType.INTERNAL)
_KNOWN: Final = (ProblemType.UNAUTHENTICATED, ProblemType.FORBIDDEN)
_OF_BODIES: Final = (ProblemType.BODY_TOO_LARGE, ProblemType.BODY_TOO_SLOW, ProblemType.UNSUPPORTED_MEDIA_TYPE)
_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A secret key, or a token",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}


def openapi(routes: Sequence[Route]) -> dict[str, Any]:
    """The document of a route table.

    Raises
    ------
    pydantic.ValidationError
        It is none of OpenAPI 3.1: a mistake in a route.
    """
    kinds = [kind for route in routes for kind in _kinds(route)]
    schemas, components = msgspec.json.schema_components([ProblemDocument, *kinds], ref_template=_REF)
    named = dict(zip(map(id, [ProblemDocument, *kinds]), schemas, strict=True))
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        if route.method != "OPTIONS":
            paths[route.path][route.method.lower()] = _operation(route, named)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "ubi-stream",
            "version": __version__,
            "summary": "Explained insights into what users do",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(paths),
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }
    OpenAPI.model_validate(document)
    return document


def _kinds(route: Route) -> Iterable[Any]:
    yield from (answer.type for answer in route.answers if answer.type is not None)
    if route.body is not None and (shown := route.body.type or route.body.shows) is not None:
        yield shown


def _operation(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "description": _rights(route),
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query)],
        "responses": _responses(route, schemas),
        "security": [] if route.roles == ANYBODY else [{"bearer": []}, {"key": []}],
    }
    if route.body is not None:
        found["requestBody"] = _request_body(route.body, schemas)
    return found


def _operation_id(route: Route) -> str:
    words = re.split(r"[/{}.-]", route.path.removeprefix("/api/v1"))
    return "_".join([route.method.lower(), *(word for word in words if word)])


def _rights(route: Route) -> str:
    """Who may call a route, in a sentence.

    >>> async def nothing(request): ...
    >>> _rights(Route("GET", "/x", nothing, roles=frozenset({"viewer"}), scope="x:read"))
    'For the roles viewer, and keys with the scope `x:read`.'
    """
    if route.roles == ANYBODY:
        return "Needs no key."
    if route.roles == AUTHENTICATED:
        return "For any key or token."
    own = ", each user of their own" if route.own and "user" in route.roles else ""
    scope = f", and keys with the scope `{route.scope}`" if route.scope else ""
    return f"For the roles {', '.join(sorted(route.roles))}{own}{scope}."


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    for part in route.path.split("/"):
        if part.startswith("{"):
            schema = {"type": "string", "minLength": 1}
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": schema}


def _query_parameters(kind: type[msgspec.Struct]) -> Iterable[dict[str, Any]]:
    for field in msgspec.structs.fields(kind):
        schema = msgspec.json.schema(field.type, ref_template=_REF)
        defined = schema.pop("$defs", {})
        schema = _flat(schema, defined)
        if is_time(field.type):
            schema = {"type": "string", "format": "date-time"} | {k: v for k, v in schema.items() if k == "description"}
        described = schema.pop("description", "")
        if field.default is not msgspec.NODEFAULT and field.default is not None:
            schema["default"] = msgspec.to_builtins(field.default)
        yield {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "description": described,
            "schema": schema,
        }


def _flat(schema: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that may be left out, without null: an empty parameter is refused."""
    for option in schema.get("anyOf", [schema]):
        found = defined.get(option.get("$ref", "").rpartition("/")[2], option)
        if found.get("type") != "null":
            kept = {name: value for name, value in found.items() if name not in ("title",)}
            if "enum" in kept:
                kept["enum"] = [word for word in kept["enum"] if word is not None]
            return {**kept, **({"description": schema["description"]} if "description" in schema else {})}
    return schema


def _responses(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for answer in route.answers:
        found[str(int(answer.status))] = _response(answer, schemas)
    public = route.roles == ANYBODY
    problems = [*route.problems, *_ALWAYS, *(() if public else _KNOWN), *(_OF_BODIES if route.body else ())]
    if route.body is None:
        problems.append(ProblemType.UNEXPECTED_BODY)
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for problem in dict.fromkeys(problems):
        by_status[status_of(problem)].append(problem)
    for status, names in sorted(by_status.items()):
        content = {PROBLEM: {"schema": schemas[id(ProblemDocument)]}} if route.errors is None else {}
        found[str(status)] = {
            "description": f"Problem: {', '.join(names)}",
            **({"content": content} if content else {}),
        }
    return found


def _response(answer: Answer, schemas: dict[int, Any]) -> dict[str, Any]:
    status = HTTPStatus(answer.status)
    found: dict[str, Any] = {"description": answer.description or status.phrase}
    if answer.media_type and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        schema = {} if answer.type is None else schemas[id(answer.type)]
        found["content"] = {answer.media_type: {"schema": schema} if schema else {}}
    return found


def _request_body(body: Body, schemas: dict[int, Any]) -> dict[str, Any]:
    shown = body.type or body.shows
    schema = {"schema": schemas[id(shown)]} if shown is not None else {}
    return {"required": True, "content": dict.fromkeys(body.media_types or ("application/octet-stream",), schema)}
