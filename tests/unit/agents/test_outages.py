"""Whatever is lost under way and whoever is restarted: in the end the allocator has what the agents saw, once."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.events import Event
from agents.reporting import wire
from agents.reporting.report import Identity, Reporter
from agents.reporting.uplink import PATIENCE, NotTaken, Taken
from agents.reporting.wire import Parcel
from agents.sampler import Sampler
from agents.spool.spool import Spool
from agents.totals import Use
from dure.wire import Report
from tests.unit.agents.allocator import NUMBERS, Books, Reply
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu, an_allocation


class Line:
    """Between an agent and an allocator. It loses what it is told to: `request` and `answer` in turn, one word a report."""

    def __init__(self, books: Books, clock: Hand) -> None:
        self.books = books
        self.clock = clock
        self.loses: list[str] = []
        self.is_cut = False
        self.reports: list[Report] = []

    def send(self, parcel: Parcel, *, patience: object = PATIENCE) -> Taken | NotTaken:
        lost = "request" if self.is_cut else self.loses.pop(0) if self.loses else "nothing"
        if lost == "request":
            return NotTaken(outcome="unreachable", why="nobody there")
        plain = gzip.decompress(parcel.content) if parcel.is_packed else parcel.content
        report = Report.model_validate_json(plain)
        self.reports.append(report)
        reply: Reply = self.books.take(report)
        if lost == "answer":
            return NotTaken(outcome="unreachable", why="the answer got lost")
        if reply.status != 200:
            return NotTaken(outcome="busy", why="stale", code="stale_report")
        answer = wire.answer(json.dumps(reply.body).encode())
        assert answer is not None
        return Taken(answer=answer, at=self.clock.at, round_trip_s=0.01)


class Node:
    """A node over time: agents that follow each other, its GPUs, and what they really saw."""

    def __init__(self, folder: Path, *, gpus: int = 2) -> None:
        self.folder = folder
        self.clock = Hand()
        self.books = Books(self.clock.server_time)
        self.books.allocations = [
            an_allocation(f"all_{index}", gpu=f"GPU-{index}", starts=0, stops=1e6) for index in range(gpus)
        ]
        self.line = Line(self.books, self.clock)
        self.saw: dict[tuple[str, str, int], Use] = {}
        self.events = 0
        self.boots = 0
        self.energy = 0
        self.gpus = gpus
        self.start()

    def start(self) -> None:
        self.boots += 1
        boot = f"boot_{self.boots}"
        self.driver = ScriptedDriver([])
        monotonic, now = self.clock.monotonic, self.clock.wall
        self.sampler = Sampler(self.driver, sample_s=1, monotonic=monotonic, now=now)
        totals = self.sampler.totals.usage
        self.spool = Spool(self.folder, boot=boot, totals=totals, mib=1, monotonic=monotonic, now=now)
        self.reporter = Reporter(
            self.sampler,
            self.line,  # pyright: ignore[reportArgumentType]
            identity=Identity(boot=boot, agent_version="1"),
            interval_s=10,
            untold=self.spool.untold,
            monotonic=monotonic,
            now=now,
            chance=random.Random(self.boots),
        )
        self.boot = boot

    def second(self) -> None:
        """A second of all threads' work."""
        self.clock.advance(1)
        self.energy += 700
        load = self.energy // 700 % 101
        self.driver.says(
            [
                a_gpu(f"GPU-{index}", index=index, utilization_percent=load, energy_millijoules=self.energy)
                for index in range(self.gpus)
            ]
        )
        self.sampler.step()
        for use in self.sampler.totals.usage():
            self.saw[use.allocation, self.boot, use.day] = use
        self.spool.step()
        self.reporter.step()
        self.spool.step()

    def happens(self) -> None:
        self.events += 1
        self.spool.record(Event(kind="xid", at=self.clock.wall(), gpu="GPU-0", detail={"number": self.events}))
        self.spool.step()

    def kill(self) -> None:
        self.spool._give_up_disk()
        if self.spool._claim is not None:
            os.close(self.spool._claim)
            self.spool._claim = None

    def settle(self) -> None:
        """Long enough for all to be told."""
        self.line.loses, self.line.is_cut = [], False
        for _ in range(150):
            self.second()

    def seen(self) -> dict[tuple[str, str, int], dict[str, int]]:
        told = {key: {name: getattr(use, name) for name in NUMBERS} for key, use in self.saw.items()}
        return {key: {name: value for name, value in uses.items() if value is not None} for key, uses in told.items()}


def _is_told(node: Node) -> None:
    # The last report is a few seconds old: what came since is what the agent calls untold.
    assert node.reporter.untold() == [] or node.clock.at - (node.reporter.last_ok_at or 0) < 12
    for key, numbers in node.seen().items():
        if key[1] != node.boot:
            assert node.books.uses[key] == numbers
    numbers = [event.detail["number"] for event in node.books.events]
    assert numbers == list(range(1, node.events + 1))


def test_an_hour_without_the_allocator_loses_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path / "state")
    for _ in range(30):
        node.second()
    node.line.is_cut = True
    for at in range(3600):
        node.second()
        if at % 100 == 0:
            node.happens()
        if at in (1000, 2500):
            node.kill()
            node.start()
    node.settle()
    _is_told(node)
    node.kill()


def test_nothing_is_left_to_tell_once_an_agent_has_ended_well(tmp_path: Path) -> None:
    node = Node(tmp_path / "state")
    for _ in range(30):
        node.second()
    node.reporter._due = 0
    node.reporter.step()
    node.spool.close(node.reporter.untold())
    node.start()

    assert node.spool.untold.earlier(100) == {}
    assert node.books.uses == node.seen()
    node.kill()


def test_a_fleet_that_comes_back_tells_no_more_at_a_time_than_it_may(tmp_path: Path) -> None:
    node = Node(tmp_path / "state")
    node.books.replay = 20
    node.line.is_cut = True
    for _ in range(100):
        node.happens()
    node.line.is_cut = False
    for _ in range(120):
        node.second()

    assert [len(report.events) for report in node.line.reports][:7] == [8, 20, 20, 20, 20, 12, 0]
    assert [event.detail["number"] for event in node.books.events] == list(range(1, 101))
    node.kill()


@given(
    script=st.lists(
        st.one_of(
            st.tuples(st.just("seconds"), st.integers(1, 40)),
            st.tuples(st.just("event"), st.just(0)),
            st.tuples(st.just("kill"), st.just(0)),
            st.tuples(st.just("allocator restarts"), st.just(0)),
            st.tuples(st.just("cut"), st.just(0)),
            st.tuples(st.just("mended"), st.just(0)),
            st.tuples(st.just("lease ends"), st.integers(0, 1)),
            st.tuples(st.sampled_from(["request", "answer"]), st.integers(1, 3)),
        ),
        max_size=25,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_lost_and_whoever_is_restarted_the_allocators_sums_are_the_agents(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, int]]
) -> None:
    node = Node(tmp_path_factory.mktemp("any") / "state")
    for what, much in script:
        if what == "seconds":
            for _ in range(much):
                node.second()
        elif what == "event":
            node.happens()
        elif what == "kill":
            node.kill()
            node.start()
        elif what == "allocator restarts":
            node.books.restart()
        elif what in ("cut", "mended"):
            node.line.is_cut = what == "cut"
        elif what == "lease ends":
            ended = f"all_{much}"
            node.books.allocations = [item for item in node.books.allocations if item.allocation != ended]
        else:
            node.line.loses += [what] * much
    node.settle()
    node.kill()
    node.start()
    node.settle()
    _is_told(node)
    node.kill()
