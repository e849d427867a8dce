"""`python -m api` as it is really run: settings, probes, the database's absence, and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import ports

TREE = Path(__file__).resolve().parents[3]
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@contextmanager
def process(**environ: str) -> Iterator[subprocess.Popen[str]]:
    """The process, which is gone afterwards whatever happened."""
    env = {"PATH": os.environ["PATH"], **environ}
    command = [sys.executable, "-m", "api"]
    with subprocess.Popen(command, cwd=TREE, env=env, stderr=subprocess.PIPE, text=True) as found:
        try:
            yield found
        finally:
            if found.poll() is None:
                found.kill()


def until(happened: Callable[[], bool], within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=120, verify=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_serves_until_it_is_told_to_end_and_ends_cleanly(database_url: str, how: signal.Signals) -> None:
    port = ports.free(1)[0]
    with process(DURE_DATABASE_URL=database_url, DURE_API_PORT=str(port)) as api:
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        assert answers(f"http://127.0.0.1:{port}/healthz")
        api.send_signal(how)
        assert api.wait(60) == 0


def test_while_the_database_is_away_it_waits_and_can_be_told_to_end() -> None:
    with process(DURE_DATABASE_URL=NOWHERE, DURE_API_PORT=str(ports.free(1)[0])) as api:
        assert api.stderr is not None
        assert "database_away" in api.stderr.readline()
        api.terminate()
        assert api.wait(60) == 0


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        pytest.param({}, "DURE_DATABASE_URL", id="no database said"),
        pytest.param(
            {"DURE_DATABASE_URL": NOWHERE, "DURE_API_PROT": "1"}, "did you mean DURE_API_PORT?", id="an unknown setting"
        ),
        pytest.param(
            {"DURE_DATABASE_URL": NOWHERE, "DURE_API_PORT": "x"}, "DURE_API_PORT", id="a setting that does not fit"
        ),
    ],
)
def test_a_setting_that_is_wrong_ends_it_with_one_line_and_status_2(environ: dict[str, str], says: str) -> None:
    with process(**environ) as api:
        _, told = api.communicate(timeout=120)
    assert api.returncode == 2
    assert says in told
    assert len(told.splitlines()) == 1


def test_a_port_that_is_taken_ends_it_at_once(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(DURE_DATABASE_URL=database_url, DURE_API_PORT=str(port)) as api:
            _, told = api.communicate(timeout=120)
    assert api.returncode == 1
    [line] = [one for one in map(json.loads, told.splitlines()) if one["action"] == "library"]
    assert line["logger"] == "uvicorn.error"
    assert "address already in use" in line["event"]


def test_rubbish_in_place_of_a_request_is_a_line_of_the_log_as_all_others_are(database_url: str) -> None:
    port = ports.free(1)[0]
    with process(DURE_DATABASE_URL=database_url, DURE_API_PORT=str(port)) as api:
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        with socket.create_connection(("127.0.0.1", port)) as sent:
            sent.sendall(b"\x16\x03\x01 rubbish\r\n\r\n")
            assert sent.recv(1000).startswith(b"HTTP/1.1 400")
        api.terminate()
        _, told = api.communicate(timeout=120)
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["action"] for line in lines] == ["up", "library", "down"]
    assert (lines[1]["logger"], lines[1]["event"]) == ("uvicorn.error", "Invalid HTTP request received.")
