"""Docker's question whether a container is well is answered by the process that runs in it, whichever that is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.serving import serving

PROBE = Path(__file__).resolve().parents[4] / "deploy" / "docker" / "probe.py"
NOBODY = {"DURE_API_PORT": "1", "DURE_SCHEDULER_PORT": "1", "DURE_AGENT_PORT": "1"}


class Half(BaseHTTPRequestHandler):
    """Alive, and not ready."""

    def do_GET(self) -> None:
        body = b"the loop is stalled"
        self.send_response(200 if self.path == "/healthz" else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A test says what it saw."""


@pytest.fixture
def port() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Half)
    with serving(server):
        yield str(server.server_port)


def asked(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    # A proxy of the machine has no part in it.
    told = {"PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:1", **NOBODY, **environ}
    return subprocess.run([sys.executable, PROBE, *words], env=told, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("process", ["DURE_API_PORT", "DURE_SCHEDULER_PORT", "DURE_AGENT_PORT"])
def test_whichever_process_answers_is_well(process: str, port: str):
    assert asked("healthz", **{process: port}).returncode == 0


def test_one_that_is_not_ready_says_why(port: str):
    done = asked("readyz", DURE_SCHEDULER_PORT=port)
    assert done.returncode == 1
    assert f"http://127.0.0.1:{port}/readyz: 503 the loop is stalled" in done.stdout


def test_nobody_who_answers_is_not_well():
    assert asked("healthz").returncode == 1


def test_where_the_api_has_a_certificate_it_is_asked_by_https(port: str):
    done = asked("healthz", DURE_API_PORT=port, DURE_API_TLS_CERTIFICATE="/any")
    assert done.returncode == 1
    assert f"https://127.0.0.1:{port}/healthz: " in done.stdout


def test_a_word_that_it_does_not_know_is_refused():
    assert asked("health").returncode == 2
