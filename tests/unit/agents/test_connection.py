"""HTTP by the standard library, against real servers on loopback that behave well and badly."""

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agents.reporting.connection import MOST_BYTES, Connection, Patience, Response, Unreachable, Unreadable

ROOT = Path(__file__).resolve().parents[3]
PATIENT = Patience(connect_s=20.0, total_s=60.0)


class Server:
    """Answers each request with the next of `answers`, as raw bytes after the head, or what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heads: list[dict[str, str]] = []
        self.connections = 0
        self.closes: bool = False
        """After each answer, without saying so."""
        self.answers: list[tuple[dict[str, str], bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def speak_tls(self, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.asked.append(self.path)
                server.heads.append(dict(self.headers.items()))
                headers, content = server.answers.pop(0) if server.answers else ({}, body)
                self.send_response(200)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                if server.closes:
                    self.close_connection = True

            def do_CONNECT(self) -> None:
                server.asked.append(self.path)
                server.heads.append(dict(self.headers.items()))
                self.send_error(403, "no tunnels here")

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _post(connection: Connection, body: bytes = b"hello", path: str = "/v1/x") -> Response:
    return connection.post(path, body, {"X-Who": "me"}, patience=PATIENT)


def test_one_connection_is_kept_for_all_reports(server: Server) -> None:
    connection = Connection(f"http://127.0.0.1:{server.port}")
    bodies = [_post(connection, body).body for body in (b"one", b"", b"three")]
    connection.close()

    assert bodies == [b"one", b"", b"three"]
    assert server.connections == 1
    assert server.heads[0]["X-Who"] == "me"


def test_a_path_under_which_the_server_is_found_comes_first(server: Server) -> None:
    for address in ("", "/", "/dure", "/dure/"):
        connection = Connection(f"http://127.0.0.1:{server.port}{address}")
        _post(connection)
        connection.close()

    assert server.asked == ["/v1/x", "/v1/x", "/dure/v1/x", "/dure/v1/x"]


def test_a_connection_that_the_other_side_closed_meanwhile_is_opened_again(server: Server) -> None:
    server.closes = True
    connection = Connection(f"http://127.0.0.1:{server.port}")
    bodies = [_post(connection, body).body for body in (b"one", b"two", b"three")]
    connection.close()

    assert bodies == [b"one", b"two", b"three"]
    assert server.connections == 3


def test_a_connection_that_is_said_to_be_closed_is_opened_again(server: Server) -> None:
    server.answers = [({"Connection": "close"}, b"bye")]
    connection = Connection(f"http://127.0.0.1:{server.port}")
    bodies = [_post(connection, body).body for body in (b"one", b"two")]
    connection.close()

    assert bodies == [b"bye", b"two"]


def test_an_answer_that_is_compressed_unasked_is_read(server: Server) -> None:
    server.answers = [({"Content-Encoding": "gzip"}, gzip.compress(b"hello" * 100))]
    connection = Connection(f"http://127.0.0.1:{server.port}")
    body = _post(connection).body
    connection.close()

    assert body == b"hello" * 100


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        pytest.param({}, b"x" * (MOST_BYTES + 1), id="too large"),
        pytest.param({"Content-Encoding": "gzip"}, gzip.compress(b"x" * (MOST_BYTES + 1)), id="too large unpacked"),
        pytest.param({"Content-Encoding": "gzip"}, b"no gzip", id="no gzip"),
        pytest.param({"Content-Encoding": "gzip"}, gzip.compress(b"hello")[:-3], id="a gzip that is cut off"),
    ],
)
def test_what_cannot_be_read_is_said_so_and_the_next_exchange_is_well(
    server: Server, headers: dict[str, str], content: bytes
) -> None:
    server.answers = [(headers, content)]
    connection = Connection(f"http://127.0.0.1:{server.port}")
    with pytest.raises(Unreadable):
        _post(connection)
    body = _post(connection, b"again").body
    connection.close()

    assert body == b"again"


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """A port behind which a function does what it likes with each connection."""
    listeners: list[socket.socket] = []

    def listen(work: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    found, _ = listener.accept()
                except OSError:
                    return
                # The client may have given up.
                with found, suppress(OSError):
                    work(found)

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    yield listen
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", id="an answer that is cut off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, id="a line without end"),
    ],
)
def test_what_is_no_whole_answer_is_unreachable(
    raw: Callable[[Callable[[socket.socket], None]], int], said: bytes
) -> None:
    def work(found: socket.socket) -> None:
        found.recv(1 << 16)
        found.sendall(said)
        found.shutdown(socket.SHUT_WR)
        # Until the other side closes: what was not read would be a reset, which might overtake what was said.
        while found.recv(1 << 16):
            pass

    connection = Connection(f"http://127.0.0.1:{raw(work)}")
    with pytest.raises(Unreachable):
        _post(connection)
    connection.close()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "ä" * 60 + ".example"])
def test_a_host_whose_name_no_resolver_takes_is_unreachable(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="UnicodeError"):
        _post(Connection(f"http://{host}"))
    monkeypatch.setenv("http_proxy", f"http://{host}")
    with pytest.raises(Unreachable, match="UnicodeError"):
        _post(Connection("http://dure.example.org"))


def test_a_server_that_trickles_is_left_when_the_time_for_all_of_it_is_over(
    raw: Callable[[Callable[[socket.socket], None]], int],
) -> None:
    """Each byte comes in time, and there is no end of them. The clock is ours: a second passes with each look at it."""
    ended = threading.Event()

    def work(found: socket.socket) -> None:
        found.recv(1 << 16)
        found.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while not ended.wait(0.001):
                found.sendall(b"x")
        except OSError:
            ended.set()

    seconds = iter(range(10_000))
    connection = Connection(f"http://127.0.0.1:{raw(work)}", monotonic=lambda: float(next(seconds)))
    with pytest.raises(Unreachable, match="timed out"):
        connection.post("/", b"", {}, patience=Patience(connect_s=20, total_s=50))
    ended.set()
    connection.close()


def test_a_plain_proxy_is_asked_for_the_whole_address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:se%20cret@127.0.0.1:{server.port}")
    connection = Connection("http://dure.example.org:8470/sub")
    _post(connection)
    connection.close()

    assert server.asked == ["http://dure.example.org:8470/sub/v1/x"]
    assert server.heads[0]["Proxy-Authorization"] == "Basic bWU6c2UgY3JldA=="


def test_a_proxy_is_asked_for_a_tunnel_to_a_server_with_tls(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{server.port}")
    connection = Connection("https://dure.example.org")
    with pytest.raises(Unreachable, match="no tunnels here"):
        _post(connection)
    connection.close()

    assert server.asked == ["dure.example.org:443"]


def test_servers_for_which_no_proxy_is_wanted_are_asked_directly(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connection = Connection(f"http://127.0.0.1:{server.port}")
    _post(connection)
    connection.close()

    assert server.asked == ["/v1/x"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dure")])
    today = datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    found = tmp_path / "certificate.pem", tmp_path / "key.pem"
    found[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    found[1].write_bytes(private)
    return found


ASK = """
import sys
from agents.reporting.connection import Connection, Patience, Unreachable
try:
    print(Connection(sys.argv[1]).post("/x", b"hello", {}, patience=Patience(20, 60)).body.decode())
except Unreachable as error:
    print(error)
"""


@pytest.mark.parametrize(("is_trusted", "want"), [(True, "hello"), (False, "certificate verify failed")])
def test_a_server_with_tls_is_trusted_by_the_certificates_that_the_environment_names(
    server: Server, certificate: tuple[Path, Path], is_trusted: bool, want: str
) -> None:
    server.speak_tls(*certificate)
    trusted = {"SSL_CERT_FILE": str(certificate[0])} if is_trusted else {}
    done = subprocess.run(
        [sys.executable, "-c", ASK, f"https://127.0.0.1:{server.port}"],
        cwd=ROOT, env=trusted, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    assert want in done.stdout
