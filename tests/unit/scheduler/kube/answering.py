"""Something that listens where an API server should be: a real HTTP server that answers what a test says, byte for byte."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.connection import Connection
from tests.serving import serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(kw_only=True)
class Listener:
    """`parts` are written one after the other, each seen by itself; without `ends` the connection breaks after them. Paths in `at`
    are answered with what is said there, and 200. Where a `token` is said, whoever comes with another is not known (401).
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    parts: list[bytes] = field(default_factory=lambda: [b"{}"])
    ends: bool = True
    at: dict[str, object] = field(default_factory=dict[str, object])
    token: str | None = None
    got: list[Got] = field(default_factory=list[Got])
    port: int = 0

    def says(self, *parts: object, status: int = 200, ends: bool = True, **headers: str) -> None:
        self.status, self.ends = status, ends
        self.parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def listening(folder: Path) -> Iterator[tuple[Listener, Connection]]:
    """The listener, and a connection to it."""
    listener = Listener()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(listener))
    listener.port = server.server_address[1]
    connection = Connection(
        ClusterAddress(name="main", kubeconfig=str(kubeconfig(folder, listener.port))), timeout_s=10
    )
    with serving(server, every_s=0.01):
        try:
            yield listener, connection
        finally:
            connection.close()


def kubeconfig(folder: Path, port: int, **user: str) -> Path:
    """Of the listener at that port; as `user` where one is said, for example by a `tokenFile`."""
    path = folder / "kubeconfig"
    cluster: dict[str, Any] = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
        "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "k",
    }
    path.write_text(json.dumps(said))
    return path


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            listener.got.append(Got(method=self.command, path=self.path, headers=dict(self.headers), body=body))
            is_known = listener.token is None or self.headers["Authorization"] == f"Bearer {listener.token}"
            said = listener.at.get(self.path)
            self.send_response((listener.status if said is None else 200) if is_known else 401)
            for name, value in listener.headers.items():
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in listener.parts if said is None else [json.dumps(said).encode()]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            if listener.ends:
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
