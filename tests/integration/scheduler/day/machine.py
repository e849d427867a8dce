"""What a day is made of: two replicas that take turns, agents that report, time that passes, crashes; and who watches."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import event as listening

from dure import wire
from dure.errors import DureError
from scheduler import policies
from scheduler.core.model import State
from scheduler.service import Service
from scheduler.store import policies as versions
from scheduler.store.books import Books
from tests import databases
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.day.capacity import Capacity
from tests.integration.scheduler.day.limits import Budgets, Quotas, WalkIns
from tests.integration.scheduler.day.promises import Notices, Promises, States
from tests.integration.scheduler.day.seen import POOL, Eyes, Seen
from tests.servers import Server

NODES = ("n1", "n2")
DAY_S = 86_400

PICK = st.integers(0, 99)
"""Which of those that there are by then."""

CRASH = st.sampled_from([None] * 12 + [0, 3, 9, 18])
"""At which statement the process dies, if it does."""


class Crash(Exception):
    """The process died at this statement."""


@contextmanager
def crash_at(world: World, statement: int) -> Iterator[None]:
    """At so many statements from now the process dies, as far as the database can tell."""
    left = [statement]

    def die(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    engine = world.db._engine  # pyright: ignore[reportPrivateUsage]
    listening.listen(engine, "before_cursor_execute", die)
    try:
        yield
    finally:
        listening.remove(engine, "before_cursor_execute", die)


class Day(RuleBasedStateMachine):
    """What rules do is in the classes made of this one. After every step all that has to hold is looked at."""

    server: ClassVar[Server]

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        url = self._open.enter_context(self.server.database())
        self.world = World(self._open.enter_context(databases.opened(url)))
        self.world.found(
            walk_in_ppm=500_000, walk_in_within_s=60, extension_closes_s=10, loss_grace_s=30, spot_least_s=60
        )
        self.now = T0
        self.services = [self.world.service, Service(Books())]
        self.companies = ["acme", "globex"]
        self.asked: list[wire.Lease] = []
        self.health: dict[str, tuple[int, str]] = dict.fromkeys(NODES, (8, "ok"))
        self.boots: dict[str, int] = dict.fromkeys(NODES, 0)
        """How many GPUs each node shows, and how they are."""
        self.silent: set[str] = set()
        self.used: set[str] = set()
        """The leases on which something computes."""
        self.drained: set[str] = set()
        self.eyes, self.states = Eyes(), States()
        self.watches = (self.states, Promises(), Notices(), Quotas(), Budgets(), WalkIns(), Capacity())

    def teardown(self) -> None:
        self._open.close()

    @invariant()
    def all_holds(self) -> None:
        with self.world.db.begin() as session:
            seen = self.eyes.look(session, self.world.service, self.now)
        self._count(seen)
        for watch in self.watches:
            watch.check(seen)

    def who(self, pick: int) -> str:
        return self.companies[pick % len(self.companies)]

    def lease(self, pick: int, *states: State) -> wire.Lease | None:
        """One of those that were in these states a step ago, if there are any; now and then any of the newest."""
        fit = [lease for lease in self.asked if self.states.states.get(lease.id) in states]
        found = fit if fit and pick % 5 else self.asked[-8:]
        return found[pick % len(found)] if found else None

    def do(self, what: str, work: Callable[[], object], crash: int | None = None) -> bool:
        """By the other replica than before; a refusal is an answer too. Whether it was done."""
        self.services.reverse()
        self.world.service = self.services[0]
        try:
            if crash is None:
                work()
            else:
                with crash_at(self.world, crash):
                    work()
        except DureError as error:
            event(f"{what}: {error.code}")
            return False
        except Crash:
            event(f"{what}: crash")
            return False
        event(f"{what}: done")
        return True

    def _count(self, seen: Seen) -> None:
        """For hypothesis' statistics."""
        for one in seen.events:
            event(f"= {one.event} {one.cause or ''}")
        for one in seen.entries:
            event(f"= ledger {one.kind} {one.cause}")

    def pass_time(self, seconds: int, crash: int | None = None) -> None:
        """The loop takes its turn, and agents report what they see."""
        self.now += seconds
        if crash is not None:
            self.do("turn", lambda: self.world.turn(self.now), crash)
        self.world.turn(self.now)
        self.agents_report()

    def agents_report(self) -> None:
        """Every node that is not silent shows the GPUs empty that it was told were given back, and what ran on the others."""
        for node in sorted(set(NODES) - self.silent):
            told = self.report(node).allocations
            if told:
                ended = [one.allocation for one in told if one.ended]
                usage = [self._usage(one) for one in told if not one.ended]
                self.report(node, knew_ended=ended, usage=usage)

    def report(self, node: str, **more: Any) -> wire.ReportAnswer:
        """How its GPUs are, and which start of the machine it is."""
        gpus, health = self.health[node]
        boot = f"machine-{self.boots[node]}"
        return self.world.report(node, now=self.now, gpus=gpus, health=health, host_boot=boot, **more)

    def _usage(self, one: wire.NodeAllocation) -> wire.AllocationUsage:
        midnight = datetime.fromtimestamp(self.now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        seen_ms = max(0, int((self.now - max(midnight, one.starts_at).timestamp()) * 1000))
        busy_ms = seen_ms if one.lease in self.used else 0
        return wire.AllocationUsage(
            allocation=one.allocation, day_began_at=midnight, sampled_ms=seen_ms, busy_ms=busy_ms
        )

    def change_policy(self, crash: int | None = None, **said: object) -> bool:
        """A version of the policy with these in the pool."""

        def work() -> None:
            with self.world.db.begin() as session:
                live = versions.live(session)
                pool = live.pools[POOL].model_copy(update=said)
                body = wire.PolicyPut(version=live.version, programme=live.programme, pools={POOL: pool})
                policies.put(self.world.service, session, body, actor=ADMIN, now=self.now)

        return self.do("policy", work, crash)


def wire_time(at: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=at)
