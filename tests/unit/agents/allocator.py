"""A small faithful allocator, and a real HTTP server around it that answers what the test tells it to, else what it would say."""

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agents.allocations import Held
from dure.wire import AllocationUsage, NodeAllocation, NodeEvent, Report

NUMBERS = ("sampled_ms", "busy_ms", "energy_millijoules", "memory_ms", "memory_mebibyte_s")
MAX_SENT_BYTES = 256 << 10
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Reply:
    """What it answers; `body` as it is, or as JSON if it is not bytes."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


def a_problem(status: int, code: str, *wrong: str, **headers: str) -> Reply:
    """`wrong` are fields."""
    body = {"type": f"/v1/problems/{code}", "title": code, "status": status, "detail": f"it is {code}", "code": code}
    body["errors"] = [{"field": name, "message": "is wrong"} for name in wrong]
    return Reply(status, body, {"Content-Type": "application/problem+json", **headers})


def _wire(item: Held) -> dict[str, Any]:
    said = {**asdict(item), "starts_at": _instant(item.starts_at), "stops_at": _instant(item.stops_at)}
    return NodeAllocation.model_validate(said).model_dump(mode="json")


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def folded(base: Report, report: Report) -> Report:
    """What is known after `report`, which builds on `base`."""
    changes = {change.uuid: change.model_dump(exclude_unset=True) for change in report.changed}
    assert changes.keys() <= {gpu.uuid for gpu in base.gpus}
    same = ("host_boot", "driver_version", "cuda_version")
    return report.model_copy(
        update={
            "base": None,
            "changed": [],
            "gpus": [gpu.model_copy(update=changes.get(gpu.uuid, {})) for gpu in base.gpus],
            "holders": base.holders if report.holders is None else report.holders,
            "violations": base.violations if report.violations is None else report.violations,
            **{name: getattr(base, name) for name in same},
        }
    )


class Books:
    """What an allocator keeps of one node. `restart` forgets what it has in memory alone."""

    def __init__(self, server_time: Callable[[], float]) -> None:
        self.server_time = server_time
        self.allocations: list[Held] = []
        self.replay = 100
        self.uses: dict[tuple[str, str, int], dict[str, int]] = {}
        """By allocation, boot and day: the greatest of each number that was told."""
        self.events: list[NodeEvent] = []
        self.known: Report | None = None

    def restart(self) -> None:
        self.known = None

    def take(self, report: Report) -> Reply:
        known = self.known
        if known is not None and known.boot == report.boot and report.seq < known.seq:
            return a_problem(409, "stale_report")
        if report.base is not None:
            base = self.base(report)
            if base is None:
                return self.answer(report, whole=True)
            report = folded(base, report)
        self.known = report
        self._keep(report.boot, report.usage)
        for earlier in report.earlier:
            self._keep(earlier.boot, earlier.usage)
        for event in report.events:
            if not self.events or event.id > self.events[-1].id:
                self.events.append(event)
        return self.answer(report, earlier_taken=[earlier.boot for earlier in report.earlier])

    def base(self, report: Report) -> Report | None:
        """What it builds on, where that is what is known."""
        known = self.known
        return known if known is not None and (report.boot, report.base) == (known.boot, known.seq) else None

    def answer(self, report: Report, **changed: Any) -> Reply:
        said = {
            "server_time": self.server_time(),
            "seq": report.seq,
            "allocations": [_wire(item) for item in self.allocations],
            "whole": False,
            "events_taken": self.events[-1].id if self.events else None,
            "earlier_taken": [],
            "replay": self.replay,
        }
        return Reply(200, {**said, **changed})

    def _keep(self, boot: str, usage: list[AllocationUsage]) -> None:
        for use in usage:
            kept = self.uses.setdefault((use.allocation, boot, int(use.day_began_at.timestamp())), {})
            for name in NUMBERS:
                value = getattr(use, name)
                if value is not None:
                    kept[name] = max(kept.get(name, 0), value)


class Allocator(Books):
    """Takes every report unless `replies` says otherwise, one reply a report. `reports` is what is known after each that came
    in; `sent` is how it came."""

    def __init__(self, server_time: Callable[[], float]) -> None:
        super().__init__(server_time)
        self.replies: list[Reply] = []
        self.sent: list[Report] = []
        self.reports: list[Report] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.came = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.requests.append((path, headers))
        assert len(body) <= MAX_SENT_BYTES
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        assert len(plain) <= MAX_BYTES
        report = Report.model_validate_json(plain)
        self.sent.append(report)
        base = self.base(report)
        self.reports.append(report if base is None else folded(base, report))
        reply = self.replies.pop(0) if self.replies else self.take(report)
        self.came.set()
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        allocator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                allocator.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = allocator._take(self.path, dict(self.headers.items()), body)
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
