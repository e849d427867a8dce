"""Whatever is lost and found again, each lease is refunded the seconds that it was without its GPUs: once each, and no other."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select, text

from dure import wire
from dure.errors import DureError
from scheduler.core import model
from scheduler.core.charge import Charge, charge, within
from scheduler.core.model import Instant
from scheduler.store import fleet, leases, lost_gpus, reports, summaries, sums, uses
from scheduler.store.summaries import Wanted
from scheduler.store.tables import Allocation, AllocationLoss, Lease
from scheduler.store.times import to_wire
from tests import databases
from tests.effort import examples
from tests.integration.scheduler.conftest import ADMIN, PRODUCT, T0, World
from tests.integration.scheduler.test_policy_versions import put, wanted
from tests.servers import Server

BEGIN = T0 - 60
"""T0 is a midnight in Los Angeles."""

WHATS = (
    *(
        "total",
        "gang",
        "spot",
        "sick",
        "sick",
        "gone",
        "well",
        "silent",
        "silent",
        "restart",
        "restart",
        "unsaid",
        "move",
    ),
    *("release", "shrink", "resize", "extend", "budget", "turn"),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(WHATS), st.integers(0, 15), st.sampled_from([0, 0.3, 0.6, 1, 2.5, 9, 25])),
    min_size=8,
    max_size=16,
)
SETTINGS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
)
"""A failure is not made smaller, which would take an hour."""


WRONG_ROWS = text(
    """
    SELECT x.* FROM allocation_loss x JOIN allocation a ON a.id = x.allocation
    WHERE x.since < a.opened_at OR coalesce(x.until, 'infinity') > coalesce(a.ended_at, 'infinity') OR EXISTS (
        SELECT FROM allocation_loss y WHERE y.allocation = x.allocation AND y.since <> x.since
        AND tstzrange(y.since, y.until) && tstzrange(x.since, x.until))
    """
)
"""Seconds of a GPU that are lost twice, or in which it was not held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A report of a node, or that it is silent; the GPUs that it has and are sound, and what it said of its machine."""

    at: float
    sound: frozenset[str] = frozenset()
    host_boot: str | None = None
    silent: bool = False


@dataclass
class Node:
    """A machine, as it is; the log of what was heard of it."""

    name: str
    gpus: list[str]
    sick: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    boots: int = 1
    says_boot: bool = True
    log: list[Heard] = field(default_factory=list)

    def has(self) -> list[str]:
        return [gpu for gpu in self.gpus if gpu not in self.gone]


@dataclass
class Play:
    """A world with what is true of it, and what each allocation lost by what was known when it was over."""

    world: World
    nodes: dict[str, Node]
    now: float = BEGIN
    asked: list[wire.Lease] = field(default_factory=list)
    lost: dict[str, frozenset[int]] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    """How much had been heard of its node when it was not held any more."""
    settled: set[str] = field(default_factory=set)
    seq: int = 0

    def report(self, node: Node) -> None:
        self.seq += 1
        readings = [
            wire.GpuReading.model_validate(
                {
                    "uuid": gpu,
                    "index": index,
                    "product": PRODUCT,
                    "health": "unhealthy" if gpu in node.sick else "ok",
                    "memory_used_bytes": 0,
                    "processes": 0,
                }
            )
            for index, gpu in enumerate(node.has())
        ]
        boot = f"{node.name}-{node.boots}" if node.says_boot else None
        body = {"boot": "boot1", "host_boot": boot, "sent_at": self.now, "interval_s": 2, "agent_version": "1"}
        sound = frozenset(gpu for gpu in node.has() if gpu not in node.sick)
        for _ in range(2):
            # The second one proves empty what the first was told is over.
            with self.world.db.begin() as session:
                live = select(Allocation.id).where(col(Allocation.ended_at).is_not(None))
                told = list(session.exec(live))
                report = wire.Report(seq=self.seq, gpus=readings, knew_ended=told, **body)
                reports.take(session, node.name, report, now=self.now)
        node.log.append(Heard(at=self.now, sound=sound, host_boot=boot))

    def silence(self, node: Node) -> None:
        if node.log[-1].silent:
            return
        with self.world.db.begin() as session:
            fleet.set_silent(session, node.name, now=self.now)
        node.log.append(Heard(at=self.now, silent=True))

    def step(self, what: str, which: int) -> None:
        running = [lease for lease in self.asked if self.world.lease(lease).state == "active"]
        match what:
            case "total" | "gang" | "spot":
                self.ask(what, which)
            case "budget":
                self.budget(which)
            case "turn":
                self.world.turn(self.now)
            case "release" | "shrink" | "resize" | "extend":
                with suppress(DureError):
                    for lease in running[which % len(running) :][:1] if running else ():
                        self.change(lease, what, which)
            case _:
                self.happen(what, which, self.nodes["n1" if which % 2 else "n2"])

    def happen(self, what: str, which: int, node: Node) -> None:
        """Something happens to a machine, or to a GPU of it; it goes on until the same happens again or it is well."""
        gpu = node.gpus[which % len(node.gpus)]
        match what:
            case "silent":
                for one in self.nodes.values() if which > 12 else [node]:
                    self.silence(one)
                return
            case "move":
                self.move(node, gpu)
                return
            case "sick" | "gone":
                found = set(node.gpus) if which > 12 else {gpu}
                (node.sick if what == "sick" else node.gone).symmetric_difference_update(found)
            case "restart":
                node.boots += 1
            case "unsaid":
                node.says_boot = not node.says_boot
            case _:
                node.sick.clear()
                node.gone.clear()
        self.report(node)

    def budget(self, which: int) -> None:
        """A term that ends soon, or none."""
        term = {"begins_at": to_wire(BEGIN - 1), "ends_at": to_wire(int(self.now) + 1 + 5 * which)}
        budget = {"gpu_seconds": 100_000, "period": "term", **term}
        with suppress(DureError):
            self.world.set_quota("acme", 16, now=self.now, **({"budget": budget} if which % 4 else {}))

    def ask(self, what: str, which: int) -> None:
        more = {"duration_s": 20 + 10 * which, "who": "acme" if which % 3 else "globex", "now": self.now}
        if what == "spot":
            self.asked.append(self.world.ask(1 + which % 8, tier="spot", **more))
        elif what == "gang":
            shape = {"nodes": 1 + which % 2, "gpus_per_node": 1 + which % 4}
            self.asked.append(self.world.ask(shape=shape, purpose="inference", min=1, **more))
        else:
            self.asked.append(self.world.ask(1 + which % 8, purpose="inference", min=1, max=8, **more))
        self.world.turn(self.now)

    def change(self, lease: wire.Lease, what: str, which: int) -> None:
        if what == "release":
            self.world.release(lease, now=self.now)
        elif what == "extend":
            self.world.extend(lease, now=self.now, by_s=5 * (1 + which))
        else:
            size = {"nodes": 1 + which % 2} if lease.shape.nodes else {"gpus": 1 + which % 8}
            (self.world.shrink if what == "shrink" else self.world.resize)(lease, now=self.now, **size)

    def move(self, node: Node, gpu: str) -> None:
        """It is taken out of one machine and put into the other."""
        other = self.nodes["n2" if node.name == "n1" else "n1"]
        if len(node.gpus) == 1:
            return
        node.gpus.remove(gpu)
        self.report(node)
        other.gpus.append(gpu)
        self.report(other)

    def look(self, *, fair: bool) -> None:
        """Everything adds up; what is over now was refunded what it lost, by what is known now."""
        with self.world.db.snapshot() as session:
            assert sums.verify(session, company=None, pool=None, actor=ADMIN).faults == []
            assert session.connection().execute(WRONG_ROWS).all() == []
            for allocation in session.exec(select(Allocation).where(col(Allocation.ended_at).is_not(None))):
                if allocation.lease not in self.settled:
                    self.known.setdefault(allocation.id, len(self.nodes[allocation.node].log))
                    self.lost[allocation.id] = frozenset(self.lost_by_now(allocation))
            rows = session.exec(select(Lease).where(col(Lease.state) == "ended")).all()
            over = {row.id: lease for row, lease in leases.with_core(session, rows)}
            lost = lost_gpus.stretches(session, list(over))
            charged = {one: charge(lease, lost=lost.get(one, ())) for one, lease in over.items()}
            self.check_reports(session, charged)
            for one in over.keys() - self.settled if fair else ():
                assert charged[one].lost == self.fair(session, over[one]), one
            self.settled |= over.keys()

    def check_reports(self, session: Session, charged: Mapping[str, Charge]) -> None:
        """They say of what is over what was settled, and of everything what counts for shares."""
        wanted_ = Wanted(by=("day", "lease"), since=date(2027, 1, 1), until=date(2027, 2, 1))
        found = summaries.report(session, wanted_, actor=ADMIN, now=self.now, after=None, limit=1000)
        leased, lost = Counter[str](), Counter[str]()
        for row in found.rows:
            leased[str(row.lease)] += row.leased_gpu_seconds
            lost[str(row.lease)] += row.lost_gpu_seconds
        assert {one: (leased[one], lost[one]) for one in charged} == {
            one: (parts.delivered, parts.late + parts.lost) for one, parts in charged.items()
        }
        used = uses.used(session, "h100", Instant(BEGIN - 100), Instant(int(self.now)))
        presumed = col(AllocationLoss.until).is_(None), col(AllocationLoss.wrong) == "node_unknown"
        if session.exec(select(AllocationLoss).where(*presumed)).first() is None:
            assert sum(used.values()) == leased.total()
        else:
            assert sum(used.values()) >= leased.total()

    def fair(self, session: Session, lease: model.Lease) -> int:
        """The GPU-seconds that it was without, second by second."""
        if lease.started_at is None:
            return 0
        held = session.exec(select(Allocation.id).where(col(Allocation.lease) == lease.id)).all()
        without = Counter(second for one in held for second in self.lost[one])
        gang = isinstance(lease.shape, model.Gang)
        ran = range(max(lease.starts_at or 0, lease.started_at), lease.stops_at or 0)
        return sum(within(lease, at, at + 1) if gang else without[at] for at in ran if without[at])

    def lost_by_now(self, allocation: Allocation) -> Iterator[int]:
        """The seconds in which it was lost, by all that was heard of its node until now."""
        machine, log = None, self.nodes[allocation.node].log
        heard = [index for index, one in enumerate(log) if not one.silent]
        for index, later in zip(heard, [*heard[1:], len(log)], strict=True):
            before, after = log[index], log[later] if later < len(log) else None
            machine = before.host_boot or machine
            until = allocation.ended_at or 0
            if after is not None:
                until = min(until, math.ceil(after.at))
            sound_later = after is not None and allocation.gpu in after.sound
            restarted = after is not None and None not in (machine, after.host_boot) and machine != after.host_boot
            known = self.known[allocation.id]
            silent = any(one.silent for one in log[index + 1 : min(later, known)])
            if allocation.gpu not in before.sound:
                yield from range(max(allocation.opened_at, math.ceil(before.at)), until)
            elif (restarted and (silent or later < known)) or (silent and not sound_later):
                yield from range(max(allocation.opened_at, math.floor(before.at)), until)


def play(server: Server, steps: Iterable[tuple[str, int, float]], *, back: bool = False) -> None:
    with server.database() as url, databases.opened(url) as db:
        world = World(db).found(gpus=4, at=BEGIN)
        put(world, wanted(world, zone="America/Los_Angeles"), now=BEGIN, why="it is there")
        nodes = {name: Node(name, [f"GPU-{name}-{index}" for index in range(4)]) for name in ("n1", "n2")}
        playing = Play(world, nodes, now=BEGIN + 1, seq=10)
        for node in nodes.values():
            playing.report(node)
        playing.ask("total", 7)
        for what, which, seconds in steps:
            playing.step(what, which)
            playing.look(fair=not back)
            playing.now = round(playing.now + (-seconds if back and which % 5 == 0 else seconds), 1)
            if which % 4 == 0:
                world.turn(playing.now)
                playing.look(fair=not back)
        for _ in range(3):
            playing.now += 200
            for _ in range(2):
                world.turn(playing.now)
                playing.look(fair=not back)


@pytest.mark.timeout(600)
@settings(SETTINGS, max_examples=examples(5))
@given(steps=STEPS)
def test_each_second_without_gpus_is_refunded_once(embedded: Server, steps: list[tuple[str, int, float]]) -> None:
    play(embedded, steps)


@pytest.mark.timeout(600)
@settings(SETTINGS, max_examples=examples(2))
@given(steps=STEPS)
def test_clocks_that_are_put_back_refuse_no_report(embedded: Server, steps: list[tuple[str, int, float]]) -> None:
    play(embedded, steps, back=True)
