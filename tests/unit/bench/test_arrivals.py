"""Asks that arrive at a steady rate from a process of their own."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.arrivals import LANES, Arrivals, sent
from bench.machine import TREE
from dure import wire


class Taker(ThreadingHTTPServer):
    """Answers every ask 201, and keeps when it came, whose it was, and what it said."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.taken: list[tuple[float, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Taker)
        self.server.taken.append((time.monotonic(), self.headers["Authorization"], body))
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def taker() -> Iterator[Taker]:
    with Taker() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_so_many_asks_arrive_a_second_spread_over_it_in_the_name_of_several(taker: Taker) -> None:
    began = time.monotonic()
    found = sent(Arrivals(server=taker.url, tokens=["a", "b"], a_second=100, seconds=1), threading.Event())
    assert found.asks == len(taker.taken) == 100
    assert found.a_second <= 110
    assert {token for _, token, _ in taker.taken} == {"Bearer a", "Bearer b"}
    assert all(wire.Ask.model_validate_json(body).notice_s == 0 for _, _, body in taker.taken)
    times = sorted(at - began for at, _, _ in taker.taken)
    assert all(at > number / 100 - 0.001 for number, at in enumerate(times)), "none comes before its time"


def test_who_is_told_to_end_sends_no_more(taker: Taker) -> None:
    told = threading.Event()
    told.set()
    found = sent(Arrivals(server=taker.url, tokens=["a"], a_second=100, seconds=60), told)
    assert (found.asks, found.p99_ms) == (0, 0.0)


def test_the_process_says_when_it_begins_and_what_it_sent_when_it_is_told_to_end(taker: Taker, tmp_path: Path) -> None:
    file = tmp_path / "arrivals.json"
    Arrivals(server=taker.url, tokens=["a"], a_second=2 * LANES, seconds=60).write(file)
    command = (sys.executable, "-m", "bench.arrivals", str(file))
    with subprocess.Popen(command, cwd=TREE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sending\n"
        process.terminate()
        said, _ = process.communicate(timeout=120)
    assert json.loads(said)["asks"] == len(taker.taken)
    assert process.returncode == 0
