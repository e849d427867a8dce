"""A server of a test's own, for as long as the test wants it."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(server: socketserver.BaseServer, *, every_s: float = 0.5) -> Iterator[None]:
    """On a thread, until the `with` is left, which is noticed within `every_s`; its socket is closed then."""
    thread = threading.Thread(target=server.serve_forever, args=(every_s,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
