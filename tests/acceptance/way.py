"""A way by TCP to a PostgreSQL's socket, through which nothing comes while a test says so: as in a network that lost its packets, no end
of a connection hears that it broke, and what was sent meanwhile comes once it is whole again.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.cluster.certificates import HOST

PIECE = 65_536


class Way:
    """Open while the `with` lasts. `url` leads by it to the database that `to` leads to, as `application`."""

    def __init__(self, to: str, application: str) -> None:
        said = urlsplit(to)
        self._socket = f"{parse_qs(said.query)['host'][0]}/.s.PGSQL.5432"
        self._listening = socket.create_server((HOST, 0), backlog=128)
        port = self._listening.getsockname()[1]
        self.url = f"postgresql://{said.username}@{HOST}:{port}{said.path}?application_name={application}"
        self._passable = threading.Event()

    def __enter__(self) -> Self:
        self.open()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        # Wakes the thread that waits for the next one; closing alone does not.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def swallow(self) -> None:
        """From now on connections are taken, and nothing is passed on either way."""
        self._passable.clear()

    def open(self) -> None:
        """Passes on, what was held back first."""
        self._passable.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._passable.wait()
        with connection, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._socket)
            back = threading.Thread(target=self._pass_on, args=(server, connection), daemon=True)
            back.start()
            self._pass_on(connection, server)
            back.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        """Until it ends; then the other is told that it did."""
        with suppress(OSError):
            while piece := source.recv(PIECE):
                self._passable.wait()
                sink.sendall(piece)
        self._passable.wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR if sink.family == socket.AF_INET else socket.SHUT_WR)
