"""One kept connection for each thread that reports, whichever node it reports for: 1,250 sockets would be more than a process may open."""

import threading
from collections.abc import Mapping

from agents.reporting.connection import Connection, Patience, Response


class Connections(Connection):
    """A connection to whoever uses it, of the calling thread alone. `close` closes all of them, once no thread uses one."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self._own = threading.local()
        self._all: list[Connection] = []

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, patience: Patience) -> Response:
        if not hasattr(self._own, "connection"):
            self._own.connection = Connection(self._url)
            self._all.append(self._own.connection)
        return self._own.connection.post(path, body, headers, patience=patience)

    def close(self) -> None:
        for each in self._all:
            each.close()
