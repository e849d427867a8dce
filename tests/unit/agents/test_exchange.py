"""The one small request that agents join and renew with, over real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agents.identity import exchange
from tests.serving import serving


@dataclass
class Answering:
    """It answers `said` with `status`, and keeps what came."""

    status: int = 200
    said: bytes = b'{"token": "tok_1"}'
    port: int = 0
    came: list[tuple[str, str, object]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Answering]:
    found = Answering()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.came.append((self.path, self.headers["Authorization"], body))
            if not found.status:
                self.wfile.write(found.said)
                return
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.said)))
            self.end_headers()
            self.wfile.write(found.said)

        def log_message(self, format: str, *args: object) -> None:
            """A test says what it got."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = httpd.server_port
    with serving(httpd, every_s=0.02):
        yield found


def test_it_goes_with_the_token_to_the_path_below_the_servers_own(server: Answering) -> None:
    post = exchange.to(f"{server.url}/allocator/")
    assert post("/v1/nodes/n/join", "dure_x", {"a": "b"}) == (200, {"token": "tok_1"})
    assert server.came == [("/allocator/v1/nodes/n/join", "Bearer dure_x", {"a": "b"})]


def test_a_problem_is_an_answer(server: Answering) -> None:
    server.status, server.said = 401, b'{"code": "join_token_used", "detail": "used"}'
    assert exchange.to(server.url)("/", "t", {}) == (401, {"code": "join_token_used", "detail": "used"})


@pytest.mark.parametrize("said", [b"", b"<html>", b"[]", b"null", b"\xff", b"[" * 20_000])
def test_what_is_no_object_is_no_answer_of_an_allocator(server: Answering, said: bytes) -> None:
    server.said = said
    with pytest.raises(OSError, match="what answered is no allocator"):
        exchange.to(server.url)("/", "t", {})
    server.status = 502
    status, answer = exchange.to(server.url)("/", "t", {})
    assert (status, answer["code"]) == (502, "")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n"])
def test_what_speaks_no_http_is_nobody(server: Answering, said: bytes) -> None:
    server.status, server.said = 0, said
    with pytest.raises(OSError, match=r"RemoteDisconnected|BadStatusLine"):
        exchange.to(server.url)("/", "t", {})


def test_nobody_there_is_an_error_of_the_system(server: Answering) -> None:
    with pytest.raises(OSError, match="refused"):
        exchange.to("http://127.0.0.1:9")("/", "t", {})
