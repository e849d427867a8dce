"""The one place that turns what went wrong into an RFC 9457 answer."""

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from api import answers, fields
from api.answers import PROBLEM
from api.idempotency import HEADER
from dure.errors import DureError, InvalidRequest, Malformed, MethodNotAllowed, NotFound, TooLarge, Unavailable

log = structlog.get_logger()

RETRY_AFTER_S = 2

_OF_STATUS: dict[int, type[DureError]] = {400: Malformed, 404: NotFound, 405: MethodNotAllowed, 413: TooLarge}


def response(error: DureError, request_id: str | None) -> Response:
    """The problem, with the headers that go with its status."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None or isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_s or RETRY_AFTER_S)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer" if error.code == "token_missing" else 'Bearer error="invalid_token"'
    return Response(answers.problem(error, request_id), error.status, headers, PROBLEM)


def install(app: FastAPI) -> None:
    """Makes `app` answer every error of a route, of FastAPI and of Starlette as a problem."""
    app.add_exception_handler(DureError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


# Async, as none of them waits for anything.


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, DureError)
    if isinstance(error, Unavailable):
        log.warning("unavailable", action="unavailable", detail=error.detail)
        error = _with_its_key(error, request)
    return response(error, _id(request))


def _with_its_key(error: Unavailable, request: Request) -> Unavailable:
    """Whoever sent a key, and is to try again, is told that it is good for that."""
    if error.retry_after_s is None or HEADER not in request.headers:
        return error
    said = f"{error.detail}; with the same {HEADER} it is done once, whatever became of this request"
    return Unavailable(said, retry_after_s=error.retry_after_s)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = fields.errors_of(error, request)
    told = "; ".join(f"{found.field}: {found.message}" for found in errors[:3])
    more = f"; and {len(error.errors()) - 3} more" if len(errors) > 3 else ""
    return response(InvalidRequest(told + more, errors=errors), _id(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = _OF_STATUS.get(error.status_code, DureError)(_sentence(request, error))
    answer = response(found, _id(request))
    if isinstance(found, MethodNotAllowed):
        answer.headers["Allow"] = ", ".join(methods(request))
    return answer


def methods(request: Request) -> list[str]:
    """What the address takes. Starlette knows the first route's alone where several share a path."""
    paths: dict[str, dict[str, object]] = request.app.openapi()["paths"]
    found = {
        method for path, taken in paths.items() if compile_path(path)[0].match(request.url.path) for method in taken
    }
    return sorted(method.upper() for method in found)


def _sentence(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"nothing is at {request.url.path[:200]}; /docs shows what there is"
    if error.status_code == 405:
        return f"{request.url.path[:200]} takes {', '.join(methods(request))}"
    return str(error.detail)


def _id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)
