"""Between a client and the API server, to be away, slow, forgetful or wrong when a test says so.

Tokens go through as they are. Who comes with a certificate is announced to the API server by the front proxy's headers.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.certificates import HOST
from tests.cluster.cluster import Cluster
from tests.cluster.faults import Faults
from tests.cluster.relay import Relay


class Proxy:
    """Listens while the `with` lasts; `url` is what goes into a kubeconfig. Without `faults` it changes nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self.faults = Faults()
        self._cluster = cluster
        self._context = _for_clients(cluster)
        self._upstream = _as_front_proxy(cluster)
        self._open: set[Relay] = set()
        self._lock = threading.Lock()
        self._listening: socket.socket | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._port}"

    def kubeconfig(self, user: str, groups: Iterable[str] = ()) -> Path:
        """Like the cluster's own, by this way."""
        return self._cluster.kubeconfig(user, groups, url=self.url)

    def kubeconfig_for_token(self, token: str) -> Path:
        return self._cluster.kubeconfig_for_token(token, url=self.url)

    def __enter__(self) -> Self:
        self.back()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.away()

    def away(self) -> None:
        """Connections are refused, and those that are open break off."""
        if self._listening:
            # Wakes the thread that waits for the next one; closing alone does not.
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        self.cut()

    def back(self) -> None:
        """Listens again, where it did before. Does nothing where it does."""
        if self._listening is None:
            self._listening = socket.create_server((HOST, self._port), backlog=128)
            self._port = self._listening.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def cut(self) -> None:
        """Breaks off every open connection, watches among them."""
        for relay in self._relays():
            relay.cut()

    def expire(self) -> None:
        """Tells every open watch that what it asked for is gone (410), and ends it."""
        for relay in self._relays():
            relay.expire()

    def _relays(self) -> list[Relay]:
        with self._lock:
            return list(self._open)

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with (
            connection,
            suppress(OSError, http.client.HTTPException),
            self._context.wrap_socket(connection, server_side=True) as opened,
        ):
            relay = Relay(opened, self._cluster.url, self._upstream, self.faults)
            with self._lock:
                self._open.add(relay)
            try:
                relay.run()
            finally:
                with self._lock:
                    self._open.discard(relay)


def _for_clients(cluster: Cluster) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(cluster.authority.crt))
    context.load_cert_chain(cluster.folder / "server.crt", cluster.folder / "server.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _as_front_proxy(cluster: Cluster) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(cluster.authority.crt))
    folder = cluster.folder
    context.load_cert_chain(folder / "front-proxy-client.crt", folder / "front-proxy-client.key")
    return context
