"""Around every request: its id, its line in the log, its place in the metrics, and the last catch of what nobody expected."""

import re
import secrets
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.metrics import Metrics
from dure.errors import DureError
from scheduler import traces

log = structlog.get_logger()

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/v1/nodes/{node}/reports"})
"""Asked many times a minute by machines: a line of each says nothing, unless it went wrong."""
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What asks for these every few seconds waits for nobody."""
CLIENT_GONE = 499
"""What the log and the metrics say of a request whose client left; nobody is answered with it."""


class Serving:
    """Pure ASGI: nothing is buffered, no task is made."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, send)
        if request.path in UNTRACED:
            await self._answered(request, receive)
            return
        with traces.span("request", parent=request.traceparent, request=request.id, method=request.method) as span:
            request.traced(span.trace_id)
            await self._answered(request, receive)
            span.said(route=request.route, status=request.status, company=request.company, lease=request.lease)

    async def _answered(self, request: "_Request", receive: Receive) -> None:
        ids = (
            {"request_id": request.id}
            if request.trace_id is None
            else {"request_id": request.id, "trace_id": request.trace_id}
        )
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                await self._app(request.scope, receive, request.send)
            except ClientDisconnect:
                request.status = CLIENT_GONE
            except Exception:
                log.exception("a request failed", action="request_failed", route=request.route)
                await request.fail(receive)
            self._done(request)

    def _done(self, request: "_Request") -> None:
        seconds = perf_counter() - request.began
        self._metrics.answered(
            route=request.route,
            method=request.method,
            status=request.status,
            seconds=seconds,
            exemplar=request.exemplar,
        )
        write = log.debug if request.route in QUIET and request.status < 400 else log.info
        write(
            "request",
            action="request",
            method=request.method,
            route=request.route,
            path=request.path,
            status=request.status,
            duration_ms=round(seconds * 1000, 3),
            actor=request.actor,
            company=request.company,
            lease=request.lease,
        )


class _Request:
    """What is noted of one request while it is served."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self._send = send
        self.began = perf_counter()
        sane_id, self.traceparent = _said(scope)
        self.id = sane_id or f"req_{secrets.token_hex(10)}"
        self.trace_id = traces.trace_of(self.traceparent)
        self.status = 0
        self._state: MutableMapping[str, Any] = scope.setdefault("state", {})
        self._state["request_id"] = self.id
        self.traced(self.trace_id)

    def traced(self, trace_id: str | None) -> None:
        """By its trace, where it has one, metrics refer to it; else by its own id: both are more than an exemplar may have."""
        self.trace_id = trace_id or self.trace_id
        self.exemplar = {"request_id": self.id} if self.trace_id is None else {"trace_id": self.trace_id}
        self._state["exemplar"] = self.exemplar

    @property
    def method(self) -> str:
        return self.scope["method"]

    @property
    def path(self) -> str:
        return self.scope["path"][:200]

    @property
    def route(self) -> str:
        """The template of the route, so that it is one of few."""
        found = self.scope.get("route")
        return "unmatched" if found is None else found.path

    @property
    def actor(self) -> str | None:
        return self._state.get("actor")

    @property
    def company(self) -> str | None:
        """Whose request it is, or whom it names in its path."""
        return self._state.get("company") or self.scope.get("path_params", {}).get("company")

    @property
    def lease(self) -> str | None:
        """That it is about: the one in its path, or that it asked for."""
        return self._state.get("lease") or self.scope.get("path_params", {}).get("lease")

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(b"x-request-id", self.id.encode()), (b"cache-control", b"no-store")]
            message["headers"] = [*message.get("headers", ()), *headers]
        await self._send(message)

    async def fail(self, receive: Receive) -> None:
        """Answers 500, unless an answer has begun: then the connection ends, which says it too."""
        if self.status:
            return
        await problems.response(DureError(), self.id)(self.scope, receive, self.send)


def _said(scope: Scope) -> tuple[str | None, str | None]:
    """Of what the client calls its request: an id, if it is a sane one, and its `traceparent`."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in (b"x-request-id", b"traceparent"):
            found.setdefault(name, value.decode("latin-1"))
    sane = found.get(b"x-request-id", "")
    return (sane if SANE_ID.fullmatch(sane) else None), found.get(b"traceparent")
