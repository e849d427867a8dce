"""Many simulated nodes in one process: who they are, when each is sampled, and that all of them report."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from agents.fleet import tokens
from agents.fleet.connections import Connections
from agents.fleet.node import FleetNode, Making
from agents.fleet.running import Fleet
from agents.fleet.tokens import FleetError
from agents.scenario import Fault, Scenario
from tests.unit.agents.allocator import Allocator, a_problem
from tests.unit.agents.builders import Hand

ROOT = Path(__file__).resolve().parents[3]
LINES = "a\tone\nb\ttwo\nc\tthree\n"


@pytest.mark.parametrize("text", [LINES, '{"a": "one", "b": "two", "c": "three"}'])
@pytest.mark.parametrize(
    ("first", "count", "want"),
    [
        pytest.param(1, None, {"a": "one", "b": "two", "c": "three"}, id="all"),
        pytest.param(2, None, {"b": "two", "c": "three"}, id="from the second on"),
        pytest.param(2, 1, {"b": "two"}, id="a part"),
    ],
)
def test_a_fleet_is_of_the_nodes_whose_tokens_there_are(
    tmp_path: Path, text: str, first: int, count: int | None, want: dict[str, str]
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)

    assert tokens.read(path, first=first, count=count) == want


@pytest.mark.parametrize(
    ("text", "first", "count", "want"),
    [
        pytest.param(LINES, 1, 4, "there are tokens of 3 nodes", id="more nodes than tokens"),
        pytest.param(LINES, 4, None, "there are tokens of 3 nodes", id="none is left"),
        pytest.param("a one\n", 1, None, "line 1 is not a node's name, a tab and its token", id="no tab"),
        pytest.param("a\t\n", 1, None, "line 1 is not a node's name", id="no token"),
        pytest.param("{", 1, None, "the tokens cannot be read", id="half of JSON"),
    ],
)
def test_tokens_that_cannot_be_used_are_an_error_that_says_why(
    tmp_path: Path, text: str, first: int, count: int | None, want: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)

    with pytest.raises(FleetError, match=want):
        tokens.read(path, first=first, count=count)


@pytest.fixture
def allocator() -> Iterator[Allocator]:
    found = Allocator(time.time)
    yield found
    found.close()


@pytest.fixture
def connection(allocator: Allocator) -> Iterator[Connections]:
    with closing(Connections(allocator.url)) as found:
        yield found


SMALL = Scenario(gpus=1)


def _nodes(connection: Connections, token: Path, count: int, scenario: Scenario = SMALL) -> Sequence[FleetNode]:
    making = Making(connection=connection, scenario=scenario, sample_s=1.0, interval_s=10.0, version="0.1.0")
    return [making.node(f"node-{number}", token) for number in range(1, count + 1)]


def _fleet(nodes: Sequence[FleetNode], clock: Hand) -> Fleet:
    return Fleet(nodes, sample_s=1.0, spread_s=4.0, monotonic=clock.monotonic, cpu=clock.monotonic)


def _sampled(nodes: Sequence[FleetNode]) -> list[bool]:
    return [node.sampler.newest is not None for node in nodes]


def test_first_samples_are_spread_and_then_each_node_is_due_every_second(connection: Connections, token: Path) -> None:
    clock = Hand()
    nodes = _nodes(connection, token, 4)
    fleet = _fleet(nodes, clock)
    pauses, seen = [], []
    for _ in range(3):
        pauses.append(fleet.turn())
        seen.append(_sampled(nodes))
        clock.advance(pauses[-1])

    assert pauses == [1.0, 1.0, 1.0]
    assert seen == [[True, False, False, False], [True, True, False, False], [True, True, True, False]]
    assert fleet.figures.samples == 1 + 2 + 3


def test_a_late_sample_is_told_and_those_that_were_missed_are_left_out(connection: Connections, token: Path) -> None:
    clock = Hand()
    fleet = _fleet(_nodes(connection, token, 1), clock)
    fleet.turn()
    clock.advance(4.5)
    pause = fleet.turn()

    assert (fleet.figures.samples, fleet.figures.skipped, fleet.figures.worst_s) == (2, 3, 3.5)
    assert pause == 0.5


def test_a_node_whose_driver_hangs_hangs_no_other(connection: Connections, token: Path) -> None:
    stalled = Scenario(gpus=1, faults=(Fault(kind="stall", node="node-1"),))
    nodes = _nodes(connection, token, 2, stalled)
    clock = Hand()
    fleet = _fleet(nodes, clock)
    clock.advance(10)
    fleet.turn()

    assert _sampled(nodes) == [False, True]


def test_what_a_fleet_did_is_told_with_what_it_cost(
    connection: Connections, token: Path, allocator: Allocator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "agents.fleet.running")
    clock = Hand()
    nodes = _nodes(connection, token, 2)
    fleet = _fleet(nodes, clock)
    clock.advance(2)
    allocator.replies = [a_problem(503, "busy")]
    fleet.turn()
    fleet.report()
    fleet.report()
    clock.advance(2)
    fleet.say("minute")
    told = caplog.records[-1].__dict__

    assert (told["action"], told["nodes"], told["samples"], told["reports"]) == (
        "fleet.minute",
        2,
        2,
        {"ok": 1, "busy": 1},
    )
    assert (told["seconds"], told["cores"], told["cpu_us_a_node_second"]) == (4.0, 1.0, 2_000_000)
    assert (told["troubled"], told["trouble"]) == (1, "node-1: 503 busy: it is busy")
    assert fleet.figures.samples == 0


EVERYTHING = Scenario(
    gpus=4,
    mig_of={0: ("1g.10gb", "2g.20gb"), 1: ()},
    faults=(
        Fault(kind="lost", gpu=2),
        Fault(kind="xid", gpu=3, xid=79),
        Fault(kind="hot", gpu=3),
        Fault(kind="intruder", gpu=3),
        Fault(kind="ecc", uncorrected=2),
    ),
)


def test_what_befalls_a_node_is_told_in_a_report_that_an_allocator_takes(
    connection: Connections, token: Path, allocator: Allocator
) -> None:
    nodes = _nodes(connection, token, 1, EVERYTHING)
    fleet = _fleet(nodes, Hand())
    fleet.turn()
    fleet.report()
    (report,) = allocator.reports

    assert nodes[0].reporter.trouble is None
    assert [gpu.mig_profile for gpu in report.gpus] == ["1g.10gb", "2g.20gb", None, None]
    assert [gpu.health for gpu in report.gpus[2:]] == ["unhealthy", "unhealthy"]
    assert [gpu.energy_millijoules for gpu in report.gpus] == [None, None, None, 0]
    assert report.gpus[3].last_xid == 79


def test_what_a_node_notices_is_in_its_report_as_events(
    connection: Connections, token: Path, allocator: Allocator
) -> None:
    nodes = _nodes(connection, token, 1, EVERYTHING)
    fleet = _fleet(nodes, Hand())
    fleet.turn()
    fleet.report()
    (report,) = allocator.sent
    xids = [(event.gpu, event.detail["xid"], event.detail["verdict"]) for event in report.events if event.kind == "xid"]

    assert xids == [(report.gpus[3].uuid, 79, "unhealthy")]
    assert {event.kind for event in report.events} >= {"xid", "health"}
    assert [event.id for event in report.events] == sorted({event.id for event in report.events})


def test_a_node_stands_in_line_once_however_often_it_is_sampled(
    connection: Connections, token: Path, allocator: Allocator
) -> None:
    clock = Hand()
    fleet = _fleet(_nodes(connection, token, 1), clock)
    for _ in range(3):
        fleet.turn()
        clock.advance(1)
    fleet.report()
    fleet.turn()
    fleet.report()

    assert len(allocator.reports) == 1


class _Broken:
    outcomes: Counter[str] = Counter()
    trouble = None

    def step(self) -> float:
        raise ZeroDivisionError


def test_a_report_that_takes_its_time_is_not_sent_by_two_threads_at_once(connection: Connections, token: Path) -> None:
    clock = Hand()
    nodes = _nodes(connection, token, 1)
    fleet = _fleet(nodes, clock)
    entered, leave, steps = threading.Event(), threading.Event(), []

    class Slow(_Broken):
        def step(self) -> float:
            steps.append(1)
            entered.set()
            leave.wait(60)
            return 1.0

    nodes[0].reporter = Slow()  # pyright: ignore[reportAttributeAccessIssue]
    fleet.turn()
    thread = threading.Thread(target=fleet.report, daemon=True)
    thread.start()
    assert entered.wait(60)
    clock.advance(1)
    fleet.turn()
    waits = nodes[0].waits
    leave.set()
    thread.join(60)
    clock.advance(1)
    fleet.turn()
    fleet.report()

    assert (waits, len(steps)) == (True, 2)


def test_a_fleet_that_samples_slower_than_it_should_can_still_be_stopped(connection: Connections, token: Path) -> None:
    clock = Hand()
    nodes = _nodes(connection, token, 2)
    fleet = _fleet(nodes, clock)
    begun = Counter[str]()

    def slow(node: FleetNode) -> None:
        begun[node.name] += 1
        clock.advance(3)
        assert begun[node.name] < 9, "the turn does not end"

    for node in nodes:
        node.sampler.step = partial(slow, node)  # pyright: ignore[reportAttributeAccessIssue]
    clock.advance(4)

    assert fleet.turn() < 0
    assert begun == {"node-1": 1, "node-2": 1}


def test_a_report_that_breaks_is_told_and_the_others_go_on(
    connection: Connections, token: Path, allocator: Allocator, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Hand()
    nodes = _nodes(connection, token, 2)
    nodes[0].reporter = _Broken()  # pyright: ignore[reportAttributeAccessIssue]
    fleet = _fleet(nodes, clock)
    clock.advance(4)
    fleet.turn()
    fleet.report()
    fleet.report()

    assert (fleet.figures.failed, len(allocator.reports)) == (1, 1)
    assert [record.__dict__["node"] for record in caplog.records] == ["node-1"]


def test_all_nodes_report_until_it_is_stopped(connection: Connections, token: Path, allocator: Allocator) -> None:
    nodes = _nodes(connection, token, 5)
    stop = threading.Event()
    thread = threading.Thread(
        target=Fleet(nodes, sample_s=0.05, spread_s=0.1).run, args=(stop,), kwargs={"threads": 2}, daemon=True
    )
    thread.start()
    while len({path for path, _ in allocator.requests}) < 5:
        allocator.came.clear()
        assert allocator.came.wait(60)
    stop.set()
    thread.join(60)

    assert not thread.is_alive()
    assert sorted({path for path, _ in allocator.requests}) == [f"/v1/nodes/node-{at}/reports" for at in range(1, 6)]


def test_the_command_runs_a_fleet_and_says_at_its_end_what_it_did(allocator: Allocator, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("node-1\tfirst\nnode-2\tsecond\n")
    process = _start("--server", allocator.url, "--tokens", str(file), "--nodes", "2", "--interval", "0.2")
    try:
        while {headers["Authorization"] for _, headers in allocator.requests} != {"Bearer first", "Bearer second"}:
            allocator.came.clear()
            assert allocator.came.wait(60)
        process.terminate()
        _, said = process.communicate(timeout=240)
    finally:
        process.kill()
    last = json.loads(said.splitlines()[-1])

    assert (process.returncode, last["action"], last["nodes"], last["troubled"]) == (0, "fleet.end", 2, 0)


def test_it_ends_by_itself_where_it_was_told_for_how_long(allocator: Allocator, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("node-1\tfirst\n")
    _, said = _start("--server", allocator.url, "--tokens", str(file), "--for", "0.1").communicate(timeout=240)

    assert json.loads(said.splitlines()[-1])["action"] == "fleet.end"


def test_a_fleet_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    process = _start("--tokens", str(tmp_path / "none"))
    _, said = process.communicate(timeout=240)

    assert (process.returncode, said.count("\n")) == (2, 1)
    assert "the tokens cannot be read" in said


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agents.fleet", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
