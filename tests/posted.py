"""A server of a test's own that takes what is posted to it, whatever the path."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.serving import serving


@contextmanager
def posted(take: Callable[[bytes, Message], None]) -> Iterator[str]:
    """Its address. `take` is given each body and its headers, and the answer is 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            take(self.rfile.read(int(self.headers["content-length"])), self.headers)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """A test says what it was told."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"
