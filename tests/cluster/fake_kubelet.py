"""Answers for logs in the place of the kubelets of simulated nodes: kwok plays all of a kubelet but that."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cluster.certificates import HOST
from tests.cluster.cluster import MERGE, Cluster

HANGS_S = 120.0
"""Only guards against hanging for ever."""


@dataclass(slots=True)
class Log:
    """Of one container, which runs until `end`; then its log is removed soon, whoever reads it meanwhile."""

    text: bytes = b""
    is_over: bool = False
    readers: int = 0
    """How many follow it."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, said: bytes) -> None:
        with self._changed:
            self.text += said
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def follow(self) -> Iterator[bytes]:
        """All of it, as it is written."""
        at = 0
        with self._changed:
            self.readers += 1
        while True:
            with self._changed:
                self._changed.wait_for(lambda at=at: len(self.text) > at or self.is_over, HANGS_S)
                said, at, is_over = self.text[at:], len(self.text), self.is_over
            if said:
                yield said
            if is_over:
                return


@dataclass(slots=True)
class Kubelet:
    """Of many nodes."""

    hangs: threading.Event | None = None
    """Where there is one, nothing is answered before it is set."""
    asked: list[str] = field(default_factory=list)
    _logs: dict[str, Log] = field(default_factory=dict)

    def log(self, pod: str, container: str = "main") -> Log:
        return self._logs.setdefault(f"{pod}/{container}", Log())

    def answer(self, path: str) -> Iterator[bytes]:
        """As `/containerLogs/NAMESPACE/POD/CONTAINER` is answered."""
        self.asked.append(path)
        if self.hangs is not None:
            self.hangs.wait(HANGS_S)
        said = urlsplit(path)
        _, _, _, pod, container = said.path.split("/")
        log = self.log(pod, container)
        if log.is_over:
            yield b"unable to retrieve container logs for containerd://0123"
        elif parse_qs(said.query).get("follow") == ["true"]:
            yield from log.follow()
        elif log.text:
            yield log.text


@contextmanager
def kubelet(cluster: Cluster, nodes: Sequence[str]) -> Iterator[Kubelet]:
    """The one that the API server asks for logs of what is on these nodes."""
    found = Kubelet()
    server = ThreadingHTTPServer((HOST, 0), _handler(found))
    server.daemon_threads = True
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cluster.folder / "server.crt", cluster.folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    status = {"daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}}}
    for name in nodes:
        path = f"/api/v1/nodes/{name}/status"
        cluster.api.patch(path, json={"status": status}, headers=MERGE).raise_for_status()
    try:
        yield found
    finally:
        if found.hangs is not None:
            found.hangs.set()
        server.shutdown()
        server.server_close()
        thread.join(60)


def _handler(kubelet: Kubelet) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self._answer()

        def _answer(self) -> None:
            # A kubelet says nothing at all, no headers either, before there is something to say.
            pieces = kubelet.answer(self.path)
            first = next(pieces, None)
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in chain([] if first is None else [first], pieces):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """`Kubelet.asked` has it."""

    return Handler
