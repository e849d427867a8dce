"""Somebody's address that is told by webhook: a real HTTP server that answers as a test says and keeps what it got."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from tests.serving import serving

LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    path: str
    headers: Mapping[str, str]
    body: bytes

    def verified(self, secret: str) -> Any:
        """The event, if the secret proves who sent it; raises WebhookVerificationError else."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass(kw_only=True)
class Receiver:
    """`answers` are statuses in turn, then 204 for ever; a status may bring headers, and a pause may come before it."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    never: set[str] = field(default_factory=set)
    """Ids that are always answered with 500."""
    location: str | None = None
    body: bytes = b""
    hold: threading.Event | None = None
    """Answers only once this is set."""
    got: list[Got] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dure?key=1"

    def answer(self, event_id: str) -> int:
        if event_id in self.never:
            return 500
        return self.answers.pop(0) if self.answers else 204

    @property
    def ids(self) -> list[str]:
        return [found.headers["webhook-id"] for found in self.got]


CERTIFICATE = Path(__file__).with_name("hooks.pem")
"""Of hooks.acme.example, with its key, vouched for by itself alone; it proves nothing to anybody but these tests."""


@contextmanager
def receiver(host: str = "127.0.0.1", port: int = 0, *, tls: bool = False) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.got.append(Got(path=self.path, headers=headers, body=body))
            if found.hold is not None:
                found.hold.wait(60)
            self.send_response(found.answer(headers["webhook-id"]))
            if found.location is not None:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: object) -> None:
            """A test says what it got."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who reads no more than it wants of a long answer hangs up."""

    server = Server((host, port), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    found.port = server.server_port
    with serving(server):
        try:
            yield found
        finally:
            if found.hold is not None:
                found.hold.set()
