"""A server of a test's own that never falls silent and never gets to the end: it answers a byte at a time, for ever."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.serving import serving

EVERY_S = 0.02


@contextmanager
def dripping() -> Iterator[str]:
    """Its address. Whoever still listens is hung up on at the end."""
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while not ended.wait(EVERY_S):
                    self.request.sendall(b"x")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    with serving(server):
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            ended.set()
