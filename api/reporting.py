"""The way in for reports of nodes, which are most of all requests: one that is plainly written is answered in the event loop, by
few steps, and read there too if its sender was admitted lately; any other goes the way of every request, which says what is wrong
with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import answers, limits, problems
from api.intake import Intake
from api.limits import Limits
from api.requests import ReadRequest
from api.strict import StrictRoute
from dure.errors import DureError, InvalidRequest
from scheduler import decoding
from scheduler.core.reported import Report

_PATH = re.compile(r"/v1/nodes/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)/reports")
_VERSIONS = (1, 2)


class ReportRoute(StrictRoute):
    """Reports are larger, and may be compressed. Those that are plain do not come here."""

    limits: Limits = limits.REPORT

    async def _read(self, request: Request) -> Request:
        found = await super()._read(request)
        if isinstance(found, ReadRequest) and isinstance(found.value, dict):
            _check_version(found.value)
        return found


def _check_version(body: Mapping[str, Any]) -> None:
    version = body.get("version", 1)
    if version not in _VERSIONS:
        said = f"{version!r:.20}"
        message = (
            f"reports of versions 1 and 2 are taken here, not {said}; use an agent that is no newer than this server"
        )
        raise InvalidRequest.about("version", message)


@dataclass(frozen=True, slots=True)
class _Route:
    """What the log and the metrics call where the request went."""

    path: str


ROUTE = _Route("/v1/nodes/{node}/reports")


class PlainReports:
    """Around the router, which takes longer to find a route than this takes to answer: what is no plain report is the router's, from
    its first byte.
    """

    def __init__(self, app: ASGIApp, *, intake: Intake) -> None:
        self._app, self._intake = app, intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        node = _node(scope)
        packed = None if node is None else _packed(scope)
        if node is None or packed is None:
            await self._app(scope, receive, send)
            return
        raw = await _body(receive)
        report = await self._read(Request(scope), raw, packed=packed)
        if report is None:
            await self._app(scope, _again(raw, receive), send)
            return
        scope["route"], scope["path_params"] = ROUTE, {"node": node}
        answer = await self._answer(node, report, Request(scope))
        await answer(scope, receive, send)

    async def _read(self, request: Request, raw: bytes, *, packed: bool) -> Report | None:
        """In the event loop only for who was admitted lately: it would stand still for anybody who sends much."""
        try:
            admitted = self._intake.admitted(request)
        except DureError:
            return None
        if admitted:
            return _report(raw, packed=packed)
        return await run_in_threadpool(_report, raw, packed=packed)

    async def _answer(self, node: str, report: Report, request: Request) -> Response:
        try:
            found = await self._intake.take(node, report, request)
        except DureError as error:
            return problems.response(error, request.state.request_id)
        return Response(found, media_type=answers.JSON)


def _node(scope: Scope) -> str | None:
    """Whose report it is; None for any other request, and for one that has a query."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
        return None
    found = _PATH.fullmatch(scope["path"])
    return None if found is None else found[1]


def _packed(scope: Scope) -> bool | None:
    """Whether the body is compressed; None for one that is not announced plainly."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found:
            return None
        found[name] = value
    size, encoding = found.get(b"content-length", b""), found.get(b"content-encoding", b"identity")
    if found.get(b"content-type") != b"application/json" or encoding not in {b"gzip", b"identity"}:
        return None
    if not found.get(b"authorization", b"").startswith(b"Bearer ") or not size.isdigit():
        return None
    return encoding == b"gzip" if 0 < int(size) <= limits.REPORT.sent else None


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _report(raw: bytes, *, packed: bool) -> Report | None:
    if packed:
        try:
            raw = limits.gunzip(raw, limits.REPORT.unpacked or 0)
        except DureError:
            return None
    return decoding.plain(raw)


def _again(raw: bytes, receive: Receive) -> Receive:
    """The body once more, for who reads it from its beginning."""
    told = False

    async def found() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return found
