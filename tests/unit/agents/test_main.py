"""`python -m agents` as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.settings import SETTINGS
from tests.unit.agents.allocator import Allocator

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def allocator() -> Iterator[Allocator]:
    found = Allocator(time.time)
    yield found
    found.close()


def _start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    ours = {f"DURE_AGENT_{name}": value for name, value in settings.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "agents", *arguments],
        cwd=ROOT,
        env={**inherited, "PYTHONUNBUFFERED": "1", **ours},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(*arguments: str, **settings: str) -> tuple[int, str, str]:
    process = _start(*arguments, **settings)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_once_prints_a_snapshot_as_json_and_needs_neither_token_nor_server(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text("gpus = 3\n")
    status, out, err = _run("--once", "--json", DRIVER="simulated", SCENARIO=str(fleet))

    assert (status, err) == (0, "")
    assert [(gpu["index"], gpu["processes"]) for gpu in json.loads(out)["gpus"]] == [(0, 0), (1, 0), (2, 0)]


def test_once_alone_is_a_table_for_a_person() -> None:
    status, out, err = _run("--once", DRIVER="simulated")
    lines = out.splitlines()

    assert (status, err) == (0, "")
    assert lines[2].split() == ["GPU", "PRODUCT", "UUID", "HEALTH", "BUSY", "MEMORY", "POWER", "TEMPERATURE"]
    assert [line[0] for line in lines[3:]] == list("01234567")


def test_json_without_once_is_a_mistake() -> None:
    status, _, err = _run("--json")

    assert status == 2
    assert "--json goes with --once" in err


def test_a_second_agent_on_the_same_state_says_so_and_ends(allocator: Allocator, token: Path, tmp_path: Path) -> None:
    told = {
        "SERVER": allocator.url, "NODE": "node-1", "TOKEN_FILE": str(token), "DRIVER": "simulated", "PORT": "0",
        "STATE": str(tmp_path / "state"),
    }  # fmt: skip
    process = _start(**told)
    try:
        assert allocator.came.wait(60)
        status, _, err = _run(**told)
    finally:
        process.kill()
        process.communicate(timeout=60)

    assert status == 1
    assert f"another agent uses the state folder {tmp_path / 'state'}" in err


def test_its_help_names_every_setting_with_what_it_takes() -> None:
    status, out, err = _run("--help")

    assert (status, err) == (0, "")
    assert all(f"DURE_AGENT_{field.upper()}\n" in out for field in SETTINGS)
    assert "nvml for real GPUs, simulated for none [nvml]" in out


@pytest.mark.parametrize(
    ("settings", "want", "said"),
    [
        pytest.param({"PROT": "1"}, 2, "did you mean DURE_AGENT_PORT", id="a setting that nobody knows"),
        pytest.param({"DRIVER": "simulated"}, 2, "DURE_AGENT_NODE is missing", id="no node"),
        pytest.param({"NODE": "n"}, 2, "DURE_AGENT_TOKEN_FILE is missing", id="no token file"),
        pytest.param({"NODE": "n", "TOKEN_FILE": "/none"}, 2, "/none: the token file cannot be read", id="none there"),
        pytest.param(
            {"NODE": "n", "TOKEN_FILE": __file__}, 2, "must hold one token on one line", id="a file that is no token"
        ),
        pytest.param(
            {"NODE": "n", "TOKEN_FILE": "/a", "JOIN_TOKEN_FILE": "/b", "STATE": "/c"},
            2,
            "are both set",
            id="two credentials",
        ),
        pytest.param({"NODE": "n", "JOIN_TOKEN_FILE": "/b"}, 2, "needs DURE_AGENT_STATE", id="no folder"),
        pytest.param(
            {"NODE": "n", "JOIN_TOKEN_FILE": "/b", "STATE": "/none/here"},
            2,
            "DURE_AGENT_STATE: /none/here: the agent's folder cannot be written",
            id="a folder that cannot be",
        ),
    ],
)
def test_a_start_that_cannot_be_says_in_one_line_why(settings: dict[str, str], want: int, said: str) -> None:
    status, out, err = _run(**settings)

    assert (status, out, err.count("\n")) == (want, "", 1)
    assert said in err


def test_a_wrong_scenario_is_an_error_at_start(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text("gpu = 3\n")
    status, _, err = _run("--once", DRIVER="simulated", SCENARIO=str(fleet))

    assert status == 1
    assert f"{fleet}: gpu: Extra inputs are not permitted" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_reports_until_it_is_told_to_stop_and_ends_cleanly(
    allocator: Allocator, token: Path, number: signal.Signals
) -> None:
    process = _start(
        SERVER=allocator.url, NODE="node-1", TOKEN_FILE=str(token), DRIVER="simulated", PORT="0", INTERVAL_S="0.2"
    )
    try:
        assert allocator.came.wait(60)
        process.send_signal(number)
        _, err = process.communicate(timeout=240)
    finally:
        process.kill()
    actions = [json.loads(line)["action"] for line in err.splitlines()]

    assert process.returncode == 0, err
    assert (actions[-1], "agent.started" in actions) == ("agent.stopped", True)
    assert len(allocator.reports[0].gpus) == 8


def test_a_port_that_is_taken_is_an_error_at_start(allocator: Allocator, token: Path) -> None:
    port = allocator.url.rpartition(":")[2]
    status, _, err = _run(SERVER=allocator.url, NODE="node-1", TOKEN_FILE=str(token), DRIVER="simulated", PORT=port)

    assert status == 1
    assert "Address already in use" in err
