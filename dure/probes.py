"""A small HTTP server for `/metrics`, `/healthz` and `/readyz` beside a process's real work.

It answers GET and HEAD from functions it is given, each request on a thread of its own, and knows nothing of what they
say. It is for probes and scrapes on an inner network: no TLS, no tokens, no bodies.
"""

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

log = logging.getLogger(__name__)

WENT_AWAY = (ConnectionError, TimeoutError)
"""What a client that hangs up, or takes nothing more, raises where it is written to: its own affair, and no news."""

REQUEST_TIMEOUT_S = 10
"""A connection that sends nothing for this long is closed."""

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    content_type: str
    body: bytes


Route = Callable[[str], Answer]
"""What a path answers to who accepts that: the `Accept` header as it came, empty where there was none."""


def text(status: int, sentence: str) -> Answer:
    """One line of plain text, for people who curl a probe."""
    return Answer(status=status, content_type=TEXT, body=f"{sentence}\n".encode())


class Probes:
    """A server that is answering. `close` stops it and frees the port."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on; the one the system chose where 0 was asked for."""
        return self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serve(port: int, *, host: str, routes: Mapping[str, Route]) -> Probes:
    """Answers `routes` (path to function) on `host` and `port`, 0 for any; raises OSError at once if it cannot."""
    return Probes(_server(host)((host, port), _handler(dict(routes))))


def _server(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

        def server_bind(self) -> None:
            # HTTPServer's own also looks the host's name up, which waits on DNS where there is none.
            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = host, self.socket.getsockname()[1]

        def handle_error(self, request: object, client_address: object) -> None:
            """Where the handler could not: one line, not a traceback beside the log."""
            error = sys.exception()
            if not isinstance(error, WENT_AWAY):
                log.error("a request failed: %r", error, extra={"action": "probe.request_failed"})

    return Server


def _handler(routes: Mapping[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S
        server_version = "dure"
        sys_version = ""

        def do_GET(self) -> None:
            self._send(self._answer(), with_body=True)

        def do_HEAD(self) -> None:
            self._send(self._answer(), with_body=False)

        def _answer(self) -> Answer:
            return _answer(routes, self.path, ",".join(self.headers.get_all("Accept", ())))

        def _send(self, answer: Answer, *, with_body: bool) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if with_body:
                self.wfile.write(answer.body)

        def handle(self) -> None:
            try:
                super().handle()
            except WENT_AWAY:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes every few seconds are no news."""

    return Handler


def _answer(routes: Mapping[str, Route], target: str, accepts: str) -> Answer:
    route = routes.get(target.partition("?")[0])
    if route is None:
        return text(404, f"nothing is here; try {', '.join(sorted(routes))}")
    try:
        return route(accepts)
    except Exception as error:
        log.exception("a probe failed", extra={"action": "probe.failed", "path": target})
        return text(500, type(error).__name__)
