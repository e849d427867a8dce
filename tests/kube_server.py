"""Stands in for an API server where only keys are wanted of it: real HTTP, answers as a test says, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.serving import serving

HANGS_S = 30.0
"""Only guards against hanging for ever."""

TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"


@dataclass(kw_only=True)
class KubeServer:
    """`refusal` is a status, a reason and a message, answered instead of a key; `now` is its clock."""

    now: Callable[[], float]
    folder: Path
    port: int = 0
    refusal: tuple[int, str, str] | None = None
    retry_after: str | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)
    hangs: threading.Event | None = None
    """Where there is one, nothing is answered before it is set."""

    @property
    def kubeconfig(self) -> Path:
        path = self.folder / "kubeconfig.yaml"
        cluster = {"server": f"http://127.0.0.1:{self.port}"}
        found = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "k",
        }
        path.write_text(json.dumps(found))
        return path

    def answer(self, body: Any) -> tuple[int, Any]:
        if self.refusal is not None:
            status, reason, message = self.refusal
            return status, {"kind": "Status", "reason": reason, "message": message, "code": status}
        end = datetime.fromtimestamp(self.now() + body["spec"]["expirationSeconds"], UTC)
        return 201, {**body, "status": {"token": TOKEN, "expirationTimestamp": end.isoformat().replace("+00:00", "Z")}}


@contextmanager
def kube_server(now: Callable[[], float], folder: Path) -> Iterator[KubeServer]:
    """It listens from the first moment on."""
    found = KubeServer(now=now, folder=folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.asked.append((self.path, body))
            if found.hangs is not None:
                found.hangs.wait(HANGS_S)
            status, said = found.answer(body)
            content = json.dumps(said).encode()
            self.send_response(status)
            if found.retry_after is not None:
                self.send_header("Retry-After", found.retry_after)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """A test says what it got."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_port
    with serving(server):
        yield found
