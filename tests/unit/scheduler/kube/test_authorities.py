"""Certificates that are others one day, the API server's and our own: a kubeconfig is read as it is then."""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.connection import Away, Connection
from scheduler.kube.credentials import Credentials
from scheduler.metrics.certificates import ends
from tests.cluster.certificates import HOST, Authority, Pair
from tests.serving import serving


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
def served(context: ssl.SSLContext) -> Iterator[int]:
    """Its port. What `context` shows may change meanwhile."""
    server = Server((HOST, 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server, every_s=0.01):
        yield server.server_address[1]


def base64_of(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def trusting(path: Path, port: int, authority: Authority, pair: Pair | None = None) -> None:
    """A kubeconfig that says so, and that we come with the pair, or with a token."""
    user = {"token": "secret"}
    if pair is not None:
        user = {"client-certificate-data": base64_of(pair.crt), "client-key-data": base64_of(pair.key)}
    server = {"server": f"https://{HOST}:{port}", "certificate-authority-data": base64_of(authority.crt.read_bytes())}
    said = {
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "u", "user": user}],
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
    with served(context) as port:
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
        assert connection.credentials.authority == other.crt.read_bytes()
        connection.close()


def test_a_certificate_of_ours_that_was_renewed_is_told_of_though_the_one_of_before_works_still(tmp_path: Path) -> None:
    authority, path = Authority(tmp_path, "one"), tmp_path / "kubeconfig"
    first, second = (authority.client("dure", life=timedelta(days=days)) for days in (1, 30))
    trusting(path, 1, authority, first)
    found = Credentials(ClusterAddress(name="main", kubeconfig=str(path)))
    assert found.certificate_ends() == ends(first.crt)
    path.write_text("{")
    assert found.certificate_ends() == ends(first.crt), "half of a file is none"
    trusting(path, 1, authority, second)
    assert found.certificate_ends() == ends(second.crt)
    path.unlink()
    assert found.certificate_ends() == ends(second.crt)
