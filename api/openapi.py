"""The OpenAPI document: FastAPI's own, with problems and examples put in for every operation by the same rules.

A route says only which problems are its own; what every address may answer follows from what it takes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import examples
from api.answers import JSON, PROBLEM
from api.examples import Exchange
from api.idempotency import HEADER
from dure import errors, wire
from dure.errors import DureError

Operation = dict[str, Any]
Kinds = tuple[type[DureError], ...]

WHO: Kinds = (errors.TokenMissing, errors.TokenInvalid, errors.TokenRevoked, errors.TokenExpired, errors.Forbidden)
BODY: Kinds = (errors.Malformed, errors.TooLarge, errors.UnsupportedMediaType)

ABOUT = """Time-boxed GPU leases with a promised start.

Times are RFC 3339 with an offset, whole seconds, answered in UTC; amounts are whole numbers of the unit in their name.
Every error is an `application/problem+json` with a permanent `code`; `/v1/problems` lists them.
Every answer carries `X-Request-Id`. Fields and query parameters that nobody knows are errors.
"""


def own(*kinds: type[DureError]) -> dict[str, Any]:
    """For a route's `openapi_extra`: the problems that are its own."""
    return {"x-problems": [kind.code for kind in kinds]}


def document(app: FastAPI) -> dict[str, Any]:
    """Built once, when it is first asked for."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=ABOUT, routes=app.routes, tags=app.openapi_tags
        )
        _put_schemas(found)
        for operation in _operations(found):
            _put_problems(operation)
            _put_examples(operation)
            operation["responses"] = dict(sorted(operation["responses"].items()))
        app.openapi_schema = found
    return app.openapi_schema


def _put_schemas(found: dict[str, Any]) -> None:
    schemas = found["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = wire.Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    for name, schema in problem.pop("$defs", {}).items():
        schemas.setdefault(name, schema)
    schemas["Problem"] = problem


def _operations(found: Mapping[str, Any]) -> Iterator[Operation]:
    for path in found["paths"].values():
        yield from path.values()


def _put_problems(operation: Operation) -> None:
    if operation["responses"].get("422", {}).get("description") == "Validation Error":
        del operation["responses"]["422"]
    kinds = [*_implied(operation), *(errors.CODES[code] for code in operation.pop("x-problems", ()))]
    for kind in sorted(kinds, key=lambda found: (found.status, found.code)):
        answer = operation["responses"].setdefault(str(kind.status), {"description": "", "content": {}})
        answer["description"] = "; ".join(filter(None, (answer["description"], f"`{kind.code}`")))
        content = answer["content"].setdefault(
            PROBLEM, {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        )
        content["examples"][kind.code] = {"summary": kind.title(), "value": _plain(kind)}


def _implied(operation: Operation) -> Iterator[type[DureError]]:
    if "security" in operation:
        yield from WHO
        yield errors.InvalidRequest
        yield errors.Unavailable
    if "requestBody" in operation:
        yield from BODY
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    if HEADER in names:
        yield errors.IdempotencyKeyReused
    if "cursor" in names:
        yield errors.BadCursor


def _plain(kind: type[DureError]) -> Any:
    return kind().problem("req_06eqz8n1hg7k2m9v4r3t").model_dump(mode="json", exclude_defaults=True)


def _put_examples(operation: Operation) -> None:
    for exchange in examples.exchanges(operation["operationId"]):
        if exchange.request is not None and exchange.status < 400:
            taken = operation["requestBody"]["content"][JSON].setdefault("examples", {})
            taken[exchange.name] = {"value": exchange.request}
        _put_answer(operation, exchange)


def _put_answer(operation: Operation, exchange: Exchange) -> None:
    content = operation["responses"][str(exchange.status)]["content"]
    if exchange.status < 400:
        content[JSON].setdefault("examples", {})[exchange.name] = {"value": exchange.answer}
    else:
        kind = errors.CODES[exchange.answer["code"]]
        content[PROBLEM]["examples"][kind.code] = {"summary": exchange.name, "value": exchange.answer}
