"""The way in for reports of nodes, which are most of all requests: one that is plainly written is read and answered in the event
loop, by few steps; any other goes the way of every request, which says what is wrong with it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import answers, limits, parts, problems
from api.limits import Limits
from api.requests import ReadRequest
from api.strict import StrictRoute
from dure.errors import DureError, InvalidRequest
from scheduler import decoding
from scheduler.core.reported import Report

_NODE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_VERSIONS = (1, 2)


class ReportRoute(StrictRoute):
    """Reports are larger, and may be compressed."""

    limits: Limits = limits.REPORT

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self.app = PlainReports(self.app, self.limits)

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


class PlainReports:
    """Answers plain reports; what is not one is `other`'s, from its first byte."""

    def __init__(self, other: ASGIApp, limits: Limits) -> None:
        self._other, self._limits = other, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        packed = self._packed(scope)
        if packed is None:
            await self._other(scope, receive, send)
            return
        raw = await _body(receive)
        report = _report(raw, self._limits.unpacked or 0 if packed else None)
        if report is None:
            await self._other(scope, _again(raw, receive), send)
            return
        answer = await _answer(Request(scope), report)
        await answer(scope, receive, send)

    def _packed(self, scope: Scope) -> bool | None:
        """Whether the body is compressed; None for a request that is not written plainly."""
        if scope["query_string"] or _NODE.fullmatch(scope["path_params"].get("node", "")) is None:
            return None
        found: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in found:
                return None
            found[name] = value
        size, encoding = found.get(b"content-length", b""), found.get(b"content-encoding", b"identity")
        most = self._limits.sent
        if found.get(b"content-type") != b"application/json" or encoding not in (b"gzip", b"identity"):
            return None
        if (
            not found.get(b"authorization", b"").startswith(b"Bearer ")
            or not size.isdigit()
            or not 0 < int(size) <= most
        ):
            return None
        return encoding == b"gzip"


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _report(raw: bytes, unpacked: int | None) -> Report | None:
    if unpacked is not None:
        try:
            raw = limits.gunzip(raw, unpacked)
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


async def _answer(request: Request, report: Report) -> Response:
    try:
        found = await parts.of(request).intake.take(request.path_params["node"], report, request)
    except DureError as error:
        return problems.response(error, request.state.request_id)
    return Response(found, media_type=answers.JSON)
