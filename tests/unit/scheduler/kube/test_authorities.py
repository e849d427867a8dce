"""An API server whose certificate is another authority's one day: it is known again by the credentials as they are then."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.connection import Away, Connection
from tests.cluster.certificates import HOST, Authority


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"kind": "Pod"}')

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up on an authority that he does not trust is no error here."""


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[int]:
    """Its port. What `context` shows may change meanwhile."""
    server = Server((HOST, 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def trusting(path: Path, port: int, authority: Authority) -> None:
    """A kubeconfig that says so."""
    data = base64.b64encode(authority.crt.read_bytes()).decode()
    server = {"server": f"https://{HOST}:{port}", "certificate-authority-data": data}
    said = {
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "k",
    }
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **said}))


def test_an_api_server_of_another_authority_is_away_until_the_kubeconfig_says_that_it_is_trusted(
    tmp_path: Path,
) -> None:
    one, other, path = Authority(tmp_path, "one"), Authority(tmp_path, "other"), tmp_path / "kubeconfig"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*one.server("api").write(tmp_path, "first"))
    with serving(context) as port:
        trusting(path, port, one)
        connection = Connection(ClusterAddress(name="main", kubeconfig=str(path)))
        assert connection.get("/api") == {"kind": "Pod"}
        context.load_cert_chain(*other.server("api").write(tmp_path, "second"))
        for text in (path.read_text(), "{"):
            path.write_text(text)
            with pytest.raises(Away, match="CERTIFICATE_VERIFY_FAILED"):
                connection.get("/api")
        trusting(path, port, other)
        assert connection.get("/api") == {"kind": "Pod"}
        assert connection.authority == other.crt.read_bytes()
        connection.close()
