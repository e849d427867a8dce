"""A small real HTTP server that takes reports as the allocator does and answers what the test tells it to."""

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agents.allocations import Held
from dure.wire import NodeAllocation, Report


@dataclass(frozen=True)
class Reply:
    """What it answers; `body` as it is, or as JSON if it is not bytes."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


def a_problem(status: int, code: str, **headers: str) -> Reply:
    body = {"type": f"/v1/problems/{code}", "title": code, "status": status, "detail": f"it is {code}", "code": code}
    return Reply(status, body, {"Content-Type": "application/problem+json", **headers})


def _wire(item: Held) -> dict[str, Any]:
    said = {**asdict(item), "starts_at": _instant(item.starts_at), "stops_at": _instant(item.stops_at)}
    return NodeAllocation.model_validate(said).model_dump(mode="json")


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


class Allocator:
    """Takes every report unless `replies` says otherwise, one reply a report. `reports` is what came in."""

    def __init__(self, server_time: Callable[[], float]) -> None:
        self.server_time = server_time
        self.allocations: list[Held] = []
        self.replies: list[Reply] = []
        self.reports: list[Report] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.came = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, report: Report, **changed: Any) -> Reply:
        listed = [_wire(item) for item in self.allocations]
        return Reply(200, {"server_time": self.server_time(), "seq": report.seq, "allocations": listed, **changed})

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.requests.append((path, headers))
        report = Report.model_validate_json(gzip.decompress(body))
        self.reports.append(report)
        reply = self.replies.pop(0) if self.replies else self.answer(report)
        self.came.set()
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = take(self.path, dict(self.headers.items()), body)
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
