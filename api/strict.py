"""The route class of every route: what FastAPI would let pass is refused, and who may not ask hears that first."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api import limits, strict_json
from api.deps import Admits
from api.limits import Limits
from api.requests import ReadRequest
from dure.errors import DureError, InvalidRequest, UnsupportedMediaType
from dure.wire import FieldError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_UNPRINTABLE = "has a character that cannot be printed; leave it out"

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class StrictRoute(APIRoute):
    """Refuses unknown and doubled query parameters, other content types, a body where none is taken, and grey JSON."""

    limits: Limits = limits.BODY

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()
        known = {name: is_list for dependant in _flat(self.dependant) for name, is_list in _parameters(dependant)}
        admits = next((found.call for found in self.dependant.dependencies if isinstance(found.call, Admits)), None)

        async def handle(request: Request) -> Response:
            try:
                check_query(request, known)
                request = await self._read(request)
            except DureError:
                await _check_who(admits, request)
                raise
            try:
                return await answer(request)
            except RequestValidationError:
                await _check_who(admits, request)
                raise

        return handle

    async def _read(self, request: Request) -> Request:
        if request.method not in CHANGING:
            return request
        raw = await limits.read(request, self.limits)
        if self.body_field is None:
            if raw.strip() not in (b"", b"{}"):
                message = "this address takes no body; say it in the query"
                raise InvalidRequest.about("body", message)
            return ReadRequest(request.scope, request.receive, raw=b"", value=None)
        check_content_type(request, raw)
        value = strict_json.parse(raw) if raw.strip() else None
        return ReadRequest(request.scope, request.receive, raw=raw, value=value)


class PolicyRoute(StrictRoute):
    """A policy names every pool."""

    limits = limits.POLICY


class QuotasRoute(StrictRoute):
    """An import has thousands of them."""

    limits = limits.QUOTAS


def check_query(request: Request, known: Mapping[str, bool]) -> None:
    """`known` says of each parameter whether it may be repeated. Raises InvalidRequest."""
    given = [name for name, _ in request.query_params.multi_items()]
    errors = [FieldError(field=name[:100], message=_unknown(known)) for name in given if name not in known]
    errors += [FieldError(field=name, message="is given twice; give it once") for name in _twice(given, known)]
    marks = {name for name, value in request.query_params.multi_items() if not value.isprintable()}
    errors += [FieldError(field=name, message=_UNPRINTABLE) for name in given if name in marks and name in known]
    if errors:
        raise InvalidRequest(f"{errors[0].field}: {errors[0].message}", errors=errors[:20])


def check_content_type(request: Request, raw: bytes) -> None:
    """Raises UnsupportedMediaType for a body that does not say that it is JSON."""
    found = request.headers.get("content-type", "")
    if raw and found.partition(";")[0].strip().lower() != "application/json":
        said = f"not {found[:100]!a}" if found else "and the request says none"
        raise UnsupportedMediaType(f"the Content-Type here is application/json, {said}")


def _unknown(known: Iterable[str]) -> str:
    names = ", ".join(sorted(known))
    return (
        f"is no query parameter here; there are {names}" if names else "is no query parameter; this address takes none"
    )


def _twice(given: list[str], known: Mapping[str, bool]) -> list[str]:
    return [name for name, is_list in known.items() if not is_list and given.count(name) > 1]


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _flat(inner)


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    for field in dependant.query_params:
        yield field.alias, get_origin(field.field_info.annotation) is list


async def _check_who(admits: Admits | None, request: Request) -> None:
    if admits is not None:
        await run_in_threadpool(admits.call(request).check)
